"""What scores and labels come to, by hand."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detectors.scoring import average_precision, curve, figures
from pipeline.proportions import lift, wilson

FOUR = [(0.9, True), (0.6, False), (0.4, True), (0.0, True)]
"""One found for sure, one falsely, one barely, and one not at all."""


def test_shares_are_of_pictures() -> None:
    found = figures([(True, True), (True, True), (True, False), (False, True), (False, False), (False, False)])
    assert found.counts == {"hit": 2, "missed": 1, "false_alarm": 1, "quiet": 2}
    assert (found.recall, found.precision, found.fpr) == (2 / 3, 2 / 3, 1 / 3)


def test_a_share_of_nothing_is_nothing_known() -> None:
    found = figures([(False, False)])
    assert (found.recall, found.recall_interval) == (0, (0, 1))
    assert (found.precision, found.precision_interval) == (0, (0, 1))
    assert found.fpr == 0


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(part: int, whole: int, low: float, high: float) -> None:
    assert list(wilson(part, whole)) == pytest.approx([low, high], abs=1e-4)


def test_a_lift_has_an_interval_and_none_without_cases() -> None:
    found = lift(20, 100, 10, 100)
    assert found is not None
    ratio, interval = found
    assert ratio == pytest.approx(2)
    assert list(interval) == pytest.approx([0.9865, 4.0547], abs=1e-3)  # e^(1.96 * .3606) is 2.0273
    assert lift(0, 100, 10, 100) is None
    assert lift(10, 100, 0, 0) is None


def test_the_curve_ends_where_nothing_is_flagged() -> None:
    points = {point.threshold: point for point in curve(FOUR)}
    assert max(points) == 0.9
    assert (points[0.4].recall, points[0.4].precision, points[0.4].fpr) == (2 / 3, 2 / 3, 1)
    assert (points[0.425].recall, points[0.425].precision, points[0.425].fpr) == (1 / 3, 1 / 2, 1)
    assert (points[0.625].recall, points[0.625].precision, points[0.625].fpr) == (1 / 3, 1, 0)


def test_average_precision_adds_nothing_for_what_was_never_found() -> None:
    assert average_precision(FOUR) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert average_precision([(0.5, True), (0.5, False)]) == 0.5
    assert average_precision([(0.5, False)]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30))
def test_a_higher_threshold_finds_no_more(scored: list[tuple[float, bool]]) -> None:
    points = curve(scored)
    for low, high in itertools.pairwise(points):
        assert high.recall <= low.recall
        assert high.fpr <= low.fpr
    area = average_precision(scored)
    assert area is None or 0 <= area <= 1
