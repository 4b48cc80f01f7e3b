"""Faults that a desk lives with: its database, its store, its disk and its clock fail under two workers at work."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading, workers
from tests import buckets, postgres
from tests.fake_command import fake_command
from tests.soak_report import soak_report
from tests.trials import (
    compared,
    crowd,
    desk_to_make,
    finish,
    kind_of_database,
    left_to_do,
    wait_until,
    wait_until_left,
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

EDITS = 400
DISMISSED_WITHIN_S = 15.0
SLOW = ("--quick", "--latency", "300-900")
HOSTILE = (
    "--drop",
    "0.05",
    "--rate-limited",
    "0.05",
    "--server-error",
    "0.05",
    "--garbage",
    "0.02",
    "--refused",
    "0.02",
)


def test_the_databases_server_crashes_and_comes_back(tmp_path: Path) -> None:
    """Once stopped, twice crashed; the workers wait, and what was paid for meanwhile is booked afterwards."""
    with ExitStack() as stack:
        server = postgres.Server("-c listen_addresses='' -c max_connections=100")
        stack.callback(server.remove)
        url = stack.enter_context(server.database())
        (tmp_path / "desk").mkdir()
        desk = desk_to_make(tmp_path, EDITS, database=url)
        service = stack.enter_context(fake_command(*SLOW))
        crew = stack.enter_context(crowd(desk, service, PICTUREDESK_DATABASE=url))
        for number, mode in enumerate(("fast", "immediate", "immediate"), start=1):
            wait_until_left(desk, EDITS - number * EDITS // 5)
            server.stop(mode)
            time.sleep(4)
            server.start()
            wait_until(lambda: _answers(desk))
        finish(desk, crew)
        end = compared(desk, service, EDITS)
        soak_report("the database restarts", edits=EDITS, restarts=3, in_doubt=end.in_doubt, billed_usd=end.billed_usd)
        desk.close()


@pytest.mark.usefixtures("each_database")
def test_a_worker_that_slept_is_taken_for_dead_and_what_it_brings_is_kept(tmp_path: Path) -> None:
    """SIGSTOP for longer than the others' patience, eight times; then both go on.

    Whoever is stopped in the middle of a write to a file keeps everybody out until it goes on; a server throws it out.
    """
    draw, sleeps, dismissed = random.Random(5), 8, 0
    desk = desk_to_make(tmp_path, EDITS)
    with fake_command(*SLOW) as service, crowd(desk, service) as crew:
        for number in range(1, sleeps + 1):
            wait_until_left(desk, EDITS - number * EDITS // (sleeps + 2))
            sleeper = draw.choice(crew.processes)
            sleeper.send_signal(signal.SIGSTOP)
            dismissed += _is_dismissed(desk, sleeper.pid)
            time.sleep(draw.uniform(0, 2))
            sleeper.send_signal(signal.SIGCONT)
            crew.await_all()
        finish(desk, crew)
        end = compared(desk, service, EDITS)
    assert dismissed == sleeps if desk.db.is_shared else dismissed > 0
    late = reading.latest_events(desk.db, kind="attempt.late", limit=EDITS)
    soak_report(
        "a worker sleeps, and is taken for dead",
        database=kind_of_database(desk),
        edits=EDITS,
        sleeps=sleeps,
        dismissed=dismissed,
        late_answers_kept=len(late),
        in_doubt=end.in_doubt,
        billed_usd=end.billed_usd,
    )
    desk.close()


def test_the_bucket_is_away_for_a_while(tmp_path: Path) -> None:
    """What is paid for meanwhile waits on the worker's machine, and is brought there afterwards."""
    place, link = buckets.new_bucket(), buckets.StallingLink(10**12)
    options = json.dumps(buckets.options(aws_endpoint=link.endpoint))
    desk = desk_to_make(tmp_path, EDITS, blobs=place, blobs_options=buckets.options())
    with fake_command(*SLOW) as service:
        with crowd(desk, service, PICTUREDESK_BLOBS=place, PICTUREDESK_BLOBS_OPTIONS=options) as crew:
            wait_until_left(desk, EDITS // 2)
            link.close()
            time.sleep(5)
            crew.stop()
        options = json.dumps(buckets.options())
        with crowd(desk, service, PICTUREDESK_BLOBS=place, PICTUREDESK_BLOBS_OPTIONS=options) as crew:
            finish(desk, crew)
        end = compared(desk, service, EDITS)
    for edit in reading.each_edit(desk.db, reading.EditFilter(states=frozenset({EditState.APPROVED}))):
        desk.blobs.verify(edit.outputs[0].picture.sha256, edit.outputs[0].picture.media_type)
    soak_report("the bucket is away", edits=EDITS, in_doubt=end.in_doubt, billed_usd=end.billed_usd)
    desk.close()


def test_the_disk_is_full_and_is_made_free(tmp_path: Path) -> None:
    """A small disk of its own: the run stops before it pays for what it could not keep, and goes on afterwards."""
    with small_disk(tmp_path / "disk", megabytes=64) as disk, fake_command(*SLOW) as service:
        desk = desk_to_make(disk, EDITS)
        filler = disk / "filler"
        with crowd(desk, service) as crew:
            wait_until_left(desk, EDITS // 2)
            filler.write_bytes(b"x" * (_free_bytes(disk) - 200_000))
            time.sleep(5)
            filler.unlink()
            time.sleep(1)
            stopped_at = left_to_do(desk)
            assert stopped_at > 0
            wait_until(lambda: left_to_do(desk) == 0, 300)
            crew.stop()
        end = compared(desk, service, EDITS)
        soak_report("the disk is full", edits=EDITS, waited_with=stopped_at, in_doubt=end.in_doubt)
        desk.close()


@pytest.mark.usefixtures("each_database")
def test_the_clock_steps_forwards_and_back(tmp_path: Path) -> None:
    """By an hour, on one machine of two: nobody is taken for dead for it, and nothing is sent twice."""
    (library,) = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")) or pytest.fail("install libfaketime")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    stepping = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    desk = desk_to_make(tmp_path, EDITS)
    with fake_command(*SLOW) as service, crowd(desk, service) as crew:
        crew.start(**stepping)
        crew.await_all()
        names = {each.name for each in workers.all_workers(desk.db)}
        for number, step in enumerate(("+3600", "-3600", "+0"), start=1):
            wait_until_left(desk, EDITS - number * EDITS // 5)
            clock.write_text(step)
            time.sleep(4)
            assert {each.name for each in workers.all_workers(desk.db)} == names, "somebody was taken for dead"
        finish(desk, crew)
        end = compared(desk, service, EDITS)
    assert end.in_doubt == 0
    soak_report("the clock steps by an hour", database=kind_of_database(desk), edits=EDITS, steps=3, in_doubt=0)
    desk.close()


@pytest.mark.usefixtures("each_database")
def test_a_slow_and_lying_provider_costs_what_it_bills(tmp_path: Path) -> None:
    """Answers lost, refused, broken, late, too hasty: the ledger is the service's to the micro-dollar."""
    desk = desk_to_make(tmp_path, EDITS)
    with fake_command("--quick", "--latency", "50-3000", *HOSTILE) as service, crowd(desk, service) as crew:
        finish(desk, crew)
        end = compared(desk, service, EDITS, also=frozenset({EditState.FAILED, EditState.REFUSED}))
    soak_report(
        "a slow and lying provider",
        database=kind_of_database(desk),
        edits=EDITS,
        in_doubt=end.in_doubt,
        billed_usd=end.billed_usd,
    )
    desk.close()


def _is_dismissed(desk: Desk, pid: int) -> bool:
    """Whether a worker that sleeps is dismissed in time."""
    end = time.monotonic() + DISMISSED_WITHIN_S
    while time.monotonic() < end:
        if pid not in {each.pid for each in workers.all_workers(desk.db)}:
            return True
        time.sleep(0.1)
    return False


def _answers(desk: Desk) -> bool:
    try:
        left_to_do(desk)
    except Exception:
        return False
    return True


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
