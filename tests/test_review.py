"""Decisions as the page and the command make them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from pipeline import claiming, deciding_lists, images, review
from pipeline.blobs import kept_sha256
from pipeline.claiming import QueueFilter
from pipeline.deciding_lists import Decision
from pipeline.desk import Desk
from pipeline.errors import Conflict, ManifestError, UsageError
from pipeline.people import Person, local_person
from pipeline.records import EditRecord
from pipeline.review import Screen
from pipeline.states import DecisionKind, EditState, Role
from pipeline.store import reading, running
from pipeline.store.codec import instruction_to_json
from pipeline.store.moves import EDIT
from pipeline.values import Instruction, Kind, ManifestRow
from tests.desks import add_doubtful, build_desk, build_queue, load_rows

ADA, BOB = local_person("ada"), local_person("bob")
HAT, MUG, BAG, CAP, SOCK, KNIFE = range(1, 7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


def state(desk: Desk, edit_id: int) -> EditState:
    return reading.edit(desk.db, edit_id).state


def test_the_queue_holds_what_waits_for_a_person(desk: Desk) -> None:
    assert [edit.id for edit in claiming.queue(desk)] == [HAT, MUG, BAG, CAP, KNIFE]
    assert [edit.id for edit in claiming.queue(desk, QueueFilter(kind=Kind.TEXT))] == [MUG]


def test_a_decision_on_a_picture_that_changed_is_refused(desk: Desk) -> None:
    seen = reading.edit(desk.db, HAT)
    review.reject(desk, HAT, by=BOB, reason="other")
    with pytest.raises(Conflict):
        review.accept(desk, HAT, by=ADA, screen=Screen(revision=seen.revision))
    assert state(desk, HAT) is EditState.REJECTED


@pytest.mark.parametrize("late", ["reject", "reprompt"])
def test_a_decision_that_comes_after_another_persons_is_refused(desk: Desk, late: str) -> None:
    """As the page sends it: with the revision that it drew, and a new name for the decision."""
    seen = reading.edit(desk.db, HAT)
    review.accept(desk, HAT, by=BOB)
    said = {"reject": {"reason": "other"}, "reprompt": {"prompt": "x"}}[late]
    with pytest.raises(Conflict, match="look at it again"):
        getattr(review, late)(desk, HAT, by=ADA, screen=Screen(revision=seen.revision, idempotency_key="new"), **said)
    assert state(desk, HAT) is EditState.APPROVED


def test_the_same_decision_sent_twice_counts_once(desk: Desk) -> None:
    revision = reading.edit(desk.db, HAT).revision
    for _ in range(2):
        review.accept(desk, HAT, by=ADA, screen=Screen(revision=revision, idempotency_key="k"))
    assert len(reading.decisions(desk.db, [HAT])) == 1


def test_of_several_outputs_one_must_be_named(desk: Desk) -> None:
    with pytest.raises(UsageError, match="several outputs"):
        review.accept(desk, BAG, by=ADA)
    second = reading.edit(desk.db, BAG).outputs[1]
    review.accept(desk, BAG, by=ADA, screen=Screen(output_id=second.id))
    assert reading.edit(desk.db, BAG).accepted_output_id == second.id


def test_a_refused_edit_cannot_be_approved_but_asked_for_again(desk: Desk) -> None:
    with pytest.raises(Conflict, match="no output"):
        review.accept(desk, KNIFE, by=ADA)
    review.reprompt(desk, KNIFE, by=ADA, prompt="make it square")
    following = reading.rounds(desk.db, reading.edit(desk.db, KNIFE).asset.id)[-1]
    assert (following.round, following.state, following.asked_by) == (2, EditState.QUEUED, "ada")
    assert review.undo(desk, KNIFE, by=ADA) is EditState.REFUSED


def test_a_lost_answer_waits_for_a_person_and_is_sent_again_once_it_is_said(desk: Desk) -> None:
    lamp = add_doubtful(desk)
    assert claiming.queue(desk)[-1].id == lamp
    assert review.send_again(desk, lamp, by=ADA) is EditState.QUEUED
    (decision,) = reading.decisions(desk.db, [lamp])
    assert (decision.kind, decision.actor, reading.edit(desk.db, lamp).error) == (DecisionKind.SEND_AGAIN, "ada", None)
    with pytest.raises(Conflict, match="cannot be sent again"):
        review.send_again(desk, lamp, by=ADA)


def test_sending_again_can_be_taken_back_until_it_is_taken_up(desk: Desk) -> None:
    lamp = add_doubtful(desk)
    review.send_again(desk, lamp, by=ADA)
    assert review.undo(desk, lamp, by=ADA) is EditState.IN_DOUBT
    assert reading.edit(desk.db, lamp).error == "no answer came"
    review.send_again(desk, lamp, by=ADA)
    running.claim_queued(desk.db, owner="r", provider="local", limit=9, batch_id=None)
    with pytest.raises(Conflict, match="being sent"):
        review.undo(desk, lamp, by=ADA)


def test_an_edit_in_doubt_can_be_rejected_or_asked_for_otherwise(desk: Desk) -> None:
    lamp = add_doubtful(desk)
    review.reject(desk, lamp, by=ADA, reason="other")
    assert review.undo(desk, lamp, by=ADA) is EditState.IN_DOUBT
    review.reprompt(desk, lamp, by=ADA, prompt="make it square")
    assert review.undo(desk, lamp, by=ADA) is EditState.IN_DOUBT


def test_what_has_moved_on_since_it_was_decided_cannot_be_undone(desk: Desk) -> None:
    """A row that changed is made anew after a rejection: the asset must not be approved twice."""
    review.reject(desk, HAT, by=ADA, reason="other")
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET state = 'superseded' WHERE id = ?", (HAT,))
    with pytest.raises(Conflict, match="moved on"):
        review.undo(desk, HAT, by=ADA)


def test_a_re_prompt_may_be_asked_for_and_taken_back_again_and_again(desk: Desk) -> None:
    for _ in range(3):
        review.reprompt(desk, HAT, by=ADA, prompt="x")
        assert review.undo(desk, HAT, by=ADA) is EditState.IN_REVIEW
    review.reject(desk, HAT, by=ADA, reason="other")
    review.reprompt(desk, HAT, by=ADA, prompt="x")
    assert review.undo(desk, HAT, by=ADA) is EditState.REJECTED


def test_what_the_policy_approved_can_be_brought_back_to_review(desk: Desk) -> None:
    assert review.undo(desk, SOCK, by=ADA) is EditState.IN_REVIEW
    assert reading.decisions(desk.db, [SOCK])[-1].actor == "ada"


def test_one_decision_after_the_other_can_be_taken_back(desk: Desk) -> None:
    """A rejection is not for good because a re-prompt after it was taken back."""
    review.reject(desk, HAT, by=ADA, reason="other")
    review.reprompt(desk, HAT, by=ADA, prompt="x")
    assert review.undo(desk, HAT, by=ADA) is EditState.REJECTED
    assert review.undoable(desk, by=ADA) == [HAT]
    assert review.undo(desk, HAT, by=ADA) is EditState.IN_REVIEW
    with pytest.raises(Conflict, match="no decision"):
        review.undo(desk, HAT, by=ADA)
    review.accept(desk, HAT, by=ADA)
    assert review.undo(desk, HAT, by=ADA) is EditState.IN_REVIEW


def test_what_the_policy_approved_after_it_was_sent_again_can_be_brought_back(desk: Desk) -> None:
    """By an approver: to send it again was the reviewer's decision, to approve it was not."""
    lamp = add_doubtful(desk)
    review.send_again(desk, lamp, by=ADA)
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET state = 'approved' WHERE id = ?", (lamp,))
    with pytest.raises(Conflict, match="the policy decided"):
        review.undo(desk, lamp, by=Person("eve", Role.REVIEWER))
    assert review.undo(desk, lamp, by=Person("ann", Role.APPROVER)) is EditState.IN_REVIEW


