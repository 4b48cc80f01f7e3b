"""``picturedesk fake-api`` as a process: what a signal, a kill and a taken port do."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_api.batches import answers, ended, line, start_batch
from tests.fake_api.held_pictures import held_pictures
from tests.fake_api.running import RunningFake, eventually

COMMAND = [sys.executable, "-m", "pipeline.cli", "fake-api"]


@contextlib.contextmanager
def started(*options: str) -> Iterator[tuple[RunningFake, subprocess.Popen[str]]]:
    """A quick service on a free port, killed at the end of the block unless it is over."""
    command = [*COMMAND, "--port", "0", "--quick", "--latency", "0-0", "--batch-seconds", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RunningFake(process.stdout.readline().split()[-1]), process
        finally:
            process.kill()


def test_a_kill_in_the_middle_of_a_batch_bills_no_line_twice(tmp_path: Path) -> None:
    """Three of six are made when the process is gone from one moment to the next."""
    kept = ("--folder", str(tmp_path / "files"), "--ledger", str(tmp_path / "billed.jsonl"))
    with held_pictures(allowed=3) as pictures:
        with started(*kept) as (fake, process), fake.client() as client:
            batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(6)]).id
            eventually(lambda: pictures.waiting)
            assert fake.ledger()["billed"] == 3
            process.kill()
        pictures.release()
        with started(*kept) as (fake, _), fake.client() as client:
            batch = ended(client, batch_id)
            good = answers(client, batch.output_file_id)
            billed = [entry["client_id"] for entry in fake.ledger()["entries"]]
    assert batch.status == "completed"
    assert sorted(billed) == sorted(good) == [f"{n}" for n in range(6)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(number: signal.Signals) -> None:
    with started() as (fake, process):
        fake.edit()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_a_taken_port_is_said_with_what_to_do(fake_api: RunningFake) -> None:
    port = fake_api.url.rpartition(":")[2]
    found = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert "choose another with --port" in " ".join(found.stderr.split())
