"""What was spent, summed by whatever one asks: the charges, what is in doubt, and what reuse saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from pipeline.states import EditState
from pipeline.store.database import Database
from pipeline.store.ledger import CHARGE, PURSE
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, OUTPUT
from pipeline.store.tallies import DONE, LOST, REUSED, SPENT, by_place

TOKENS = ("text_in", "cached_text_in", "image_in", "cached_image_in", "text_out", "image_out")


class CostBy(StrEnum):
    """What costs are summed by."""

    BATCH = "batch"
    RECIPE = "recipe"
    PROVIDER = "provider"
    AI_MODEL = "ai-model"
    DAY = "day"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one batch, recipe, provider, ai_model, day (UTC) or outcome cost.

    Attributes:
        name: Which one; "" for edits without a recipe, or a provider without models.
        requests: Charged requests.
        unpriced: Those among them whose price is not known; they count nothing in the cost.
        approved: Approved edits.
        tokens: By the names of `TOKENS`.
        pictures: Where pictures are counted instead of tokens.
        cost_microusd: The sum of the charges.
        doubtful: Requests whose answer never came: they may have been billed too.
        doubtful_microusd: The most that those can have cost.
        reused: Edits answered by an equal one made before.
        saved_microusd: What those would have cost.
    """

    name: str
    requests: int
    unpriced: int
    approved: int
    tokens: dict[str, int]
    pictures: int
    cost_microusd: int
    doubtful: int
    doubtful_microusd: int
    reused: int
    saved_microusd: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One charge, or one request in doubt.

    Attributes:
        status: ``charged``, ``unpriced`` or ``doubtful``.
        amount_microusd: The charge; the most that it can be, if doubtful; None if not known.
    """

    at: datetime
    status: str
    batch: str
    asset: str
    variant: str
    round: int
    edit_id: int
    client_id: str
    request_id: str
    provider: str
    ai_model: str
    recipe: str
    outcome: str
    tokens: dict[str, int]
    pictures: int
    amount_microusd: int | None


@dataclass(frozen=True, slots=True)
class Purse:
    """What was spent of what may be.

    Attributes:
        spent_microusd: The charges.
        reserved_microusd: The most that open and lost requests can add.
        cap_microusd: What may be spent; None if nobody said so here.
    """

    spent_microusd: int
    reserved_microusd: int
    cap_microusd: int | None


def costs(db: Database, by: CostBy, *, batch_id: int | None = None) -> list[CostRow]:
    """Sums by one thing, of every batch or of one; in the order of their names."""
    with db.read() as connection:
        charged = _rows(connection, _charged(by), batch_id)
        doubtful = _rows(connection, _doubtful(by), batch_id)
        reused = _rows(connection, _reused(by), batch_id)
        approved = _rows(connection, _approved(by), batch_id)
    return _merged(charged, doubtful, reused, approved)


def counted_costs(counts: Database, by: CostBy, batches: Mapping[int, str]) -> list[CostRow]:
    """The same sums of every batch from the desk's tallies, as far as they are counted; quick at a million edits.

    Args:
        counts: The tallies.
        by: What to sum by.
        batches: Names of batches by number.
    """
    sums = [sa.func.sum(SPENT.c[name]).label(name) for name in ("requests", "unpriced", *TOKENS, "pictures")]
    with counts.read() as connection:
        charged, doubtful, reused, approved = (
            {_shown_name(row.name, by, batches): row for row in connection.execute(statement)}
            for statement in (
                _counted(SPENT, by, *sums, sa.func.sum(SPENT.c.cost_microusd).label("cost")),
                _counted(
                    LOST, by, sa.func.sum(LOST.c.n).label("n"), sa.func.sum(LOST.c.reserved_microusd).label("cost")
                ),
                _counted(
                    REUSED, by, sa.func.sum(REUSED.c.n).label("n"), sa.func.sum(REUSED.c.saved_microusd).label("saved")
                ),
                _counted(DONE, by, sa.func.sum(DONE.c.n).label("n")),
            )
        )
    return _merged(charged, doubtful, reused, approved)


def purses(db: Database, scopes: Sequence[str]) -> dict[str, Purse]:
    """What is in these purses, named as ``batch:3`` or ``month:2026-11``; those that were never opened are left out."""
    with db.read() as connection:
        return {
            row.scope: Purse(row.spent_microusd, row.reserved_microusd, row.cap_microusd)
            for row in connection.execute(sa.select(PURSE).where(PURSE.c.scope.in_(list(scopes))))
        }


def approved_edits(db: Database, *, batch_id: int | None = None) -> int:
    """How many edits are approved: one for each asset at most."""
    statement = sa.select(sa.func.count()).select_from(EDIT).where(EDIT.c.state == EditState.APPROVED)
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        return int(connection.execute(statement).scalar_one())


def ledger_lines(db: Database, *, batch_id: int | None = None) -> Iterator[LedgerLine]:
    """Every charge and every request in doubt, in the order of the requests; read as it is written out."""
    amount = sa.case((CHARGE.c.id.is_not(None), CHARGE.c.amount_microusd), else_=ATTEMPT.c.reserved_microusd)
    statement = (
        sa.select(
            *(sa.func.coalesce(CHARGE.c.created_at, ATTEMPT.c.started_at).label("at"), CHARGE.c.id.label("charge")),
            *(BATCH.c.name.label("batch"), ASSET.c.name, ASSET.c.variant, EDIT.c.round, EDIT.c.id.label("edit_id")),
            *(ATTEMPT.c.client_id, ATTEMPT.c.request_id, EDIT.c.provider, ATTEMPT.c.ai_model, EDIT.c.recipe),
            *(EDIT.c.state, *(CHARGE.c[unit] for unit in TOKENS), CHARGE.c.pictures, amount.label("amount")),
        )
        .select_from(ATTEMPT)
        .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .outerjoin(CHARGE, CHARGE.c.attempt_id == ATTEMPT.c.id)
        .where(sa.or_(CHARGE.c.id.is_not(None), ATTEMPT.c.state == "lost"))
        .order_by(ATTEMPT.c.id)
    )
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        for row in connection.execution_options(yield_per=1000).execute(statement):
            status = "doubtful" if row.charge is None else "unpriced" if row.amount is None else "charged"
            yield LedgerLine(
                at=row.at,
                status=status,
                batch=row.batch,
                asset=row.name,
                variant=row.variant,
                round=row.round,
                edit_id=row.edit_id,
                client_id=row.client_id,
                request_id=row.request_id,
                provider=row.provider,
                ai_model=row.ai_model,
                recipe=row.recipe or "",
                outcome=EditState(row.state).value,
                tokens={unit: getattr(row, unit) or 0 for unit in TOKENS},
                pictures=row.pictures or 0,
                amount_microusd=row.amount,
            )


def _merged(
    charged: Mapping[str, Any], doubtful: Mapping[str, Any], reused: Mapping[str, Any], approved: Mapping[str, Any]
) -> list[CostRow]:
    """One row for each name; what is missing is nothing."""
    rows = []
    for name in sorted({*charged, *doubtful, *reused, *approved}):
        sums = charged.get(name)
        rows.append(
            CostRow(
                name=name,
                requests=sums.requests if sums else 0,
                unpriced=sums.unpriced if sums else 0,
                approved=approved[name].n if name in approved else 0,
                tokens={unit: getattr(sums, unit) if sums else 0 for unit in TOKENS},
                pictures=sums.pictures if sums else 0,
                cost_microusd=(sums.cost or 0) if sums else 0,
                doubtful=doubtful[name].n if name in doubtful else 0,
                doubtful_microusd=doubtful[name].cost if name in doubtful else 0,
                reused=reused[name].n if name in reused else 0,
                saved_microusd=reused[name].saved if name in reused else 0,
            )
        )
    return rows


def _counted(table: sa.Table, by: CostBy, *sums: Any) -> sa.Select[Any]:  # noqa: ANN401 - columns
    columns = {
        CostBy.BATCH: table.c.batch_id,
        CostBy.RECIPE: table.c.recipe,
        CostBy.PROVIDER: table.c.provider,
        CostBy.AI_MODEL: table.c.ai_model,
        CostBy.DAY: table.c.day,
        CostBy.OUTCOME: table.c.outcome if "outcome" in table.c else sa.literal(EditState.APPROVED.value),
    }
    name = columns[by].label("name")
    return sa.select(name, *sums).group_by(name)


def _shown_name(name: Any, by: CostBy, batches: Mapping[int, str]) -> str:  # noqa: ANN401 - a number or a text
    return batches.get(name, str(name)) if by is CostBy.BATCH else str(name)


def _rows(connection: sa.Connection, statement: sa.Select[Any], batch_id: int | None) -> dict[str, Any]:
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    return {str(row.name or ""): row for row in connection.execute(statement)}


def _charged(by: CostBy) -> sa.Select[Any]:
    sums = [sa.func.sum(CHARGE.c[unit]).label(unit) for unit in TOKENS]
    name = _name(by, ai_model=CHARGE.c.ai_model, moment=CHARGE.c.created_at)
    return (
        sa.select(
            name,
            sa.func.count().label("requests"),
            sa.func.sum(sa.case((CHARGE.c.amount_microusd.is_(None), 1), else_=0)).label("unpriced"),
            *sums,
            sa.func.sum(CHARGE.c.pictures).label("pictures"),
            sa.func.sum(CHARGE.c.amount_microusd).label("cost"),
        )
        .select_from(CHARGE)
        .join(EDIT, EDIT.c.id == CHARGE.c.edit_id)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .group_by(*by_place(1))
    )


def _doubtful(by: CostBy) -> sa.Select[Any]:
    name = _name(by, ai_model=ATTEMPT.c.ai_model, moment=ATTEMPT.c.started_at)
    return (
        sa.select(name, sa.func.count().label("n"), sa.func.sum(ATTEMPT.c.reserved_microusd).label("cost"))
        .select_from(ATTEMPT)
        .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .where(ATTEMPT.c.state == sa.literal_column("'lost'"))
        .group_by(*by_place(1))
    )


def _reused(by: CostBy) -> sa.Select[Any]:
    """Edits whose outputs come from another edit's attempt, or from another desk's, each once."""
    first = sa.select(sa.func.min(OUTPUT.c.attempt_id)).where(OUTPUT.c.edit_id == EDIT.c.id).scalar_subquery()
    name = _name(by, ai_model=ATTEMPT.c.ai_model, moment=EDIT.c.updated_at)
    return (
        sa.select(name, sa.func.count().label("n"), sa.func.sum(EDIT.c.saved_microusd).label("saved"))
        .select_from(EDIT)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .outerjoin(ATTEMPT, ATTEMPT.c.id == first)
        .where(EDIT.c.saved_microusd > 0)
        .group_by(*by_place(1))
    )


def _approved(by: CostBy) -> sa.Select[Any]:
    """Approved edits, with the model that made them and the day on which they were approved."""
    first = sa.select(sa.func.min(OUTPUT.c.attempt_id)).where(OUTPUT.c.edit_id == EDIT.c.id).scalar_subquery()
    name = _name(by, ai_model=ATTEMPT.c.ai_model, moment=EDIT.c.updated_at)
    return (
        sa.select(name, sa.func.count().label("n"))
        .select_from(EDIT)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .outerjoin(ATTEMPT, ATTEMPT.c.id == first)
        .where(EDIT.c.state == EditState.APPROVED)
        .group_by(*by_place(1))
    )


def _name(by: CostBy, *, ai_model: Any, moment: Any) -> Any:  # noqa: ANN401 - columns
    columns = {
        CostBy.BATCH: BATCH.c.name,
        CostBy.RECIPE: sa.func.coalesce(EDIT.c.recipe, ""),
        CostBy.PROVIDER: EDIT.c.provider,
        CostBy.AI_MODEL: sa.func.coalesce(ai_model, ""),
        CostBy.DAY: sa.func.substr(sa.cast(moment, sa.String), 1, 10),
        CostBy.OUTCOME: EDIT.c.state,
    }
    return columns[by].label("name")
