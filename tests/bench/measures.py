"""What is measured, each against a baseline: ``() -> (value, baseline, unit)``."""

import csv
import io
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.fake_command import fake_command

if TYPE_CHECKING:
    from pipeline.store import Database
    from tests.bench.painting import Painted
    from tests.bench.reviewing import ReviewRun

Measure = tuple[float, float, str]

_ROWS = 50_000
_EDITS_200MS = 8_000
_EDITS_AT_ONCE = 3_000
_ALLOWED = 300
_LIMITED_EDITS = 400
_LEDGER_EDITS = 2_000
_QUALITY = 90
_GROUP = 20
_STATEMENTS = 18
"""How many an edit's moves carry out."""


class NotHere(Exception):
    """This machine has not what the measure needs; the message says what that is."""


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


def ledger_cpu() -> Measure:
    """Processor time of all moves of an edit, from queued to approved, against bare SQLite statements, as many."""
    from pipeline.store import Database

    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/desk.db")
        db.upgrade()
        value = _ledger_ms(db)
        db.close()
        baseline = _bare_ms(f"{folder}/bare.db")
    return value, baseline, "ms/edit"


def runner_200ms_64() -> Measure:
    """Edits a second with 64 in flight on a service that takes 200 ms, against a bare httpx loop."""
    return _throughput(_EDITS_200MS, latency="200-200")


def runner_zero_latency() -> Measure:
    """The same on a service that answers at once."""
    return _throughput(_EDITS_AT_ONCE, latency="0-0")


def rate_limit_use() -> Measure:
    """Edits a minute on a service that allows 300 pictures in any 60 s, against those 300; fails on any 429."""
    with fake_command("--quick", "--latency", "50-200", "--images-per-minute", str(_ALLOWED)) as url:
        run = _run("desk", url, _LIMITED_EDITS, 64, BENCH_OPENAI=json.dumps({"images_per_minute": _ALLOWED}))
        refused = _ledger(url)["counts"].get("rate_limited", 0)
    if refused:
        sys.exit(f"rate_limit_use: the service answered 429 {refused} times")
    # The first picture leaves at once: n pictures take n - 1 steps of the pace.
    return 60 * (run["done"] - 1) / run["seconds"], _ALLOWED, "edits/min"


def limit_use(kind: str, unit: str) -> Measure:
    """What two workers send in a minute at a limit of 40 calls a second, or their tokens, against the limit."""
    from tests.bench.pacing import limited_run

    return limited_run(kind, unit).mean, 1.0, "of the limit"


def limit_max(kind: str, unit: str) -> Measure:
    """The most that arrives in any second of that minute: calls, or tokens as a share of the limit."""
    from tests.bench.pacing import CALLS_PER_S, limited_run

    run = limited_run(kind, unit)
    sys.stdout.write(f"{run}\n")
    if unit == "tokens":
        return run.most, 1.0, "of the limit"
    return run.most * CALLS_PER_S, CALLS_PER_S, "calls"


def runner_rss_growth() -> Measure:
    """Peak memory of the runner over 20,000 edits, against 1,000."""
    with fake_command("--quick", "--latency", "0-0") as url:
        many, few = (_run("desk", url, edits, 64)["peak_mb"] for edits in (20_000, 1_000))
    return many, few, "MB"


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


def flags_1024_cpu() -> Measure:
    """Processor time for faces, text and logos on 1024 x 1024 with two lines of text, against decoding that picture."""
    return _look_at_lines()["cpu_ms"], _decoding_ms(), "ms"


def flags_1024_wall() -> Measure:
    """The same by the clock; on an idle machine with two cores it is shorter than the processor time."""
    return _look_at_lines()["wall_ms"], _decoding_ms(), "ms"


def flags_rss() -> Measure:
    """Peak memory of a process that only loads the detectors and looks, against one that imports their libraries."""
    return _look_at_lines()["peak_mb"], _json_of()["peak_mb"], "MB"


def flags_first() -> Measure:
    """From the start of the process to the flags of its first picture, against importing the libraries."""
    return _look_at_lines()["first_s"], _json_of()["first_s"], "s"


