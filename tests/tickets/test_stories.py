"""A customer's photograph comes with a ticket, and goes back to it with what a person approved."""

from pathlib import Path

import pytest

from pipeline import audit, review
from pipeline.erasure import erase_named
from pipeline.states import EditState, TicketState
from pipeline.store import reading
from pipeline.tickets import listing
from tests.desks import drawn_picture
from tests.fake_help_desks import FakeFreshdesk, FakeOwnDesk, FakeZendesk
from tests.tickets.conftest import ADA, BOX_FIELD, ESCALATED_FIELD, NOTE_FIELD, TicketDesk

PHOTO, SECOND, THIRD = (drawn_picture(colour) for colour in ("navy", "teal", "olive"))


@pytest.mark.usefixtures("each_database")
def test_a_photo_from_zendesk_goes_back_once_with_comment_field_and_tag(
    support: TicketDesk, zendesk: FakeZendesk
) -> None:
    zendesk.add_ticket(4711, PHOTO, f360001="80, 60, 240, 180", f360002="Cracked")
    assert support.tell(zendesk.message(4711, invocation="1")) == (202, {"ticket": "4711", "new": True})
    assert support.tell(zendesk.message(4711, invocation="1")) == (202, {"ticket": "4711", "new": False})
    assert zendesk.asked == []
    support.work.step()
    (edit,) = support.edits()
    assert edit.asset.name == "4711-9000"
    assert dict(edit.instruction.parameters) == {"box": "80, 60, 240, 180", "note": "Cracked"}
    assert edit.instruction.operations[0]["boxes"] == [[80, 60, 240, 180]]
    assert edit.asset.extra["ticket"] == "4711"
    support.make()
    support.work.step()
    assert support.ticket().state is TicketState.WAITING
    assert len(zendesk.comments[4711]) == 1

    approved = support.accept().outputs[0].picture
    support.work.step()
    _, comment = zendesk.comments[4711]
    assert (comment["public"], comment["body"].partition("\n")[0]) == (False, "Marked by us on 1 picture.")
    (attachment,) = comment["attachments"]
    assert zendesk.files[attachment["id"]][2] == support.desk.blobs.read(approved.sha256, approved.media_type)
    ticket = zendesk.tickets[4711]
    assert {str(each["id"]): each["value"] for each in ticket["custom_fields"]} == {
        BOX_FIELD: "80, 60, 240, 180",
        NOTE_FIELD: "Cracked",
        ESCALATED_FIELD: "tier-2",
    }
    assert (ticket["priority"], ticket["tags"]) == ("high", ["photo", "damage-marked"])
    assert support.ticket().state is TicketState.ANSWERED

    # Our own change is told of, too, and the customer answers with our picture and a further photograph.
    zendesk.comments[4711][1]["public"] = True
    support.tell(zendesk.message(4711, invocation="2"))
    support.work.step()
    assert len(support.edits()) == 1
    zendesk.add_ticket(4711, SECOND)
    support.tell(zendesk.message(4711, invocation="3"))
    support.work.step()
    support.make()
    support.accept()
    support.work.step()
    assert len(zendesk.comments[4711]) == 4
    assert [len(comment["attachments"]) for comment in zendesk.comments[4711]] == [1, 1, 1, 1]
    assert support.work.step() == 0
    told = [(event.kind, event.actor) for event in reading.latest_events(support.desk.db, kind="ticket.", limit=50)]
    assert told.count(("ticket.answered", "help desk support")) == 2
    assert told.count(("ticket.loaded", "help desk support")) == 2


def test_freshdesk_gets_a_private_note_and_what_it_has_of_tags_stays(tmp_path: Path, freshdesk: FakeFreshdesk) -> None:
    support = TicketDesk(
        tmp_path / "desk",
        freshdesk,
        "freshdesk",
        parameters_from={"box": "cf_box"},
        comment="{reviewer} & <b>{pictures}</b>",
        on_approval={"fields": {"cf_escalated": True, "priority": 4}, "tags": ["damage-marked"]},
    )
    freshdesk.add_ticket(7, cf_box="0.1,0.1,0.5,0.5")
    for _ in range(11):
        freshdesk.add_ticket(7, public=False)
    freshdesk.add_ticket(7, PHOTO)
    freshdesk.add_ticket(7, SECOND, public=False)
    assert support.tell(freshdesk.message(7)) == (202, {"ticket": "7", "new": True})
    support.work.step()
    (edit,) = support.edits()
    assert edit.instruction.operations[0]["boxes"] == [[0.1, 0.1, 0.5, 0.5]]
    support.make()
    support.accept()
    freshdesk.loses = {"POST"}
    support.work.step()
    assert (support.ticket().state, support.ticket().error_code) == (TicketState.ANSWERING, "http_500")
    assert freshdesk.tickets[7]["priority"] == 1
    listing.retry(support.desk, ["7"], by=ADA)
    support.work.step()
    assert support.ticket().state is TicketState.ANSWERED
    assert len(freshdesk.comments[7]) == 15
    comment = freshdesk.comments[7][-1]
    assert comment["private"] is True
    assert comment["body"].startswith("ada &amp; &lt;b&gt;1 picture&lt;/b&gt;<br><br>PD-")
    assert len(comment["attachments"]) == 1
    ticket = freshdesk.tickets[7]
    assert ticket["custom_fields"] == {"cf_box": "0.1,0.1,0.5,0.5", "cf_escalated": True}
    assert (ticket["priority"], ticket["tags"]) == (4, ["photo", "damage-marked"])
    support.close()


