"""Messages that are not a help desk's, help desks that do not answer, crashes, and pictures that lead elsewhere."""

import asyncio
import json
import platform
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pipeline import review
from pipeline.doctor import _help_desk
from pipeline.erasure import erase_named
from pipeline.errors import HelpDeskFailed, UsageError
from pipeline.states import EditState, TicketState
from pipeline.store import reading
from pipeline.store import tickets as store
from pipeline.tickets import Tools, load_help_desk
from pipeline.tickets.options import HelpDeskOptions
from pipeline.tickets.wire import Wire
from pipeline.tickets.working import TicketWork, check_recipe
from tests.commands import run_command
from tests.desks import drawn_picture
from tests.fake_help_desks import FakeFreshdesk, FakeOwnDesk, FakeZendesk, served
from tests.tickets.conftest import ADA, TicketDesk

PHOTO = drawn_picture("navy")
NOBODY = 4_194_305
"""The number of no process: there are at most 4,194,304 on Linux."""


def reviewed(support: TicketDesk, zendesk: FakeZendesk, number: int = 4711) -> None:
    """A ticket whose picture waits for a person."""
    zendesk.add_ticket(number, PHOTO, f360001="1,1,50,50")
    support.tell(zendesk.message(number, invocation=str(number)))
    support.work.step()
    support.make()


def test_a_message_that_is_not_the_help_desks_is_refused_and_leaves_nothing(
    support: TicketDesk, zendesk: FakeZendesk
) -> None:
    good = zendesk.message(1, invocation="1")
    before = reading.latest_events(support.desk.db, limit=9)
    changed = {**good, "content": good["content"].replace(b"1", b"2")}
    unsigned = {**good, "headers": {"Content-Type": "application/json"}}
    late, early = (
        zendesk.message(1, invocation="1", at=datetime.now(UTC) + timedelta(seconds=seconds)) for seconds in (-301, 360)
    )
    assert [support.tell(each)[0] for each in (changed, unsigned, late, early)] == [401] * 4
    assert support.tell(good, "sales")[0] == 404
    assert support.tell({**good, "content": b"x" * (2**20 + 1)})[0] == 413
    assert store.listed(support.desk.db) == []
    assert reading.latest_events(support.desk.db, limit=9) == before


def test_what_is_not_signed_well_or_says_nothing_is_refused_by_ones_own_desk(
    tmp_path: Path, own_desk: FakeOwnDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = TicketDesk(tmp_path / "own", own_desk, "generic")
    moment = datetime.now(UTC)
    for body in (b"[]", b"{}", b"no", b'{"ticket_id": "../../x"}', b'{"ticket_id": true}'):
        status, said = support.tell({"content": body, "headers": own_desk.signed("m", moment, body)})
        assert (status, said["code"]) == (422, "usage")
    good = b'{"ticket_id": 1}'
    for seconds in (-310, 310):
        headers = own_desk.signed("m", moment + timedelta(seconds=seconds), good)
        assert support.tell({"content": good, "headers": headers})[0] == 401
    for header, value in (("webhook-signature", "v1"), ("webhook-signature", "v1,x"), ("webhook-id", "n")):
        headers = {**own_desk.signed("m", moment, good), header: value}
        assert support.tell({"content": good, "headers": headers})[0] == 401
    assert support.tell({"content": good, "headers": {"X-Picturedesk-Secret": "whsec_x"}})[0] == 401
    assert store.listed(support.desk.db) == []
    monkeypatch.setenv("TICKETS_SECRET", "no base64")
    with pytest.raises(UsageError, match="openssl rand"):
        load_help_desk("own", support.desk.settings.tickets["support"], Tools(1))
    support.close()


def test_every_form_of_a_vendors_message_is_understood(
    support: TicketDesk, zendesk: FakeZendesk, freshdesk: FakeFreshdesk
) -> None:
    event = {"type": "zen:event-type:ticket.created", "detail": {"id": "5158"}, "id": "cbe4028c"}
    assert support.tell(zendesk.signed(json.dumps(event).encode(), invocation="1"))[1]["ticket"] == "5158"
    other = TicketDesk(support.desk.root.parent / "other", freshdesk, "freshdesk")
    own = {**freshdesk.message(1), "json": {"ticket_id": "88", "subject": "Broken"}}
    assert other.tell(own)[1]["ticket"] == "88"
    wrong = {**own, "headers": {"X-Picturedesk-Secret": "another"}}
    assert other.tell(wrong)[0] == 401
    other.close()


def test_a_lost_answer_is_looked_for_before_it_is_sent_again(support: TicketDesk, zendesk: FakeZendesk) -> None:
    reviewed(support, zendesk)
    support.accept()
    zendesk.loses = {"PUT"}
    support.work.step()
    assert support.ticket().error_code == "http_500"
    begun = support.ticket().answer
    assert begun is not None
    assert begun["begun"] is True
    store.retry(support.desk.db, [support.ticket().id], actor="ada")
    again = TicketWork(support.desk)  # another worker, after the first one's end
    again.step()
    again.close()
    assert support.ticket().state is TicketState.ANSWERED
    assert len(zendesk.comments[4711]) == 2
    assert zendesk.tickets[4711]["tags"] == ["photo", "damage-marked"]


def test_a_worker_that_dies_between_planning_and_sending_is_followed_by_another(
    support: TicketDesk, zendesk: FakeZendesk
) -> None:
    reviewed(support, zendesk)
    support.accept()

    class Killed(BaseException):
        """As a power cut ends it."""

    def killed(*_: object, **__: object) -> None:
        raise Killed

    others = TicketWork(support.desk)
    for where in ("begin_answer", "answered"):
        dying = TicketWork(support.desk)
        dying._holder = f"{platform.node()}:{NOBODY}:x"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"pipeline.store.tickets.{where}", killed)
            with pytest.raises(Killed):
                dying.step()
        assert support.ticket().state is TicketState.ANSWERING
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.tickets.working.is_gone", lambda _: False)
            assert TicketWork(support.desk).step() == 0, "it is held"
    assert len(zendesk.comments[4711]) == 2
    others.step()
    assert support.ticket().state is TicketState.ANSWERED
    assert len(zendesk.comments[4711]) == 2
    others.close()


