"""A desk moved in the middle of a batch: it goes on, nothing is lost or paid twice, and the export is the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from PIL import Image

from pipeline import review
from pipeline.blobs import blob_place, open_blobs
from pipeline.desk import Desk
from pipeline.export import export_approved
from pipeline.people import local_person
from pipeline.states import EditState
from pipeline.store import Database, reading
from pipeline.store.reading import EditFilter
from tests import buckets, postgres
from tests.clock import Clock, set_clock
from tests.commands import run_command
from tests.fake_command import fake_command

ADA = local_person("ada")
EDITS = 32
DONE = {EditState.IN_REVIEW, EditState.APPROVED}
LEFT_OUT = 32
"""Queued last: it cannot be among those that are accepted before the move."""

MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shop:
    """A manifest, and the service that makes its edits."""

    manifest: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        ours = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{self.url}/v1"}
        return {**ours, "PICTUREDESK_DETECTORS": "[]", "PICTUREDESK_WORKERS": "1", "PICTUREDESK_CONCURRENCY": "4"}

    def books(self) -> dict[str, Any]:
        """What the service billed, once it has finished what a killed client left behind."""
        books: dict[str, Any] = {}
        while (now := httpx.get(f"{self.url}/fake/ledger").json()) != books:
            books = now
            time.sleep(1)
        return books


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (64, 48), (number * 60, 90, 160)).save(folder / f"{number}.png")
    rows = "".join(f"item-{n},{n % 4}.png,make it vintage {n}\n" for n in range(EDITS))
    (folder / "shop.csv").write_text(f"asset_id,source,prompt\n{rows}")
    with fake_command("--quick", "--latency", "150-400") as url:
        yield Shop(folder / "shop.csv", url)


def test_a_desk_moved_in_the_middle_of_a_batch_goes_on_as_if_it_had_not_been(tmp_path: Path, shop: Shop) -> None:
    """From SQLite and a folder to PostgreSQL and a bucket, stopped by SIGTERM; its twin was neither."""
    with postgres.empty_desk() as url:
        moved = made_desk(tmp_path / "moved")
        stop_when_some_are_made(moved, shop)
        assert 0 < states(moved).count(EditState.QUEUED) < EDITS
        accept(moved, in_review(moved)[:2])
        before = exported(moved, tmp_path / "before")
        move(moved, url)
        move_pictures(moved)
        assert exported(moved, tmp_path / "after") == before
        ran = run(moved, shop)
        assert ran["stopped_by"] is None
        assert set(states(moved)) <= DONE
        books = shop.books()
        assert books["billed"] == EDITS
        assert ours(moved) == {entry["client_id"]: entry["cost_microusd"] for entry in books["entries"]}
        twin = made_desk(tmp_path / "twin")
        run(twin, shop)
        for root in (moved, twin):
            accept(root, [edit for edit in in_review(root) if edit != LEFT_OUT])
        export = exported(moved, tmp_path / "moved-export")
        lists = ("approved.csv", "approved.jsonl", "manifest.json", "manifest.json.sig", "SHA256SUMS")
        assert len(export) == EDITS - 1 + len(lists)
        shutil.copy(moved / "export.key", twin)
        assert export == exported(twin, tmp_path / "twin-export")
        assert run_command("--desk", str(moved), "audit", "verify").exit_code == 0


def test_what_a_killed_worker_was_sending_moves_along_and_is_in_doubt(tmp_path: Path, shop: Shop) -> None:
    """Each answer that was lost and billed is shown, none is asked for again, and the bill ends the doubt."""
    with postgres.empty_desk() as url:
        root = made_desk(tmp_path / "desk")
        command = [sys.executable, "-m", "pipeline.cli", "--desk", str(root), *arguments(shop)]
        process = subprocess.Popen(command, env={**os.environ, **shop.environment}, stdout=subprocess.DEVNULL)
        wait_until_some_are_made_and_some_are_sent(root)
        process.kill()
        process.wait()
        sending = states(root).count(EditState.SENDING)
        assert sending > 0
        move(root, url)
        run(root, shop)
        assert states(root).count(EditState.IN_DOUBT) == sending
        assert set(states(root)) <= DONE | {EditState.IN_DOUBT}
        books = shop.books()
        billed = [entry["client_id"] for entry in books["entries"]]
        assert EDITS - sending <= len(billed) <= EDITS  # what was written down before the kill may not have left yet
        assert len(set(billed)) == len(billed)
        assert len(ours(root)) == EDITS  # one request each, and none that the service does not know as ours
        assert set(billed) <= ours(root).keys()
        bill = tmp_path / "bill.json"
        bill.write_text(json.dumps(books))
        assert run_command("--desk", str(root), "settle", str(bill), "--complete").exit_code == 0
        told = json.loads(run_command("--desk", str(root), "costs", "--json").stdout)
        assert (told["total_microusd"], told["doubtful_requests"]) == (books["total_microusd"], 0)
        assert run_command("--desk", str(root), "audit", "verify").exit_code == 0


def made_desk(root: Path) -> Path:
    Desk.open(root, create=True).close()
    (root / "policy.toml").write_text("review_everything = true\n")
    return root


def arguments(shop: Shop) -> list[str]:
    return ["run", str(shop.manifest), "--provider", "openai", "--json"]


def run(root: Path, shop: Shop) -> dict[str, Any]:
    ran = run_command("--desk", str(root), *arguments(shop), environment=shop.environment)
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def stop_when_some_are_made(root: Path, shop: Shop) -> None:
    """As ``kill`` stops it: what is being sent comes home first."""

    def stop() -> None:
        wait_until_some_are_made_and_some_are_sent(root)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    run(root, shop)
    thread.join()


def wait_until_some_are_made_and_some_are_sent(root: Path) -> None:
    end = time.monotonic() + 60
    with closing(Database(f"sqlite:///{root / 'desk.db'}")) as database:
        while True:
            found = [edit.state for edit in reading.each_edit(database, EditFilter())]
            if found.count(EditState.IN_REVIEW) >= 3 and {EditState.SENDING, EditState.QUEUED} <= set(found):
                return
            assert time.monotonic() < end
            time.sleep(0.05)


def move(root: Path, url: str) -> None:
    """As docs/databases.md says: the command, and one line in the settings."""
    told = run_command("--desk", str(root), "db", "migrate", "--to", url, "--json")
    assert told.exit_code == 0, told.stderr
    settings = root / "picturedesk.toml"
    settings.write_text(f'database = "{url}"\n{settings.read_text()}')


def move_pictures(root: Path) -> None:
    """To a bucket; nothing is left where they were, and the old database is gone, too."""
    bucket, options = buckets.new_bucket(), buckets.options(max_retries=10, retry_timeout_s=60)
    store = open_blobs(blob_place(bucket, root=root, options=options, cache_mb=0))
    for file in (root / "pictures").glob("??/??/*"):
        assert store.put(file.read_bytes(), Image.MIME[str(Image.open(file).format)]) == file.stem
    shutil.rmtree(root / "pictures")
    (root / "desk.db").unlink()
    values = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    settings = root / "picturedesk.toml"
    settings.write_text(f'blobs = "{bucket}"\n{settings.read_text()}\n[blobs_options]\n{values}')


def states(root: Path) -> list[EditState]:
    with closing(Desk.open(root)) as desk:
        return [edit.state for edit in reading.each_edit(desk.db, EditFilter())]


def in_review(root: Path) -> list[int]:
    return [number for number, state in enumerate(states(root), start=1) if state is EditState.IN_REVIEW]


def accept(root: Path, edit_ids: list[int]) -> None:
    with closing(Desk.open(root)) as desk, set_clock(MOMENT):
        for edit_id in edit_ids:
            review.accept(desk, edit_id, by=ADA)


def exported(root: Path, folder: Path) -> dict[str, bytes]:
    """Every file of an export to the byte, made at one and the same moment."""
    with closing(Desk.open(root)) as desk, patch("pipeline.export.writing.datetime", Clock(MOMENT)):
        export_approved(desk, folder, by=ADA)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ours(root: Path) -> dict[str, int | None]:
    """What each request cost by our ledger."""
    with closing(Desk.open(root)) as desk:
        edits = reading.edit_ids(desk.db, EditFilter(), limit=1000)
        return {each.client_id: each.cost_microusd for edit in edits for each in reading.attempts(desk.db, edit)}
