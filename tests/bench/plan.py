"""How many machines, days and dollars a load takes: ``python -m tests.bench.plan``; every assumption is an option.

A simulation by the minute. What is loaded goes through four places, each with a queue: the provider, the detectors, the
reviewers, and back to the provider where a reviewer asks again. In each minute a place takes what it can of its queue;
who fails, is flagged or is asked for again is drawn. Nothing is simulated that the database does: its limits are far
above this (docs/scale.md). Prints the assumptions first, then what they come to.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np

_DAY = 24 * 60
_MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is assumed; each with where it comes from."""

    pictures: int = field(default=10_000_000, metadata={"from": "the load"})
    reviewers: int = field(default=200, metadata={"from": "the load"})
    provider_per_minute: float = field(default=1_200, metadata={"from": "assumed; what the account allows decides"})
    cost_usd: float = field(default=0.03, metadata={"from": "assumed; yours: picturedesk costs"})
    failing: float = field(default=0.02, metadata={"from": "assumed; answers that fail and are sent again, not billed"})
    refused: float = field(default=0.005, metadata={"from": "assumed; refused by moderation, a person looks at them"})
    in_doubt: float = field(default=0.0002, metadata={"from": "assumed; sent, and no answer known: a person looks"})
    variants: float = field(default=2.0, metadata={"from": "assumed; outputs for each source, which is looked at once"})
    source_cpu_s: float = field(
        default=0.140, metadata={"from": "measured: faces, text, logos on 1024 x 1024, median of 10 drawn ones"}
    )
    output_cpu_s: float = field(
        default=0.222, metadata={"from": "measured: the same on the output, and the comparison; median of 10"}
    )
    slow_cpu: float = field(
        default=1.5, metadata={"from": "assumed; a cloud's virtual core against the one it was measured on"}
    )
    busy: float = field(default=0.8, metadata={"from": "assumed; share of the time that a detector's core works"})
    worker_gb: float = field(
        default=0.4, metadata={"from": "measured: an actor with its models had 336 MB; rounded up"}
    )
    core_hour_usd: float = field(default=0.05, metadata={"from": "assumed; a virtual core with 4 GB, on demand"})
    flagged: float = field(default=0.25, metadata={"from": "assumed; try yours: picturedesk policy try"})
    sampled: float = field(default=0.05, metadata={"from": "the default policy's sample_share"})
    look_low_s: float = field(default=8.0, metadata={"from": "the plan's pace, 8 to 12 s; yours: picturedesk insights"})
    look_high_s: float = field(default=12.0, metadata={"from": "the same"})
    at_work: float = field(default=0.75, metadata={"from": "assumed; share of the hours in which a reviewer decides"})
    hours: float = field(default=8.0, metadata={"from": "assumed; a day, from 9 o'clock, Monday to Friday"})
    approvals: int = field(default=1, metadata={"from": "the default policy"})
    asked_again: float = field(default=0.08, metadata={"from": "assumed; of what is looked at, re-prompted"})
    rejected: float = field(default=0.04, metadata={"from": "assumed; of what is looked at"})
    reviewer_hour_usd: float = field(default=20.0, metadata={"from": "assumed"})


@dataclass(slots=True)
class Queue:
    """What waits in front of one place, by the minute."""

    now: int = 0
    lengths: list[int] = field(default_factory=list)

    def take(self, room: float, chance: np.random.Generator) -> int:
        """As many as there is room for; a part of one by chance."""
        whole = int(room) + int(chance.random() < room % 1)
        taken = min(self.now, whole)
        self.now -= taken
        return taken

    def most(self) -> int:
        """The longest that it was."""
        return max(self.lengths, default=0)


@dataclass(slots=True)
class Course:
    """How it went: queues and sums, in edits."""

    provider: Queue = field(default_factory=Queue)
    again: Queue = field(default_factory=Queue)
    detectors: Queue = field(default_factory=Queue)
    review: Queue = field(default_factory=Queue)
    sent: int = 0
    billed: int = 0
    outputs: int = 0
    passed: int = 0
    looks: int = 0
    accepted: int = 0
    rejected: int = 0
    minutes: int = 0
    produced_after: int = 0


def cores(given: Assumptions) -> int:
    """Cores for the detectors, so that they keep up with the provider."""
    return int(np.ceil(given.provider_per_minute / 60 * cpu_s(given) / given.busy))


def cpu_s(given: Assumptions) -> float:
    """Core seconds of a detector's machine for each output."""
    return given.slow_cpu * (given.output_cpu_s + given.source_cpu_s / given.variants)