@pytest.mark.parametrize("end", ["undo", "erase"])
@pytest.mark.parametrize("loses", [False, True], ids=["not taken", "taken and lost"])
def test_what_is_taken_back_while_an_answer_is_tried_again_ends_well(
    support: TicketDesk, zendesk: FakeZendesk, end: str, loses: bool
) -> None:
    """Either the help desk has the answer, and it is booked; or it never gets what nobody approves any more."""
    reviewed(support, zendesk)
    edit = support.accept()
    if loses:
        zendesk.loses = {"PUT"}
    else:
        zendesk.faults = [(500, {})]
    support.work.step()
    assert support.ticket().error_code == "http_500"
    if end == "undo":
        review.undo(support.desk, edit.id, by=ADA)
    else:
        erase_named(support.desk, edit.asset.name, batch=None, by=ADA)
    store.retry(support.desk.db, [support.ticket().id], actor="ada")
    support.work.step()
    if loses:
        assert support.ticket().state is TicketState.ANSWERED
        assert len(zendesk.comments[4711]) == 2
        return
    support.work.step()
    assert support.ticket().state is (TicketState.WAITING if end == "undo" else TicketState.EMPTY)
    assert (len(zendesk.comments[4711]), zendesk.tickets[4711]["tags"]) == (1, ["photo"])
    if end == "undo":
        review.reject(support.desk, edit.id, by=ADA, reason="no damage to be seen")
        support.work.step()
        assert support.ticket().state is TicketState.ANSWERED
        assert (len(zendesk.comments[4711]), zendesk.tickets[4711]["tags"]) == (1, ["photo", "no-damage"])


def test_a_help_desk_that_asks_to_wait_is_waited_for(support: TicketDesk, zendesk: FakeZendesk) -> None:
    zendesk.add_ticket(4711, PHOTO, f360001="1,1,50,50")
    support.tell(zendesk.message(4711, invocation="1"))
    zendesk.faults = [(429, {"Retry-After": "93"})]
    began = datetime.now(UTC)
    support.work.step()
    not_before = support.ticket().not_before
    assert not_before is not None
    assert 92 <= (not_before - began).total_seconds() <= 95
    assert (support.ticket().state, support.ticket().error_code) == (TicketState.RECEIVED, "http_429")
    assert support.work.step() == 0
    assert len(zendesk.asked) == 1


