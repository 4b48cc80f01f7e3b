"""Which rounds led to a picture, and what was decided on telling others: for a page of edits, on both databases."""

from typing import Any

import pytest

from pipeline.errors import Conflict, NotFound, UsageError
from pipeline.images import prepare_picture
from pipeline.keeping import COMPOSITED_FROM
from pipeline.provenance import containers, xmp
from pipeline.provenance.disclosure import DisclosureClass
from pipeline.provenance.origin import Origin
from pipeline.store import Database, chain, origins, running
from pipeline.store.ledger import StoredOutput
from pipeline.store.moves import EDIT
from pipeline.store.running import OUTPUT, insert_round
from pipeline.values import PictureFacts
from tests.attempts import begin, finish
from tests.pictures import drawn
from tests.store.conftest import SOURCE, load, row

NONE, LABEL, MACHINE = DisclosureClass.NONE, DisclosureClass.VISIBLE_LABEL, DisclosureClass.MACHINE_MARK


def make(db: Database, edit_id: int, letter: str, **notes: Any) -> str:
    """An edit's only output, whose sha256 is all of one letter; accepted."""
    sha256 = letter * 64
    running.save_source(
        db,
        edit_id,
        original_sha256="0" * 64,
        source=SOURCE,
        facts={"metadata": {"digital_source_types": ["composite"]}},
    )
    attempt = begin(db, edit_id)
    picture = PictureFacts(sha256, "image/png", (4, 3), 10)
    (output,) = finish(db, attempt, [StoredOutput(picture, "", notes, ())])
    with db.write() as connection:
        connection.execute(EDIT.update().where(EDIT.c.id == edit_id).values(accepted_output_id=output))
    return sha256


def ask_again(db: Database, parent: int, input_sha256: str | None, **changes: Any) -> int:
    with db.write() as connection:
        edit = connection.execute(EDIT.select().where(EDIT.c.id == parent)).mappings().one()
        steps: list[dict[str, Any]] = [
            {"prompt": f"after {parent}", "operations": [], "recipe": None, "parameters": {}}
        ]
        return insert_round(
            connection, edit, steps=steps, input_sha256=input_sha256, actor="bob", priority=0, **changes
        )


def read(db: Database, *edit_ids: int) -> dict[int, Origin]:
    with db.read() as connection:
        return origins.origins(connection, edit_ids)


def test_only_rounds_that_the_picture_was_made_of_count(db: Database) -> None:
    """2 went on with what 1 made, 3 asked for the same anew and went on with 1 as well, 4 began at the source again."""
    load(db, row("mug", "paint a beach", provider="openai", ai_model="gpt-image-2.5"))
    painted = make(db, 1, "a")
    make(db, ask_again(db, 1, painted), "b")
    make(
        db, ask_again(db, 2, painted, provider="local", ai_model=None), "c", operations=[{"op": "crop"}, {"op": "pad"}]
    )
    make(
        db,
        ask_again(db, 3, None, provider="local", ai_model=None),
        "d",
        operations=[{"op": "background", "fill": "reference"}],
    )
    found = read(db, 1, 2, 3, 4, 99)
    assert sorted(found) == [1, 2, 3, 4]
    assert [[each.provider for each in found[number].rounds] for number in (1, 2, 3, 4)] == [
        *(["openai"], ["openai", "openai"], ["openai", "local"], ["local"])
    ]
    first, last = found[3].rounds
    assert (first.prompt, first.asked_by, first.ai_model) == ("paint a beach", "ada", "gpt-image-2.5")
    assert (last.prompt, last.asked_by, last.operations) == ("after 2", "bob", ("crop", "pad"))
    assert [each.provider for each in found[3].generative] == ["openai"]
    assert found[4].rounds[0].operations == ("background from a reference",)
    assert first.made_at.tzinfo is not None
    assert found[4].source_uri == "/pictures/mug.png"
    assert (found[4].source_said, found[4].source_url) == (("composite",), "")
    assert read(db) == {}


def test_what_the_provider_signed_is_named_where_the_desk_composited_it(db: Database) -> None:
    load(db, row("mug", provider="openai"))
    provided = make(db, 1, "a")
    with db.read() as connection:
        output = connection.execute(OUTPUT.select()).one().id
    kept = PictureFacts("b" * 64, "image/png", (4, 3), 11)
    running.replace_picture(db, 1, output, kept, {COMPOSITED_FROM: provided}, owner="runner")
    (found,) = read(db, 1).values()
    assert found.composited_from == PictureFacts(provided, "image/png", (4, 3), 10)
    assert [(each.provider, each.operations) for each in found.rounds] == [
        *(("openai", ()), ("local", ("composite with the source",)))
    ]
    assert [each.provider for each in found.generative] == ["openai"]


def test_the_last_decision_counts_and_one_for_the_edit_goes_before_its_batch(db: Database) -> None:
    load(db, row("mug"), row("hat", line=3), row("bag", line=4))
    origins.disclose_edit(db, 2, LABEL, "a person was added", actor="ada")
    origins.disclose_batch(db, 1, MACHINE, "backgrounds only", actor="bob")
    origins.disclose_edit(db, 3, NONE, "colours only", actor="ada")
    origins.disclose_edit(db, 3, LABEL, "after all", actor="eve")
    found = {number: origin.disclosure for number, origin in read(db, 1, 2, 3).items()}
    told = {number: (each.kind, each.why, each.decided_by, each.is_of_batch) for number, each in found.items() if each}
    assert told == {
        1: (MACHINE, "backgrounds only", "bob", True),
        2: (LABEL, "a person was added", "ada", False),
        3: (LABEL, "after all", "eve", False),
    }
    assert found[1] is not None
    assert list(found[1].columns) == ["disclosure_class", "disclosure_reason", "disclosure_by", "disclosure_at"]


def test_nothing_is_decided_on_what_is_not_there(db: Database) -> None:
    load(db, row("mug"))
    before = chain.end(db)
    with pytest.raises(NotFound, match="edit 7"):
        origins.disclose_edit(db, 7, NONE, "why", actor="ada")
    with pytest.raises(NotFound, match="batch 7"):
        origins.disclose_batch(db, 7, NONE, "why", actor="ada")
    with pytest.raises(UsageError, match="reason: character 2 is NUL"):
        origins.disclose_edit(db, 1, NONE, "a\0", actor="ada")
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE asset SET source_stamp = 'erased'")
    with pytest.raises(Conflict, match="erased"):
        origins.disclose_edit(db, 1, NONE, "why", actor="ada")
    assert chain.end(db) == before


def test_a_source_that_says_how_it_was_made_is_remembered() -> None:
    said = xmp.Packet()
    said.set({xmp.DIGITAL_SOURCE_TYPE: "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"})
    plain = drawn("JPEG").read()
    assert "digital_source_types" not in prepare_picture(plain).metadata
    marked = prepare_picture(containers.with_xmp(plain, bytes(said)))
    assert marked.metadata["digital_source_types"] == ["trainedAlgorithmicMedia"]
