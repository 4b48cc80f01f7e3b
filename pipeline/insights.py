"""What a team can learn from its decisions: what is accepted, at which cost, why not, how fast, and how alike.

Everything is counted from what people decided last and did not take back. Nobody's own pace is told to anybody below
approver, and nothing tells a sampled edit from another.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline.desk import Desk
from pipeline.money import dollars
from pipeline.people import Person
from pipeline.proportions import share, wilson
from pipeline.states import Role
from pipeline.store import Database, reading, tallies
from pipeline.store import insights as counted
from pipeline.store.insights import By, Counted, Spent, Words

ENOUGH = 20
"""Decisions from which on a share is worth a comparison: 10 of 20 is 30 to 70 % at 95 %."""

ENOUGH_PAIRS = 30
"""Pictures that two people must have judged, each saying both words five times, before their kappa is told."""

ENOUGH_PEOPLE = 3
"""So many people must have decided before others than approvers see their sum: of two, each knows the other's part."""

MOST_LINES = 200
_SLOT_H = 1 / 6
_FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Of what insights are wanted; what is None is not looked at.

    Attributes:
        batch: Of this batch.
        since: From this day (UTC) on.
        until: Until this day (UTC), which counts.
        recipe: Made by this recipe.
        provider: Made by this provider.
    """

    batch: str | None = None
    since: date | None = None
    until: date | None = None
    recipe: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, in [0, 1], with its 95 % interval (Wilson)."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return share(self.part, self.whole) if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """What it is at least and at most; 0 and 1 of nothing."""
        return wilson(self.part, self.whole)

    def __str__(self) -> str:
        if not self.whole:
            return "–"
        low, high = self.interval
        return f"{100 * share(self.part, self.whole):.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How people liked the pictures of one recipe, provider, model, prompt or batch, or on one day.

    Attributes:
        names: Which one; "" for edits without a recipe, or a provider without models.
        accepted: Of the pictures that people decided on.
        rejected: Likewise.
        asked_again: Likewise: turned down, and asked for with another instruction.
    """

    names: tuple[str, ...]
    accepted: int
    rejected: int
    asked_again: int

    @property
    def share(self) -> Share:
        """The accepted among those that people decided on."""
        return Share(self.accepted, self.accepted + self.rejected + self.asked_again)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one recipe, provider, model or batch, or one day, cost and brought.

    Attributes:
        names: Which one.
        requests: Charged requests.
        unpriced: Those among them whose price is not known.
        cost_microusd: All charges, rejected rounds included.
        approved: Approved assets.
        by_policy: Those among them that no person looked at.
    """

    names: tuple[str, ...]
    requests: int
    unpriced: int
    cost_microusd: int
    approved: int
    by_policy: int

    @property
    def each_microusd(self) -> float | None:
        """What one approved asset cost; None if there is none, or a price is not known."""
        return self.cost_microusd / self.approved if self.approved and not self.unpriced else None


@dataclass(frozen=True, slots=True)
class Behind:
    """What was flagged on pictures that were turned down, and on accepted ones.

    Attributes:
        kind: Of the flags: text, logo and so on; "" where nothing was flagged.
        name: What the edit did, or the label, or the detector's name.
        of_turned_down: The rejected and asked-again pictures with this, among all such.
        of_accepted: The accepted pictures with this, among all such.
        turned_down: The turned down among all with this.
        reasons: What was said of those that were rejected, the most frequent first.
    """

    kind: str
    name: str
    of_turned_down: Share
    of_accepted: Share
    turned_down: Share
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def title(self) -> str:
        """As in ``text introduced``."""
        return f"{self.kind} {self.name}".strip() or "nothing flagged"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one person, or all together, decide.

    Attributes:
        name: Who; "" for all together.
        decisions: All, those taken back included.
        undone: Those taken back.
        active_h: Hours, counted by the ten minutes in which there was a decision.
        shown_s: For how long pictures were on the screen, the median to half a second; None if nobody measured.
    """

    name: str
    decisions: int
    undone: int
    active_h: float
    shown_s: float | None

    @property
    def per_hour(self) -> float:
        """Decisions in an active hour."""
        return self.decisions / self.active_h

    @property
    def undone_share(self) -> Share:
        """The decisions that were taken back, by whomever."""
        return Share(self.undone, self.decisions)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two people, or all, judge the pictures that two of them judged.

    Attributes:
        people: Who; empty for all together.
        agreed: Both accepted, or both turned down.
        kappa: Cohen's; None for all together, and where there is too little to tell.
    """

    people: tuple[str, ...]
    agreed: Share
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long edits wait for a person.

    Attributes:
        now: How many wait.
        oldest_h: Hours since the oldest of these came, to the hour; None if none waits.
        median_min: Minutes until the first decision, the median; None if there was none.
        late_min: Minutes within which nine of ten were decided on.
        by_minutes: First decisions by minutes: to 5 below an hour, to 30 below a day, else to 180.
    """

    now: int
    oldest_h: int | None
    median_min: int | None
    late_min: int | None
    by_minutes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """All that is told.

    Attributes:
        uncounted: Edits, at most, whose latest changes are not in here yet; 0 if all are.
        headline: What matters most, in sentences.
        acceptance: By what was asked for, most decisions first.
        acceptance_by_day: In the order of the days.
        costs: By what was asked for; empty for prompts.
        costs_by_day: In the order of the days.
        reasons: For rejections, the most frequent first.
        behind: By kind and change, the most frequent on turned-down pictures first; with those without any flag.
        behind_labels: By what was read or recognised.
        behind_detectors: By detector.
        rounds: In which round assets were approved, how many.
        waiting: For a person.
        team: All together; None where that would tell of one person.
        people: One by one; empty for those who may not see it.
        agreement: All together.
        agreements: By two people; empty for those who may not see it.
        recipes: All that can be asked for.
        providers: All that can be asked for.
    """

    uncounted: int
    headline: tuple[str, ...]
    acceptance: tuple[Acceptance, ...]
    acceptance_by_day: tuple[Acceptance, ...]
    costs: tuple[Cost, ...]
    costs_by_day: tuple[Cost, ...]
    reasons: tuple[tuple[str, int], ...]
    behind: tuple[Behind, ...]
    behind_labels: tuple[Behind, ...]
    behind_detectors: tuple[Behind, ...]
    rounds: tuple[tuple[int, int], ...]
    waiting: Waiting
    team: Pace | None
    people: tuple[Pace, ...]
    agreement: Agreement
    agreements: tuple[Agreement, ...]
    recipes: tuple[str, ...]
    providers: tuple[str, ...]

    @property
    def decided(self) -> int:
        """Pictures that people decided on."""
        return sum(day.share.whole for day in self.acceptance_by_day)


