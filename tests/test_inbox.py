"""Pictures that are brought to a folder or a bucket become batches: each once, whatever breaks in between."""

import json
import platform
import re
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pipeline.desk import Desk
from pipeline.errands import errands
from pipeline.errors import UsageError
from pipeline.inbox import InboxWork
from pipeline.object_shelf import ObjectShelf
from pipeline.settings import Inbox
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from tests import buckets
from tests.commands import run_command
from tests.desks import drawn_picture, new_desk

RED, TEAL, NAVY = (drawn_picture(colour) for colour in ("crimson", "teal", "navy"))
GONE = f"{platform.node()}:4194305:x"
"""A process that cannot be: there are at most 4,194,304 on Linux."""


class Clock:
    """Seconds as the test says."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "brought"
    made.mkdir()
    return made


def inbox(place: object, **options: Any) -> Inbox:
    return Inbox(place=str(place), **{"prompt": "make it square", "steady_s": 0, **options})


def bring(folder: Path, files: dict[str, bytes | str]) -> None:
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)


def assets(desk: Desk) -> dict[str, list[str]]:
    """The names of all assets, by batch."""
    found: dict[str, list[str]] = {name: [] for name in reversed(reading.batch_names(desk.db))}
    for edit in reading.each_edit(desk.db, EditFilter()):
        found.setdefault(edit.asset.batch, []).append(edit.asset.name)
    return found


def lying(folder: Path) -> list[str]:
    """What lies in a folder."""
    return without_moments(path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())


def without_moments(paths: Iterable[str]) -> list[str]:
    """``done/2026-11-21-201500-7/a.png`` as ``done/a.png``."""
    return [re.sub(r"^(done|bad)/[^/]*/", r"\1/", path) for path in paths]


MIXED: dict[str, bytes | str] = {
    "monday/front.png": RED,
    "monday/details/back.png": TEAL,
    "hats/hats.csv": "asset_id,source,prompt\nhat-1,one.png,make it red\n",
    "hats/one.png": NAVY,
    "loose.png": NAVY,
    "half.png.part": b"\x89PNG",
    ".hidden.png": RED,
}


@pytest.mark.usefixtures("each_database")
def test_each_folder_and_what_lies_loose_becomes_a_batch_once(tmp_path: Path, folder: Path) -> None:
    desk = new_desk(tmp_path / "desk")
    bring(folder, MIXED)
    taken = InboxWork(desk, inbox(folder)).step()
    assert [(each.folder, sum(each.batches.values()), dict(each.bad)) for each in taken] == [
        ("hats", 1, {}),
        ("", 1, {}),
        ("monday", 2, {}),
    ]
    found = assets(desk)
    loose = next(name for name in found if name.startswith("brought-20"))
    assert found == {"hats": ["hat-1"], loose: ["loose"], "monday": ["details/back", "front"]}
    kept = ["done/hats/hats.csv", "done/hats/one.png", "done/loose.png"]
    kept += ["done/monday/details/back.png", "done/monday/front.png"]
    assert lying(folder) == [".hidden.png", *kept, "half.png.part"]
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["done"]
    assert InboxWork(desk, inbox(folder)).step() == []

    bring(folder, {"monday/front.png": RED, "monday/side.png": NAVY, "hats/hats.csv": MIXED["hats/hats.csv"]})
    bring(folder, {"hats/one.png": NAVY})
    InboxWork(desk, inbox(folder)).step()
    found = assets(desk)
    assert found == {"hats": ["hat-1"], loose: ["loose"], "monday": ["details/back", "front", "side"]}
    sources = [edit.asset.source_uri for edit in reading.each_edit(desk.db, EditFilter())]
    assert all(Path(source).is_file() for source in sources)
    assert list((desk.root / "inbox").glob(".taken-*")) == []
    desk.close()


def test_a_file_that_grows_is_waited_for_and_its_folder_with_it(desk: Desk, folder: Path) -> None:
    clock = Clock()
    work = InboxWork(desk, inbox(folder, steady_s=10), clock=clock)
    bring(folder, {"big/one.png": RED[:100], "small/two.png": TEAL})
    for clock.s, data in ((0, RED[:200]), (6, RED[:300]), (9, RED)):
        assert work.step() == []
        bring(folder, {"big/one.png": data})
    clock.s = 12
    assert [each.folder for each in work.step()] == ["small"]
    assert not work.is_quiet
    clock.s = 21.9
    assert work.step() == []
    clock.s = 22
    (taken,) = work.step()
    assert (taken.folder, dict(taken.batches)) == ("big", {"big": 1})


def test_what_cannot_be_used_is_put_aside_with_the_reason(desk: Desk, folder: Path) -> None:
    rows = "asset_id,source,prompt\na,one.png,make it red\na,missing.png,make it red\n"
    bring(folder, {"hats/hats.csv": rows, "hats/one.png": RED, "mix/good.png": TEAL, "mix/notes.docx": "x"})
    bring(folder, {"mix/broken.png": RED[:60], "mix/empty.jpg": b""})
    InboxWork(desk, inbox(folder)).step()
    assert assets(desk) == {"mix": ["good"]}
    assert lying(folder) == [
        *("bad/hats/hats.csv", "bad/hats/hats.csv.txt", "bad/hats/one.png", "bad/hats/one.png.txt"),
        *("bad/mix/broken.png", "bad/mix/broken.png.txt", "bad/mix/empty.jpg", "bad/mix/empty.jpg.txt"),
        *("bad/mix/notes.docx", "bad/mix/notes.docx.txt", "done/mix/good.png"),
    ]
    said = {path.name: path.read_text() for path in folder.rglob("*.txt")}
    assert "line 3, column source: found missing.png" in said["hats.csv.txt"]
    assert said["one.png.txt"] == "one.png: no good row of hats.csv names it\n"
    assert "neither a picture nor a manifest" in said["notes.docx.txt"]
    assert "no picture that can be read" in said["broken.png.txt"]
    assert "it is empty" in said["empty.jpg.txt"]
    bring(folder, {"next/good.png": RED})
    InboxWork(desk, inbox(folder, prompt=None)).step()
    assert "set a recipe or a prompt" in next(folder.rglob("next/good.png.txt")).read_text()


class Killed(BaseException):
    """As a power cut ends a process."""


POINTS = [
    "pipeline.inbox.InboxWork._planned",
    "pipeline.inbox.load_rows",
    "pipeline.store.inbox.loaded",
    "pipeline.inbox_places.FolderPlace.write",
    "pipeline.inbox_places.FolderPlace.move:2",
    "pipeline.store.inbox.finish",
]


def test_manifests_of_one_name_in_one_folder_are_all_loaded(desk: Desk, folder: Path) -> None:
    header = "asset_id,source,prompt\n"
    bring(folder, {"two/a/shop.csv": f"{header}hat,1.png,make it red\n", "two/a/1.png": RED})
    bring(folder, {"two/b/shop.csv": f"{header}cap,1.png,make it red\n", "two/b/1.png": TEAL})
    (taken,) = InboxWork(desk, inbox(folder)).step()
    assert (dict(taken.batches), dict(taken.bad)) == ({"shop": 2}, {})
    assert assets(desk) == {"shop": ["hat", "cap"]}


def test_folders_whose_names_are_made_safe_stay_batches_of_their_own(desk: Desk, folder: Path) -> None:
    bring(folder, {"10_30/1.png": RED, "10:30/1.png": TEAL, f"{'x' * 110}1/1.png": RED, f"{'x' * 110}2/1.png": TEAL})
    InboxWork(desk, inbox(folder)).step()
    found = assets(desk)
    assert ("10_30" in found, len(found), set(map(len, found.values()))) == (True, 4, {1})


def test_another_assets_picture_of_the_same_name_does_not_take_the_place_of_the_first(desk: Desk, folder: Path) -> None:
    for day, asset, picture in (("monday", "hat", RED), ("tuesday", "cap", TEAL)):
        bring(folder, {f"{day}/shop.csv": f"asset_id,source,prompt\n{asset},1.png,make it red\n"})
        bring(folder, {f"{day}/1.png": picture})
        InboxWork(desk, inbox(folder)).step()

    def brought() -> dict[str, bytes]:
        found = reading.each_edit(desk.db, EditFilter())
        return {edit.asset.name: Path(edit.asset.source_uri).read_bytes() for edit in found}

    assert brought() == {"hat": RED, "cap": TEAL}
    bring(folder, {"again/shop.csv": "asset_id,source,prompt\ncap,1.png,make it red\n", "again/1.png": TEAL})
    assert InboxWork(desk, inbox(folder)).step()[0].batches == {"shop": 0}
    assert {edit.round for edit in reading.each_edit(desk.db, EditFilter())} == {1}

    bring(folder, {"new/shop.csv": "asset_id,source,prompt\nhat,1.png,make it red\n", "new/1.png": NAVY})
    InboxWork(desk, inbox(folder)).step()
    assert brought() == {"hat": NAVY, "cap": TEAL}
    assert len([path for path in (desk.root / "inbox").rglob("*") if path.is_file()]) == 2


def test_one_name_that_is_none_does_not_keep_the_rest_of_its_folder_out(desk: Desk, folder: Path) -> None:
    bring(folder, {"monday/front.png": RED, "monday/li\nne.png": TEAL})
    (taken,) = InboxWork(desk, inbox(folder)).step()
    assert (dict(taken.batches), list(taken.bad)) == ({"monday": 1}, ["monday/li\nne.png"])
    assert "found 'li\\nne'; expected printable characters only" in taken.bad["monday/li\nne.png"]
    assert lying(folder) == ["bad/monday/li\nne.png", "bad/monday/li\nne.png.txt", "done/monday/front.png"]


@pytest.mark.parametrize("point", POINTS)
def test_after_a_crash_anywhere_everything_is_loaded_once(desk: Desk, folder: Path, point: str) -> None:
    bring(folder, {"monday/a.png": RED, "monday/b.png": TEAL, "monday/c.png": NAVY, "monday/x.txt": "x"})
    first = InboxWork(desk, inbox(folder))
    first._holder = GONE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*_killing(point))
        with pytest.raises(Killed):
            first.step()
    InboxWork(desk, inbox(folder)).step()
    assert assets(desk) == {"monday": ["a", "b", "c"]}
    done = [f"done/monday/{name}.png" for name in "abc"]
    assert lying(folder) == ["bad/monday/x.txt", "bad/monday/x.txt.txt", *done]
    assert InboxWork(desk, inbox(folder)).step() == []


def _killing(point: str) -> tuple[str, Callable[..., Any]]:
    """What stands at that point instead, and ends the process when it is called for the so-manieth time."""
    name, _, times = point.partition(":")
    left = int(times or 1)
    module, _, attribute = name.rpartition(".")
    original = _named(module, attribute)

    def killed(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return original(*args, **options)

    return name, killed


def _named(module: str, attribute: str) -> Callable[..., Any]:
    from pkgutil import resolve_name

    found: Callable[..., Any] = getattr(resolve_name(module), attribute)
    return found


def test_another_worker_leaves_what_one_has_in_hand(desk: Desk, folder: Path) -> None:
    bring(folder, {"monday/a.png": RED})
    first, second = InboxWork(desk, inbox(folder)), InboxWork(desk, inbox(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*_killing("pipeline.inbox.load_rows"))
        with pytest.raises(Killed):
            first.step()
    assert second.step() == []
    assert first.step()[0].batches == {"monday": 1}


def test_what_is_left_where_it_is_is_marked_and_a_new_version_is_taken(desk: Desk, folder: Path) -> None:
    bring(folder, {"monday/a.png": RED, "loose.png": TEAL})
    assert len(InboxWork(desk, inbox(folder, after="leave")).step()) == 2
    assert InboxWork(desk, inbox(folder, after="leave")).step() == []
    assert (folder / "monday" / "a.png").exists()
    bring(folder, {"monday/b.png": NAVY})
    (taken,) = InboxWork(desk, inbox(folder, after="leave")).step()
    assert dict(taken.batches) == {"monday": 1}
    assert sorted(json.loads((folder / "monday" / ".picturedesk-done.json").read_text())) == [
        "monday/a.png",
        "monday/b.png",
    ]


def test_a_manifest_that_grows_where_it_is_left_finds_the_pictures_that_were_taken_before(
    desk: Desk, folder: Path
) -> None:
    manifest = "asset_id,source,prompt\nhat,1.png,make it red\n"
    bring(folder, {"spring/old.png": NAVY})
    InboxWork(desk, inbox(folder, after="leave")).step()
    bring(folder, {"spring/shop.csv": manifest, "spring/1.png": RED})
    InboxWork(desk, inbox(folder, after="leave")).step()
    bring(folder, {"spring/shop.csv": f"{manifest}cap,2.png,make it red\n", "spring/2.png": TEAL})
    (taken,) = InboxWork(desk, inbox(folder, after="leave")).step()
    assert (dict(taken.batches), dict(taken.bad)) == ({"shop": 1}, {})
    assert assets(desk) == {"spring": ["old"], "shop": ["hat", "cap"]}
    assert InboxWork(desk, inbox(folder, after="leave")).step() == []


def test_a_picture_that_changes_where_it_is_left_is_made_anew_as_its_manifest_says(desk: Desk, folder: Path) -> None:
    manifest = "asset_id,source,prompt\nhat,1.png,make it red\ncap,2.png,make it red\n"
    bring(folder, {"spring/shop.csv": manifest, "spring/1.png": RED, "spring/2.png": TEAL})
    InboxWork(desk, inbox(folder, after="leave")).step()
    bring(folder, {"spring/1.png": NAVY})
    (taken,) = InboxWork(desk, inbox(folder, after="leave")).step()
    assert (dict(taken.batches), dict(taken.bad)) == ({"shop": 0}, {})
    queued = [edit for edit in reading.each_edit(desk.db, EditFilter()) if edit.state is EditState.QUEUED]
    assert sorted(edit.asset.name for edit in queued) == ["cap", "hat"]
    assert Path(next(edit.asset.source_uri for edit in queued if edit.asset.name == "hat")).read_bytes() == NAVY
    assert InboxWork(desk, inbox(folder, after="leave")).step() == []


def test_a_prefix_of_a_bucket_is_an_inbox_too(desk: Desk) -> None:
    place, options = buckets.new_bucket(), buckets.options()
    shelf = ObjectShelf(place, options)
    rows = json.dumps({"asset_id": "hat", "source": "one.png", "prompt": "make it red"})
    for name, data in (
        ("hats/hats.jsonl", rows.encode()),
        ("hats/one.png", RED),
        ("x/y.png", b"no"),
        ("z/z.png", TEAL),
    ):
        shelf.write(name, data, media_type="application/octet-stream")
    wanted = inbox(place, options=options)
    taken = list(InboxWork(desk, wanted).until_quiet())
    assert [(each.folder, dict(each.batches), sorted(each.bad)) for each in taken] == [
        ("hats", {"hats": 1}, []),
        ("x", {}, ["x/y.png"]),
        ("z", {"z": 1}, []),
    ]
    assert assets(desk) == {"hats": ["hat"], "z": ["z"]}
    assert without_moments(sorted(each.name for each in shelf.each())) == [
        *("bad/x/y.png", "bad/x/y.png.txt", "done/hats/hats.jsonl", "done/hats/one.png", "done/z/z.png")
    ]
    shelf.write("z/z.png", TEAL, media_type="image/png")
    list(InboxWork(desk, wanted).until_quiet())
    assert assets(desk) == {"hats": ["hat"], "z": ["z"]}


def test_folders_that_a_buckets_console_made_hold_nothing_up(desk: Desk) -> None:
    """They are empty objects whose names end in a slash."""
    place, options = buckets.new_bucket(), buckets.options()
    address = f"{buckets.endpoint()}/{place.removeprefix('s3://')}"
    for name in ("", "empty/", "autumn/", "autumn/below/", "zero.png"):
        urllib.request.urlopen(urllib.request.Request(f"{address}/{name}", data=b"", method="PUT")).close()
    shelf = ObjectShelf(place, options)
    for name in ("autumn/hat.png", "loose.png"):
        shelf.replace(name, RED, media_type="image/png")
    work = InboxWork(desk, inbox(place, options=options))
    taken = {each.folder: each for each in work.step()}
    assert taken["autumn"].batches == {"autumn": 1}
    assert list(taken[""].batches.values()) == [1]
    assert [*taken[""].bad] == ["zero.png"]
    work.step()
    assert work.is_quiet


def test_the_command_takes_what_lies_there_and_the_worker_what_comes(tmp_path: Path, folder: Path) -> None:
    bring(folder, {"monday/a.png": RED})
    root = str(tmp_path / "desk")
    said = run_command(
        "--desk", root, "watch", str(folder), "--prompt", "make it square", "--once", "--steady", "0", "--json"
    )
    assert json.loads(said.stdout) == {"folder": "monday", "batches": {"monday": 1}, "bad": {}}
    assert run_command("--desk", root, "watch", str(folder / "none"), "--once").exit_code == 2
    assert run_command("--desk", root, "watch", str(folder), "--recipe", "none", "--once").exit_code == 2
    settings = tmp_path / "desk" / "picturedesk.toml"
    settings.write_text(f'{settings.read_text()}\n[inbox]\nplace = "{folder}"\nprompt = "crop to 4:5"\nsteady_s = 0\n')
    bring(folder, {"tuesday/b.png": TEAL})
    desk = Desk.open(tmp_path / "desk")
    with errands(desk):
        end = time.monotonic() + 60
        while len(assets(desk)) < 2:
            assert time.monotonic() < end
            time.sleep(0.02)
    assert assets(desk) == {"monday": ["a"], "tuesday": ["b"]}
    desk.close()


def test_settings_that_do_not_fit_are_told(desk: Desk, folder: Path) -> None:
    for wrong, said in (({"recipe": "variation"}, "both"), ({"prompt": None, "recipe": "none"}, "no recipe")):
        with pytest.raises(UsageError, match=said):
            InboxWork(desk, inbox(folder, **wrong))
    with pytest.raises(UsageError, match="expected a folder, or a URL"):
        InboxWork(desk, inbox("ftp://host/x"))
