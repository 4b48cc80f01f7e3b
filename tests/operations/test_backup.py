"""A backup that is made while a batch runs comes back whole, elsewhere."""

import asyncio
import csv
import json
import os
import threading
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import audit, backing_up, providers
from pipeline.backing_up import FACTS, Backup, back_up, restore
from pipeline.desk import Desk
from pipeline.errors import Forbidden, StoreError, UsageError
from pipeline.export import export_approved
from pipeline.intake import take_in
from pipeline.people import Person, local_person
from pipeline.runner import Runner, RunProgress
from pipeline.states import EditState, Role
from pipeline.store import copying, reading
from tests import postgres
from tests.commands import run_command, shared_pool
from tests.fakes import ScriptedProvider
from tests.runner.desks import make_desk, states

ADA = local_person("ada")


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}


def run_and_back_up(desk: Desk, folder: Path) -> Backup:
    """Make what is queued; after the first edits, back up in another thread."""
    made: list[Backup] = []
    thread = threading.Thread(target=lambda: made.append(back_up(desk, folder, by=ADA)))

    def on_progress(progress: RunProgress) -> None:
        if progress.done == 3:
            thread.start()

    asyncio.run(Runner(desk, on_progress=on_progress).run())
    thread.join()
    return made[0]


def is_made(state: EditState) -> bool:
    """Approved, or taken as a sample."""
    return state in (EditState.APPROVED, EditState.IN_REVIEW)


def exported(desk: Desk, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, bytes]]:
    """Its two lists and its pictures, without the moment at which it was made."""
    export_approved(desk, folder, by=ADA)
    lines = [json.loads(line) for line in (folder / "approved.jsonl").read_text("utf-8").splitlines()]
    with (folder / "approved.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for each in (*lines, *rows):
        assert each.pop("exported_at")
    return lines, rows, {path.name: path.read_bytes() for path in folder.glob("pictures/*")}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_a_running_batch_comes_back_whole_and_goes_on(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "postgresql" and postgres.is_there():
        monkeypatch.setenv("PATH", f"{postgres.programs()}{os.pathsep}{os.environ['PATH']}")
    with (
        postgres.desks_are_in_it() if kind == "postgresql" else nullcontext(),
        postgres.empty_database() if kind == "postgresql" else nullcontext() as first,
        postgres.empty_database() if kind == "postgresql" else nullcontext() as second,
    ):
        desk = make_desk(tmp_path, *(f"edit {number}" for number in range(8)), concurrency=2)
        backup = run_and_back_up(desk, tmp_path / "backup")
        assert backup.missing == []
        assert all(is_made(state) for state in states(desk))

        found = restore(tmp_path / "backup", tmp_path / "midway", by=ADA, database=first)
        assert found.missing == []
        with closing(Desk.open(tmp_path / "midway", database=first)) as midway:
            assert audit.verify(midway, expected=backup.head).is_whole
            standing = states(midway)
            assert 3 <= sum(map(is_made, standing)) < 8, "it was made in between"
            queued = [
                batch.paused_at is not None for batch in reading.batches(midway.db) if EditState.QUEUED in standing
            ]
            assert all(queued), "what is queued may have been paid since"

        again = back_up(desk, tmp_path / "backup", by=ADA)
        assert again.copied <= 2 * 8 + 1, "only what is new"
        restore(tmp_path / "backup", tmp_path / "after", by=ADA, database=second)
        with closing(Desk.open(tmp_path / "after", database=second)) as after:
            assert copying.counts(after.db) == copying.counts(desk.db)
            assert exported(after, tmp_path / "one") == exported(desk, tmp_path / "other")
        desk.close()


def make_another(desk: Desk, folder: Path) -> None:
    """One more edit on a picture of its own, and its output."""
    number = len(states(desk)) + 1
    Image.new("RGB", (64, 48), (number * 20, 30, 90)).save(folder / f"{number}.png")
    (folder / f"{number}.csv").write_text(f"asset_id,source,prompt\nasset-{number},{number}.png,edit {number}\n")
    take_in(desk, folder / f"{number}.csv", actor="ada")
    asyncio.run(Runner(desk).run())


@pytest.mark.usefixtures("each_database")
def test_what_others_do_while_a_backup_is_made_is_no_part_of_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are made when pg_dump is about to begin, and when all pictures were copied."""
    if is_shared := postgres.is_in_use():
        monkeypatch.setenv("PATH", f"{postgres.programs()}{os.pathsep}{os.environ['PATH']}")
    desk = make_desk(tmp_path, "one")
    asyncio.run(Runner(desk).run())
    before, counts, shop = audit.verify(desk), copying.counts(desk.db), tmp_path / "shop"
    program, copy_tree = copying._postgresql, backing_up._copy_tree

    def begin_late(*arguments: str) -> None:
        make_another(desk, shop)
        program(*arguments)

    def go_on_afterwards(source: Path, target: Path, **options: Any) -> int:
        copied = copy_tree(source, target, **options)
        if target == tmp_path / "backup" / "pictures":
            make_another(desk, shop)
        return copied

    with monkeypatch.context() as patched, postgres.empty_database() if is_shared else nullcontext() as empty:
        patched.setattr(copying, "_postgresql", begin_late)
        patched.setattr(backing_up, "_copy_tree", go_on_afterwards)
        made = back_up(desk, tmp_path / "backup", by=ADA)
        patched.undo()
        assert (made.head, made.counts, made.pictures, made.missing) == (before.head, counts, 2, [])
        assert len(states(desk)) == (3 if is_shared else 2)
        restore(tmp_path / "backup", tmp_path / "back", by=ADA, database=empty)
        with closing(Desk.open(tmp_path / "back", database=empty)) as back:
            assert audit.verify(back) == before
    desk.close()


def test_what_is_wrong_with_a_backup_is_said_before_anything_stands_on_it(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    asyncio.run(Runner(desk).run())
    folder = tmp_path / "backup"
    with pytest.raises(Forbidden):
        back_up(desk, folder, by=Person("vic", Role.APPROVER))
    for wrong in (desk.root / "inside", tmp_path, tmp_path / "shop"):
        with pytest.raises(UsageError, match="holds something else"):
            back_up(desk, wrong, by=ADA)
    made = back_up(desk, folder, by=ADA)
    assert not (folder / "files" / "tickets.key").exists()
    picture = next((folder / "pictures").rglob("*.png"))
    aside = picture.rename(tmp_path / "aside.png")
    ran = run_command("--desk", str(tmp_path / "new"), "restore", str(folder), "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["missing"]) == (1, [picture.stem])
    aside.rename(picture)
    with pytest.raises(UsageError, match="not empty"):
        restore(folder, tmp_path / "new", by=ADA)

    facts = (folder / FACTS).read_text()
    (folder / FACTS).write_text(facts.replace(made.head, "1" * 64))
    with pytest.raises(StoreError, match="not whole"):
        restore(folder, tmp_path / "other", by=ADA)
    (folder / FACTS).unlink()
    with pytest.raises(UsageError, match="no backup"):
        restore(folder, tmp_path / "another", by=ADA)

    picture.with_name("f" * 64 + ".png").write_bytes(b"erased on the desk since")
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE event SET actor = 'mallory' WHERE id = 2")
    with pytest.raises(StoreError, match="the history is not whole"):
        back_up(desk, folder, by=ADA)
    desk.close()
