"""How good the detectors are, on pictures that somebody labelled.

Every picture is looked at once, with each detector's threshold lowered; what counts at the threshold in use is told
from the scores, and only that is shown to the detectors after it, as on a desk. Time and memory are measured with the
thresholds in use, in a process that does nothing else.
"""

import asyncio
import io
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.detectors import Detector, load_detector, threshold_of
from pipeline.detectors.picture import Picture
from pipeline.detectors.scoring import Figures, Point, average_precision, curve, figures
from pipeline.detectors.suite import SuiteOptions, frozen_tables, load_suite
from pipeline.errors import PictureError, UsageError, WorkerCrashed
from pipeline.images import open_prepared, prepare_picture
from pipeline.pool import WorkPool
from pipeline.values import Detection, Kind, Level

KINDS = (Kind.FACE, Kind.TEXT, Kind.LOGO)
"""What pictures are labelled for."""

_LOWEST = 0.05
_TIMED = 40
_TIMED_WH = (1024, 1024)


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture and what somebody saw in it.

    Attributes:
        name: As the labels call it.
        path: The file.
        holds: Whether it holds each kind; a kind that is not there is not judged on this picture.
    """

    name: str
    path: Path
    holds: Mapping[Kind, bool]


@dataclass(frozen=True, slots=True)
class Looked:
    """What the detectors made of one picture.

    Attributes:
        best: The best score of each kind that was found, thresholds lowered.
        detectors: Whose score that is.
        flagged: Kinds that count at the thresholds in use.
        sure: Those at the level ``sure``.
        failure: Why it could not be looked at, or "".
    """

    best: Mapping[Kind, float] = field(default_factory=dict)
    detectors: Mapping[Kind, str] = field(default_factory=dict)
    flagged: frozenset[Kind] = frozenset()
    sure: frozenset[Kind] = frozenset()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class KindReport:
    """One kind.

    Attributes:
        in_use: At the thresholds in use.
        sure: Only the flags at the level ``sure``.
        threshold: In use; None if no detector says, or several find this kind.
        average_precision: Over all thresholds; None if no picture holds it.
        curve: Thresholds from low to high.
    """

    in_use: Figures
    sure: Figures
    threshold: float | None
    average_precision: float | None
    curve: tuple[Point, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON values; the figures in use stand at the top."""
        rest = asdict(self)
        return {**rest.pop("in_use"), **rest}


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one process, one picture of 1024 × 1024 after the other, decoded before; milliseconds, and 10⁶ bytes."""

    cpu_ms: dict[str, float]
    wall_ms: dict[str, float]
    peak_rss_mb: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        kinds: By kind.
        pictures: How many were looked at.
        timing: None if somebody interrupted it.
        failed: Why a picture could not be looked at, by its name.
        missed: By kind, name and score of the pictures that were not flagged and should be; lowest score first.
        false_alarms: The same of those that were flagged and should not be; highest score first.
        was_interrupted: Whether it is of a part of the pictures.
    """

    kinds: dict[str, KindReport]
    pictures: int
    timing: Timing | None
    failed: dict[str, str]
    missed: dict[str, list[tuple[str, float]]]
    false_alarms: dict[str, list[tuple[str, float]]]
    was_interrupted: bool

    def as_json(self, *, worst: int = 0) -> dict[str, Any]:
        """JSON values, with so many of the missed and of the false alarms of each kind."""
        timing = self.timing or Timing({}, {}, 0.0)
        lists = {"missed": self.missed, "false_alarms": self.false_alarms}
        shown = {name: {kind: found[:worst] for kind, found in each.items()} for name, each in lists.items()}
        return {
            "kinds": {kind: report.as_json() for kind, report in self.kinds.items()},
            **asdict(timing),
            "pictures": self.pictures,
            "failed": self.failed,
            **(shown if worst else {}),
            "interrupted": self.was_interrupted,
        }