def simulate(given: Assumptions, detector_cores: int, *, seed: int = 1) -> Course:
    """Minute by minute until nothing is left, or 400 days are over."""
    chance, course = np.random.default_rng(seed), Course()
    course.provider.now = given.pictures
    detected_per_minute = detector_cores * given.busy * 60 / cpu_s(given)
    for minute in range(_MOST_DAYS * _DAY):
        _minute(given, course, chance, detected_per_minute, looks=_looks_in(given, minute, chance))
        course.minutes = minute + 1
        waiting = [course.provider, course.again, course.detectors, course.review]
        for queue in waiting:
            queue.lengths.append(queue.now)
        if not course.provider.now and not course.produced_after:
            course.produced_after = minute + 1
        if not any(queue.now for queue in waiting):
            break
    return course


def _minute(
    given: Assumptions, course: Course, chance: np.random.Generator, detected_per_minute: float, *, looks: float
) -> None:
    again = course.again.take(given.provider_per_minute, chance)  # re-prompts go ahead of the batches
    sent = again + course.provider.take(given.provider_per_minute - again, chance)
    failed, refused, doubtful, good = chance.multinomial(
        sent, [given.failing, given.refused, given.in_doubt, 1 - given.failing - given.refused - given.in_doubt]
    )
    course.sent += sent
    course.billed += int(good + doubtful)
    course.provider.now += int(failed)
    course.review.now += int(refused + doubtful)
    course.detectors.now += int(good)
    seen = course.detectors.take(detected_per_minute, chance)
    course.outputs += seen
    shown = chance.binomial(seen, given.flagged + (1 - given.flagged) * given.sampled)
    course.passed += seen - int(shown)
    course.review.now += int(shown)
    decided = course.review.take(looks / given.approvals, chance)
    again, rejected, accepted = chance.multinomial(
        decided, [given.asked_again, given.rejected, 1 - given.asked_again - given.rejected]
    )
    course.looks += decided * given.approvals
    course.again.now += int(again)
    course.rejected += int(rejected)
    course.accepted += int(accepted)


def _looks_in(given: Assumptions, minute: int, chance: np.random.Generator) -> float:
    """How many pictures the reviewers look at in this minute; day 0 is a Monday."""
    day, of_day = divmod(minute, _DAY)
    if day % 7 >= 5 or not 9 * 60 <= of_day < (9 + given.hours) * 60:
        return 0.0
    at_work = chance.binomial(given.reviewers, given.at_work)
    paces = chance.uniform(given.look_low_s, given.look_high_s, at_work)
    return float((60 / paces).sum())


def said_before(given: Assumptions) -> Iterator[str]:
    """The assumptions, a line each."""
    yield "assumptions"
    for each in fields(given):
        yield f"  {each.name:22} {getattr(given, each.name):>14,}  {each.metadata['from']}"


def said_after(given: Assumptions, course: Course, detector_cores: int) -> Iterator[str]:
    """What it comes to, a line each."""
    days = course.minutes / _DAY
    machine_hours = course.produced_after / 60 * detector_cores
    review_hours = course.looks * (given.look_low_s + given.look_high_s) / 2 / 3600 / given.at_work
    waiting = np.asarray(course.review.lengths)
    is_day = np.arange(len(waiting)) % _DAY == (9 * 60)
    money = {
        "provider": course.billed * given.cost_usd,
        "detectors": machine_hours * given.core_hour_usd,
        "reviewers": review_hours * given.reviewer_hour_usd,
    }
    yield "what it comes to"
    yield f"  {days:.1f} days until the last decision; the provider is done with the batches after " + (
        f"{course.produced_after / _DAY:.1f}"
    )
    yield f"  {course.sent:,} requests, {course.billed:,} billed; {course.outputs:,} outputs looked at by detectors"
    yield f"  {course.passed:,} approved by the policy, {course.accepted:,} by people, {course.rejected:,} rejected"
    yield f"  {course.looks:,} looks: {course.looks / max(1, given.reviewers):,.0f} by each reviewer"
    yield (
        f"  detectors: {detector_cores} cores ({-(-detector_cores // 16)} machines of 16), "
        f"{detector_cores * given.worker_gb:.0f} GB; {cpu_s(given):.3f} core seconds for each output"
    )
    yield (
        f"  queues at their longest: detectors {course.detectors.most():,}, review {course.review.most():,}, "
        f"re-prompts {course.again.most():,}; review at 9 o'clock, median {int(np.median(waiting[is_day])):,}"
    )
    yield (
        "  dollars: "
        + ", ".join(f"{name} {amount:,.0f}" for name, amount in money.items())
        + (f"; together {sum(money.values()):,.0f}")
    )


def main() -> None:
    """Print the assumptions and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for each in fields(Assumptions):
        kind = int if isinstance(each.default, int) else float
        parser.add_argument(
            f"--{each.name.replace('_', '-')}", type=kind, default=each.default, help=each.metadata["from"]
        )
    parser.add_argument("--cores", type=int, help="cores for the detectors, instead of those that are needed")
    asked = vars(parser.parse_args())
    chosen = asked.pop("cores")
    given = Assumptions(**asked)
    found = chosen or cores(given)
    for line in (*said_before(given), *said_after(given, simulate(given, found), found)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
