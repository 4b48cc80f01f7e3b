"""What is measured, each against a baseline: ``() -> (value, baseline, unit)``."""

import csv
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pipeline.store import Database

Measure = tuple[float, float, str]

_ROWS = 50_000
_EDITS = 300


def help_cpu() -> Measure:
    """Processor time of ``picturedesk --help``, against importing Typer alone."""
    return _cpu_s(["-m", "pipeline.cli", "--help"]), _cpu_s(["-c", "import typer, rich.console"]), "s"


def manifest_read() -> Measure:
    """Reading and checking 50,000 rows, against splitting them with the csv module."""
    from pipeline.manifest import read_manifest

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.csv"
        (Path(folder) / "mug.jpg").write_bytes(b"x")
        lines = "".join(f"sku-{n},mug.jpg,make it square\n" for n in range(_ROWS))
        path.write_text(f"asset_id,source,prompt\n{lines}")
        value = _seconds(lambda: read_manifest(path, recipes={}, is_known_provider=bool))
        baseline = _seconds(lambda: list(csv.reader(io.StringIO(path.read_text()))))
    return value, baseline, "s"


def ledger_moves() -> Measure:
    """Taking an edit from queued to approved in the database, against as many bare synced commits."""
    from pipeline.store import Database
    from tests.store.conftest import load, produce, row

    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/desk.db")
        db.upgrade()
        load(db, *(row(f"item-{n}") for n in range(_EDITS)))
        value = _seconds(lambda: [produce(db, n) for n in range(1, _EDITS + 1)])
        baseline = _seconds(lambda: _bare_commits(db, 3 * _EDITS))
        db.close()
    return 1000 * value / _EDITS, 1000 * baseline / _EDITS, "ms/edit"


def flags_cpu() -> Measure:
    """Processor time for faces, text and logos on 1024 x 1024, against decoding that picture from PNG."""
    from pipeline.detectors.suite import SuiteOptions, load_suite
    from pipeline.detectors.weights import default_cache_dir

    noise = np.random.default_rng(1).normal(128, 30, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    suite = load_suite(SuiteOptions(cache_dir=str(default_cache_dir())))
    suite.scan(picture)
    value = _process_seconds(lambda: suite.scan(picture))
    baseline = _process_seconds(lambda: Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
    return 1000 * value, 1000 * baseline, "ms"


MEASURES: dict[str, Callable[[], Measure]] = {
    "help_cpu": help_cpu,
    "manifest_read": manifest_read,
    "ledger_moves": ledger_moves,
    "flags_cpu": flags_cpu,
}


def _bare_commits(db: "Database", number: int) -> None:
    for _ in range(number):
        with db.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO event (at, kind, actor, data) VALUES ('2026-01-01', 'x', 'y', '{}')"
            )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _process_seconds(work: Callable[[], object]) -> float:
    """The median of five."""
    times = []
    for _ in range(5):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return sorted(times)[2]


def _cpu_s(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