def evaluate(
    pictures: Sequence[LabelledPicture],
    suite: SuiteOptions,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Look at labelled pictures. Ctrl-C once ends it with what was measured so far.

    Args:
        pictures: What to look at.
        suite: How to look; the thresholds in use.
        workers: Processes; one for each core if None.
        on_progress: Told after every picture how many are done, and of how many.

    Raises:
        UsageError: None of the pictures could be looked at.
        ModelsMissing: Weights are not installed.
    """
    return asyncio.run(_evaluate(pictures, suite, workers=workers, on_progress=on_progress))


async def _evaluate(
    pictures: Sequence[LabelledPicture],
    suite: SuiteOptions,
    *,
    workers: int | None,
    on_progress: Callable[[int, int], None],
) -> Evaluation:
    with _interruptible() as is_stopped:
        with WorkPool(workers) as pool:
            looked = await _look_at_all(pictures, suite, pool, on_progress, is_stopped)
            good = [(picture, found) for picture, found in looked if not found.failure]
            failed = {picture.name: found.failure for picture, found in looked if found.failure}
            if not good and is_stopped.is_set():
                raise KeyboardInterrupt
            if not good:
                raise UsageError(f"none of the pictures can be looked at; {': '.join(next(iter(failed.items())))}")
            chosen = [good[index][0] for index in range(0, len(good), max(1, len(good) // _TIMED))]
            copies = await asyncio.gather(*(pool.run(timed_copy, picture.path) for picture in chosen))
        timing = None if is_stopped.is_set() else await _timing(copies, suite)
    return Evaluation(
        kinds={kind.value: _report(kind, good, suite) for kind in KINDS},
        pictures=len(good),
        timing=timing,
        failed=failed,
        missed={kind.value: _wrong(kind, good, is_there=True) for kind in KINDS},
        false_alarms={kind.value: _wrong(kind, good, is_there=False) for kind in KINDS},
        was_interrupted=timing is None,
    )


@contextmanager
def _interruptible() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets; the second is the usual interrupt."""
    stopped = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _look_at_all(
    pictures: Sequence[LabelledPicture],
    suite: SuiteOptions,
    pool: WorkPool,
    on_progress: Callable[[int, int], None],
    is_stopped: asyncio.Event,
) -> list[tuple[LabelledPicture, Looked]]:
    """In the order of the pictures."""
    found: dict[int, Looked] = {}
    waiting = iter(enumerate(pictures))

    async def work() -> None:
        for index, picture in waiting:
            if is_stopped.is_set():
                return
            try:
                found[index] = await pool.run(look, picture.path, suite)
            except WorkerCrashed as exc:
                found[index] = Looked(failure=str(exc))
            on_progress(len(found), len(pictures))

    await asyncio.gather(*(work() for _ in range(pool.workers + 1)))  # one more, so that no worker ever waits
    return [(pictures[index], found[index]) for index in sorted(found)]


def look(path: Path, suite: SuiteOptions) -> Looked:
    """What the detectors make of a picture, thresholds lowered; for a process pool."""
    try:
        image = _opened(path)
    except (OSError, PictureError) as exc:
        return Looked(failure=f"cannot be read: {exc}")
    picture = Picture(image)
    found: list[Detection] = []
    in_use: list[Detection] = []
    for detector, threshold in _lowered(suite):
        try:
            of_this = detector.detect(picture, tuple(in_use))
        except Exception as exc:  # one picture of many: the others are still measured
            return Looked(failure=f"{detector.name} failed: {exc or type(exc).__name__}")
        found += of_this
        in_use += [each for each in of_this if threshold is None or each.score >= threshold]
    best: dict[Kind, Detection] = {}
    for each in sorted(found, key=lambda detection: detection.score):
        best[each.kind] = each
    return Looked(
        best={kind: float(each.score) for kind, each in best.items()},
        detectors={kind: each.detector for kind, each in best.items()},
        flagged=frozenset(each.kind for each in in_use),
        sure=frozenset(each.kind for each in in_use if each.level is Level.SURE),
    )


@lru_cache(maxsize=1)
def _lowered(suite: SuiteOptions) -> list[tuple[Detector, float | None]]:
    """Each detector with its threshold lowered, and the threshold in use."""
    thresholds = {name: threshold_of(name, suite.of(name)) for name in suite.detectors}
    tables = {
        name: {**suite.table(name), **({} if threshold is None else {"flag": min(threshold, _LOWEST)})}
        for name, threshold in thresholds.items()
    }
    options = replace(suite, tables=frozen_tables(tables))
    return [(load_detector(name, options.of(name)), thresholds[name]) for name in suite.detectors]


def timed_copy(path: Path) -> bytes:
    """A PNG of the picture at the size at which time is measured; for a process pool."""
    buffer = io.BytesIO()
    _opened(path).resize(_TIMED_WH).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


async def _timing(copies: Sequence[bytes], suite: SuiteOptions) -> Timing:
    with WorkPool(1) as alone:
        await alone.run(time_scan, copies[0], suite)  # loads the weights
        cpu_ms, wall_ms = zip(*[await alone.run(time_scan, copy, suite) for copy in copies], strict=True)
        return Timing(_spread(cpu_ms), _spread(wall_ms), await alone.run(peak_rss_mb))


def time_scan(data: bytes, suite: SuiteOptions) -> tuple[float, float]:
    """Milliseconds of processor and of clock to look at a decoded picture; for a process of its own."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    loaded = load_suite(suite)
    cpu, wall = time.process_time(), time.perf_counter()
    loaded.scan(image)
    return (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


def peak_rss_mb() -> float:
    """The most memory that this process held; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would give the parent's, if that was larger when it started this process
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _opened(path: Path) -> Image.Image:
    """The picture as a desk sees it."""
    return open_prepared(prepare_picture(path.read_bytes(), first_frame=True).data)


def _spread(times_ms: Sequence[float]) -> dict[str, float]:
    p90 = statistics.quantiles(times_ms, n=10)[-1] if len(times_ms) > 1 else times_ms[0]
    return {"median": statistics.median(times_ms), "p90": p90}


def _report(kind: Kind, looked: Sequence[tuple[LabelledPicture, Looked]], suite: SuiteOptions) -> KindReport:
    judged = [(picture.holds[kind], found) for picture, found in looked if kind in picture.holds]
    scored = [(found.best.get(kind, 0.0), is_there) for is_there, found in judged]
    finders = {found.detectors[kind] for _, found in looked if kind in found.detectors}
    thresholds = [threshold_of(name, suite.of(name)) for name in finders]
    return KindReport(
        in_use=figures((kind in found.flagged, is_there) for is_there, found in judged),
        sure=figures((kind in found.sure, is_there) for is_there, found in judged),
        threshold=thresholds[0] if len(thresholds) == 1 else None,
        average_precision=average_precision(scored),
        curve=tuple(curve(scored)),
    )


def _wrong(kind: Kind, looked: Sequence[tuple[LabelledPicture, Looked]], *, is_there: bool) -> list[tuple[str, float]]:
    """Names and scores of the pictures whose flag says the other thing, the worst first."""
    wrong = [
        (picture.name, round(found.best.get(kind, 0.0), 4))
        for picture, found in looked
        if picture.holds.get(kind) is is_there and (kind in found.flagged) is not is_there
    ]
    return sorted(wrong, key=lambda each: each[1] if is_there else -each[1])