def look(desk: Desk, wanted: Wanted, *, by: Person, per: By = By.PLACE, most_s: float | None = None) -> Insights:
    """What the desk's decisions tell.

    Args:
        desk: The desk.
        wanted: Of what.
        by: Who looks.
        per: What acceptance and costs are told by.
        most_s: After so many seconds count no more than a first part, and say how much is left; None for all.

    Raises:
        Forbidden: The person may see nothing here.
        NotFound: There is no such batch.
    """
    by.need(Role.VIEWER, "see insights")
    of = Counted(
        batch_id=None if wanted.batch is None else reading.batch_id(desk.db, wanted.batch),
        since=wanted.since,
        until=wanted.until,
        recipe=wanted.recipe,
        provider=wanted.provider,
    )
    uncounted = count_on(desk, most_s=most_s)
    counts = desk.tallies
    days = _accepted(counted.words_by_day(counts, of))
    decided = (sum(day.accepted for day in days), sum(day.rejected + day.asked_again for day in days))
    behind = _behind(counts, of, decided)
    waiting = _waiting(counts, of)
    paces, team = _paces(counts, of)
    agreements, agreement = _agreements(counts, of)
    is_personal = by.may(Role.APPROVER)
    batches = reading.batch_names_by_id(desk.db)
    recipes, providers = counted.known(counts)
    return Insights(
        uncounted=uncounted,
        headline=tuple(_headline(counts, of, behind, waiting)),
        acceptance=_accepted(counted.words(counts, of, per, most=MOST_LINES), batches if per is By.BATCH else {}),
        acceptance_by_day=days,
        costs=() if per is By.PROMPT else _costs(counted.spent(counts, of, per), batches if per is By.BATCH else {}),
        costs_by_day=_costs(counted.spent_by_day(counts, of)),
        reasons=tuple(counted.reasons(counts, of)),
        behind=behind,
        behind_labels=_behind_part(counts, of, "label", decided),
        behind_detectors=_behind_part(counts, of, "detector", decided),
        rounds=tuple(counted.rounds(counts, of)),
        waiting=waiting,
        team=team if is_personal or len(paces) >= ENOUGH_PEOPLE else None,
        people=paces if is_personal else (),
        agreement=agreement,
        agreements=agreements if is_personal else (),
        recipes=tuple(recipes),
        providers=tuple(providers),
    )