def flags_vs_scripts() -> Measure:
    """Processor time of rapidocr plus mtcnn, as their READMEs run them, against ours, in the same run; a ratio.

    They run in an environment of their own (BENCH_SCRIPTS_PYTHON, or data/cache/scripts, made at the first time).
    """
    python = os.environ.get("BENCH_SCRIPTS_PYTHON") or _scripts_python()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jpg"
        _lines().save(path, quality=_QUALITY)
        scripts = _json_from([python, str(Path(__file__).with_name("scripts.py")), str(path)])
    return scripts["cpu_ms"] / _look_at_lines()["cpu_ms"], 1.0, "times"


def ray_vs_pool() -> Measure:
    """Pictures flagged a second by Ray, against the pool on as many cores; both warm, in the same run."""
    from tests.bench.engines import throughput

    return (*throughput(), "pictures/s")


def reviewers_30() -> Measure:
    """p95 of the route that takes a decision, with thirty reviewers at once and 100,000 edits, against a bare one."""
    ours, bare = _review_runs()
    return ours.p95_ms, bare.p95_ms, "ms"


def bulk_200() -> Measure:
    """200 decisions in one request, against a bare server that carries out 200 updates and inserts."""
    ours, bare = _review_runs()
    return ours.bulk_ms, bare.bulk_ms, "ms"


def decision_cpu() -> Measure:
    """The server's processor time for a decision with its claims and both pictures, against the bare server's."""
    ours, bare = _review_runs()
    return ours.cpu_ms, bare.cpu_ms, "ms"


def claim_p99_sqlite() -> Measure:
    """p99 of claiming the next of a million edits, by sixteen people who think for 50 ms, against a bare statement."""
    return _claim_p99("sqlite")


def claim_p99_postgres() -> Measure:
    """The same on PostgreSQL."""
    return _claim_p99("postgresql")


def key_to_painted_vs_raw() -> Measure:
    """p95 from the key to the next pair on the review page, against a raw HTML page on the same desk and routes."""
    runs = _painted()
    return runs["ours"].p95_ms, runs["raw"].p95_ms, "ms"


def key_to_painted_vs_naive() -> Measure:
    """The same on a plain Streamlit page of ``st.image`` and ``st.button``, against the review page."""
    runs = _painted()
    return runs["plain"].p95_ms, runs["ours"].p95_ms, "ms"


def load_100k() -> Measure:
    """From a manifest of 100,000 rows to committed edits on SQLite, against splitting it by the csv module."""
    from tests.bench.millions import load_s

    return load_s("sqlite")


def load_100k_postgres() -> Measure:
    """The same on PostgreSQL."""
    from tests.bench.millions import load_s

    return load_s("postgresql")


def csv_rows_per_s() -> Measure:
    """Rows a second of an export of 1,000,000 as a table, with its marks and event, against 100,000 a second."""
    run = _millions().csv_export("sqlite")
    return run["rows"] / run["seconds"], 100_000, "rows/s"


def csv_rows_per_s_postgres() -> Measure:
    """The same on PostgreSQL."""
    run = _millions().csv_export("postgresql")
    return run["rows"] / run["seconds"], 100_000, "rows/s"


def csv_cpu() -> Measure:
    """Processor time of that on SQLite for a row, all threads together, against 10 microseconds."""
    run = _millions().csv_export("sqlite")
    return 1e6 * run["cpu_s"] / run["rows"], 10, "us/row"


def csv_rss() -> Measure:
    """The most memory that this takes, against 200 MB."""
    return _millions().csv_export("sqlite")["peak_mb"], 200, "MB"


def export_100k() -> Measure:
    """Seconds of an export of 100,000 assets with pictures, against pandas' table and a copy of the files."""
    run = _millions().whole_export()
    return run["seconds"], run["bare_s"], "s"


def export_100k_rss() -> Measure:
    """The most memory that this takes, against 250 MB."""
    return _millions().whole_export()["peak_mb"], 250, "MB"


def keyset_p99() -> Measure:
    """p99 of a page of any list of 1,000,000 edits, on the slower database, against 5 ms."""
    return _millions().keyset_p99_ms(), 5, "ms"


