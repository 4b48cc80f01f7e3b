"""Insights as tables, one for each question: what the page shows, the command prints, and a CSV file holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.csv_lines import csv_line
from pipeline.insights import Acceptance, Agreement, Behind, Cost, Insights, Pace, Share
from pipeline.store.insights import By

Cell = str | int | float | None
Row = dict[str, Cell]

EACH = "$ per approved asset"

_SPANS = (
    *(("up to 10 min", 10), ("up to 1 h", 60), ("up to 4 h", 240), ("up to 8 h", 480), ("up to 1 day", 1_440)),
    *(("up to 2 days", 2_880), ("up to 1 week", 10_080), ("longer", 10**9)),
)
"""In minutes; each is an edge between the classes that `pipeline.store.tallies.WAITS` counts."""


@dataclass(frozen=True, slots=True)
class InsightTable:
    """One table.

    Attributes:
        name: For a file.
        title: The question.
        rows: By column; every row has the same columns, None where nobody knows. Shares are in per cent.
    """

    name: str
    title: str
    rows: tuple[Row, ...]

    def as_csv(self) -> str:
        """With a line of headings; "" if there are no rows."""
        if not self.rows:
            return ""
        return "".join([csv_line(self.rows[0]), *(csv_line(row.values()) for row in self.rows)])


def tables(found: Insights, per: By) -> list[InsightTable]:
    """All tables that have anything in them."""
    every = [
        acceptance(found, per),
        by_day(found),
        costs_over_time("costs-by-day", "day", found.costs_by_day),
        behind(found.behind, "change"),
        behind(found.behind_labels, "label"),
        behind(found.behind_detectors, "detector"),
        reasons(found),
        rounds(found),
        waiting(found),
        pace(found),
        agreement(found),
    ]
    return [table for table in every if table.rows]


def acceptance(found: Insights, per: By) -> InsightTable:
    """What is accepted, and what an approved asset of it costs."""
    costs = {each.names: each for each in found.costs}
    liked = {each.names: each for each in found.acceptance}
    names = [*liked, *(name for name in costs if name not in liked)]
    rows = [
        {
            **_name_cells(name, per),
            **_verdict_cells(liked.get(name) or Acceptance(name, 0, 0, 0)),
            **({} if per is By.PROMPT else _cost_cells(costs.get(name) or Cost(name, 0, 0, 0, 0, 0))),
        }
        for name in names
    ]
    return InsightTable("acceptance", f"What is accepted, by {per.value.replace('-', ' ')}", tuple(rows))


def by_day(found: Insights) -> InsightTable:
    """What is accepted, day by day."""
    rows = [{"day (UTC)": each.names[0], **_verdict_cells(each)} for each in found.acceptance_by_day]
    return InsightTable("acceptance-by-day", "What is accepted, by day", tuple(rows))


def costs_over_time(name: str, unit: str, costs: Iterable[Cost]) -> InsightTable:
    """What was spent and approved, by day or by week."""
    rows = [{f"{unit} (UTC)": each.names[0], **_cost_cells(each)} for each in costs]
    return InsightTable(name, f"What was spent, by {unit}", tuple(rows))


def behind(found: Sequence[Behind], part: str) -> InsightTable:
    """What was flagged on what people turned down."""
    rows: list[Row] = [
        {
            "detector" if part == "detector" else "flag": each.name if part == "detector" else each.title,
            "turned down": each.of_turned_down.part,
            "accepted": each.of_accepted.part,
            **_share_cells("of turned down", each.of_turned_down),
            "of accepted %": _percent(each.of_accepted),
            **_share_cells("turned down if flagged", each.turned_down),
            **({"reasons given": _counted(each.reasons)} if part == "change" else {}),
        }
        for each in found
    ]
    titles = {"change": "What stands behind rejections", "label": "Labels behind rejections"}
    return InsightTable(f"behind-{part}", titles.get(part, "Detectors behind rejections"), tuple(rows))


def reasons(found: Insights) -> InsightTable:
    """Why pictures were rejected."""
    total = sum(number for _, number in found.reasons)
    rows: list[Row] = [
        {"reason": reason, "rejected": number, **_share_cells("of all", Share(number, total))}
        for reason, number in found.reasons
    ]
    return InsightTable("reasons", "Reasons given", tuple(rows))


def rounds(found: Insights) -> InsightTable:
    """How many rounds it took."""
    total = sum(number for _, number in found.rounds)
    rows: list[Row] = [
        {"round": round_number, "approved assets": number, "of all %": _percent(Share(number, total))}
        for round_number, number in found.rounds
    ]
    return InsightTable("rounds", "Rounds until approved", tuple(rows))


def waiting(found: Insights) -> InsightTable:
    """How long edits waited for their first decision."""
    total = sum(number for _, number in found.waiting.by_minutes)
    rows: list[Row] = []
    before = 0
    for name, most in _SPANS:
        within = sum(number for minutes, number in found.waiting.by_minutes if minutes < most)
        rows.append({"waited": name, "first decisions": within - before, "so far %": _percent(Share(within, total))})
        before = within
    return InsightTable("waiting", "Time until the first decision", tuple(rows) if total else ())


def pace(found: Insights) -> InsightTable:
    """How fast people decide, as far as it may be told."""
    everybody = () if found.team is None else (found.team,)
    rows = [_pace_cells(each) for each in (*found.people, *everybody)]
    return InsightTable("pace", "Pace", tuple(rows))


def agreement(found: Insights) -> InsightTable:
    """How alike people judge, as far as it may be told."""
    pooled = (found.agreement,) if found.agreement.agreed.whole else ()
    rows = [_agreement_cells(each) for each in (*found.agreements, *pooled)]
    return InsightTable("agreement", "Agreement", tuple(rows))


def _name_cells(names: tuple[str, ...], per: By) -> Row:
    columns = ("recipe", "provider") if per is By.PLACE else (per.value.replace("-", " "),)
    return {column: name or "–" for column, name in zip(columns, names, strict=True)}


def _verdict_cells(each: Acceptance) -> Row:
    return {
        "decided on": each.share.whole,
        **_share_cells("accepted", each.share),
        "accepted": each.accepted,
        "rejected": each.rejected,
        "asked again": each.asked_again,
    }


def _cost_cells(each: Cost) -> Row:
    return {
        EACH: None if each.each_microusd is None else each.each_microusd / 1e6,
        "cost $": each.cost_microusd / 1e6,
        "approved": each.approved,
        "by the policy alone": each.by_policy,
        "unpriced requests": each.unpriced,
    }


def _pace_cells(each: Pace) -> Row:
    return {
        "who": each.name or "all together",
        "decisions": each.decisions,
        "active hours": round(each.active_h, 1),
        "decisions per active hour": round(each.per_hour, 1),
        "shown, median s": each.shown_s,
        "taken back %": _percent(each.undone_share),
    }


def _agreement_cells(each: Agreement) -> Row:
    return {
        "who": " and ".join(each.people) or "all together",
        "judged by two": each.agreed.whole,
        "agreed": each.agreed.part,
        **_share_cells("agreed", each.agreed),
        "Cohen's kappa": None if each.kappa is None else round(each.kappa, 2),
    }


def _share_cells(name: str, of: Share) -> Row:
    low, high = of.interval
    is_known = of.value is not None
    return {
        f"{name} %": _percent(of),
        f"{name} ≥ %": round(100 * low, 1) if is_known else None,
        f"{name} ≤ %": round(100 * high, 1) if is_known else None,
    }


def _percent(of: Share) -> float | None:
    return None if of.value is None else round(100 * of.value, 1)


def _counted(found: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name or 'none'} {number}" for name, number in found)
