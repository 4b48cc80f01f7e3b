"""What scores and labels come to: recall, precision and false alarms, at one threshold and along all of them. Pure.

All of it is by picture: a picture's score for a kind is its best detection's, and 0 if nothing was found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.proportions import share, wilson

Scored = Sequence[tuple[float, bool]]
"""Each picture's score, and whether it really holds the thing."""

_THRESHOLDS = tuple(step / 40 for step in range(2, 41))
"""From .05 to 1, every .025."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How good the flags are. Intervals are Wilson's, 95 %; a share of nothing is 0, between 0 and 1.

    Attributes:
        recall: Of the pictures that hold it, the share that was flagged.
        precision: Of the flagged pictures, the share that holds it.
        fpr: False-alarm rate: of the pictures that do not hold it, the share that was flagged.
        counts: Pictures: hit, missed, false_alarm, quiet.
    """

    recall: float
    recall_interval: tuple[float, float]
    precision: float
    precision_interval: tuple[float, float]
    fpr: float
    fpr_interval: tuple[float, float]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Point:
    """The same at one threshold."""

    threshold: float
    recall: float
    precision: float
    fpr: float


def figures(outcomes: Iterable[tuple[bool, bool]]) -> Figures:
    """What pairs of flagged and really there come to."""
    pairs = list(outcomes)
    hit, missed = pairs.count((True, True)), pairs.count((False, True))
    alarm, quiet = pairs.count((True, False)), pairs.count((False, False))
    return Figures(
        recall=share(hit, hit + missed),
        recall_interval=wilson(hit, hit + missed),
        precision=share(hit, hit + alarm),
        precision_interval=wilson(hit, hit + alarm),
        fpr=share(alarm, alarm + quiet),
        fpr_interval=wilson(alarm, alarm + quiet),
        counts={"hit": hit, "missed": missed, "false_alarm": alarm, "quiet": quiet},
    )


def curve(scored: Scored) -> list[Point]:
    """The figures at every threshold, up to the last one at which anything is flagged."""
    points = []
    for threshold in _THRESHOLDS:
        if not any(score >= threshold for score, _ in scored):
            break
        at = figures((score >= threshold, is_there) for score, is_there in scored)
        points.append(Point(threshold, at.recall, at.precision, at.fpr))
    return points


def average_precision(scored: Scored) -> float | None:
    """The area under precision over recall, each step at the precision that it ends on; None without any to find.

    What was never found adds nothing, as in scikit-learn's average_precision_score.
    """
    there = sum(is_there for _, is_there in scored)
    if not there:
        return None
    area = 0.0
    flagged = hits = 0
    ranked = sorted((pair for pair in scored if pair[0] > 0), reverse=True)
    for _, tied in groupby(ranked, key=lambda pair: pair[0]):
        found = [is_there for _, is_there in tied]
        flagged, hits = flagged + len(found), hits + sum(found)
        area += sum(found) / there * hits / flagged
    return min(1.0, area)  # the steps' sum may be off by a rounding
