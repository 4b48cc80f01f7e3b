"""How full a desk is, in few and cheap questions: what its metrics and its readiness are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from pipeline.states import DeliveryState, EditState
from pipeline.store.database import Database
from pipeline.store.ledger import PURSE
from pipeline.store.moves import EDIT
from pipeline.store.outgoing import DELIVERY
from pipeline.store.running import ATTEMPT
from pipeline.tables import BatchCountRow, WorkerRow

_COUNT = BatchCountRow.__table__  # type: ignore[attr-defined]
_WORKER = WorkerRow.__table__  # type: ignore[attr-defined]
_VERSION = sa.table("alembic_version", sa.column("version_num"))


@dataclass(frozen=True, slots=True)
class Figures:
    """A desk in numbers.

    Attributes:
        edits: How many are in each state.
        oldest_queued: Since when the queued edit with the lowest number is as it is; None if none is queued.
        oldest_in_review: The same of those in review.
        claims: Edits that somebody holds.
        open_requests: Requests without an answer.
        lost_requests: Requests whose answer never came and that may have been billed.
        lost_microusd: The most that these can have cost.
        charged_microusd: What all requests cost, as far as prices are known.
        reserved_microusd: The most that open and lost requests can still cost.
        deliveries: Messages to webhooks that are under way, and those given up.
        beats: When each worker last said that it is alive, by its name.
    """

    edits: Mapping[EditState, int]
    oldest_queued: datetime | None
    oldest_in_review: datetime | None
    claims: int
    open_requests: int
    lost_requests: int
    lost_microusd: int
    charged_microusd: int
    reserved_microusd: int
    deliveries: Mapping[DeliveryState, int]
    beats: Mapping[str, datetime]


def figures(db: Database) -> Figures:
    """Count, at one moment."""
    with db.read() as connection:
        edits = dict.fromkeys(EditState, 0) | {
            EditState(state): int(n)
            for state, n in connection.execute(
                sa.select(_COUNT.c.state, sa.func.sum(_COUNT.c.n)).group_by(_COUNT.c.state)
            )
        }
        reserved = sa.func.coalesce(sa.func.sum(ATTEMPT.c.reserved_microusd), 0)
        lost = connection.execute(sa.select(sa.func.count(), reserved).where(_is("attempt.state = 'lost'"))).one()
        # Every charge is in the purse of its month and in that of its batch: months are fewer.
        spent, held = (sa.func.coalesce(sa.func.sum(each), 0) for each in (PURSE.c.spent_microusd, _RESERVED))
        money = connection.execute(sa.select(spent, held).where(PURSE.c.scope.like("month:%"))).one()
        return Figures(
            edits=edits,
            oldest_queued=_oldest(connection, "queued"),
            oldest_in_review=_oldest(connection, "in_review"),
            claims=_count(connection, EDIT, "edit.claimed_by IS NOT NULL"),
            open_requests=_count(connection, ATTEMPT, "attempt.state = 'started'"),
            lost_requests=int(lost[0]),
            lost_microusd=int(lost[1]),
            charged_microusd=int(money[0]),
            reserved_microusd=int(money[1]),
            deliveries={
                state: _count(connection, DELIVERY, f"delivery.state = '{state}'")
                for state in (DeliveryState.PENDING, DeliveryState.DEAD)
            },
            beats={row.name: row.beaten_at for row in connection.execute(sa.select(_WORKER))},
        )


def form_of_tables(db: Database) -> str:
    """The number of the last migration that the database has seen."""
    with db.read() as connection:
        return form_seen(connection)


def form_seen(connection: sa.Connection) -> str:
    """The same, in somebody's transaction."""
    return str(connection.execute(sa.select(_VERSION.c.version_num)).scalar_one())


@cache
def newest_form() -> str:
    """The number of the last migration of this version of the program."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(Path(__file__).parent.parent / "migrations")).get_current_head()
    assert head is not None
    return head


_RESERVED = PURSE.c.reserved_microusd


def _is(condition: str) -> sa.TextClause:
    """Literal, as the partial indexes are: a bound parameter may miss them."""
    return sa.text(condition)


def _count(connection: sa.Connection, table: sa.Table, condition: str) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(_is(condition))).scalar_one())


def _oldest(connection: sa.Connection, state: str) -> datetime | None:
    """Since when the edit with the lowest number is in this state: no index has the times, and this is near enough."""
    of_batch = sa.select(sa.func.min(EDIT.c.id)).where(EDIT.c.batch_id == _COUNT.c.batch_id, EDIT.c.state == state)
    first = sa.select(of_batch.scalar_subquery().label("id")).where(_COUNT.c.state == state, _COUNT.c.n > 0).subquery()
    lowest = sa.select(sa.func.min(first.c.id)).scalar_subquery()
    found: datetime | None = connection.execute(sa.select(EDIT.c.updated_at).where(EDIT.c.id == lowest)).scalar()
    return found