def test_what_has_begun_does_not_stand_in_the_way_of_earlier_decisions(desk: Desk) -> None:
    lamp = add_doubtful(desk)
    review.accept(desk, HAT, by=ADA)
    review.reprompt(desk, CAP, by=ADA, prompt="x")
    review.send_again(desk, lamp, by=ADA)
    assert review.undoable(desk, by=ADA) == [lamp, CAP, HAT]
    running.claim_queued(desk.db, owner="r", provider="local", limit=9, batch_id=None)
    assert review.undoable(desk, by=ADA) == [HAT]
    assert review.to_undo(desk, by=ADA) == HAT


def test_a_re_prompt_by_a_provider_that_is_not_there_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="expected one of: local"):
        review.reprompt(desk, HAT, by=ADA, prompt="x", provider="nosuch")


def test_a_re_prompt_keeps_the_steps_that_are_still_to_come(desk: Desk) -> None:
    with desk.db.write() as connection:
        step = instruction_to_json(Instruction("add caption 'New'"))
        connection.execute(sa.update(EDIT).where(EDIT.c.id == KNIFE).values(next_steps=[step]))
    review.reprompt(desk, KNIFE, by=ADA, prompt="make it square")
    following = reading.rounds(desk.db, reading.edit(desk.db, KNIFE).asset.id)[-1]
    assert [each.prompt for each in following.next_steps] == ["add caption 'New'"]


