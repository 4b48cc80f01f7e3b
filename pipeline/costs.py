"""Money: integers of a millionth of a US dollar, from the provider's answer to the table on the screen."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.store import reading, spending
from pipeline.store.spending import TOKENS, CostBy, CostRow

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
    return CostSummary(
        by=by,
        rows=rows,
        total_microusd=sum(row.cost_microusd for row in rows),
        doubtful_microusd=sum(row.doubtful_microusd for row in rows),
        doubtful=sum(row.doubtful for row in rows),
        unpriced=sum(row.unpriced for row in rows),
        saved_microusd=sum(row.saved_microusd for row in rows),
        approved=spending.approved_edits(desk.db, batch_id=batch_id),
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


def exact_usd(microusd: int | None) -> str:
    """An amount with all its six digits; "" if it is not known."""
    return "" if microusd is None else f"{microusd // 1_000_000}.{microusd % 1_000_000:06d}"
