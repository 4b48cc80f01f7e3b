"""The exact limits over any 60 seconds, on a clock that the test sets."""

import random
from collections.abc import Callable, Iterator

import openai
import pytest

from pipeline.fake_api.windows import WINDOW_S, Windows
from tests.fake_api.drawing import picture
from tests.fake_api.running import RunningFake, quick_options, running_fake


class Clock:
    """Shows what a test sets."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[RunningFake]:
    with running_fake(quick_options(), clock=clock) as running:
        yield running


def refused_for_s(ask: Callable[[], object]) -> float:
    """What the 429 to this request asks to wait."""
    with pytest.raises(openai.RateLimitError) as caught:
        ask()
    assert caught.value.code == "rate_limit_exceeded"
    return float(caught.value.response.headers["retry-after"])


def test_who_waits_as_long_as_told_comes_in_and_nobody_before(fake: RunningFake, clock: Clock) -> None:
    """Two of three requests fit at 1000.0 and 1010.5; there is room again at 1060.0, and then at 1070.5."""
    fake.set(requests_per_minute=2)
    fake.edit()
    clock.moment = 1010.5
    fake.edit()
    clock.moment = 1012.25
    assert refused_for_s(fake.edit) == 47.75
    clock.moment = 1059.5
    assert refused_for_s(fake.edit) == 0.5
    clock.moment = 1060.0
    fake.edit()
    assert refused_for_s(fake.edit) == 10.5
    assert fake.ledger()["billed"] == 3
    assert fake.ledger()["counts"] == {"rate_limited": 3}


def test_the_headers_tell_what_is_left(fake: RunningFake, clock: Clock) -> None:
    """Of 5 pictures, 2 are taken at 1030, 1 at 1040 and 1 at 1090, when the first two are 60 s old and gone."""
    fake.set(images_per_minute=5)
    left = []
    with fake.client() as client:
        for moment, n in ((1030.0, 2), (1040.0, 1), (1090.0, 1)):
            clock.moment = moment
            source = ("red.png", picture(), "image/png")
            raw = client.images.with_raw_response.edit(image=source, prompt="make it warmer", n=n)
            assert raw.headers["x-ratelimit-limit-images"] == "5"
            assert raw.headers["x-ratelimit-reset-images"] == "60s", "the whole is free 60 s after the last one"
            left.append(raw.headers["x-ratelimit-remaining-images"])
    assert left == ["3", "2", "3"]


@pytest.mark.parametrize("word", ["refuse", "refuse-output", "429", "500", "overloaded"])
def test_what_ends_in_an_error_uses_nothing_up(fake: RunningFake, word: str) -> None:
    fake.set(requests_per_minute=1)
    for _ in range(3):
        with pytest.raises(openai.APIStatusError):
            fake.edit(f"fake:{word}")
    fake.edit()
    assert refused_for_s(fake.edit) == 60


def test_a_dropped_request_uses_the_limit_up(fake: RunningFake) -> None:
    fake.set(requests_per_minute=1)
    with pytest.raises(openai.APIConnectionError):
        fake.edit("fake:drop")
    assert refused_for_s(fake.edit) == 60


def test_pictures_are_limited_by_their_number_and_nothing_is_taken_in_part(fake: RunningFake) -> None:
    """After 3 of 4 a request for 2 is refused, and 1 still fits."""
    fake.set(images_per_minute=4, requests_per_minute=2)
    fake.edit(n=3)
    assert refused_for_s(lambda: fake.edit(n=2)) == 60
    fake.edit(n=1)


def test_tokens_are_limited_by_what_the_answer_is_billed_for(fake: RunningFake) -> None:
    usage = fake.edit().usage
    assert usage is not None
    fake.set(tokens_per_minute=2 * usage.total_tokens)
    fake.edit()
    fake.edit()
    assert refused_for_s(fake.edit) == 60


def test_each_key_has_its_own_limit(fake: RunningFake) -> None:
    fake.set(requests_per_minute=1)
    fake.edit(key="sk-one")
    fake.edit(key="sk-two")
    assert refused_for_s(lambda: fake.edit(key="sk-one")) == 60


def test_a_429_by_lot_asks_for_the_pause_that_was_set(fake: RunningFake) -> None:
    fake.set(rate_limited=1, retry_after_s=1.25)
    assert refused_for_s(fake.edit) == 1.25


@pytest.mark.parametrize("seed", range(5))
def test_no_sixty_seconds_ever_hold_more_than_the_limit(seed: int) -> None:
    """Amounts of 1 to 4 against 10, at moments in eighths of a second; a wait that is told is the shortest one."""
    draw, clock = random.Random(seed), Clock()
    windows, taken = Windows(clock), list[tuple[float, int]]()
    for _ in range(1500):
        clock.moment += draw.randrange(40) / 8
        amount = draw.randint(1, 4)
        held = sum(part for at, part in taken if at > clock.moment - WINDOW_S)
        wait_s, _ = windows.take("sk-test", {"images": (amount, 10)})
        assert (wait_s > 0) == (held + amount > 10)
        if not wait_s:
            taken.append((clock.moment, amount))
            continue
        later = [
            sum(part for at, part in taken if at > clock.moment + more - WINDOW_S) for more in (wait_s, wait_s - 0.125)
        ]
        assert later[0] + amount <= 10 < later[1] + amount
    assert len(taken) > 100