def pages() -> Measure:
    """What the slowest of the dashboard's pages reads at 1,000,000 edits, on the slower database, against 1 s."""
    millions = _millions()
    return max(max(millions.pages_s(kind).values()) for kind in ("sqlite", "postgresql")), 1, "s"


def provenance_cpu(kind: str) -> Measure:
    """Processor time to mark, sign and read back a file of 1.6 megapixels, in milliseconds, against writing it."""
    from tests.bench.provenance import marking_ms

    value, bare = marking_ms(kind)
    return value, bare, "ms"


MEASURES: dict[str, Callable[[], Measure]] = {
    "help_cpu": help_cpu,
    "manifest_read": manifest_read,
    "ledger_cpu_ms_per_edit": ledger_cpu,
    "flags_cpu": flags_cpu,
    "flags_1024_cpu_ms": flags_1024_cpu,
    "flags_1024_wall_ms": flags_1024_wall,
    "flags_rss_mb": flags_rss,
    "flags_first_s": flags_first,
    "flags_vs_scripts": flags_vs_scripts,
    "ray_vs_pool": ray_vs_pool,
    "runner_200ms_64": runner_200ms_64,
    "runner_zero_latency": runner_zero_latency,
    "rate_limit_use": rate_limit_use,
    "limit_use_two_workers": partial(limit_use, "sqlite", "requests"),
    "limit_max_in_a_second": partial(limit_max, "sqlite", "requests"),
    "limit_use_two_workers_tokens": partial(limit_use, "sqlite", "tokens"),
    "limit_max_tokens_in_a_second": partial(limit_max, "sqlite", "tokens"),
    "limit_use_two_workers_postgres": partial(limit_use, "postgresql", "requests"),
    "limit_max_in_a_second_postgres": partial(limit_max, "postgresql", "requests"),
    "limit_use_two_workers_tokens_postgres": partial(limit_use, "postgresql", "tokens"),
    "limit_max_tokens_in_a_second_postgres": partial(limit_max, "postgresql", "tokens"),
    "runner_rss_growth": runner_rss_growth,
    "reviewers_30_p95_ms": reviewers_30,
    "bulk_200_ms": bulk_200,
    "decision_cpu_ms": decision_cpu,
    "claim_p99_ms_sqlite": claim_p99_sqlite,
    "claim_p99_ms_postgres": claim_p99_postgres,
    "key_to_painted_p95_vs_raw": key_to_painted_vs_raw,
    "key_to_painted_vs_naive": key_to_painted_vs_naive,
    "load_100k_s": load_100k,
    "load_100k_s_postgres": load_100k_postgres,
    "csv_rows_per_s": csv_rows_per_s,
    "csv_rows_per_s_postgres": csv_rows_per_s_postgres,
    "csv_cpu_us_per_row": csv_cpu,
    "csv_rss_mb": csv_rss,
    "export_100k_s": export_100k,
    "export_100k_rss_mb": export_100k_rss,
    "keyset_p99_ms": keyset_p99,
    "pages_s": pages,
    "provenance_cpu_ms_jpeg": partial(provenance_cpu, "JPEG"),
    "provenance_cpu_ms_png": partial(provenance_cpu, "PNG"),
}


def _millions() -> Any:
    from tests.bench import millions

    return millions


def _review_runs() -> "tuple[ReviewRun, ReviewRun]":
    from tests.bench.reviewing import review_runs

    return review_runs()


def _claim_p99(kind: str) -> Measure:
    from tests.bench.claiming import claim_runs

    ours, bare = claim_runs(kind)
    return ours.p99_ms, bare.p99_ms, "ms"


def _painted() -> "dict[str, Painted]":
    from tests.bench.painting import painted

    return painted()