def test_all_that_is_in_doubt_can_be_sent_again_at_once(desk: Desk) -> None:
    lamp = add_doubtful(desk)
    outcomes = decide(desk, Decision("send-again"), everything=True)
    assert [(outcome.decision.edit_id, outcome.state) for outcome in outcomes] == [(lamp, EditState.QUEUED)]


def test_a_reprompt_may_start_from_the_output_that_was_chosen(desk: Desk) -> None:
    second = reading.edit(desk.db, BAG).outputs[1]
    review.reprompt(desk, BAG, by=ADA, prompt="x", on_output=True, screen=Screen(output_id=second.id))
    following = reading.rounds(desk.db, reading.edit(desk.db, BAG).asset.id)[-1]
    assert following.input_sha256 == second.picture.sha256


def test_an_unknown_reason_and_an_empty_prompt_are_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        review.reject(desk, HAT, by=ADA, reason="ugly")
    with pytest.raises(UsageError, match="empty prompt"):
        review.reprompt(desk, HAT, by=ADA, prompt="  ")
    assert state(desk, HAT) is EditState.IN_REVIEW


def test_an_asset_is_found_by_its_name(desk: Desk) -> None:
    assert review.edit_of_asset(desk, "hat") == HAT


def test_a_re_prompt_that_was_taken_back_is_not_the_assets_last_round(desk: Desk) -> None:
    review.reprompt(desk, HAT, by=ADA, prompt="x")
    review.undo(desk, HAT, by=ADA)
    assert review.edit_of_asset(desk, "hat") == HAT
    assert [outcome.state for outcome in decide(desk, Decision("accept"), assets=["hat"])] == [EditState.APPROVED]


def test_a_changed_row_leaves_what_was_approved_after_a_re_prompt_was_taken_back(desk: Desk) -> None:
    """Else the asset would be made, approved and exported twice."""
    review.reprompt(desk, HAT, by=ADA, prompt="x")
    review.undo(desk, HAT, by=ADA)
    review.accept(desk, HAT, by=ADA)
    row = ManifestRow(
        line=2, asset_id="hat", variant="", source="/pictures/hat.png", steps=(Instruction("make the hat blue"),)
    )
    loaded = load_rows(desk.db, [row])
    assert (loaded.renewed, loaded.kept) == (0, ((2, "hat"),))


