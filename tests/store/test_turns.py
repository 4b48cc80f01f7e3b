"""Who waits longest comes next."""

import threading
import time

from pipeline.store.turns import Turns


def test_everybody_gets_their_turn_in_the_order_of_coming() -> None:
    turns, came = Turns(), []

    def take(number: int) -> None:
        with turns:
            came.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            end = time.monotonic() + 60
            while len(turns._waiting) <= number and time.monotonic() < end:
                time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    assert came == list(range(8))
    with turns:
        assert not turns._waiting
