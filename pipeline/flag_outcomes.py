"""What became of flagged edits, and which thresholds the decisions speak for. Proposes; a person applies.

By edit, with the flags of all its outputs, as the policy sees it. The last decision that was not taken back counts,
and a re-prompt counts as a rejection. What people saw is what the policy showed them, so the shares are of reviewed
edits; only the audit samples tell what it lets through.

A threshold is tried by routing every edit again, by today's policy, without the detector's flags below it. That is as
near as the stored flags come: a finding on the source that the threshold would hide as well is taken for what it was.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.desk import Desk
from pipeline.looking import case_of
from pipeline.proportions import lift, share, wilson
from pipeline.records import DecisionRecord, EditRecord
from pipeline.routing import route
from pipeline.states import DecisionKind, EditState
from pipeline.store import reading
from pipeline.suites import thresholds_in_use
from pipeline.values import Change, Flag, Kind, Level

MIN_REVIEWED = 50
"""Edits with a detector's flags that somebody decided on: with fewer, a proposal would be made of noise."""

MIN_REJECTED = 10
"""Of them rejected: one in ten is as coarse as the share that is to be kept may get."""

_REPROMPT = "re-prompt"
_VERDICTS = {DecisionKind.ACCEPT: False, DecisionKind.REJECT: True, DecisionKind.REPROMPT: True}


@dataclass(frozen=True, slots=True)
class Replay:
    """Where an edit with a detector's flags goes at every threshold of that detector.

    Attributes:
        version: The detector's; scores of another version are of another scale.
        scores: Of the flags, each once, from low to high.
        reviewed: Whether the policy has it reviewed, samples apart, without flags of the 0, 1, 2, ... lowest scores.
        sampled: Whether it is drawn as a sample then.
        rejected: What was decided; None if nothing was.
        may_be_blamed: Whether the reason names this detector's kind, or none.
        is_blamed: Whether it names it.
    """

    version: str
    scores: tuple[float, ...]
    reviewed: tuple[bool, ...]
    sampled: tuple[bool, ...]
    rejected: bool | None
    may_be_blamed: bool
    is_blamed: bool

    def is_reviewed(self, threshold: float) -> bool:
        """Whether the policy has it reviewed if only scores from this threshold on count."""
        return self.reviewed[bisect_left(self.scores, threshold)]

    def is_sampled(self, threshold: float) -> bool:
        """Whether it is drawn as a sample then."""
        return self.sampled[bisect_left(self.scores, threshold)]


@dataclass(slots=True)
class _Tally:
    """Sums over all edits."""

    routed: int = 0
    queue: int = 0
    unseen: int = 0
    reviewed: Counter[Any] = field(default_factory=Counter)
    rejected: Counter[Any] = field(default_factory=Counter)
    reasons: dict[Any, Counter[str]] = field(default_factory=dict)
    replays: dict[str, list[Replay]] = field(default_factory=dict)


_ALL, _SAMPLES = "all", "samples"


def flag_outcomes(desk: Desk, *, keep: float = 0.98) -> dict[str, Any]:
    """What people decided on this desk's flags, and proposed thresholds; JSON values.

    Args:
        desk: The desk.
        keep: Of the edits that were rejected for a detector's flags, the share that a higher threshold must still
            send to review, in (0, 1].
    """
    tally = _Tally()
    for edit, decisions in reading.each_routed(desk.db):
        _add(tally, desk, edit, last_verdict(decisions))
    thresholds = thresholds_in_use(desk.root, desk.settings)
    return {
        "routed": tally.routed,
        **_rate(tally, _ALL),
        "flags": [_row(tally, key) for key in _keys() if tally.reviewed[key]],
        "samples": _let_through(tally),
        "thresholds": {
            name: propose(
                tally.replays.get(name, []),
                detector=name,
                in_use=in_use,
                queue=tally.queue,
                routed=tally.routed,
                keep=keep,
            )
            for name, in_use in thresholds.items()
        },
    }


def last_verdict(decisions: Iterable[DecisionRecord]) -> DecisionRecord | None:
    """The acceptance, rejection or re-prompt that stands; None if there is none, or it was taken back."""
    standing: list[DecisionRecord] = []
    for decision in decisions:
        if decision.kind is not DecisionKind.UNDO:
            standing.append(decision)
        elif standing:  # what the policy approved is taken back without a decision before
            standing.pop()
    return standing[-1] if standing and standing[-1].kind in _VERDICTS else None


