"""Long trials; run by ``make soak``."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.store import reading

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

COMMAND = [sys.executable, "-m", "pipeline.cli"]
KILLS = 10


def test_the_sample_batch_killed_ten_times_ends_as_if_it_had_not_been(tmp_path: Path, weights_cache: Path) -> None:
    calm = tmp_path / "calm"
    _run(calm, "demo")
    killed = tmp_path / "killed"
    draw = random.Random(7)
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(
            [*COMMAND, "--desk", str(killed), "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(0.5, 6))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    _run(killed, "demo")
    assert kills >= 3, "the machine is too fast for this trial; make the batch larger"
    assert _ends(killed) == _ends(calm)
    assert not list(killed.rglob(".tmp-*"))


def _run(desk: Path, *arguments: str) -> None:
    done = subprocess.run([*COMMAND, "--desk", str(desk), *arguments, "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []


def _ends(root: Path) -> list[tuple[str, str, list[str], list[str]]]:
    """Of each edit: asset, state, outputs and flags."""
    desk = Desk.open(root)
    ends = [
        (
            edit.asset.name,
            edit.state.value,
            [output.picture.sha256 for output in edit.outputs],
            [f"{flag.detection.kind} {flag.change}" for output in edit.outputs for flag in output.flags],
        )
        for edit in reading.each_edit(desk.db, reading.EditFilter())
    ]
    desk.close()
    return ends
