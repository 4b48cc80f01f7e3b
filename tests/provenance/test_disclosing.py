"""Whether others are to be told is a person's decision, recorded with who, when and why, and it can be erased."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import audit
from pipeline.desk import Desk
from pipeline.erasure import erase_named
from pipeline.errors import Forbidden, NotFound, UsageError
from pipeline.people import Person, local_person
from pipeline.provenance.disclosing import decided, disclose, disclose_batch
from pipeline.provenance.disclosure import DisclosureClass
from pipeline.states import Role
from pipeline.store import reading
from tests.commands import run_command
from tests.desks import BATCH, build_desk

ADA = local_person("ada")
REVIEWER = Person("rob@example.com", Role.REVIEWER)
HAT, SOCK = 1, 5
LABEL, MACHINE = DisclosureClass.VISIBLE_LABEL, DisclosureClass.MACHINE_MARK


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


def test_a_decision_is_an_event_in_the_chain(desk: Desk) -> None:
    assert decided(desk, SOCK) is None
    disclose_batch(desk, BATCH, MACHINE, "  new backgrounds  ", by=ADA)
    disclose(desk, SOCK, LABEL, "a person was added", by=ADA)
    of_batch, own = decided(desk, HAT), decided(desk, SOCK)
    assert of_batch is not None
    assert own is not None
    assert (of_batch.kind, of_batch.why, of_batch.is_of_batch) == (MACHINE, "new backgrounds", True)
    assert (own.kind, own.why, own.decided_by, own.is_of_batch) == (LABEL, "a person was added", "ada", False)
    assert [event.kind for event in reading.latest_events(desk.db, limit=2)] == ["disclosure.decided"] * 2
    assert audit.verify(desk).is_whole


def test_nobody_else_decides_and_never_without_a_reason(desk: Desk) -> None:
    before = reading.latest_events(desk.db, limit=1)
    with pytest.raises(Forbidden, match="may not decide on disclosure"):
        disclose(desk, SOCK, LABEL, "why", by=REVIEWER)
    with pytest.raises(Forbidden):
        disclose_batch(desk, BATCH, LABEL, "why", by=REVIEWER)
    for why in ("", "  ", "x" * 501):
        with pytest.raises(UsageError, match="expected 1 to 500"):
            disclose(desk, SOCK, LABEL, why, by=ADA)
    with pytest.raises(NotFound):
        disclose_batch(desk, "winter", LABEL, "why", by=ADA)
    assert reading.latest_events(desk.db, limit=1) == before


def test_an_erased_assets_reason_is_gone_and_the_decision_stays_in_the_history(desk: Desk) -> None:
    disclose(desk, SOCK, LABEL, "Jane Doe is in it", by=ADA)
    erase_named(desk, "sock", batch=None, by=ADA)
    found = decided(desk, SOCK)
    assert found is not None
    assert (found.kind, found.why) == (LABEL, "")
    assert audit.verify(desk).is_whole


def test_the_command_records_it(desk: Desk) -> None:
    of = ("--desk", str(desk.root), "provenance", "disclose")
    told = run_command(*of, "visible-label", "--edit", "1", "--edit", "5", "--reason", "a face", "--actor", "eve")
    assert (told.exit_code, told.stdout.splitlines()) == (
        0,
        ["visible-label is recorded for edit 1.", "visible-label is recorded for edit 5."],
    )
    assert run_command(*of, "none", "--batch", BATCH, "--reason", "colours only").exit_code == 0
    found = decided(desk, HAT)
    assert found is not None
    assert (found.kind, found.decided_by) == (LABEL, "eve")
    assert run_command(*of, "none", "--reason", "x").exit_code == 2
    assert run_command(*of, "none", "--reason", "x", "--edit", "1", "--batch", BATCH).exit_code == 2
