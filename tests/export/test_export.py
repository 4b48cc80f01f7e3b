"""What is approved comes out, byte for byte; nothing else does, and nothing half."""

import csv
import fcntl
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pipeline import claiming, review
from pipeline.claiming import QueueFilter
from pipeline.desk import Desk
from pipeline.errors import Forbidden, UsageError
from pipeline.export import ExportSummary, export_approved, verify_export, write_zip
from pipeline.people import Person, local_person
from pipeline.states import EditState, Role
from pipeline.store import exports, reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.values import Instruction, ManifestRow, PictureFacts, Route
from tests.attempts import begin, finish
from tests.commands import run_command
from tests.desks import drawn_picture, load_rows, new_desk

ADA = local_person("ada")


HOSTILE = ["../../etc/passwd", "con", "a/b:c*?", "Mug", "mug", "=cmd|' /C calc'!A0", "naïve " + "é" * 300, ". "]


def make_desk(root: Path, names: list[str], **extra: str) -> Desk:
    """A desk with an edit in review for each name, each with a picture of its own."""
    desk = new_desk(root)
    rows = [
        ManifestRow(
            line=number + 2,
            asset_id=name,
            variant="",
            source=f"/secret/folder/{number}.png",
            steps=(Instruction("=make it square"),),
            extra={"price": "-9.50", **extra},
        )
        for number, name in enumerate(names)
    ]
    load_rows(desk.db, rows, batch="shop")
    for number, edit_id in enumerate(reading.edit_ids(desk.db, reading.EditFilter())):
        _produce(desk, edit_id, f"#{number * 5 + 10:02x}4080")
    return desk


def _produce(desk: Desk, edit_id: int, colour: str) -> None:
    data = drawn_picture(colour)
    picture = PictureFacts(desk.blobs.put(data, "image/png"), "image/png", (320, 240), len(data))
    running.save_source(desk.db, edit_id, original_sha256="a" * 64, source=picture, facts={"file_name": "x.png"})
    attempt = begin(desk.db, edit_id)
    output = StoredOutput(picture, "", {}, ())
    finish(desk.db, attempt, [output], cost_microusd=40_000)
    output_id = reading.edit(desk.db, edit_id).outputs[0].id
    to_review = Route(to_review=True, is_sample=False, reasons=("text introduced",), policy_hash="p")
    running.route_edit(desk.db, edit_id, to_review, {output_id: []}, owner="r", best_output_id=output_id)


def approve(desk: Desk, *edit_ids: int) -> None:
    for edit_id in edit_ids:
        review.accept(desk, edit_id, by=ADA, note="+fine")