def _lines() -> Image.Image:
    """1024 x 1024: a soft ground with two lines of text."""
    noise = np.random.default_rng(1).normal(170, 20, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for y, text in ((200, "Summer Offer"), (700, "two for the price of one")):
        draw.text((90, y), text, fill=(20, 30, 60), font=ImageFont.load_default(size=64))
    return picture


def _scripts_python() -> str:
    """A Python with what scripts.py imports, which takes 2 GB of disk."""
    folder = Path("data/cache/scripts")
    python, is_complete = folder / "bin" / "python", folder / ".complete"
    if not is_complete.exists():
        sys.stdout.write(f"making {folder}: rapidocr, mtcnn and TensorFlow; minutes\n")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # rapidocr asks for the OpenCV that needs a display's libraries; the other one takes its place.
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [*pip, "--requirement", str(Path(__file__).with_name("scripts.txt"))],
            [*pip, "--no-deps", "--force-reinstall", "opencv-python-headless==5.0.0.93"],
        ):
            if subprocess.run(command, check=False).returncode:
                raise NotHere(f"{' '.join(command)} failed; see above")
        is_complete.touch()
    return str(python)


def _decoding_ms() -> float:
    buffer = io.BytesIO()
    _lines().save(buffer, "JPEG", quality=_QUALITY)
    return 1000 * _process_seconds(lambda: Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))


def _look_at_lines() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jpg"
        _lines().save(path, quality=_QUALITY)
        return _json_of(str(path))


def _json_of(*arguments: str) -> dict[str, float]:
    return _json_from([sys.executable, "-m", "tests.bench.flags", str(time.time()), *arguments])


def _json_from(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _throughput(edits: int, *, latency: str) -> Measure:
    with fake_command("--quick", "--latency", latency) as url:
        _run("bare", url, 100, 64)  # the service's first pictures are made once
        bare, desk = (_run(kind, url, edits, 64) for kind in ("bare", "desk"))
    assert bare["done"] == desk["done"] == edits
    return edits / desk["seconds"], edits / bare["seconds"], "edits/s"


def _run(kind: str, url: str, edits: int, in_flight: int, **environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.runs", kind, f"{url}/v1", str(edits), str(in_flight)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _ledger(url: str) -> dict[str, Any]:
    import httpx

    books: dict[str, Any] = httpx.get(f"{url}/fake/ledger?entries=0").json()
    return books


def _ledger_ms(db: "Database") -> float:
    """Processor time of an edit's moves in groups, as the runner writes them."""
    from pipeline.store import ledger, running
    from pipeline.store.ledger import Caps, Sending, StoredOutput
    from pipeline.values import PictureFacts, Route
    from tests.store.conftest import SOURCE, load, row

    load(db, *(row(f"item-{n}") for n in range(_LEDGER_EDITS)))
    route = Route(to_review=False, is_sample=False, reasons=("nothing to look at",), policy_hash="p")
    began = time.process_time()
    for start in range(1, _LEDGER_EDITS + 1, _GROUP):
        with db.group():
            for edit in range(start, start + _GROUP):
                running.save_source(db, edit, original_sha256="0" * 64, source=SOURCE, facts={"changes": []})
                sending = Sending(1, f"key-{edit}", f"pd-{edit}", {"prompt": "make it square"}, 40_000)
                attempt = ledger.begin(db, edit, sending, owner="bench", caps=Caps(10**12, 10**12))
                assert attempt is not None
                picture = PictureFacts(f"{edit:064x}", "image/png", (4, 3), 10)
                outputs = ledger.finish(
                    db,
                    attempt,
                    owner="bench",
                    outputs=[StoredOutput(picture, "", {}, ())],
                    request_id="r",
                    usage={"text_in": 5, "image_in": 64, "image_out": 439},
                    cost_microusd=30_000,
                )
                running.route_edit(db, edit, route, {outputs[0]: []}, owner="bench", best_output_id=outputs[0])
    return 1000 * (time.process_time() - began) / _LEDGER_EDITS


def _bare_ms(path: str) -> float:
    """Processor time of as many statements by Python's own driver, in the same groups."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at TEXT, kind TEXT, data TEXT)")
    began = time.process_time()
    for _ in range(_LEDGER_EDITS // _GROUP):
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(_GROUP * _STATEMENTS):
            connection.execute("INSERT INTO event (at, kind, data) VALUES (?, ?, ?)", ("2026-11-21", "x", "{}"))
        connection.execute("COMMIT")
    connection.close()
    return 1000 * (time.process_time() - began) / _LEDGER_EDITS


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
