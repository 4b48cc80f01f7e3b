"""A policy tried on past edits before it is put in force: who would have looked at what, and what would have passed.

Each edit is routed twice by its stored flags: by the policy in force and by the new one, so that only what the change
does is counted, whatever policies were in force meanwhile. An edit comes to people if a policy has a reason for it; one
that is only drawn as a sample is what the policy approves itself. So nothing here tells which edits are samples.

A long trial runs in a process of its own, so that it keeps nobody waiting who is served by this one:
python -m pipeline.policy_trial DESK LAST < policy.toml
"""

import json
import math
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from pipeline.desk import Desk
from pipeline.errors import StoreError
from pipeline.people import Person, local_person
from pipeline.recipes import Recipe
from pipeline.routing import Case, Policy, case_name, needs_person, parse_policy_text, recipe_rule
from pipeline.states import EditState, Role
from pipeline.store import routed
from pipeline.store.routed import RoutedEdit

LAST = 10_000
"""Edits that are tried unless somebody asks for more."""

MOST = 1_000_000
MOST_LISTED = 200

WORTH_A_PROCESS = 10_000
"""Edits that take 0.3 s of CPU; to start a process takes 0.6 s (our measurement, 2026-11-21)."""

_BAD = frozenset({EditState.REJECTED, EditState.SUPERSEDED})

Group = Literal["batch", "recipe"]


@dataclass(frozen=True, slots=True)
class Load:
    """What a policy asks of people.

    Attributes:
        coming: Edits that it has a reason to show to people.
        sampled: Edits of the others that it would draw as a sample, on average.
        looks: How often somebody must look: as often as approvals are asked for.
    """

    coming: int
    sampled: float
    looks: float


@dataclass(frozen=True, slots=True)
class Moved:
    """Edits that one of the policies shows to people and the other does not.

    Attributes:
        decided: Of them, those that people decided on.
        rejected: Of those, the ones that were rejected.
        asked_again: Those that were asked for again, with other words.
    """

    edits: int = 0
    decided: int = 0
    rejected: int = 0
    asked_again: int = 0

    @property
    def bad(self) -> int:
        """Not accepted."""
        return self.rejected + self.asked_again


@dataclass(frozen=True, slots=True)
class Part:
    """The same of one batch or recipe."""

    name: str
    edits: int
    coming_before: int
    coming_after: int
    fewer: int
    fewer_bad: int
    more: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What would have been otherwise.

    Attributes:
        edits: Edits that were routed again.
        before: Under the policy in force.
        after: Under the policy that is tried.
        fewer: Edits that would no longer come to people.
        more: Edits that would newly come.
        missed: Of the ``fewer``, the newest that people did not accept, at most 200: numbers of edits.
        look_ms: How long a look takes: the median of how long edits were on the screen; None if that is not known.
        parts: By batch and by recipe, those first where most would be otherwise.
    """

    edits: int
    before: Load
    after: Load
    fewer: Moved
    more: Moved
    missed: tuple[int, ...]
    look_ms: float | None
    parts: Mapping[Group, tuple[Part, ...]]

    @property
    def saved_s(self) -> float | None:
        """Seconds of people's time that would have been saved; negative if it would have taken more."""
        return None if self.look_ms is None else (self.before.looks - self.after.looks) * self.look_ms / 1000


