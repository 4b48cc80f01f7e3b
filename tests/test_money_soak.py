"""Money over long trials against the fake service: kills, lost answers, budgets. Run by ``make soak``."""

import contextlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.states import EditState
from tests.fake_command import fake_command
from tests.two_ledgers import compare, environment, settled_books

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

COMMAND = [sys.executable, "-m", "pipeline.cli"]
EDITS = 500
SOURCES = 10
KILL_TRIALS = 30
BATCH_TRIALS = 10
BUDGET_RUNS = 20
BUDGET_USD = 1.0
ROUGH = ("--drop", "0.05", "--rate-limited", "0.05", "--server-error", "0.02")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest of 500 edits."""
    folder = tmp_path_factory.mktemp("shop")
    for number in range(SOURCES):
        Image.new("RGB", (320, 240), (number * 20, 90, 160)).save(folder / f"{number}.png")
    rows = "".join(f"item-{n},{n % SOURCES}.png,make it vintage {n}\n" for n in range(EDITS))
    (folder / "shop.csv").write_text(f"asset_id,source,prompt\n{rows}")
    return folder


@pytest.mark.parametrize("trial", range(KILL_TRIALS))
@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_a_killed_batch_loses_nothing_and_pays_nothing_twice_unknown(
    tmp_path: Path, shop: Path, trial: int, policy: str
) -> None:
    draw = random.Random(f"{policy} {trial}")
    with fake_command("--quick", "--latency", "50-200", *ROUGH, "--seed", str(trial)) as url:
        command = run_command(tmp_path, shop, "--concurrency", "32", "--in-doubt", policy)
        for _ in range(draw.choice([1, 2, 3])):
            killed_after(draw.uniform(1, 6), command, environment(url))
        subprocess.run(command, env=environment(url), stdout=subprocess.DEVNULL, check=False)
        books = settled_books(url)
    with contextlib.closing(Desk.open(tmp_path / "desk")) as desk:
        states, problems = compare(desk, books)
    shutil.rmtree(tmp_path / "desk" / "pictures")
    assert problems == []
    assert states.total() == EDITS
    assert set(states) <= {EditState.APPROVED, EditState.IN_REVIEW, EditState.IN_DOUBT}, states
    (tmp_path / "bill.json").write_text(json.dumps(books))
    picturedesk(tmp_path, "settle", str(tmp_path / "bill.json"), "--complete")
    costs = picturedesk(tmp_path, "costs")
    assert (costs["total_microusd"], costs["doubtful_requests"]) == (books["total_microusd"], 0)


@pytest.mark.parametrize("trial", range(BATCH_TRIALS))
def test_a_killed_run_of_batches_pays_for_every_edit_once(tmp_path: Path, shop: Path, trial: int) -> None:
    """Nothing is left in doubt: the service can be asked which batches it has."""
    draw = random.Random(trial)
    with fake_command("--quick", "--batch-seconds", "2", "--folder", str(tmp_path / "service")) as url:
        command = run_command(tmp_path, shop, provider="openai-batch")
        settings = environment(url) | {
            "PICTUREDESK_PROVIDERS": json.dumps({"openai-batch": {"gather_s": 0.2, "poll_s": 0.5, "max_lines": 100}})
        }
        for _ in range(draw.choice([1, 2, 3])):
            killed_after(draw.uniform(1, 5), command, settings)
        subprocess.run(command, env=settings, stdout=subprocess.DEVNULL, check=True)
        books = settled_books(url)
    with contextlib.closing(Desk.open(tmp_path / "desk")) as desk:
        states, problems = compare(desk, books)
    shutil.rmtree(tmp_path / "desk" / "pictures")
    assert problems == []
    assert set(states) <= {EditState.APPROVED, EditState.IN_REVIEW}, states
    assert books["billed"] == EDITS
    assert picturedesk(tmp_path, "costs")["total_microusd"] == books["total_microusd"]


@pytest.mark.parametrize("run", range(BUDGET_RUNS))
def test_no_budget_is_passed_with_two_hundred_in_flight(tmp_path: Path, shop: Path, run: int) -> None:
    with fake_command("--quick", "--latency", "50-200", *ROUGH, "--seed", str(run)) as url:
        command = run_command(tmp_path, shop, "--concurrency", "200", "--budget", str(BUDGET_USD))
        done = subprocess.run(command, env=environment(url), capture_output=True, check=False)
        books = settled_books(url)
    assert done.returncode == 3, done.stderr
    assert 0.5 * BUDGET_USD < books["total_microusd"] / 1e6 <= BUDGET_USD


def killed_after(seconds: float, command: list[str], settings: dict[str, str]) -> None:
    """Run for so long at most."""
    process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def run_command(folder: Path, shop: Path, *options: str, provider: str = "openai") -> list[str]:
    """The command that works on the batch, the first time and after every kill."""
    desk = ["--desk", str(folder / "desk")]
    return [*COMMAND, *desk, "run", str(shop / "shop.csv"), "--provider", provider, "--json", *options]


def picturedesk(folder: Path, *arguments: str) -> Any:
    command = [*COMMAND, "--desk", str(folder / "desk"), *arguments, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
