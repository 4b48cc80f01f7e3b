"""Two processes of one desk at a provider's limit, over HTTP."""

import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path

import httpx

from tests.desks import new_desk
from tests.fake_command import fake_command
from tests.paced_worker import LIMIT_PER_S

EACH = 80


def test_two_processes_together_keep_to_the_limit(tmp_path: Path, each_database: None) -> None:
    """Each could use all of it. No second holds more than one above it, by when they left; and none is lost."""
    desk = new_desk(tmp_path / "desk")
    with fake_command("--quick", "--latency", "50-200") as url:
        command = [sys.executable, "-m", "tests.paced_worker", desk.db.url, url, str(EACH)]
        workers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        told = [json.loads(worker.communicate()[0]) for worker in workers]
        arrived = httpx.get(f"{url}/fake/arrivals").json()
    left = sorted(moment for moments in told for moment in moments)
    assert len(left) == len(arrived) == 2 * EACH
    assert max(bisect_left(left, moment + 1) - number for number, moment in enumerate(left)) <= LIMIT_PER_S + 1
    desk.close()