def try_policy(
    desk: Desk,
    policy: Policy,
    *,
    by: Person,
    last: int = LAST,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Trial:
    """Route the newest decided edits again; memory stays flat.

    Args:
        desk: The desk; its policy in force is what the new one is held against.
        policy: The new one.
        by: Who asks.
        last: How many edits, 1,000,000 at most.
        on_progress: Told now and then how many edits are done.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "try a policy")
    now, recipes = desk.policy, desk.recipes
    tally = _Tally()
    for page in routed.decided_edits(desk.db, last=min(last, MOST)):
        for edit in page:
            case = _case(edit, recipes)
            tally.add(edit, came=needs_person(case, now), comes=needs_person(case, policy))
        on_progress(tally.edits)
    return tally.trial(now, policy)


def try_text(
    desk: Desk, text: str, *, by: Person, last: int, on_progress: Callable[[int], None] = lambda done: None
) -> Trial:
    """Try the policy in this text, in this process or, if there is much to try it on, in another.

    Args:
        desk: As for `try_policy`.
        text: TOML.
        by: Who asks.
        last: How many edits.
        on_progress: Told now and then how many edits are done.

    Raises:
        Forbidden: The person is no admin.
        PolicyError: The text is no policy.
        StoreError: The edits could not be read.
    """
    by.need(Role.ADMIN, "try a policy")
    policy = parse_policy_text(text)
    if last <= WORTH_A_PROCESS:
        return try_policy(desk, policy, by=by, last=last, on_progress=on_progress)
    return _tried_apart(desk, text, last, on_progress)


def sentence(trial: Trial) -> str:
    """The trial in a sentence or two."""
    start = f"Of the last {trial.edits:,} edits that were decided, "
    if not trial.edits:
        return "Nothing was decided yet, so there is nothing to try a policy on."
    if not trial.fewer.edits and not trial.more.edits:
        return f"{start}the same {trial.before.coming:,} would have come to people."
    counts = [(trial.fewer.edits, "fewer"), (trial.more.edits, "more")]
    said = " and ".join(f"{count:,} {word}" for count, word in counts if count)
    return f"{start}{said} would have come to people{_missed(trial.fewer)}."


def time_sentence(trial: Trial) -> str:
    """What it saves of people's time; "" if nothing is known or nothing changes."""
    if not trial.saved_s or trial.look_ms is None:
        return ""
    saved = "saves" if trial.saved_s > 0 else "takes"
    return f"That {saved} about {_span(abs(trial.saved_s))}, at {trial.look_ms / 1000:.1f} s a look."


def _tried_apart(desk: Desk, text: str, last: int, on_progress: Callable[[int], None]) -> Trial:
    command = [sys.executable, "-m", "pipeline.policy_trial", str(desk.root), str(last)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):  # it has ended; what it said of that is read below
            process.stdin.write(text)
            process.stdin.close()
        said: Any = None
        for line in process.stdout:
            said = json.loads(line)
            if isinstance(said, int):
                on_progress(said)
        problem = process.stderr.read().strip()
    if not isinstance(said, dict):
        raise StoreError(f"the policy could not be tried: {problem.splitlines()[-1] if problem else 'it was stopped'}")
    return _read_trial(said)


def _read_trial(said: Mapping[str, Any]) -> Trial:
    read: dict[str, Any] = {
        "before": Load(**said["before"]),
        "after": Load(**said["after"]),
        "fewer": Moved(**said["fewer"]),
        "more": Moved(**said["more"]),
        "missed": tuple(said["missed"]),
        "parts": {group: tuple(Part(**part) for part in parts) for group, parts in said["parts"].items()},
    }
    return Trial(**{**said, **read})


def _missed(fewer: Moved) -> str:
    if not fewer.edits:
        return ""
    if not fewer.decided:
        return "; people decided on none of the fewer"
    whose = "them" if fewer.decided == fewer.edits else f"the {fewer.decided:,} of them that people decided on"
    if not fewer.bad:
        return f"; none of {whose} was rejected or asked for again"
    parts = [(fewer.rejected, "rejected"), (fewer.asked_again, "asked for again")]
    return f"; of {whose}, " + " and ".join(f"{count:,} {_were(count)} {word}" for count, word in parts if count)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _span(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _case(edit: RoutedEdit, recipes: Mapping[str, Recipe]) -> Case:
    return Case(
        name=case_name(edit.batch, edit.asset, edit.variant, edit.round),
        flags=edit.flags,
        outputs=edit.outputs,
        recipe=edit.recipe,
        provider=edit.provider,
        cost_usd=math.inf if edit.unpriced else edit.cost_microusd / 1e6,
        round=edit.round,
        recipe_rule=recipe_rule(recipes.get(edit.recipe)),
    )


@dataclass(slots=True)
class _Tally:
    edits: int = 0
    came: int = 0
    comes: int = 0
    moved: dict[bool, Counter[str]] = field(default_factory=lambda: {True: Counter(), False: Counter()})
    missed: list[int] = field(default_factory=list)
    shown_ms: "array[int]" = field(default_factory=lambda: array("q"))
    parts: dict[tuple[Group, str], Counter[str]] = field(default_factory=dict)

    def add(self, edit: RoutedEdit, *, came: bool, comes: bool) -> None:
        self.edits += 1
        self.came += came
        self.comes += comes
        self.shown_ms.extend(edit.shown_ms)
        is_bad = edit.was_decided and edit.state in _BAD
        is_fewer, is_more = came and not comes, comes and not came
        if is_fewer or is_more:
            self.moved[is_more].update(edits=1, decided=edit.was_decided)
            self.moved[is_more][edit.state] += is_bad
        if is_fewer and is_bad and len(self.missed) < MOST_LISTED:
            self.missed.append(edit.id)
        for key in (("batch", edit.batch), ("recipe", edit.recipe)):
            part = self.parts.setdefault(key, Counter())
            part["edits"] += 1
            part["coming_before"] += came
            part["coming_after"] += comes
            if is_fewer or is_more:
                part.update(fewer=is_fewer, fewer_bad=is_fewer and is_bad, more=is_more)

    def trial(self, before: Policy, after: Policy) -> Trial:
        return Trial(
            edits=self.edits,
            before=self._load(before, self.came),
            after=self._load(after, self.comes),
            fewer=_moved(self.moved[False]),
            more=_moved(self.moved[True]),
            missed=tuple(self.missed),
            look_ms=median(self.shown_ms) if self.shown_ms else None,
            parts={"batch": self._parts("batch"), "recipe": self._parts("recipe")},
        )

    def _load(self, policy: Policy, coming: int) -> Load:
        sampled = policy.sample_share * (self.edits - coming)
        return Load(coming, sampled, (coming + sampled) * policy.approvals)

    def _parts(self, group: Group) -> tuple[Part, ...]:
        names = ("edits", "coming_before", "coming_after", "fewer", "fewer_bad", "more")
        found = [
            Part(name, **{each: counts[each] for each in names})
            for (of, name), counts in self.parts.items()
            if of == group
        ]
        return tuple(sorted(found, key=lambda part: (-part.fewer - part.more, -part.edits, part.name)))


def _moved(counts: Mapping[str, int]) -> Moved:
    return Moved(
        counts.get("edits", 0),
        counts.get("decided", 0),
        counts.get(EditState.REJECTED, 0),
        counts.get(EditState.SUPERSEDED, 0),
    )


def main() -> None:
    """Print how far the trial is, and in the last line what it came to."""
    root, last = Path(sys.argv[1]), int(sys.argv[2])
    desk, policy = Desk.open(root), parse_policy_text(sys.stdin.read())

    def say(value: object) -> None:
        sys.stdout.write(f"{json.dumps(value)}\n")
        sys.stdout.flush()

    say(asdict(try_policy(desk, policy, by=local_person(), last=last, on_progress=say)))
    desk.close()


if __name__ == "__main__":
    main()