def _add(tally: _Tally, desk: Desk, edit: EditRecord, verdict: DecisionRecord | None) -> None:
    flags = [flag for output in edit.outputs for flag in output.flags]
    tally.routed += 1
    is_reviewed, _ = _routed(desk, edit, flags)
    tally.queue += is_reviewed
    tally.unseen += verdict is None and edit.state is EditState.APPROVED
    for detector in {flag.detection.detector for flag in flags if flag.detection.kind is not Kind.DETECTOR}:
        tally.replays.setdefault(detector, []).append(replay(desk, edit, flags, detector, verdict))
    if verdict is None:
        return
    groups: list[Any] = [_ALL, *{(f.detection.kind, f.change, f.detection.level) for f in flags}]
    if edit.route["is_sample"]:
        groups.append(_SAMPLES)
    is_rejected = _VERDICTS[verdict.kind]
    for group in groups:
        tally.reviewed[group] += 1
        tally.rejected[group] += is_rejected
        if is_rejected:
            tally.reasons.setdefault(group, Counter())[verdict.reason or _REPROMPT] += 1


def replay(
    desk: Desk, edit: EditRecord, flags: Sequence[Flag], detector: str, verdict: DecisionRecord | None
) -> Replay:
    """Route an edit once for each score of that detector's flags."""
    own = [flag.detection for flag in flags if _is_of(flag, detector)]
    scores = sorted({each.score for each in own})
    routed = [_routed(desk, edit, _without(flags, detector, below)) for below in (*scores, math.inf)]
    named = _kinds_named(verdict.reason) if verdict else set()
    kinds = {each.kind for each in own}
    return Replay(
        version=own[-1].version,
        scores=tuple(scores),
        reviewed=tuple(is_reviewed for is_reviewed, _ in routed),
        sampled=tuple(is_sampled for _, is_sampled in routed),
        rejected=None if verdict is None else _VERDICTS[verdict.kind],
        may_be_blamed=not named or bool(named & kinds),
        is_blamed=bool(named & kinds),
    )


def _is_of(flag: Flag, detector: str) -> bool:
    return flag.detection.detector == detector and flag.detection.kind is not Kind.DETECTOR


def _without(flags: Sequence[Flag], detector: str, below: float) -> list[Flag]:
    """The flags, but for a detector's with lower scores and what rests on them.

    A brand's name rests on the text that it was read in, and has its very box.
    """
    low = [flag for flag in flags if _is_of(flag, detector) and flag.detection.score < below]
    boxes = {flag.detection.xyxy for flag in low}
    return [
        flag
        for flag in flags
        if flag not in low and not (flag.detection.kind is Kind.LOGO and flag.detection.xyxy in boxes)
    ]


def _routed(desk: Desk, edit: EditRecord, flags: Sequence[Flag]) -> tuple[bool, bool]:
    """Whether today's policy has it reviewed, samples apart, and whether it is drawn as a sample."""
    found = route(case_of(edit, flags, desk.recipes), desk.policy)
    return found.to_review and not found.is_sample, found.is_sample


def _kinds_named(reason: str) -> set[Kind]:
    words = set(re.findall(r"[a-z]+", reason.lower()))
    return {kind for kind in Kind if words & {kind.value, f"{kind.value}s"}}


def _keys() -> list[tuple[Kind, Change, Level]]:
    return [(kind, change, level) for kind in Kind for change in Change for level in Level]


def _rate(tally: _Tally, group: Any) -> dict[str, Any]:  # noqa: ANN401 - a group's key
    reviewed, rejected = tally.reviewed[group], tally.rejected[group]
    return {
        "reviewed": reviewed,
        "rejected": rejected,
        "rate": share(rejected, reviewed),
        "rate_interval": wilson(rejected, reviewed),
        "reasons": dict(tally.reasons.get(group, Counter()).most_common()),
    }


def _row(tally: _Tally, key: tuple[Kind, Change, Level]) -> dict[str, Any]:
    """One sort of flag against the reviewed edits without it."""
    reviewed, rejected = tally.reviewed[key], tally.rejected[key]
    others, rejected_others = tally.reviewed[_ALL] - reviewed, tally.rejected[_ALL] - rejected
    found = lift(rejected, reviewed, rejected_others, others)
    kind, change, level = key
    return {
        "kind": kind.value,
        "change": change.value,
        "level": level.value,
        **_rate(tally, key),
        "without": {
            "reviewed": others,
            "rejected": rejected_others,
            "rate": share(rejected_others, others),
            "rate_interval": wilson(rejected_others, others),
        },
        "lift": found[0] if found else None,
        "lift_interval": found[1] if found else None,
    }


