"""Money: integers of a millionth of a US dollar, from the provider's answer to the table on the screen."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.errors import StoreError
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import reading, spending, tallies
from pipeline.store.spending import TOKENS, CostBy, CostRow, Purse

MOST_BUDGETS = 100
"""Of so many batches, the newest, the page shows the budgets."""

LEDGER_COLUMNS = (
    *("at", "status", "batch", "asset_id", "variant", "round", "edit", "client_id", "request_id", "provider"),
    *("ai_model", "recipe", "outcome", *TOKENS, "pictures", "amount_usd"),
)


@dataclass(frozen=True, slots=True)
class CostSummary:
    """What a desk, or one batch of it, cost.

    Attributes:
        by: What the rows are summed by.
        rows: By name.
        total_microusd: All charges.
        doubtful_microusd: The most that requests without an answer can have cost besides.
        doubtful: How many those are.
        unpriced: Requests whose price is not known; they are not in the total.
        saved_microusd: What edits would have cost that an equal one had answered before.
        approved: Approved assets.
    """

    by: CostBy
    rows: tuple[CostRow, ...]
    total_microusd: int
    doubtful_microusd: int
    doubtful: int
    unpriced: int
    saved_microusd: int
    approved: int

    @property
    def per_approved_usd(self) -> float | None:
        """What one approved asset cost, rejected rounds and lost attempts included; None if nobody knows."""
        return self.total_microusd / 1e6 / self.approved if self.approved and not self.unpriced else None


def summarise(desk: Desk, *, batch: str | None = None, by: CostBy = CostBy.BATCH) -> CostSummary:
    """What the desk, or one batch of it, cost.

    Raises:
        NotFound: There is no such batch.
    """
    batch_id = None if batch is None else reading.batch_named(desk.db, batch).id
    rows = tuple(spending.costs(desk.db, by, batch_id=batch_id))
    return _summary(by, rows, approved=spending.approved_edits(desk.db, batch_id=batch_id))


@dataclass(frozen=True, slots=True)
class Budget:
    """What was spent of what may be.

    Attributes:
        name: The month as 2026-11, or the batch.
        spent_microusd: The charges.
        reserved_microusd: The most that open and lost requests can add; it is not free to be spent.
        cap_microusd: What may be spent; None for no limit.
    """

    name: str
    spent_microusd: int
    reserved_microusd: int
    cap_microusd: int | None

    @property
    def left_microusd(self) -> int | None:
        """What may still be spent; None for no limit."""
        if self.cap_microusd is None:
            return None
        return max(0, self.cap_microusd - self.spent_microusd - self.reserved_microusd)


@dataclass(frozen=True, slots=True)
class CostOverview:
    """What the page about costs shows.

    Attributes:
        summary: By what was asked for.
        days: By day, for the plot.
        month: This month (UTC).
        budgets: Of batches that have one, the newest first.
        uncounted: Edits, at most, whose latest charges are not in the summary yet; 0 if all are.
    """

    summary: CostSummary
    days: tuple[CostRow, ...]
    month: Budget
    budgets: tuple[Budget, ...]
    uncounted: int


def overview(
    desk: Desk,
    *,
    by_person: Person,
    by: CostBy = CostBy.BATCH,
    most_s: float | None = None,
    moment: datetime | None = None,
) -> CostOverview:
    """What the desk cost, and what is left of its budgets; quick however many edits there are.

    Args:
        desk: The desk.
        by_person: Who looks.
        by: What to sum by.
        most_s: After so many seconds count no more than a first part, and say how much is left; None for all.
        moment: Tells which month it is; now if None.

    Raises:
        Forbidden: The person may see nothing here.
    """
    by_person.need(Role.VIEWER, "see costs")
    uncounted = tallies.bring_up(desk.db, desk.tallies, most_s=most_s)
    batches = reading.batch_names_by_id(desk.db)
    rows, days = (tuple(spending.counted_costs(desk.tallies, each, batches)) for each in (by, CostBy.DAY))
    month = (moment or datetime.now(UTC)).strftime("%Y-%m")
    scopes = {f"batch:{number}": name for number, name in sorted(batches.items(), reverse=True)[:MOST_BUDGETS]}
    purses = spending.purses(desk.db, [*scopes, f"month:{month}"])
    found = (_budget(purses.get(scope), name, desk.settings.budget_usd) for scope, name in scopes.items())
    return CostOverview(
        summary=_summary(by, rows, approved=sum(row.approved for row in rows)),
        days=days,
        month=_budget(purses.get(f"month:{month}"), month, desk.settings.monthly_cap_usd),
        budgets=tuple(budget for budget in found if budget.cap_microusd is not None),
        uncounted=uncounted,
    )


def ledger_csv(desk: Desk, *, batch: str | None = None) -> Iterator[str]:
    """The books as CSV, a charge or a request in doubt to the line; the charged lines sum up to the total exactly.

    Raises:
        NotFound: There is no such batch.
    """
    batch_id = None if batch is None else reading.batch_named(desk.db, batch).id
    yield csv_line(LEDGER_COLUMNS)
    for line in spending.ledger_lines(desk.db, batch_id=batch_id):
        tokens = (line.tokens[unit] for unit in TOKENS)
        yield csv_line(
            (
                *(line.at.isoformat(), line.status, line.batch, line.asset, line.variant, line.round, line.edit_id),
                *(line.client_id, line.request_id, line.provider, line.ai_model, line.recipe, line.outcome),
                *(*tokens, line.pictures, exact_usd(line.amount_microusd)),
            )
        )


def write_ledger(desk: Desk, file: Path) -> None:
    """The books of the desk as a ZIP with one CSV file, written as they are read: memory stays flat.

    Raises:
        StoreError: The disk cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _zip_ledger(desk, file)
    except OSError as exc:
        raise StoreError(f"{file}: {exc.strerror}; free some space and try again") from exc


def exact_usd(microusd: int | None) -> str:
    """An amount with all its six digits; "" if it is not known."""
    return "" if microusd is None else f"{microusd // 1_000_000}.{microusd % 1_000_000:06d}"


def _summary(by: CostBy, rows: tuple[CostRow, ...], *, approved: int) -> CostSummary:
    return CostSummary(
        by=by,
        rows=rows,
        total_microusd=sum(row.cost_microusd for row in rows),
        doubtful_microusd=sum(row.doubtful_microusd for row in rows),
        doubtful=sum(row.doubtful for row in rows),
        unpriced=sum(row.unpriced for row in rows),
        saved_microusd=sum(row.saved_microusd for row in rows),
        approved=approved,
    )


def _budget(purse: Purse | None, name: str, cap_usd: float | None) -> Budget:
    """A purse's own cap goes before the desk's."""
    cap = None if cap_usd is None else round(cap_usd * 1e6)
    if purse is None:
        return Budget(name, 0, 0, cap)
    own = cap if purse.cap_microusd is None else purse.cap_microusd
    return Budget(name, purse.spent_microusd, purse.reserved_microusd, own)


def _zip_ledger(desk: Desk, file: Path) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with (
            zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(f"{file.stem}.csv", "w", force_zip64=True) as entry,
        ):
            for line in ledger_csv(desk):
                entry.write(line.encode())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
