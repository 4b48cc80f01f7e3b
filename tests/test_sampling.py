"""What the sample says, and when the policy stops by itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.proportions import at_least, at_most
from pipeline.sampling import sample_report
from pipeline.store import reading
from tests.desks import build_desk

ADA = local_person("ada")
CAP = 4


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("part", "whole", "most"),
    # Exact one-sided bounds; the first two are the rule of three.
    [(0, 300, 0.00994), (0, 30, 0.0950), (1, 100, 0.0466), (5, 50, 0.1990), (0, 0, 1.0), (3, 3, 1.0)],
)
def test_a_share_is_bounded_exactly(part: int, whole: int, most: float) -> None:
    assert at_most(part, whole) == pytest.approx(most, abs=5e-4)


def test_the_lower_bound_mirrors_the_upper_one() -> None:
    assert at_least(3, 3) == pytest.approx(0.05 ** (1 / 3))
    assert at_least(0, 50) == pytest.approx(0, abs=1e-9)
    assert at_most(20, 100_000) < 0.001


def test_the_lower_bound_of_a_large_sample_is_no_work() -> None:
    """It is asked for at every edit that the policy approves; 0.5 s each, after 10,000, would hold up the run."""
    began = time.process_time()
    assert at_least(3, 10_000) == pytest.approx(8.2e-5, rel=0.01)
    assert time.process_time() - began < 0.05


def test_the_sample_is_what_people_made_of_it(desk: Desk) -> None:
    policy = desk.policy
    sampled_by = reading.edit(desk.db, CAP).route["policy_hash"]
    assert reading.sample_counts(desk.db, sampled_by) == (0, 0)
    review.reject(desk, CAP, by=ADA, reason="other")
    assert reading.sample_counts(desk.db, sampled_by) == (1, 1)
    review.undo(desk, CAP, by=ADA)
    assert reading.sample_counts(desk.db, sampled_by) == (0, 0)
    assert str(sample_report(desk.db, policy)) == "0 bad of 0: at most 1e+02 % at 95 %"
