"""A desk with help desks, the worker's part, and a person who decides."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline import providers, review
from pipeline.people import local_person
from pipeline.records import EditRecord
from pipeline.runner import Runner
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store import tickets as store
from pipeline.store.reading import EditFilter
from pipeline.store.tickets import TicketRecord
from pipeline.tickets.working import TicketWork
from review_app.api import routes
from tests.commands import shared_pool
from tests.desks import new_desk
from tests.fake_help_desks import KEY, SECRET, USER, FakeFreshdesk, FakeHelpDesk, FakeOwnDesk, FakeZendesk, served

ADA = local_person("ada")
BOX_FIELD, NOTE_FIELD, ESCALATED_FIELD = "360001", "360002", "360003"


class TicketDesk:
    """A desk, and its help desk.

    Args:
        folder: Of the desk.
        fake: The help desk.
        kind: Of it.
        options: Of its table, besides.
    """

    def __init__(self, folder: Path, fake: FakeHelpDesk, kind: str, **options: Any) -> None:
        address = f"{fake.url}/answers" if kind == "generic" else fake.url
        table = {"kind": kind, "address": address, "user": USER if kind == "zendesk" else "", "settle_s": 0}
        table |= {"provider": "scripted", "attachment_hosts": ["localhost"], **options}
        self.desk = new_desk(folder, detectors=(), workers=1, allow_private_sources=True, tickets={"support": table})
        self.work = TicketWork(self.desk)
        self.client = TestClient(Starlette(routes=routes(self.desk)))

    def tell(self, message: dict[str, Any], name: str = "support") -> tuple[int, Any]:
        """What the desk answers to a message."""
        answer = self.client.post(f"/tickets/{name}", **message)
        return answer.status_code, answer.json()

    def make(self) -> None:
        """Make what is queued."""
        asyncio.run(Runner(self.desk).run())

    def edits(self, *states: EditState) -> list[EditRecord]:
        return list(reading.each_edit(self.desk.db, EditFilter(states=frozenset(states))))

    def accept(self) -> EditRecord:
        """Accept the one edit that waits; gives it."""
        (edit,) = self.edits(EditState.IN_REVIEW)
        review.accept(self.desk, edit, by=ADA)
        return edit

    def ticket(self) -> TicketRecord:
        """The one ticket."""
        (found,) = store.listed(self.desk.db)
        return found

    def close(self) -> None:
        self.work.close()
        self.desk.close()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment, and a provider that is quick."""
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    for name in ("ZENDESK_API_TOKEN", "FRESHDESK_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("ZENDESK_WEBHOOK_SECRET", "FRESHDESK_WEBHOOK_SECRET", "TICKETS_SECRET"):
        monkeypatch.setenv(name, SECRET)
    for name in ("_IDLE_S", "_LOOK_FOR_REPROMPTS_S"):
        monkeypatch.setattr(f"pipeline.runner.{name}", 0.01)
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())


@pytest.fixture
def zendesk() -> Iterator[FakeZendesk]:
    fake = FakeZendesk()
    with served(fake):
        yield fake


@pytest.fixture
def freshdesk() -> Iterator[FakeFreshdesk]:
    fake = FakeFreshdesk()
    with served(fake):
        yield fake


@pytest.fixture
def own_desk() -> Iterator[FakeOwnDesk]:
    fake = FakeOwnDesk()
    with served(fake):
        yield fake


@pytest.fixture
def support(tmp_path: Path, zendesk: FakeZendesk) -> Iterator[TicketDesk]:
    """With Zendesk: the box comes from a field, and another one is set on approval."""
    opened = TicketDesk(
        tmp_path / "desk",
        zendesk,
        "zendesk",
        parameters_from={"box": BOX_FIELD, "note": NOTE_FIELD},
        comment="Marked by us on {pictures}.",
        on_approval={"fields": {ESCALATED_FIELD: "tier-2", "priority": "high"}, "tags": ["damage-marked"]},
        on_rejection={"comment": "", "tags": ["no-damage"]},
    )
    yield opened
    opened.close()