def decide(desk: Desk, template: Decision, **chosen: object) -> list[deciding_lists.Outcome]:
    options = {"edits": [], "assets": [], "everything": False, "file": None, "wanted": QueueFilter(), **chosen}
    return deciding_lists.carry_out(desk, deciding_lists.chosen(desk, template, **options), by=ADA)  # type: ignore[arg-type]


def test_all_that_waits_can_be_accepted_at_once(desk: Desk) -> None:
    outcomes = decide(desk, Decision("accept"), everything=True)
    assert [outcome.state for outcome in outcomes] == [EditState.APPROVED] * 4
    assert state(desk, KNIFE) is EditState.REFUSED


def test_one_bad_decision_leaves_the_others_alone(desk: Desk) -> None:
    outcomes = decide(desk, Decision("accept"), edits=[HAT, KNIFE, 99, CAP])
    assert [outcome.state for outcome in outcomes] == [EditState.APPROVED, None, None, EditState.APPROVED]


def test_decisions_come_from_a_file(desk: Desk, tmp_path: Path) -> None:
    rows = ["decision,edit,asset_id,reason,prompt", "accept,,hat,,", f"reject,{MUG},,other,", "re-prompt,,cap,,crop"]
    (tmp_path / "d.csv").write_text("\n".join(rows))
    decide(desk, Decision(""), file=tmp_path / "d.csv")
    assert [state(desk, n) for n in (HAT, MUG, CAP)] == [EditState.APPROVED, EditState.REJECTED, EditState.SUPERSEDED]


def test_a_wrong_file_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("decision,asset_id\naccept,hat\napprove,mug\n")
    with pytest.raises(ManifestError, match="line 3"):
        decide(desk, Decision(""), file=tmp_path / "d.csv")
    assert state(desk, HAT) is EditState.IN_REVIEW


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.jsonl", '["accept", 1]'),
        ("d.csv", "decision,edit\naccept,\u00b2"),
        ("d.csv", "decision,edit\naccept," + "9" * 5000),
    ],
)
def test_a_row_that_names_no_edit_is_said_to_be_wrong(desk: Desk, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ManifestError, match=f"line {text.count(chr(10)) + 1}"):
        decide(desk, Decision(""), file=tmp_path / name)


def test_a_prompt_in_a_file_keeps_its_lines(desk: Desk, tmp_path: Path) -> None:
    prompt = "make the hat red\nkeep the text\u2028and the ground"
    (tmp_path / "d.csv").write_text(f'decision,edit,prompt\nre-prompt,{HAT},"{prompt}"\n', "utf-8")
    (tmp_path / "d.jsonl").write_text(
        json.dumps({"decision": "re-prompt", "edit": CAP, "prompt": prompt}, ensure_ascii=False), "utf-8"
    )
    for name in ("d.csv", "d.jsonl"):
        decide(desk, Decision(""), file=tmp_path / name)
    for edit_id in (HAT, CAP):
        last = reading.rounds(desk.db, reading.edit(desk.db, edit_id).asset.id)[-1]
        assert last.instruction.prompt == prompt