def export(desk: Desk, target: Path, **options: Any) -> ExportSummary:
    return export_approved(desk, target, by=local_person("ada"), **options)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "approved.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_only_what_is_approved_comes_out_byte_for_byte(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat", "bag", "sock"])
    approve(desk, 1, 3)
    review.reject(desk, 2, by=ADA, reason="other")
    summary = export(desk, tmp_path / "out")
    assert summary.rows == 2
    rows = table(tmp_path / "out")
    assert [row["asset_id"] for row in rows] == ["mug", "bag"]
    for row in rows:
        data = (tmp_path / "out" / row["output_uri"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["output_sha256"]
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 2


def test_a_viewer_exports_nothing(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    with pytest.raises(Forbidden, match="that takes a requester"):
        export_approved(desk, tmp_path / "out", by=Person("vic", Role.VIEWER))
    assert not (tmp_path / "out").exists()
    assert not exports.is_exported(desk.db, 1)


def test_a_row_says_who_decided_and_what_it_cost(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    export(desk, tmp_path / "out")
    (row,) = table(tmp_path / "out")
    assert (row["decided_by"], row["decided_via"], row["cost_usd"], row["batch"]) == ("ada", "human", "0.04", "shop")
    assert row["source_uri"] == "0.png", "no folder of this machine comes out"
    (line,) = [json.loads(text) for text in (tmp_path / "out" / "approved.jsonl").read_text("utf-8").splitlines()]
    assert line["manifest"] == {"price": "-9.50"}
    assert line["asset_id"] == "mug"


def test_formulas_are_defused_in_the_table(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["=1+1"], note="@SUM(A1)")
    approve(desk, 1)
    export(desk, tmp_path / "out")
    (row,) = table(tmp_path / "out")
    assert row["asset_id"] == "'=1+1"
    assert row["instruction"] == "'=make it square"
    assert row["price"] == "'-9.50"
    assert row["note"] == "'@SUM(A1)"
    assert row["reviewer_note"] == "'+fine"


def test_hostile_names_become_files_of_their_own_in_the_folder(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", HOSTILE)
    approve(desk, *range(1, len(HOSTILE) + 1))
    export(desk, tmp_path / "out")
    names = [row["output_uri"] for row in table(tmp_path / "out")]
    assert len({name.casefold() for name in names}) == len(HOSTILE)
    for name in names:
        path = (tmp_path / "out" / name).resolve()
        assert path.parent == (tmp_path / "out" / "pictures").resolve()
        assert path.is_file()
        assert len(path.name.encode()) < 255


def test_exporting_again_gives_the_same_and_replaces_the_old(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1)
    first = export(desk, tmp_path / "out")
    assert export(desk, tmp_path / "out").export_id == first.export_id
    approve(desk, 2)
    second = export(desk, tmp_path / "out")
    assert second.export_id != first.export_id
    assert len(table(tmp_path / "out")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out"]


def test_nothing_approved_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    with pytest.raises(UsageError, match="nothing is approved"):
        export(desk, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="no export"):
        export(desk, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_a_crash_leaves_the_old_export_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1)
    export(desk, tmp_path / "out")
    before = (tmp_path / "out" / "approved.csv").read_bytes()
    approve(desk, 2)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        export(desk, tmp_path / "out")
    assert (tmp_path / "out" / "approved.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out"]


def test_a_batch_of_which_nothing_is_approved_stands_in_nobodys_way(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    steps = (Instruction("=make it square"),)
    row = ManifestRow(line=2, asset_id="hat", variant="", source="/secret/folder/hat.png", steps=steps)
    load_rows(desk.db, [row], batch="second")
    _produce(desk, 2, "#a04080")
    approve(desk, 2)
    export(desk, tmp_path / "out")
    assert [row["asset_id"] for row in table(tmp_path / "out")] == ["hat"]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    (tmp_path / ".picturedesk-export-out-999" / "pictures").mkdir(parents=True)
    export(desk, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out"]


def test_an_export_leaves_alone_what_others_are_writing(tmp_path: Path) -> None:
    """The name of ``out-feed`` begins as that of ``out`` does."""
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    other = tmp_path / ".picturedesk-export-out-feed-999" / "pictures"
    other.mkdir(parents=True)
    running = tmp_path / ".picturedesk-export-out-999"  # by another process, to the same place
    running.mkdir()
    opened = os.open(running, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    export(desk, tmp_path / "out")
    assert other.is_dir()
    assert running.is_dir()

    os.close(opened)  # as its process ends
    export(desk, tmp_path / "out")
    assert not running.exists()


def test_several_may_export_to_one_place_at_once(tmp_path: Path) -> None:
    """As two people do on the page Export; each writes for themselves, and the place has one of them, whole."""
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    begun = Barrier(3)

    def export_one(_: int) -> int:
        begun.wait()
        return export(desk, tmp_path / "out").rows

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(export_one, range(3))) == [2, 2, 2]
    assert verify_export(tmp_path / "out") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out"]


@pytest.mark.parametrize("text", ["[]", '{"files": []}', '{"files": {"a": 5}}', '{"files": {"a": {}}}', "{"])
def test_a_manifest_that_is_none_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, "ascii")
    assert [problem.partition(": ")[0] for problem in verify_export(tmp_path)] == [
        f"{tmp_path / 'manifest.json'} cannot be read"
    ]


def test_verify_finds_every_changed_and_missing_file(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    export(desk, tmp_path / "out")
    assert verify_export(tmp_path / "out") == []
    first, second = sorted((tmp_path / "out" / "pictures").iterdir())
    first.write_bytes(b"other")
    second.unlink()
    assert len(verify_export(tmp_path / "out")) == 2


def test_undone_approvals_do_not_come_out(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    review.undo(desk, 2, by=ADA)
    export(desk, tmp_path / "out")
    assert [row["asset_id"] for row in table(tmp_path / "out")] == ["mug"]


def test_a_zip_holds_the_whole_export(tmp_path: Path) -> None:
    import zipfile

    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    export(desk, tmp_path / "out")
    write_zip(tmp_path / "out", tmp_path / "out.zip")
    assert verify_export(tmp_path / "out.zip") == [f"{tmp_path / 'out.zip'} is a file: unpack it, and name the folder"]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert "out/approved.csv" in archive.namelist()

    before = (tmp_path / "out.zip").read_bytes()
    os.utime(tmp_path / "out" / "approved.csv", (0, 0))  # which a ZIP cannot say
    with pytest.raises(ValueError, match="1980"):
        write_zip(tmp_path / "out", tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "out", "out.zip"]
    assert claiming.queue(desk, QueueFilter()) == []
    assert reading.edit(desk.db, 1).state is EditState.APPROVED


def test_a_zip_of_what_goes_to_a_bucket_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    told = run_command("--desk", str(desk.root), "export", "--to", "s3://bucket/shop", "--zip")
    assert (told.exit_code, "name a folder" in told.stderr) == (2, True)
