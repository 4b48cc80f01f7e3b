"""A worker that is killed again and again: every ticket has one answer in the end, and no photograph twice."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline import review
from pipeline.errors import PicturedeskError
from pipeline.states import EditState, TicketState
from pipeline.store import reading
from pipeline.store import tickets as store
from pipeline.store.reading import EditFilter
from tests import processes
from tests.desks import drawn_picture
from tests.fake_help_desks import FakeZendesk
from tests.soak_report import soak_report
from tests.tickets.conftest import ADA, BOX_FIELD, TicketDesk

WAIT_S = 600


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [25])
def test_a_killed_worker_answers_no_ticket_twice(tmp_path: Path, zendesk: FakeZendesk, kills: int) -> None:
    tickets, draw = 60, random.Random(7)
    zendesk.delay_s = 0.2
    support = TicketDesk(tmp_path / "desk", zendesk, "zendesk", provider="local", parameters_from={"box": BOX_FIELD})
    _write_settings(support, zendesk)
    for number in range(1, tickets + 1):
        zendesk.add_ticket(number, drawn_picture("navy"), f360001="10,10,90,90")
        support.tell(zendesk.message(number, invocation=str(number)))
    killed, end = 0, time.monotonic() + WAIT_S
    while _answered(support) < tickets:
        assert time.monotonic() < end, [each.error for each in store.listed(support.desk.db)][:5]
        worker = processes.start("pipeline.cli", "--desk", str(support.desk.root), "worker")
        lives_s = draw.uniform(0.5, 2.5) if killed < kills else WAIT_S
        until = time.monotonic() + lives_s
        while time.monotonic() < until and _answered(support) < tickets:
            _accept_all(support)
            time.sleep(0.05)
        worker.kill()
        worker.join()
        killed += 1
    replies = {
        number: [each for each in comments if "PD-" in each["body"]] for number, comments in zendesk.comments.items()
    }
    counts = Counter(len(found) for found in replies.values())
    asked = Counter(each.partition(" ")[0] for each in zendesk.asked)
    soak_report("a tickets' worker killed", tickets=tickets, kills=killed, updates=asked["PUT"], answers=dict(counts))
    assert counts == {1: tickets}
    assert all(len(found[0]["attachments"]) == 1 for found in replies.values())
    assert len({edit.asset.id for edit in support.edits()}) == tickets
    support.close()


def _write_settings(support: TicketDesk, zendesk: FakeZendesk) -> None:
    import tomli_w

    table = support.desk.settings.tickets["support"].model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    settings = {"detectors": [], "workers": 1, "allow_private_sources": True, "tickets": {"support": table}}
    (support.desk.root / "picturedesk.toml").write_text(tomli_w.dumps(settings))


def _answered(support: TicketDesk) -> int:
    return len(store.listed(support.desk.db, states=(TicketState.ANSWERED,), limit=10_000))


def _accept_all(support: TicketDesk) -> None:
    waiting = EditFilter(states=frozenset({EditState.IN_REVIEW}))
    for edit_id in reading.edit_ids(support.desk.db, waiting, limit=20):
        try:
            review.accept(support.desk, edit_id, by=ADA)
        except PicturedeskError:  # it has moved on
            continue
