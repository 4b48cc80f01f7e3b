"""Manifest rows in, once each."""

import sqlalchemy as sa

from pipeline.states import EditState
from pipeline.store import Database, chain, reading
from pipeline.store.ledger import give_up_unsent
from pipeline.store.loading import ASSET, first_round
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter
from pipeline.values import Instruction, ManifestRow
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


HOSTILE = ("\\N", "\\.", "a\tb", "two\nlines\r\n", "\\", '"', "''", "null", "NULL", "{}", "😀 é", "\x1f", "")


def test_what_is_loaded_at_once_is_what_would_be_loaded_row_by_row(db: Database) -> None:
    """Hostile texts in every column, read back as they were, with types as a single insert gives them."""
    rows = [
        ManifestRow(
            line=number,
            asset_id=f"{text}{number}",
            variant=text,
            source=f"/pictures/{text}.png",
            steps=(
                Instruction(text, ({"op": text},), text or None, {text: text}),
                *[Instruction(f"then {text}")] * (number % 2),
            ),
            mask=text or None,
            markup=text or None,
            references=(text,) * (number % 3),
            provider=text or None,
            ai_model=text or None,
            size=text or None,
            quality=text or None,
            n=number + 1,
            sku=text,
            extra={text: text},
        )
        for number, text in enumerate(HOSTILE)
    ]
    load(db, *rows)
    one_by_one = {**first_round(rows[0], "local", "ada"), "batch_id": 1}
    with db.write() as connection:
        for row_, asset in zip(rows, connection.execute(sa.select(ASSET).order_by(ASSET.c.id)).all(), strict=True):
            values = {**one_by_one, **first_round(row_, "local", "ada"), "asset_id": asset.id}
            alone = connection.execute(sa.insert(EDIT).values(values).returning(*EDIT.c)).mappings().one()
            of_asset = EDIT.c.asset_id == asset.id
            at_once = connection.execute(sa.select(EDIT).where(of_asset).order_by(EDIT.c.id)).mappings().first()
            assert at_once is not None
            passing = ("id", "created_at", "updated_at")
            assert {**at_once, **dict.fromkeys(passing)} == {**alone, **dict.fromkeys(passing)}
            assert at_once["created_at"].tzinfo is not None
            assert (asset.name, asset.extra, asset.source_facts) == (row_.asset_id, row_.extra, {})
    with chain.history(db) as history:
        last = chain.ORIGIN
        for link in history.links():
            assert link.hash_after(last) == link.hash
            last = link.hash
        assert history.end.hash == last