def test_a_refused_key_is_told_on_the_ticket_and_retried_by_command(
    support: TicketDesk, zendesk: FakeZendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENDESK_API_TOKEN", "a wrong key of the tests")
    zendesk.add_ticket(4711, PHOTO, f360001="1,1,50,50")
    support.tell(zendesk.message(4711, invocation="1"))
    support.work.close()
    support.work = TicketWork(support.desk)
    support.work.step()
    root = ("--desk", str(support.desk.root), "tickets")
    (told,) = json.loads(run_command(*root, "list", "--state", "failed", "--json").stdout)["tickets"]
    assert (told["ticket"], told["error_code"]) == ("4711", "refused_key")
    assert "answered 401" in told["error"]
    assert "4711" in run_command(*root, "list").stdout
    monkeypatch.undo()
    assert json.loads(run_command(*root, "retry", "--json").stdout) == {"retried": 1}
    assert run_command(*root, "retry", "12").exit_code == 1
    assert support.ticket().state is TicketState.RECEIVED


def test_what_is_taken_back_in_time_does_not_go_out(support: TicketDesk, zendesk: FakeZendesk) -> None:
    reviewed(support, zendesk)
    edit = support.accept()
    due = store.due(support.desk.db, "support", decided_before=datetime.now(UTC) - timedelta(seconds=30), limit=9)
    assert due == [], "it is too fresh"
    (ticket,) = store.due(support.desk.db, "support", decided_before=datetime.now(UTC), limit=9)
    until = datetime.now(UTC) + timedelta(minutes=1)
    assert store.hold(support.desk.db, ticket.id, holder="w", until=until) is not None
    assert store.hold(support.desk.db, ticket.id, holder="v", until=until) is None
    planned = store.plan_answer(
        support.desk.db, ticket.id, reference="PD-1", decided_before=datetime.now(UTC), holder="w"
    )
    assert planned is not None
    review.undo(support.desk, edit.id, by=ADA)
    assert not store.begin_answer(support.desk.db, planned, is_there=False, holder="w", until=until)
    store.let_go(support.desk.db, ticket.id, holder="w")
    assert support.ticket().state is TicketState.WAITING
    assert support.work.step() == 0
    (again,) = support.edits(EditState.IN_REVIEW)
    review.accept(support.desk, again, by=ADA)
    support.work.step()
    assert len(zendesk.comments[4711]) == 2


def test_a_box_that_is_none_fails_and_a_mended_one_is_taken(support: TicketDesk, zendesk: FakeZendesk) -> None:
    zendesk.add_ticket(4711, PHOTO, f360001="upper left")
    zendesk.add_ticket(4712)
    for number in (4711, 4712, 4713):
        support.tell(zendesk.message(number, invocation=str(number)))
    support.work.step()
    found = {each.number: each for each in store.listed(support.desk.db)}
    assert "box" in (found["4711"].error or "")
    assert "404" in (found["4713"].error or "")
    assert [found[number].state.value for number in sorted(found)] == ["failed", "empty", "failed"]
    assert reading.batch_names(support.desk.db) == []
    zendesk.tickets[4711]["custom_fields"][0]["value"] = "0,0,10,10"
    support.tell(zendesk.message(4711, invocation="later"))
    support.work.step()
    assert len(support.edits()) == 1
    assert [request for request in zendesk.asked if "attachments" in request] == ["GET /attachments/token/9000/"]


def test_only_what_a_person_approved_goes_out(support: TicketDesk) -> None:
    options = support.desk.settings.tickets["support"]
    for wrong, said in (("style-transfer", "a person has to approve"), ("none", "no recipe is called")):
        with pytest.raises(UsageError, match=said):
            check_recipe(support.desk, "support", options.model_copy(update={"recipe": wrong, "parameters_from": {}}))
    with pytest.raises(UsageError, match="has no parameter where"):
        check_recipe(support.desk, "support", options.model_copy(update={"parameters": {"where": "x"}}))
    with pytest.raises(ValueError, match="no place is called customer"):
        HelpDeskOptions(kind="zendesk", address="https://example.zendesk.com", comment="Dear {customer}")


def test_a_desk_whose_secret_is_not_set_says_so_to_its_owner_only(
    support: TicketDesk, zendesk: FakeZendesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _help_desk(support.desk, name="support") == f"zendesk at {zendesk.url}, recipe ticket-damage"
    monkeypatch.delenv("ZENDESK_WEBHOOK_SECRET")
    status, said = support.tell(zendesk.message(1, invocation="1"))
    assert (status, said["error"]) == (503, "the desk cannot take messages now; see its log")
    with pytest.raises(UsageError, match="set ZENDESK_WEBHOOK_SECRET"):
        _help_desk(support.desk, name="support")


LED = {
    "https://evil.example/x.png": "foreign_picture",
    "https://zendesk.com.evil.example/x.png": "foreign_picture",
    "https://evil.example/x.zendesk.com/x.png": "foreign_picture",
    "https://evil.example/?.zendesk.com": "foreign_picture",
    "https://acme.zendesk.com@evil.example/x.png": "foreign_picture",
    "https://s3.amazonaws.com/somebodys-bucket/x.png": "foreign_picture",
    "https://s3.amazonaws.com/somebodys-bucket/cdn.freshdesk.com/x.png": "foreign_picture",
    "http://acme.zendesk.com/x.png": "private_address",
    "https://localhost/x.png": "private_address",
    "https://127.0.0.1/x.png": "private_address",
}


@pytest.mark.parametrize("url", LED)
def test_a_picture_elsewhere_or_at_a_private_address_is_not_fetched(url: str) -> None:
    hosts = ("*.zendesk.com", "s3.amazonaws.com/*cdn.freshdesk.com", "localhost", "127.0.0.1")
    wire = Wire("support", "https://acme.zendesk.com", hosts=hosts, tools=Tools(1000))
    with pytest.raises(HelpDeskFailed) as caught:
        wire.fetch(url)
    assert caught.value.code == LED[url]
    assert caught.value.retry_after_s is None
    wire.close()


def test_a_picture_that_leads_elsewhere_or_is_too_large_is_refused(zendesk: FakeZendesk, tmp_path: Path) -> None:
    zendesk.add_ticket(1, PHOTO)
    own = f"{zendesk.url}/attachments/token/9000/"
    tools = Tools(len(PHOTO), allow_private=True)
    auth = ("agent@example.com/token", "a key of the tests")
    strict = Wire("support", zendesk.url, auth=auth, tools=tools)
    with pytest.raises(HelpDeskFailed, match="a picture is at localhost"):
        strict.fetch(own)
    small = Wire("support", zendesk.url, auth=auth, hosts=["localhost"], tools=Tools(100, allow_private=True))
    with pytest.raises(HelpDeskFailed, match="larger than"):
        small.fetch(own)
    good = Wire("support", zendesk.url, auth=auth, hosts=["localhost"], tools=tools)
    assert good.fetch(own) == PHOTO  # the other host refuses whoever brings the key
    with pytest.raises(HelpDeskFailed, match="not its own address"):
        good.ask("GET", f"{zendesk.elsewhere}/api/v2/tickets/1.json")
    for each in (strict, small, good):
        each.close()


class DrippingZendesk(FakeZendesk):
    """Its pictures never end."""

    async def _stored(self, request: Request) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            for _ in range(2_000):
                yield b"x"
                await asyncio.sleep(0.005)

        return StreamingResponse(drops(), media_type="image/png")


def test_what_comes_in_drops_does_not_hold_up_other_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tickets.wire._LONGEST_ANSWER_S", 0.1)
    zendesk = DrippingZendesk()
    with served(zendesk):
        wire = Wire("support", zendesk.url, hosts=["localhost"], tools=Tools(10_000, allow_private=True))
        with pytest.raises(HelpDeskFailed, match="a picture did not come within") as caught:
            wire.fetch(f"{zendesk.elsewhere}/elsewhere/9000")
        assert caught.value.retry_after_s == 60
        with pytest.raises(HelpDeskFailed, match=r"answer of 127\.0\.0\.1 did not come within"):
            wire.ask("GET", "/elsewhere/9000")
        wire.close()


def test_an_answer_that_does_not_end_is_not_read_to_its_end() -> None:
    zendesk = DrippingZendesk()
    with served(zendesk):
        wire = Wire("support", zendesk.url, tools=Tools(100, allow_private=True))
        with pytest.raises(HelpDeskFailed, match=r"answer of 127\.0\.0\.1 is larger than"):
            wire.ask("GET", "/elsewhere/9000")
        wire.close()
