"""Many reviewers on one process, over real connections: nothing is decided twice, nothing stays with somebody gone."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from pipeline import audit
from pipeline.desk import Desk
from pipeline.states import Role
from pipeline.store import claims, reading
from pipeline.tables import now
from review_app.api import routes
from tests.many_edits import add_copies
from tests.review_app.calling import decision, ticket

REVIEWERS = 30
HAT = 1


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """The routes on a free port of this machine; gives the address."""
    config = uvicorn.Config(Starlette(routes=routes(desk)), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < end, "the server did not start"
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/api/page"
    finally:
        server.should_exit = True
        thread.join()


class Reviewer:
    """Decides until nothing waits for them.

    Args:
        url: Of the routes.
        desk: Signs the ticket.
        number: Makes the name.
    """

    def __init__(self, url: str, desk: Desk, number: int) -> None:
        headers = {"Authorization": f"Bearer {ticket(desk, Role.REVIEWER, name=f'reviewer-{number}@example.com')}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60)
        self.given: list[int] = []
        self.decided: list[int] = []

    def claim(self, count: int) -> list[dict[str, Any]]:
        answer = self._client.post("/claims", json={"count": count})
        assert answer.status_code == 200, answer.text
        claimed: list[dict[str, Any]] = answer.json()["claims"]
        self.given += [each["edit"]["id"] for each in claimed]
        return claimed

    def decide_all(self) -> None:
        while claimed := self.claim(3):
            for each in claimed:
                answer = self._client.post("/decisions", json=decision(each, "reject", reason="other"))
                assert answer.status_code == 200, answer.text
                self.decided.append(each["edit"]["id"])


def test_thirty_reviewers_at_once_decide_on_everything_once(small_desk: Desk) -> None:
    copies = add_copies(small_desk, HAT, 300)
    with served(small_desk) as url, ThreadPoolExecutor(REVIEWERS) as threads:
        reviewers = [Reviewer(url, small_desk, number) for number in range(REVIEWERS)]
        list(threads.map(Reviewer.decide_all, reviewers))
    given = Counter(edit for reviewer in reviewers for edit in reviewer.given)
    decided = Counter(edit for reviewer in reviewers for edit in reviewer.decided)
    assert set(given.values()) == set(decided.values()) == {1}
    assert set(decided) == {*copies, 1, 2, 3, 4, 6}
    kept = reading.decisions(small_desk.db, decided)
    assert Counter(each.edit_id for each in kept) == decided
    assert sum(1 for reviewer in reviewers if reviewer.decided) > 1
    assert audit.verify(small_desk).is_whole


def test_all_who_decide_on_one_edit_at_once_make_one_decision(small_desk: Desk) -> None:
    """They all saw it before anybody had claimed it; one of them is first, and the others are told."""
    edit = reading.edit(small_desk.db, HAT)
    said = {"edit": HAT, "decision": "accept", "revision": edit.revision, "output": edit.outputs[0].id}
    together = threading.Barrier(REVIEWERS)

    def decide(number: int) -> int:
        headers = {"Authorization": f"Bearer {ticket(small_desk, Role.REVIEWER, name=f'r{number}@example.com')}"}
        with httpx.Client(headers=headers, timeout=60) as client:
            together.wait()
            return client.post(f"{url}/decisions", json={**said, "key": f"key number {number}"}).status_code

    with served(small_desk) as url, ThreadPoolExecutor(REVIEWERS) as threads:
        answers = Counter(threads.map(decide, range(REVIEWERS)))
    assert answers == {200: 1, 409: REVIEWERS - 1}
    assert len(reading.decisions(small_desk.db, [HAT])) == 1


def test_what_a_reviewer_who_vanished_had_goes_to_the_next(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(small_desk) as url:
        gone, stays = Reviewer(url, small_desk, 1), Reviewer(url, small_desk, 2)
        (held, *_) = gone.claim(200)
        assert stays.claim(200) == []
        later = now() + timedelta(minutes=31)
        monkeypatch.setattr(claims, "now", lambda: later)
        stays.decide_all()
        assert sorted(stays.decided) == sorted(gone.given) == [1, 2, 3, 4, 6]
        late = gone._client.post("/decisions", json=decision(held, key="too late by now"))
    assert (late.status_code, late.json()["edit"]["state"]) == (409, "rejected")
    assert Counter(each.edit_id for each in reading.decisions(small_desk.db, [1, 2, 3, 4, 6])).most_common(1)[0][1] == 1