def count_on(desk: Desk, *, most_s: float | None = None) -> int:
    """Count what is not counted yet; gives how many edits, at most, are left.

    Args:
        desk: The desk.
        most_s: After so many seconds count no more than a first part; None for all.
    """
    return tallies.bring_up(desk.db, desk.tallies, most_s=most_s)


def by_week(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """Days put together to weeks, each named by its Monday."""
    weeks: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs:
        day = date.fromisoformat(cost.names[0])
        weeks[(day - timedelta(days=day.weekday())).isoformat()].append(cost)
    return tuple(
        Cost(
            (monday,),
            requests=sum(each.requests for each in days),
            unpriced=sum(each.unpriced for each in days),
            cost_microusd=sum(each.cost_microusd for each in days),
            approved=sum(each.approved for each in days),
            by_policy=sum(each.by_policy for each in days),
        )
        for monday, days in weeks.items()
    )


def quantile(counts: Sequence[tuple[int, int]], part: float) -> int | None:
    """The value that this part of what was counted does not pass; None of nothing.

    Args:
        counts: Values in order, and how often each was counted.
        part: In (0, 1]; 0.5 for the median.
    """
    rest = part * sum(number for _, number in counts)
    for value, number in counts:
        rest -= number
        if rest <= 0:
            return value
    return None


def kappa(both: int, first_only: int, second_only: int, neither: int) -> float | None:
    """Cohen's kappa of two people who accept or turn down (Cohen 1960, doi 10.1177/001316446002000104).

    None unless they judged `ENOUGH_PAIRS` pictures, and each said either word five times.
    """
    number = both + first_only + second_only + neither
    first, second = both + first_only, both + second_only
    if number < ENOUGH_PAIRS or min(first, number - first, second, number - second) < _FEW:
        return None
    by_chance = (first * second + (number - first) * (number - second)) / number**2
    return ((both + neither) / number - by_chance) / (1 - by_chance)


def _accepted(found: Iterable[Words], batches: Mapping[int, str] | None = None) -> tuple[Acceptance, ...]:
    return tuple(
        Acceptance(_named(each.names, batches), each.accepted, each.rejected, each.asked_again) for each in found
    )


def _costs(found: Iterable[Spent], batches: Mapping[int, str] | None = None) -> tuple[Cost, ...]:
    return tuple(
        Cost(
            _named(each.names, batches),
            requests=each.requests,
            unpriced=each.unpriced,
            cost_microusd=each.cost_microusd,
            approved=each.approved,
            by_policy=each.by_policy,
        )
        for each in found
    )


def _named(names: tuple[str, ...], batches: Mapping[int, str] | None) -> tuple[str, ...]:
    return (batches.get(int(names[0]), names[0]),) if batches else names


def _behind(counts: Database, of: Counted, decided: tuple[int, int]) -> tuple[Behind, ...]:
    given: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for kind, name, reason, number in counted.flagged_reasons(counts, of):
        given[kind, name].append((reason, number))
    found = [each for part in ("change", "nothing") for each in _behind_part(counts, of, part, decided)]
    ordered = sorted(found, key=lambda each: (-each.of_turned_down.part, each.title))
    return tuple(
        Behind(
            each.kind,
            each.name,
            each.of_turned_down,
            each.of_accepted,
            each.turned_down,
            tuple(given[each.kind, each.name]),
        )
        for each in ordered
    )


def _behind_part(counts: Database, of: Counted, part: str, decided: tuple[int, int]) -> tuple[Behind, ...]:
    """By one part of the flags, where so many were accepted and turned down in all."""
    accepted, down = decided
    return tuple(
        Behind(kind, name, Share(on_down, down), Share(on_accepted, accepted), Share(on_down, on_down + on_accepted))
        for kind, name, on_down, on_accepted in counted.flagged(counts, of, part, most=MOST_LINES)
    )


def _waiting(counts: Database, of: Counted) -> Waiting:
    number, since = counted.waiting(counts, of)
    oldest = None
    if since:
        began = datetime.strptime(since, "%Y-%m-%d %H").replace(tzinfo=UTC)
        oldest = max(0, int((datetime.now(UTC) - began).total_seconds() // 3600))
    minutes = counted.waits(counts, of)
    return Waiting(number, oldest, quantile(minutes, 0.5), quantile(minutes, 0.9), tuple(minutes))


def _paces(counts: Database, of: Counted) -> tuple[tuple[Pace, ...], Pace | None]:
    """One by one, and all together; None of nobody."""
    shown: dict[str, Counter[int]] = defaultdict(Counter)
    for actor, shown_ms, number in counted.shown(counts, of):
        shown[actor][shown_ms] += number
        shown[""][shown_ms] += number
    found = [
        Pace(actor, decisions, undone, slots * _SLOT_H, _median_s(shown[actor]))
        for actor, decisions, undone, slots in counted.pace(counts, of)
    ]
    if not found:
        return (), None
    sums = (sum(each.decisions for each in found), sum(each.undone for each in found))
    return tuple(found), Pace("", *sums, sum(each.active_h for each in found), _median_s(shown[""]))


def _median_s(shown: Counter[int]) -> float | None:
    median = quantile(sorted(shown.items()), 0.5)
    return None if median is None else median / 1000


def _agreements(counts: Database, of: Counted) -> tuple[tuple[Agreement, ...], Agreement]:
    """By two people, and all together."""
    squares: dict[tuple[str, ...], Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for first, second, first_accepts, second_accepts, number in counted.pairs(counts, of):
        people = (first, second) if first < second else (second, first)
        verdicts = (first_accepts, second_accepts) if first < second else (second_accepts, first_accepts)
        squares[people][verdicts] += number
        squares[()][first_accepts, second_accepts] += number
    everybody = _agreement((), squares.pop((), Counter()))
    return tuple(_agreement(people, square) for people, square in sorted(squares.items())), everybody


def _agreement(people: tuple[str, ...], square: Counter[tuple[bool, bool]]) -> Agreement:
    both, first_only, second_only, neither = (
        square[verdicts] for verdicts in ((True, True), (True, False), (False, True), (False, False))
    )
    agreed = Share(both + neither, both + first_only + second_only + neither)
    # Of two people only: put together, one is first here and second there.
    return Agreement(people, agreed, kappa(both, first_only, second_only, neither) if people else None)


def _headline(counts: Database, of: Counted, behind: Sequence[Behind], waiting: Waiting) -> list[str]:
    """What a lead should know first."""
    places = {each.names: each for each in _accepted(counted.words(counts, of, By.PLACE, most=MOST_LINES))}
    costs = {each.names: each for each in _costs(counted.spent(counts, of, By.PLACE))}
    enough = [each for each in places.values() if each.share.whole >= ENOUGH]
    if not enough:
        return []
    found = [_dearest(enough, costs) or _least_accepted(enough, costs)]
    told = [each for each in behind if each.kind and each.name != "kept" and each.of_turned_down.part >= _FEW]
    if told:
        worst = max(told, key=lambda each: (each.of_turned_down.value or 0) - (each.of_accepted.value or 0))
        found.append(
            f"{worst.title} stands behind {worst.of_turned_down} of what was turned down; "
            f"{100 * (worst.of_accepted.value or 0):.0f} % of what was accepted has it, too."
        )
    if waiting.now and waiting.oldest_h is not None:
        found.append(f"{waiting.now:,} wait for a person, the oldest for {span(60 * waiting.oldest_h)}.")
    return found


def _dearest(places: Sequence[Acceptance], costs: Mapping[tuple[str, ...], Cost]) -> str | None:
    """The recipe at a provider that would save most at another one; None if none has two whose prices are known."""
    best: tuple[float, Acceptance, Acceptance] | None = None
    for one in places:
        for other in places:
            dear, cheap = (costs.get(each.names) for each in (one, other))
            if one.names[0] != other.names[0] or dear is None or cheap is None:
                continue
            if dear.each_microusd is None or cheap.each_microusd is None:
                continue
            more = (dear.each_microusd - cheap.each_microusd) * dear.approved
            if more > 0 and (best is None or more > best[0]):
                best = (more, one, other)
    if best is None:
        return None
    _, one, other = best
    return (
        f"{_place(one)} is accepted {one.share} and costs {_each(costs[one.names])} per approved asset; "
        f"at {other.names[1]} it is accepted {other.share} and costs {_each(costs[other.names])}."
    )


def _least_accepted(places: Sequence[Acceptance], costs: Mapping[tuple[str, ...], Cost]) -> str:
    worst = min(places, key=lambda each: each.share.value or 0)
    cost = costs.get(worst.names)
    known = f" and costs {_each(cost)} per approved asset" if cost and cost.each_microusd is not None else ""
    return f"{_place(worst)} is accepted {worst.share}{known}; nothing else with {ENOUGH} decisions is accepted less."


def _place(acceptance: Acceptance) -> str:
    recipe, provider = acceptance.names
    return f"{recipe or 'no recipe'} at {provider}"


def _each(cost: Cost) -> str:
    return "–" if cost.each_microusd is None else dollars(round(cost.each_microusd))


def span(minutes: int) -> str:
    """A length of time as a person says it."""
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} days"


def as_json(found: Insights) -> dict[str, Any]:
    """All of it as JSON values; shares in [0, 1], amounts in US dollars."""
    return {
        "headline": list(found.headline),
        "acceptance": [
            {"names": list(each.names), **_counts_json(each), "share": _share_json(each.share)}
            for each in found.acceptance
        ],
        "acceptance_by_day": [
            {"day": each.names[0], **_counts_json(each), "share": _share_json(each.share)}
            for each in found.acceptance_by_day
        ],
        "costs": [{"names": list(each.names), **_cost_json(each)} for each in found.costs],
        "costs_by_day": [{"day": each.names[0], **_cost_json(each)} for each in found.costs_by_day],
        "reasons": dict(found.reasons),
        "behind_rejections": [
            {
                "flag": each.title,
                "of_turned_down": _share_json(each.of_turned_down),
                "of_accepted": _share_json(each.of_accepted),
                "turned_down": _share_json(each.turned_down),
                "reasons": dict(each.reasons),
            }
            for each in found.behind
        ],
        "rounds": {str(number): approved for number, approved in found.rounds},
        "waiting": {
            "now": found.waiting.now,
            "oldest_h": found.waiting.oldest_h,
            "median_min": found.waiting.median_min,
            "nine_of_ten_min": found.waiting.late_min,
        },
        "team": None if found.team is None else _pace_json(found.team),
        "people": [{"name": each.name, **_pace_json(each)} for each in found.people],
        "agreement": _agreement_json(found.agreement),
        "agreements": [{"people": list(each.people), **_agreement_json(each)} for each in found.agreements],
    }


def _counts_json(each: Acceptance) -> dict[str, int]:
    return {"accepted": each.accepted, "rejected": each.rejected, "asked_again": each.asked_again}


def _share_json(each: Share) -> dict[str, Any]:
    low, high = each.interval
    return {"part": each.part, "whole": each.whole, "share": each.value, "low": low, "high": high}


def _cost_json(each: Cost) -> dict[str, Any]:
    return {
        "cost_usd": each.cost_microusd / 1e6,
        "requests": each.requests,
        "unpriced": each.unpriced,
        "approved": each.approved,
        "by_policy": each.by_policy,
        "per_approved_usd": None if each.each_microusd is None else each.each_microusd / 1e6,
    }


def _pace_json(each: Pace) -> dict[str, Any]:
    return {
        "decisions": each.decisions,
        "undone": each.undone,
        "active_h": round(each.active_h, 2),
        "per_active_hour": round(each.per_hour, 1),
        "shown_median_s": each.shown_s,
    }


def _agreement_json(each: Agreement) -> dict[str, Any]:
    return {"agreed": _share_json(each.agreed), "kappa": each.kappa}
