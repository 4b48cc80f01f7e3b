"""Manifest rows in, once each."""

from pipeline.states import EditState
from pipeline.store import Database, reading
from pipeline.store.ledger import give_up_unsent
from pipeline.store.reading import EditFilter
from tests.store.conftest import load, produce, row


def states(db: Database) -> list[EditState]:
    return [edit.state for edit in reading.each_edit(db, EditFilter())]


def test_each_row_becomes_an_asset_with_a_queued_edit(db: Database) -> None:
    loaded = load(db, row("mug", line=2), row("hat", "crop to 4:5", line=3, extra={"price": "9"}))
    assert (loaded.added, loaded.unchanged) == (2, 0)
    mug, hat = reading.each_edit(db, EditFilter())
    assert (mug.asset.name, mug.state, mug.round) == ("mug", EditState.QUEUED, 1)
    assert (hat.instruction.prompt, hat.asset.extra, hat.asset.line) == ("crop to 4:5", {"price": "9"}, 3)


def test_loading_the_same_manifest_twice_adds_nothing(db: Database) -> None:
    load(db, row("mug"), row("hat"))
    loaded = load(db, row("mug"), row("hat"))
    assert (loaded.added, loaded.unchanged, loaded.renewed) == (0, 2, 0)
    assert states(db) == [EditState.QUEUED] * 2


def test_a_row_added_to_the_manifest_is_added_alone(db: Database) -> None:
    load(db, row("mug"))
    assert load(db, row("mug"), row("hat")).added == 1


def test_a_changed_instruction_takes_the_place_of_one_not_sent_yet(db: Database) -> None:
    load(db, row("mug", "make it square"))
    assert load(db, row("mug", "crop to 4:5")).renewed == 1
    first, second = reading.each_edit(db, EditFilter())
    assert (first.state, second.state) == (EditState.SUPERSEDED, EditState.QUEUED)
    assert (second.parent_id, second.round, second.instruction.prompt) == (first.id, 2, "crop to 4:5")


def test_a_source_that_changed_on_disk_is_made_again_if_it_failed(db: Database) -> None:
    load(db, row("mug"), stamp="1")
    give_up_unsent(db, 1, EditState.FAILED, owner="runner", code="truncated", message="breaks off")
    assert load(db, row("mug"), stamp="2").renewed == 1
    assert states(db) == [EditState.SUPERSEDED, EditState.QUEUED]


def test_a_changed_row_leaves_what_is_being_reviewed_alone(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1)
    with db.write() as connection:
        from pipeline.store.moves import move

        move(connection, 1, EditState.PRODUCED, EditState.IN_REVIEW, actor="runner")
    assert load(db, row("mug", "crop to 4:5", line=7)).kept == ((7, "mug"),)
    assert states(db) == [EditState.IN_REVIEW]


def test_ten_thousand_rows_load_and_reload(db: Database) -> None:
    rows = [row(f"sku-{n}", line=n + 2) for n in range(10_000)]
    assert load(db, *rows).added == 10_000
    assert load(db, *rows).unchanged == 10_000
