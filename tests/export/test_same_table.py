"""The table that is put together at speed is, to the byte, the one that is written asset by asset."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import Conflict
from pipeline.export import verify_export
from pipeline.export.names import FileNames, made_safe, safe_stem
from pipeline.export.progress import ExportProgress
from pipeline.store import exports, reading
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT
from pipeline.store.running import FLAG, OUTPUT
from pipeline.values import Change, Kind
from tests.decided_desk import decided_desk
from tests.export.plain_csv import plain_csv
from tests.export.test_export import ADA, approve, export, make_desk, table

HOSTILE = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '"', '""', 'a "b", c', "a,b;c\td", "two\nlines", "two\r\nlines"),
    *(
        "😀 naïve é",
        "\x1f\x1e",
        "\x1f=\x1e+",
        "NULL",
        "nan",
        "null",
        "[]",
        "{}",
        "\\N",
        "\\",
        "'",
        "' OR 1=1 --",
        "",
        " ",
    ),
)


@pytest.mark.usefixtures("each_database")
def test_the_table_is_to_the_byte_what_the_plain_way_writes(tmp_path: Path) -> None:
    """Hostile texts in every column that somebody else fills, with and without flags, prices, rounds and decisions."""
    desk = make_desk(tmp_path / "desk", [f"item-{number}" for number in range(len(HOSTILE))], bytes="9")
    _spoil(desk)
    approve(desk, *range(1, len(HOSTILE) + 1))
    export(desk, tmp_path / "out")
    found = (tmp_path / "out" / "approved.csv").read_bytes().decode()
    exported_at = table(tmp_path / "out")[0]["exported_at"]
    assert found == plain_csv(desk, exported_at)
    assert verify_export(tmp_path / "out") == []
    lines = [json.loads(line) for line in (tmp_path / "out" / "approved.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [line["flags"] for line in lines] == [json.loads(row["flag_detail_json"]) for row in table(tmp_path / "out")]


def _spoil(desk: Desk) -> None:
    """Put a hostile text into each text column of each edit, every time another one."""
    with desk.db.write() as connection:
        outputs = {row.edit_id: row.id for row in connection.execute(sa.select(OUTPUT))}
        for number, text in enumerate(HOSTILE):
            of_edit, of_asset = EDIT.c.id == number + 1, ASSET.c.id == number + 1
            other = HOSTILE[number - 1]
            connection.execute(
                sa.update(ASSET)
                .where(of_asset)
                .values(variant=text, sku=other, source_uri=f"https://x/{text}" if number % 2 else f"/y/{text}")
                .values(original_sha256=None, extra={text: other, "sku": text, "manifest_sku": other})
                .values(name=f"{text}{number}")
            )
            connection.execute(
                sa.update(EDIT)
                .where(of_edit)
                .values(prompt=text, recipe=other or None, ai_model=text or None, size=other or None, quality=text)
                .values(parameters={text: other}, operations=[{"op": text}], references=[text] * (number % 3))
                .values(mask="m" if number % 2 else None, unpriced=number % 2, cost_microusd=number // 2 % 3)
            )
            told = {
                "output_id": outputs[number + 1],
                "level": "sure",
                "xyxy": [0.0, 0.5, 10.25, 1e5],
                "detector": other,
            }
            told |= {"label": text, "before": other, "version": text, "remark": text}
            found = [
                {"kind": Kind.TEXT, "change": Change.ALTERED, "score": 0.1234, "likeness": None, "source_xyxy": None},
                {"kind": Kind.LOGO, "change": Change.LOST, "score": 1.0, "likeness": 0.005, "source_xyxy": [1.0] * 4},
            ]
            flags = [{**told, **each} for each in found[: number % 3]]
            if flags:
                connection.execute(sa.insert(FLAG), flags)


def test_two_columns_of_the_manifest_never_become_one(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    with desk.db.write() as connection:
        connection.execute(sa.update(ASSET).values(extra={"bytes": "mine", "manifest_bytes": "theirs"}))
    approve(desk, 1)
    export(desk, tmp_path / "out")
    (row,) = table(tmp_path / "out")
    assert (row["manifest_manifest_bytes"], row["manifest_bytes"]) == ("mine", "theirs")


def test_rounds_policy_and_several_batches_are_told_as_before(tmp_path: Path) -> None:
    desk = decided_desk(tmp_path / "desk")
    export(desk, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert (tmp_path / "out" / "approved.csv").read_bytes().decode() == plain_csv(desk, rows[0]["exported_at"])
    assert {row["decided_via"] for row in rows} == {"human", "policy"}
    assert {row["attempt"] for row in rows} >= {"1", "2"}


def test_safe_names_are_told_at_a_glance_and_alike() -> None:
    ends = ("", ".", " ", "-", "_", ".txt", ".con", "é", "\n", "/", "ſ", "K", "1", "²")
    for name in ("con", "Con", "nul", "com1", "COM9", "com", "a", ".a", " a", "-", "", "a b", "a" * 99, "a" * 100):
        for whole in (name + end for end in ends):
            assert safe_stem(whole) == made_safe(whole), whole


def test_an_approval_taken_back_meanwhile_stops_the_export_and_leaves_no_mark(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat", "bag"])
    approve(desk, 1, 2)
    with pytest.raises(Conflict, match="taken back"):
        export(desk, tmp_path / "out", on_progress=lambda at: review.undo(desk, 2, by=ADA) if at.done == 2 else None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk"]
    assert [exports.is_exported(desk.db, edit_id) for edit_id in (1, 2, 3)] == [False] * 3


@pytest.mark.usefixtures("each_database")
def test_what_is_approved_meanwhile_is_neither_in_the_export_nor_marked(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat", "bag"])
    approve(desk, 1)

    def decide(at: ExportProgress) -> None:
        if at.done == 1:
            approve(desk, 2)
            review.undo(desk, 2, by=ADA)  # of an approval that is not in the export
            approve(desk, 3)

    export(desk, tmp_path / "out", on_progress=decide)
    assert [row["asset_id"] for row in table(tmp_path / "out")] == ["mug"]
    assert [exports.is_exported(desk.db, edit_id) for edit_id in (1, 2, 3)] == [True, False, False]


def test_pictures_that_a_killed_export_has_copied_are_taken_over(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    left = tmp_path / ".picturedesk-export-out-999" / "pictures"
    left.mkdir(parents=True)
    (left / "mug.png").write_bytes(desk.blobs.read(reading.edit(desk.db, 1).outputs[0].picture.sha256, "image/png"))
    (left / "hat.png").write_bytes(b"half")
    before = (left / "mug.png").stat().st_ino
    export(desk, tmp_path / "out")
    assert (tmp_path / "out" / "pictures" / "mug.png").stat().st_ino == before
    assert verify_export(tmp_path / "out") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out"]


def test_only_the_table_is_an_export_too(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1)
    summary = export(desk, tmp_path / "out", only_csv=True)
    assert summary.rows == 1
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["SHA256SUMS", "approved.csv", "manifest.json", "manifest.json.sig"]
    assert verify_export(tmp_path / "out") == []
    assert exports.is_exported(desk.db, 1)


def test_a_name_that_many_batches_have_stays_short_enough_for_a_file() -> None:
    """The third one on grew by six letters each, until no file system took it."""
    names = FileNames()
    found = [names.name("mug", "", "image/png") for _ in range(300)]
    assert found[:4] == ["mug.png", "mug-a19ee257.png", "mug-a19ee257-again.png", "mug-a19ee257-again-2.png"]
    assert len(set(found)) == 300
    assert max(map(len, found)) < 100


def test_a_name_that_was_given_is_known_whatever_came_since() -> None:
    """One at a time and by the page, as a set would have it."""
    draw, names, given = random.Random(3), FileNames(), set[str]()
    for _ in range(300):
        wanted = [f"Item {draw.randrange(4_000)}" for _ in range(draw.choice((1, 7, 20)))]
        wanted = [text.upper() if draw.random() < 0.2 else text for text in wanted]
        rows = [SimpleNamespace(name=text, variant="", media_type="image/png") for text in wanted]
        found = names.names(rows) if len(rows) > 1 else [f"{names.stem(wanted[0])}.png"]  # type: ignore[arg-type]
        for text, name in zip(wanted, found, strict=True):
            assert name.casefold() not in given
            assert (name == f"{text}.png") == (f"{text}.png".casefold() not in given)
            given.add(name.casefold())