@pytest.mark.parametrize(
    ("verb", "chosen"),
    [("", {}), ("accept", {}), ("accept", {"edits": [1], "everything": True}), ("undo", {"everything": True})],
)
def test_a_call_that_says_too_little_or_too_much_is_refused(desk: Desk, verb: str, chosen: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        decide(desk, Decision(verb), **chosen)


def test_a_reviewer_takes_back_together_what_they_decided_together(tmp_path: Path) -> None:
    """Fifteen at once, more than the ten that can be taken back one by one; and what went before stays."""
    desk = build_queue(tmp_path / "queue", 30)
    eve = Person("eve", Role.REVIEWER)
    before, bulk = list(range(1, 13)), list(range(13, 28))
    for each in (before, bulk):
        deciding_lists.carry_out_together(desk, [Decision("accept", edit_id=n) for n in each], by=eve)
    with pytest.raises(Conflict, match="not among your last 10"):
        review.undo(desk, 13, by=eve)
    found = deciding_lists.take_back_together(desk, bulk, by=eve)
    assert [each.claim is not None for each in found] == [True] * 15
    assert {state(desk, n) for n in bulk} == {EditState.IN_REVIEW}
    assert "not among" in str(deciding_lists.take_back_together(desk, [1], by=eve)[0].cause)
    assert {state(desk, n) for n in before} == {EditState.APPROVED}
    desk.close()


def png(
    *, alpha: int, at: tuple[int, int, int, int] = (100, 80, 140, 120), size: tuple[int, int] = (320, 240)
) -> bytes:
    """An overlay of the desk's pictures, transparent but for a red box; or opaque but for one."""
    image = Image.new("RGBA", size, (0, 0, 0, alpha))
    image.paste((255, 0, 0, 255 - alpha), at)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def last_round(desk: Desk, edit_id: int) -> EditRecord:
    return reading.rounds(desk.db, reading.edit(desk.db, edit_id).asset.id)[-1]


def test_marks_that_point_at_something_are_for_the_round_they_were_made_for(desk: Desk) -> None:
    review.reprompt(desk, HAT, by=ADA, prompt="make what is circled blue", markup=png(alpha=0))
    second = last_round(desk, HAT)
    sha256 = kept_sha256(second.markup)
    assert sha256
    marks = desk.blobs.read(sha256, "image/png")
    assert (second.mask, second.keeps_outside) == (None, False)
    assert images.open_prepared(marks).getpixel((120, 100)) == (255, 0, 0, 255)
    review.undo(desk, HAT, by=ADA)
    with desk.db.write() as connection:
        change = "UPDATE edit SET markup = ?, mask = '/from/the/manifest.png' WHERE id = ?"
        connection.exec_driver_sql(change, (second.markup, HAT))
    review.reprompt(desk, HAT, by=ADA, prompt="the whole of it")
    assert (last_round(desk, HAT).markup, last_round(desk, HAT).mask) == (None, "/from/the/manifest.png")


def test_marks_of_the_manifest_stay_until_something_else_is_marked(desk: Desk) -> None:
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET markup = '/from/the/manifest.png' WHERE id = ?", (HAT,))
    review.reprompt(desk, HAT, by=ADA, prompt="make it blue")
    assert last_round(desk, HAT).markup == "/from/the/manifest.png"
    review.undo(desk, HAT, by=ADA)
    review.reprompt(desk, HAT, by=ADA, prompt="make it blue", mask=png(alpha=255))
    assert (last_round(desk, HAT).markup, last_round(desk, HAT).keeps_outside) == (None, True)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"markup": png(alpha=255, at=(0, 0, 1, 1)), "mask": png(alpha=255)}, "one of the two"),
        ({"markup": b"no picture"}, "edit 1"),
        ({"reason": "because"}, "because"),
    ],
)
def test_a_round_that_cannot_be_asked_for_so_is_refused(desk: Desk, wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        review.reprompt(desk, HAT, by=ADA, prompt="make it blue", **wrong)
    assert state(desk, HAT) is EditState.IN_REVIEW


def test_why_another_round_was_asked_for_is_kept(desk: Desk) -> None:
    review.reprompt(desk, HAT, by=ADA, prompt="make it blue", reason="wrong edit")
    (decision,) = reading.decisions(desk.db, [HAT])
    assert (decision.kind, decision.reason) == (DecisionKind.REPROMPT, "wrong edit")


def test_another_provider_is_not_told_the_words_of_the_first(desk: Desk) -> None:
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET ai_model = 'm', quality = 'high', size = '64x64' WHERE id < 3")
    review.reprompt(desk, HAT, by=ADA, prompt="make it blue", provider="openai")
    review.reprompt(desk, MUG, by=ADA, prompt="make it blue")
    found = [
        (each.provider, each.ai_model, each.quality, each.size)
        for each in (last_round(desk, HAT), last_round(desk, MUG))
    ]
    assert found == [("openai", None, None, "64x64"), ("local", "m", "high", "64x64")]