def _let_through(tally: _Tally) -> dict[str, Any]:
    """Of what the policy approves, what a person would reject: from the samples, which alone are drawn blindly."""
    rate = _rate(tally, _SAMPLES)
    low, high = rate["rate_interval"]
    return {**rate, "approved_unseen": tally.unseen, "bad_among_them": (low * tally.unseen, high * tally.unseen)}


def propose(
    replays: Sequence[Replay], *, detector: str, in_use: float | None, queue: int, routed: int, keep: float
) -> dict[str, Any]:
    """The highest threshold that keeps enough of the rejected edits in the queue, or why there is none.

    Args:
        replays: Of the edits with this detector's flags, oldest first.
        detector: Its name.
        in_use: Its threshold; None if it has none.
        queue: Edits that today's policy has reviewed.
        routed: All edits.
        keep: As for `flag_outcomes`.
    """
    now = [each for each in replays if each.version == replays[-1].version]
    older = [each for each in replays if each.version != replays[-1].version]
    reviewed = [each for each in now if each.rejected is not None]
    facts: dict[str, Any] = {"in_use": in_use, "reviewed": len(reviewed), "of_older_versions": len(older)}
    if in_use is None:
        return {**facts, "refused": "the detector has no option flag"}
    counted = [each for each in reviewed if each.rejected and each.may_be_blamed and each.is_reviewed(in_use)]
    facts |= {"rejected": len(counted), "rejected_naming_it": sum(each.is_blamed for each in counted)}
    if len(reviewed) < MIN_REVIEWED or len(counted) < MIN_REJECTED:
        return {
            **facts,
            "refused": f"{len(reviewed)} reviewed edits have its flags, and {len(counted)} of them were rejected for "
            f"them or for no reason named; at least {MIN_REVIEWED} and {MIN_REJECTED} are needed",
        }
    threshold = _highest(now, counted, in_use, keep)
    gone = [each for each in now if each.is_reviewed(in_use) and not each.is_reviewed(threshold)]
    if not gone:
        return {
            **facts,
            "refused": f"no higher threshold would spare the queue an edit and still keep {keep:.1%} of the rejected",
        }
    kept = sum(each.is_reviewed(threshold) for each in counted)
    queued = queue - sum(each.is_reviewed(0) for each in older)
    return {
        **facts,
        "refused": None,
        "proposed": threshold,
        "kept": kept / len(counted),
        "kept_interval": wilson(kept, len(counted)),
        "kept_on_other_half": _held_out(now, counted, in_use, keep),
        "queue": queued,
        "spared": len(gone),
        "sampled_of_spared": sum(each.is_sampled(threshold) for each in gone),
        "load_change": -share(len(gone), queued),
        "routed": routed - len(older),
        "settings": f"[detector_options.{detector}]\nflag = {threshold:.2f}",
    }


def _highest(replays: Sequence[Replay], rejected: Sequence[Replay], in_use: float, keep: float) -> float:
    """Up from the threshold in use in steps of .01, as long as enough stays; the lowest of those that spare as much."""
    best, least = in_use, sum(each.is_reviewed(in_use) for each in replays)
    for step in range(math.floor(in_use * 100 + 1e-9) + 1, 101):
        threshold = step / 100
        if sum(each.is_reviewed(threshold) for each in rejected) < keep * len(rejected) - 1e-9:
            break
        left = sum(each.is_reviewed(threshold) for each in replays)
        if left < least:
            best, least = threshold, left
    return best


def _held_out(replays: Sequence[Replay], rejected: Sequence[Replay], in_use: float, keep: float) -> float:
    """What is kept if the threshold is chosen on every other rejected edit and tried on the rest, both ways."""
    kept = 0
    for chosen_on, tried_on in ((rejected[::2], rejected[1::2]), (rejected[1::2], rejected[::2])):
        threshold = _highest(replays, chosen_on, in_use, keep)
        kept += sum(each.is_reviewed(threshold) for each in tried_on)
    return kept / len(rejected)