def test_ones_own_help_desk_is_sent_one_signed_answer_for_a_rejection(tmp_path: Path, own_desk: FakeOwnDesk) -> None:
    support = TicketDesk(
        tmp_path / "desk",
        own_desk,
        "generic",
        parameters={"note": "Scratch"},
        parameters_from={"box": "where"},
        batch="ticket",
        on_rejection={"comment": "No: {reason}", "fields": {"escalate": False}},
    )
    support.tell(own_desk.message(12, PHOTO, where="1,1,50,50"))
    support.tell(own_desk.message(12, SECOND, name="msg_2", where="1,1,50,50"))
    support.work.step()
    support.make()
    first, second = support.edits(EditState.IN_REVIEW)
    assert reading.batch_names(support.desk.db) == ["support-12"]
    assert dict(first.instruction.parameters) == {"note": "Scratch", "box": "1,1,50,50"}
    review.reject(support.desk, first, by=ADA, reason="no damage to be seen")
    assert support.work.step() == 0
    review.reject(support.desk, second, by=ADA, reason="no damage to be seen")
    own_desk.loses = {"POST"}
    support.work.step()
    assert support.ticket().error_code == "http_500"
    assert support.ticket().state is TicketState.ANSWERING
    listing.retry(support.desk, ["12"], by=ADA)
    support.work.step()
    assert support.ticket().state is TicketState.ANSWERED
    assert own_desk.asked == ["POST /answers", "POST /answers"]
    ((answer, pictures),) = own_desk.answers.values()
    assert (answer["outcome"], answer["fields"], pictures) == ("rejected", {"escalate": False}, [])
    assert answer["comment"].startswith("No: no damage to be seen\n\nPD-")

    support.tell(own_desk.message(13, PHOTO, name="msg_3", where="1,1,50,50"))
    support.work.step()
    support.make()
    approved = support.accept().outputs[0].picture
    support.work.step()
    answer, pictures = list(own_desk.answers.values())[1]
    reference = answer["reference"]
    assert (answer["ticket_id"], answer["outcome"], answer["public"]) == ("13", "approved", False)
    assert reference in own_desk.answers
    data = support.desk.blobs.read(approved.sha256, approved.media_type)
    assert pictures == [(f"annotated-{reference}-1.png", data)]
    support.close()


def test_photos_of_two_messages_at_once_are_marked_where_their_own_message_says(
    tmp_path: Path, own_desk: FakeOwnDesk
) -> None:
    support = TicketDesk(tmp_path / "desk", own_desk, "generic", parameters_from={"box": "where"})
    support.tell(own_desk.message(12, PHOTO, where="1,1,50,50"))
    support.tell(own_desk.message(12, SECOND, name="msg_2", where="2,2,60,60"))
    support.tell(own_desk.message(12, THIRD, name="msg_3"))
    support.work.step()
    boxes = [edit.instruction.parameters.get("box") for edit in support.edits(EditState.QUEUED)]
    assert boxes == ["1,1,50,50", "2,2,60,60", None]
    support.close()


def test_an_erased_photo_leaves_nothing_of_the_customers_words(support: TicketDesk, zendesk: FakeZendesk) -> None:
    zendesk.add_ticket(4711, PHOTO, f360001="1,1,50,50", f360002="Frau Muster")
    support.tell(zendesk.message(4711, invocation="1"))
    support.work.step()
    support.make()
    support.accept()
    assert [path.name for path in (support.desk.root / "tickets").rglob("*") if path.is_file()] == ["9000.png"]
    assert erase_named(support.desk, "4711-9000", batch=None, by=ADA)
    assert [path for path in (support.desk.root / "tickets").rglob("*") if path.is_file()] == []
    support.work.step()
    assert (support.ticket().state, len(zendesk.comments[4711])) == (TicketState.EMPTY, 1)
    assert zendesk.tickets[4711]["tags"] == ["photo"], "who has a photo erased has not been told that it shows nothing"
    assert audit.verify(support.desk).is_whole


@pytest.mark.usefixtures("each_database")
def test_of_two_photos_the_one_that_is_not_erased_goes_back(support: TicketDesk, zendesk: FakeZendesk) -> None:
    zendesk.add_ticket(4711, PHOTO, SECOND, f360001="1,1,50,50")
    support.tell(zendesk.message(4711, invocation="1"))
    support.work.step()
    support.make()
    assert erase_named(support.desk, "4711-9000", batch=None, by=ADA)
    support.accept()
    support.work.step()
    assert support.ticket().state is TicketState.ANSWERED
    assert len(zendesk.comments[4711][1]["attachments"]) == 1
    assert zendesk.tickets[4711]["tags"] == ["photo", "damage-marked"]


@pytest.mark.usefixtures("each_database")
def test_a_photo_that_cannot_be_read_holds_up_no_other_and_says_nothing_of_damage(
    support: TicketDesk, zendesk: FakeZendesk
) -> None:
    """As telephones take them: HEIC, which the desk does not open, beside a JPEG, and alone."""
    heic = b"\0\0\0\x18ftypheic" + b"\0" * 100
    zendesk.add_ticket(4711, PHOTO, heic, f360001="1,1,50,50")
    zendesk.add_ticket(4712, heic, f360001="1,1,50,50")
    for number in (4711, 4712):
        support.tell(zendesk.message(number, invocation=str(number)))
    support.work.step()
    support.make()
    assert [edit.error_code for edit in support.edits(EditState.FAILED)] == ["unsupported_format"] * 2
    support.accept()
    support.work.step()
    found = {each["ticket"]: each["state"] for each in map(listing.as_json, listing.listed(support.desk, by=ADA))}
    assert found == {"4711": "answered", "4712": "empty"}
    assert len(zendesk.comments[4711][1]["attachments"]) == 1
    assert zendesk.comments[4711][1]["body"].startswith("Marked by us on 1 picture.")
    assert (len(zendesk.comments[4712]), zendesk.tickets[4712]["tags"]) == (1, ["photo"])
    assert support.work.step() == 0
