"""The command, as a user runs it."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading
from tests import processes
from tests.commands import run_command

COMMAND = [sys.executable, "-m", "pipeline.cli"]


def picturedesk(desk: Path, *arguments: str, expect: int = 0) -> str:
    """Run the command to its end; gives its standard output."""
    done = run_command("--desk", str(desk), *arguments)
    assert done.exit_code == expect, done.stderr
    return done.stdout


def as_json(desk: Path, *arguments: str, expect: int = 0) -> Any:
    return json.loads(picturedesk(desk, *arguments, "--json", expect=expect))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with twelve small drawings and a manifest."""
    folder = tmp_path / "shop"
    folder.mkdir()
    lines = ["asset_id,source,prompt,price"]
    for number in range(12):
        image = Image.new("RGB", (200, 160), "white")
        ImageDraw.Draw(image).ellipse((40, 30, 150, 120), fill=(number * 20, 120, 200 - number * 9))
        image.save(folder / f"{number}.png")
        lines.append(f"item-{number},{number}.png,make it brighter by 15%,{number}.50")
    (folder / "shop.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A desk without detectors, so that a run is quick."""
    root = tmp_path / "desk"
    picturedesk(root, "init")
    settings = root / "picturedesk.toml"
    settings.write_text(settings.read_text().replace('detectors = ["faces", "text", "logos"]', "detectors = []"))
    return root


def test_help_answers_in_a_blink() -> None:
    """Under 0.4 s of processor time, and with an example for each command that takes arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for name in ("init", "run", "status", "review", "decide", "export", "flag", "costs", "recipes", "doctor", "demo"):
        assert re.search(rf"\b{name}\b", shown)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 2.0, "it loads something heavy"


def test_from_manifest_to_export(desk: Path, shop: Path, tmp_path: Path, weights_cache: Path) -> None:
    report = as_json(desk, "run", str(shop / "shop.csv"))
    assert report["counts"]["approved"] + report["counts"]["in_review"] == 12
    assert report["problems"] == []
    as_json(desk, "decide", "accept", "--all")
    assert as_json(desk, "export", "--to", str(tmp_path / "out"))["rows"] == 12
    assert as_json(desk, "run", str(shop / "shop.csv"))["counts"] == {
        **report["counts"],
        "approved": 12,
        "in_review": 0,
    }
    assert as_json(desk, "costs")["total_usd"] == 0


def test_a_bad_manifest_loads_nothing_and_says_everything(desk: Path, shop: Path) -> None:
    (shop / "bad.csv").write_text("asset_id,source,prompt\na,0.png,make it square\nb,none.png,crop\nc,0.png,\n")
    error = as_json(desk, "run", str(shop / "bad.csv"), expect=2)["error"]
    assert [problem["line"] for problem in error["problems"]] == [3, 4]
    assert as_json(desk, "status")["batches"] == []


def test_bad_rows_can_be_skipped_and_broken_pictures_fail_alone(desk: Path, shop: Path, weights_cache: Path) -> None:
    (shop / "1.png").write_bytes(b"text, and no picture")
    (shop / "2.png").write_bytes((shop / "2.png").read_bytes()[:200])
    with (shop / "shop.csv").open("a") as file:
        file.write("\nbad,none.png,crop,1")
    report = as_json(desk, "run", str(shop / "shop.csv"), "--skip-bad", expect=1)
    assert {problem["code"] for problem in report["problems"]} == {"not_a_picture", "truncated"}
    assert [row["line"] for row in report["skipped_rows"]] == [14]
    assert report["counts"]["failed"] == 2


def test_what_the_local_provider_cannot_do_is_refused_with_a_hint(desk: Path, shop: Path, weights_cache: Path) -> None:
    (shop / "wish.csv").write_text("asset_id,source,prompt\na,0.png,make her smile\n")
    report = as_json(desk, "run", str(shop / "wish.csv"), expect=1)
    (problem,) = report["problems"]
    assert (problem["state"], problem["code"]) == ("refused", "needs_generative")


def test_unknown_things_are_wrong_calls(desk: Path, tmp_path: Path) -> None:
    picturedesk(tmp_path / "nowhere", "status", expect=2)
    picturedesk(desk, "recipes", "no-such", expect=2)
    picturedesk(desk, "run", str(tmp_path / "none.csv"), expect=2)
    picturedesk(desk, "decide", "accept", expect=2)
    picturedesk(desk, "--no-such-option", expect=2)


def test_a_page_for_everybody_is_refused(desk: Path) -> None:
    picturedesk(desk, "review", "--host", "0.0.0.0", "--no-browser", "--no-worker", expect=2)


def test_settings_are_overridden_by_the_environment_and_by_options(
    desk: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTUREDESK_CONCURRENCY", "none")
    done = subprocess.run([*COMMAND, "--desk", str(desk), "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "concurrency" in done.stderr


def test_ctrl_c_stops_and_the_next_run_goes_on(desk: Path, shop: Path, weights_cache: Path) -> None:
    process = _started(desk, shop)
    _wait_for_progress(desk, 1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode in (0, 130)
    assert as_json(desk, "run", str(shop / "shop.csv"))["counts"]["queued"] == 0


def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    desk: Path, shop: Path, tmp_path: Path, weights_cache: Path
) -> None:
    """kill -9 at three moments; then the same pictures, none made twice; half files go when nobody can be at them."""
    for enough in (1, 4, 8):
        process = _started(desk, shop)
        _wait_for_progress(desk, enough, process)
        process.kill()
        process.join()
    long_ago = time.time() - 7_200
    for half in desk.rglob(".tmp-*"):
        os.utime(half, (long_ago, long_ago))
    as_json(desk, "run", str(shop / "shop.csv"))
    calm = tmp_path / "calm"
    picturedesk(calm, "init")
    (calm / "picturedesk.toml").write_text((desk / "picturedesk.toml").read_text())
    as_json(calm, "run", str(shop / "shop.csv"))
    assert _ends(desk) == _ends(calm)
    assert not list(desk.rglob(".tmp-*"))


def _started(desk: Path, shop: Path) -> ForkServerProcess:
    few = ("--concurrency", "2", "--workers", "1")
    return processes.start("pipeline.cli", "--desk", str(desk), "run", str(shop / "shop.csv"), *few)


def _wait_for_progress(desk: Path, enough: int, process: ForkServerProcess | None = None) -> None:
    """Until that many edits left the queue, or the run is over."""
    opened = Desk.open(desk)
    deadline = time.monotonic() + 60
    rest = reading.EditFilter(states=frozenset({EditState.APPROVED, EditState.IN_REVIEW}))
    while time.monotonic() < deadline and reading.count_edits(opened.db, rest) < enough:
        if process is not None and process.exitcode is not None:
            break
        time.sleep(0.01)
    opened.close()


def _ends(root: Path) -> list[tuple[str, str, list[str], int]]:
    """Of each edit: asset, state, outputs, and how many answers were booked."""
    opened = Desk.open(root)
    ends = [
        (edit.asset.name, edit.state.value, [output.picture.sha256 for output in edit.outputs], len(edit.outputs))
        for edit in reading.each_edit(opened.db, reading.EditFilter())
    ]
    opened.close()
    return ends


def test_the_environment_of_a_test_names_no_desk() -> None:
    assert "PICTUREDESK_DESK" not in os.environ
