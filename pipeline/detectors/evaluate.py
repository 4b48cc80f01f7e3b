"""How good the detectors are, on pictures that somebody labelled."""

import csv
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from pipeline.detectors.suite import SuiteOptions, load_suite
from pipeline.errors import UsageError
from pipeline.values import Kind

_KINDS = (Kind.FACE, Kind.TEXT, Kind.LOGO)
_TIMED = 40


@dataclass(frozen=True, slots=True)
class KindScore:
    """One kind, by picture. Intervals are Wilson's, 95 %; a ratio of nothing is 0."""

    recall: float
    recall_interval: tuple[float, float]
    precision: float
    precision_interval: tuple[float, float]
    false_alarm_rate: float
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured; times on 1024 × 1024 copies, of the process, memory in MB; what could not be looked at."""

    kinds: dict[str, KindScore]
    cpu_ms: dict[str, float]
    peak_rss_mb: float
    failed: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def evaluate(labels_csv: Path, suite: SuiteOptions, *, on_progress: Callable[[str], None]) -> Evaluation:
    """Look at every labelled picture.

    Args:
        labels_csv: Columns file, face, text, logo; y, n, or a for pictures left out of that kind.
        suite: How to look.
        on_progress: Is told every 50 pictures.

    Raises:
        UsageError: The file has no such columns, or no rows.
    """
    with labels_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file", *_KINDS} <= set(rows[0]):
        raise UsageError(f"{labels_csv}: expected rows with the columns file, face, text, logo")
    loaded, counts, times = load_suite(suite), Counter[tuple[str, str, bool]](), []
    failed: dict[str, str] = {}
    every = max(1, len(rows) // _TIMED)
    for index, row in enumerate(rows):
        try:
            with Image.open(labels_csv.parent / row["file"]) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, ValueError) as exc:
            failed[row["file"]] = f"cannot be read: {exc}"
            continue
        detections = loaded.scan(image).detections
        found = {detection.kind for detection in detections}
        if Kind.DETECTOR in found:
            failed[row["file"]] = "; ".join(each.label for each in detections if each.kind is Kind.DETECTOR)
            continue
        counts.update((kind, row[kind], kind in found) for kind in _KINDS)
        if index % every == 0:
            square = image.resize((1024, 1024))
            started = time.process_time()
            loaded.scan(square)
            times.append((time.process_time() - started) * 1000)
        if index % 50 == 0:
            on_progress(f"{index} of {len(rows)} pictures")
    if not times:
        raise UsageError(f"{labels_csv}: none of its pictures can be looked at: {next(iter(failed.items()), '')}")
    scores = {str(kind): _score(kind, counts) for kind in _KINDS}
    p90 = statistics.quantiles(times, n=10)[-1] if len(times) > 1 else times[0]
    return Evaluation(scores, {"median": statistics.median(times), "p90": p90}, _peak_rss_mb(), failed)


def _score(kind: Kind, counts: Counter[tuple[str, str, bool]]) -> KindScore:
    hit, missed = counts[kind, "y", True], counts[kind, "y", False]
    alarm, quiet = counts[kind, "n", True], counts[kind, "n", False]
    return KindScore(
        _ratio(hit, hit + missed),
        wilson(hit, hit + missed),
        _ratio(hit, hit + alarm),
        wilson(hit, hit + alarm),
        _ratio(alarm, alarm + quiet),
        {"hit": hit, "missed": missed, "false_alarm": alarm, "quiet": quiet},
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Wilson 1927, doi 10.1080/01621459.1927.10502953."""
    if not whole:
        return 0.0, 1.0
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(0.0, middle - half), min(1.0, middle + half)


def _peak_rss_mb() -> float:
    """Of this process; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
