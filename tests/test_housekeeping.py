"""Pictures that nobody names, and pictures on their way to another place; in a folder and in a bucket."""

import json
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import housekeeping, review
from pipeline.blobs import SET_ASIDE, BlobPlace, BlobStore, blob_name, kept_sha256
from pipeline.desk import Desk
from pipeline.errors import Forbidden, UsageError
from pipeline.housekeeping import Collected, before_run, collect, copy_all
from pipeline.people import Person, local_person
from pipeline.states import Role
from pipeline.store import reading, running
from pipeline.store.naming import named_pictures
from tests.buckets import bucket_place, new_bucket, options
from tests.commands import run_command
from tests.desks import new_desk
from tests.runner.desks import edits
from tests.test_review import png

ADA = local_person("ada")
HOUR = timedelta(hours=1)


@pytest.fixture(params=["folder", "bucket"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """``hat`` and others, with sources, outputs and a reviewer's mark."""
    from tests import desks

    given: dict[str, Any] = {"blobs": new_bucket(), "blobs_options": options()} if request.param == "bucket" else {}
    new_desk(tmp_path / "desk").close()
    opened = Desk.open(tmp_path / "desk", **given)
    desks._load(opened, ("hat", "mug"), "")
    for edit_id in (1, 2):
        desks.produce(opened, edit_id, [], colours=("crimson",) if edit_id == 1 else ("teal",))
    review.reprompt(opened, 1, by=ADA, prompt="bluer here", mask=png(alpha=255))
    yield opened
    opened.close()


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let so many hours pass for the collector."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=hours)

    monkeypatch.setattr(housekeeping, "datetime", Clock)


def counts(found: Collected) -> tuple[int, ...]:
    names = ("kept", "young", "set_aside", "waiting", "restored", "removed")
    return tuple(getattr(found, name).pictures for name in names)


def test_what_nobody_names_is_set_aside_and_later_removed_and_the_rest_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept are the source, two outputs and the reviewer's mark."""
    stray = desk.blobs.put(b"stray" * 1000, "image/png")
    assert kept_sha256(edits(desk)[-1].mask) in set(named_pictures(desk.db))
    assert counts(collect(desk, by=ADA, older_than=HOUR)) == (4, 1, 0, 0, 0, 0)
    later(monkeypatch, 2)
    assert counts(collect(desk, by=ADA, older_than=HOUR, dry_run=True)) == (4, 0, 1, 0, 0, 0)
    assert counts(collect(desk, by=ADA, older_than=HOUR)) == (4, 0, 1, 0, 0, 0)
    later(monkeypatch, 0)
    assert counts(collect(desk, by=ADA, older_than=HOUR)) == (4, 0, 0, 1, 0, 0)
    later(monkeypatch, 2)
    removed = collect(desk, by=ADA, older_than=HOUR)
    assert (counts(removed), removed.removed.bytes) == ((4, 0, 0, 0, 0, 1), 5000)
    assert not desk.blobs.has(stray, "image/png")
    (event, *_) = reading.latest_events(desk.db, kind="blobs.", limit=1)
    assert (event.actor, event.data["removed"], event.data["freed_bytes"]) == ("ada", 1, 5000)


def test_a_picture_that_is_named_just_then_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer finds an old one there, and does not write it again; the row comes after it was set aside."""
    stray = desk.blobs.put(b"stray", "image/png")
    later(monkeypatch, 2)
    assert desk.blobs.put(b"stray", "image/png") == stray
    assert collect(desk, by=ADA, older_than=HOUR).set_aside.pictures == 1
    with desk.db.write() as connection:
        connection.exec_driver_sql(f"UPDATE asset SET original_sha256 = '{stray}' WHERE id = 2")
    later(monkeypatch, 100)
    assert collect(desk, by=ADA, older_than=HOUR).restored.pictures == 1
    desk.blobs.shelf.move(blob_name(stray, "image/png"), f"{SET_ASIDE}/{blob_name(stray, 'image/png')}")
    assert desk.blobs.read(stray, "image/png") == b"stray"


def test_what_a_shared_answer_names_stays_unless_it_is_told_otherwise(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = desk.blobs.put(b"stray", "image/png")
    answer = {"outputs": [{"sha256": stray}]}
    desk.blobs.shelf.replace("answers/ab/abc.json", json.dumps(answer).encode(), media_type="application/json")
    later(monkeypatch, 2)
    assert counts(collect(desk, by=ADA, older_than=HOUR)) == (5, 0, 0, 0, 0, 0)
    assert collect(desk, by=ADA, older_than=HOUR, even_answered=True).set_aside.pictures == 1


def test_no_desk_removes_what_another_may_name(tmp_path: Path) -> None:
    place = str(tmp_path / "shared")
    first, second = (new_desk(tmp_path / name, blobs=place) for name in "ab")
    for desk in (first, second):
        review_desk(desk)
        before_run(desk)
    with pytest.raises(UsageError, match=rf"shared with the desk {tmp_path / 'b'}: .*--also"):
        collect(first, by=ADA, older_than=HOUR)
    assert collect(first, by=ADA, older_than=HOUR, others=[second]).kept.pictures == 0
    with pytest.raises(UsageError, match="an hour at least"):
        collect(first, by=ADA, older_than=timedelta(minutes=1))
    with pytest.raises(Forbidden):
        collect(first, by=Person("eve", Role.APPROVER), older_than=HOUR)


def review_desk(desk: Desk) -> None:
    from pipeline.store import chain

    chain.note(desk.db, "settings.reject_reasons", actor="ada", data={"desk": desk.root.name})


def test_all_pictures_are_copied_and_an_interrupted_copy_goes_on(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = BlobStore(bucket_place() if desk.blobs.place.is_folder else BlobPlace(str(tmp_path / "elsewhere")))
    desk.blobs.shelf.replace("answers/ab/abc.json", b"{}", media_type="application/json")
    written: list[str] = []
    replace = target.shelf.replace

    def until_the_third(name: str, data: bytes, *, media_type: str) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        replace(name, data, media_type=media_type)

    monkeypatch.setattr(housekeeping, "_AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(target.shelf, "replace", until_the_third)
        with pytest.raises(KeyboardInterrupt):
            copy_all(desk, desk.blobs, target, by=ADA, on_progress=lambda _: None)
    found = copy_all(desk, desk.blobs, target, by=ADA, on_progress=lambda _: None)
    assert (found.is_whole, found.copied.pictures, found.there.pictures, found.others) == (True, 2, 2, 1)
    assert {each.name for each in target.shelf.each()} == {each.name for each in desk.blobs.shelf.each()}
    for sha256 in set(named_pictures(desk.db)):
        target.verify(sha256, "image/png")
    again = copy_all(desk, desk.blobs, target, by=ADA, on_progress=lambda _: None)
    assert (again.copied.pictures, again.there.pictures) == (0, 4)


def test_what_is_damaged_or_missing_is_named_and_not_copied(desk: Desk) -> None:
    source, first = edits(desk)[0].asset.source, edits(desk)[0].outputs[0].picture
    assert source is not None
    desk.blobs.shelf.replace(blob_name(source.sha256, "image/png"), b"other", media_type="image/png")
    desk.blobs.shelf.remove(blob_name(first.sha256, "image/png"))
    found = copy_all(desk, desk.blobs, BlobStore(bucket_place()), by=ADA, on_progress=lambda _: None)
    assert (found.damaged, found.missing) == ([blob_name(source.sha256, "image/png")], [first.sha256])


def test_the_commands_say_what_was_done(tmp_path: Path) -> None:
    """In the folder, nothing is old enough; then its one stray picture is."""
    new_desk(tmp_path / "desk").close()
    desk = Desk.open(tmp_path / "desk")
    stray = desk.blobs.put(b"stray", "image/png")
    os.utime(desk.blobs.path(stray, "image/png"), (0, 0))
    told = json.loads(run_command("--desk", str(desk.root), "gc", "--json").stdout)
    assert (told["set_aside"], told["kept"]["pictures"]) == ({"pictures": 1, "bytes": 5}, 0)
    assert run_command("--desk", str(desk.root), "gc", "--older-than", "soon").exit_code == 2
    copied = run_command("--desk", str(desk.root), "blobs", "copy", "--to", str(tmp_path / "elsewhere"))
    assert "Every picture is there." in copied.stdout


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_no_picture_is_lost_while_writers_find_again_what_is_being_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Four writers keep the same few pictures again and again, and name some of them up to 0.2 s later.

    The collector goes by seconds here instead of days; a bucket's times are whole seconds.
    """
    monkeypatch.setattr(housekeeping, "_NO_WRITER_TAKES", timedelta(0))
    given: dict[str, Any] = {"blobs": new_bucket(), "blobs_options": options(), "blobs_cache_mb": 0}
    desk = new_desk(tmp_path / "desk", **(given if kind == "bucket" else {}))
    until, named = time.monotonic() + 30, set[str]()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < until:
            sha256 = desk.blobs.put(b"picture %d" % chance.randrange(2_000), "image/png")
            time.sleep(chance.random() / 5)
            if chance.random() < 0.3:
                running.save_scans(desk.db, sha256, {f"by chance {chance.random()}": ()})
                named.add(sha256)

    collected = list[Collected]()
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, seed) for seed in range(4)]
        while time.monotonic() < until:
            collected.append(collect(desk, by=ADA, older_than=timedelta(seconds=2.5)))
        for writer in writers:
            writer.result()
    assert sum(each.removed.pictures for each in collected) > 50
    assert len(named) > 100
    for sha256 in named:
        desk.blobs.verify(sha256, "image/png")
    desk.close()
