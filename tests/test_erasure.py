"""All that is known of an asset, gone; its sums and its history stay, and nobody can hide a change behind that."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import audit, review
from pipeline.desk import Desk
from pipeline.erasure import erase_expired, erase_named
from pipeline.errors import Conflict, Forbidden, NotFound, UsageError
from pipeline.export import export_approved
from pipeline.housekeeping import collect
from pipeline.people import Person, local_person
from pipeline.states import EditState, Role
from pipeline.store import answering, chain, ledger, reading
from pipeline.store.answering import KeptAnswer
from pipeline.store.naming import named_pictures
from pipeline.values import Instruction, ManifestRow
from tests.commands import run_command
from tests.desks import build_desk, build_queue, load_rows, new_desk
from tests.test_audit import tamper

ADA = local_person("ada")
SECRET = "Jane-Doe-passport"
HAT, MUG, KNIFE = 1, 2, 6


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """``mug`` is called, asked for, flagged, named and noted with a secret, and was approved."""
    opened = build_desk(tmp_path / "desk", hostile=SECRET)
    review.reject(opened, MUG, by=ADA, reason="other", note=SECRET)
    review.undo(opened, MUG, by=ADA, note=SECRET)
    review.accept(opened, MUG, by=ADA, note=SECRET)
    told = json.dumps({"items": [{"asset_id": SECRET, "edit": MUG}]})
    answering.keep(opened.db, "token:shop", "a key of theirs", KeptAnswer("0" * 64, 202, told))
    yield opened
    opened.close()


def everything(desk: Desk) -> str:
    """All rows of all tables, as text."""
    desk.db.close()
    with sqlite3.connect(desk.root / "desk.db") as database:
        return "\n".join(database.iterdump())


def test_no_word_of_an_erased_asset_is_left_and_its_history_and_money_are(desk: Desk) -> None:
    """What the others have of the same pictures and words stays; here, ``bag`` has an output of that name."""
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE output SET name = '' WHERE edit_id = 3")
    before = reading.edit(desk.db, MUG)
    picture = before.outputs[0].picture
    spent, head = ledger.purse(desk.db, "batch:1"), chain.end(desk.db).hash
    decisions = reading.decisions(desk.db, [MUG])
    for name in ("one", "two"):
        (desk.root / "exports").mkdir(exist_ok=True)
        (desk.root / "exports" / f"{name}.zip").write_bytes(b"PK")
    (told,) = erase_named(desk, SECRET, batch=None, by=ADA)
    assert (told.title, told.edits, told.shared) == (SECRET, 1, 2)
    assert list((desk.root / "exports").iterdir()) == []
    after = reading.edit(desk.db, MUG)
    assert (after.asset.name, after.state, after.instruction.prompt) == ("erased-2", EditState.REJECTED, "")
    assert after.outputs[0].picture.size_wh == (1, 1)
    assert desk.blobs.has(after.outputs[0].picture.sha256, "image/png")
    assert ledger.purse(desk.db, "batch:1") == spent
    assert after.cost_microusd == before.cost_microusd
    assert [(each.kind, each.actor, each.reason, each.created_at) for each in reading.decisions(desk.db, [MUG])] == [
        (each.kind, each.actor, each.reason, each.created_at) for each in decisions
    ]
    assert reading.decisions(desk.db, [MUG])[0].output_sha256 == picture.sha256
    assert audit.verify(desk, expected=head).is_whole
    with pytest.raises(Conflict, match="was erased; nothing of it comes back"):
        review.undo(desk, MUG, by=ADA)
    assert SECRET not in everything(desk)
    assert SECRET.encode() not in (desk.root / "desk.db").read_bytes()


def test_pictures_of_an_erased_asset_are_gone_and_others_are_not(tmp_path: Path, each_database: None) -> None:
    """In both databases, the history holds, and nothing is left for the collector."""
    desk = build_queue(tmp_path / "desk", 2)
    review.reject(desk, 1, by=ADA, reason="other", note=SECRET)
    first, second = (reading.edit(desk.db, number).outputs[0].picture for number in (1, 2))
    (told,) = erase_named(desk, "hat-000", batch="autumn", by=ADA)
    assert (told.pictures, told.shared) == (1, 1)
    assert not desk.blobs.has(first.sha256, "image/png")
    assert desk.blobs.has(second.sha256, "image/png")
    assert all(desk.blobs.has(each, "image/png") for each in named_pictures(desk.db))
    with pytest.raises(NotFound):
        erase_named(desk, "hat-000", batch=None, by=ADA)
    review.accept(desk, 2, by=ADA)
    assert export_approved(desk, tmp_path / "out", by=ADA).rows == 1
    found = collect(desk, by=ADA, older_than=timedelta(hours=1))
    assert (found.kept.pictures, found.young.pictures) == (3, 0)
    assert audit.verify(desk).is_whole
    desk.close()


def test_what_was_brought_for_an_erased_asset_is_gone_unless_another_is_made_from_it(
    tmp_path: Path, each_database: None
) -> None:
    """Masks, marks and references, too; what lies elsewhere than where things are brought to is somebody's own."""
    desk = new_desk(tmp_path / "desk")
    brought, theirs = desk.root / "uploads" / "autumn", tmp_path / "logo.png"
    brought.mkdir(parents=True)
    names = ("hat.png", "hat-mask.png", "hat-marks.png", "ärmel 'x'.png", "both.png", "cap.png")
    hat, mask, marks, own, both, cap = (str(brought / name) for name in names)
    for file in (hat, mask, marks, own, both, cap, str(theirs)):
        Path(file).write_bytes(b"a picture")
    steps = (Instruction("make it red"),)
    row = ManifestRow(1, "hat", "", hat, steps, mask=mask, markup=marks, references=(own, both, str(theirs)))
    load_rows(desk.db, [row, ManifestRow(2, "cap", "", cap, steps, mask=hat, references=(both,))])
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET state = 'failed'")
    erase_named(desk, "hat", batch=None, by=ADA)
    assert sorted(path.name for path in brought.iterdir()) == ["both.png", "cap.png", "hat.png"]
    assert theirs.exists()
    erase_named(desk, "cap", batch=None, by=ADA)
    assert list(brought.iterdir()) == []
    desk.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'eve' WHERE edit_id = 2",
        "UPDATE event SET data = json_set(data, '$.reasons', json('[]')) WHERE edit_id = 2",
        "UPDATE event SET data = json_set(data, '$.erased_by', 1) WHERE edit_id = 2",
        "UPDATE decision SET actor = 'eve' WHERE edit_id = 2",
        "UPDATE decision SET note = 'fine' WHERE edit_id = 2",
        "UPDATE decision SET flags = '[{\"erased_by\": 1}]' WHERE edit_id = 2 AND note = ''",
        "UPDATE event SET data = json_remove(data, '$.decisions') WHERE kind = 'asset.erased'",
        "UPDATE event SET data = json_set(data, '$.asset', 3) WHERE kind = 'asset.erased'",
        "DELETE FROM event WHERE kind = 'asset.erased'",
    ],
)
def test_no_change_hides_behind_an_erasure(desk: Desk, statement: str) -> None:
    erase_named(desk, SECRET, batch=None, by=ADA)
    assert audit.verify(desk).is_whole
    tamper(desk, statement)
    assert not audit.verify(desk).is_whole


