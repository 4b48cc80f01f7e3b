"""Money: integers of a millionth of a US dollar, from the provider's answer to the table on the screen."""

from dataclasses import dataclass

from pipeline.desk import Desk
from pipeline.store import reading
from pipeline.store.reading import CostRow


@dataclass(frozen=True, slots=True)
class CostSummary:
    """What a desk cost.

    Attributes:
        rows: By batch, provider and ai_model.
        total_microusd: All charges.
        at_risk_microusd: The most that requests without an answer can have cost besides.
        approved: Edits approved.
    """

    rows: tuple[CostRow, ...]
    total_microusd: int
    at_risk_microusd: int
    approved: int

    @property
    def per_approved_usd(self) -> float | None:
        """What one approved picture cost, every attempt included; None if none is approved."""
        return self.total_microusd / 1e6 / self.approved if self.approved else None


def summarise(desk: Desk, *, batch: str | None = None) -> CostSummary:
    """What the desk, or one batch of it, cost."""
    rows = tuple(row for row in reading.costs(desk.db) if batch in (None, row.batch))
    return CostSummary(
        rows=rows,
        total_microusd=sum(row.cost_microusd for row in rows),
        at_risk_microusd=sum(row.reserved_microusd for row in rows),
        approved=sum(row.approved for row in rows),
    )


def dollars(microusd: int) -> str:
    """An amount as a person reads it: to the cent, or to four digits below ten cents."""
    usd = microusd / 1e6
    return f"${usd:,.4f}" if 0 < abs(usd) < 0.1 else f"${usd:,.2f}"