def test_an_erasure_that_somebody_forges_can_take_text_out_and_put_none_in(desk: Desk) -> None:
    """Whoever appends to the chain properly says so in it; and what they wrote in place of a note is found."""
    note = chain.digest(SECRET)
    with desk.db.read() as connection:
        flags = connection.exec_driver_sql("SELECT flags FROM decision WHERE id = 1").scalar_one()
    told = {"asset": 2, "events": {}, "decisions": {"1": {"note": note, "flags": chain.digest(json.loads(flags))}}}
    chain.note(desk.db, chain.ERASED, actor="eve", data=told)
    by = chain.end(desk.db).length
    tamper(desk, f"UPDATE decision SET note = 'I was told to', flags = '[{{\"erased_by\": {by}}}]' WHERE id = 1")
    assert not audit.verify(desk).is_whole
    tamper(desk, "UPDATE decision SET note = '' WHERE id = 1")
    assert audit.verify(desk).is_whole
    tamper(desk, "UPDATE decision SET actor = 'mallory' WHERE id = 1")
    assert not audit.verify(desk).is_whole


def test_what_is_being_made_is_not_erased_and_only_an_admin_erases(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        erase_named(desk, "hat", batch=None, by=Person("eve", Role.APPROVER))
    review.reprompt(desk, HAT, by=ADA, prompt="bluer")
    with pytest.raises(Conflict, match="is queued; cancel its batch"):
        erase_named(desk, "hat", batch=None, by=ADA)
    assert reading.edit(desk.db, HAT).instruction.prompt == "make the hat red"


def test_what_was_rejected_long_ago_expires(desk: Desk) -> None:
    review.reject(desk, HAT, by=ADA, reason="other")
    with pytest.raises(UsageError, match="retain_days"):
        list(erase_expired(desk, by=ADA))
    opened = Desk.open(desk.root, retain_days={"rejected": 30})
    assert list(erase_expired(opened, by=ADA)) == []
    tamper(opened, "UPDATE edit SET updated_at = '2020-01-01 00:00:00.000000' WHERE state = 'rejected'")
    (told,) = erase_expired(opened, by=ADA)
    assert told.title == "hat"
    assert audit.verify(opened).is_whole


def test_the_command_asks_first_and_says_what_it_did(desk: Desk) -> None:
    root = str(desk.root)
    would = run_command("--desk", root, "erase", "--asset", "knife", "--dry-run")
    assert "1 edit and 0 pictures would be erased; 1 picture kept" in would.stdout
    assert reading.edit(desk.db, KNIFE).asset.name == "knife"
    done = json.loads(run_command("--desk", root, "erase", "--asset", "knife", "--yes", "--json").stdout)
    assert [each["title"] for each in done["erased"]] == ["knife"]
    assert reading.edit(desk.db, KNIFE).error is None
    assert run_command("--desk", root, "erase").exit_code == 2
