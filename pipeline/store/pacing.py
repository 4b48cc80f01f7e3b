"""When requests may leave, over all workers of a desk: one row for each unit in which an account is limited.

A row says when the unit is free again. Whoever wants to send takes the next moment there and moves the row on by what
the request takes, so that the moments of all workers together stand as far apart as the limit asks for (the generic
cell rate algorithm, without bursts). Time is the database's own clock, and each worker translates a moment into its
own monotonic clock: clocks that differ do no harm.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipeline.store.database import Database
from pipeline.tables import PaceRow

PACE = PaceRow.__table__  # type: ignore[attr-defined]

MOST_AHEAD_S = 0.3
"""Nobody may ask for a moment that is further ahead; so much is lost at most with a worker that dies."""

_STEP_S = 0.02
"""A clock that is put forward by more; less is drift."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a request in line asks for.

    Attributes:
        takes_s: By unit, the seconds after which the next request may leave.
        soonest_s: In how many seconds it could leave.
        within_s: How far ahead its moment may be; at most `MOST_AHEAD_S`. Whoever may look further goes first.
    """

    takes_s: Mapping[str, float]
    soonest_s: float
    within_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What there was, in seconds of this worker's monotonic clock.

    Attributes:
        moments: When the first of those who asked may leave, in their order.
        next_at: The first moment that was too far ahead for the next of them; None if each has one.
    """

    moments: list[float]
    next_at: float | None


class Pace:
    """How one account is paced, for one worker, from one thread.

    Args:
        db: The desk's database.
        account: Names the account.
        clock: Gives the database's time in seconds.
        monotonic: Gives this worker's.
    """

    def __init__(
        self,
        db: Database,
        account: str,
        *,
        clock: "Callable[[sa.Connection], float] | None" = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._account = account
        self._clock = clock or _database_time
        self._monotonic = monotonic
        self._offset: float | None = None

    def take(self, wants: Sequence[Want]) -> Taken:
        """Take the next moments, for as many of these requests as there are moments near enough."""
        units = {unit for want in wants for unit in want.takes_s}
        with self._db.write() as connection:
            rows = self._locked(connection, units)
            now, offset, was_put_forward = self._now(connection)
            free_at = {unit: _put_back(row, now) for unit, row in rows.items()}
            # What others have in hand was taken by the old time: it is let pass.
            floor = now + MOST_AHEAD_S if was_put_forward else now
            moments: list[float] = []
            next_at = None
            for want in wants:
                moment = max(floor, now + want.soonest_s, *(free_at[unit] for unit in want.takes_s))
                if moment > now + want.within_s:
                    next_at = moment - offset
                    break
                free_at |= {unit: moment + takes_s for unit, takes_s in want.takes_s.items()}
                moments.append(moment - offset)
            if moments:
                self._move_on(connection, free_at, now)
        return Taken(moments, next_at)

    def hold_off(self, units: Iterable[str], wait_s: float) -> None:
        """Let no worker take a moment in the next seconds; what is in hand already leaves."""
        with self._db.write() as connection:
            rows = self._locked(connection, units)
            now = self._clock(connection)
            held = {unit: max(_put_back(row, now), now + wait_s) for unit, row in rows.items()}
            self._move_on(connection, held, now)

    def _locked(self, connection: sa.Connection, units: Iterable[str]) -> dict[str, "sa.Row[tuple[str, float, float]]"]:
        """The rows of these units, ours until the transaction ends; in one order, so that nobody waits crosswise."""
        names = {f"{self._account} {unit}": unit for unit in sorted(units)}
        statement = sa.select(PACE).where(PACE.c.name.in_(names)).order_by(PACE.c.name).with_for_update()
        rows = connection.execute(statement).all()
        if len(rows) < len(names):
            new = [{"name": name, "free_at": 0.0, "moved_at": 0.0} for name in names]
            connection.execute(postgresql.insert(PACE).on_conflict_do_nothing(), new)
            rows = connection.execute(statement).all()
        return {names[row.name]: row for row in rows}

    def _now(self, connection: sa.Connection) -> tuple[float, float, bool]:
        """The database's time, how far it is ahead of ours, and whether it was put forward since we last looked.

        A reading says no more than that the difference lies between two bounds, a round trip apart. The last one is
        kept while it does: a reading that was long under way moves nothing.
        """
        before = self._monotonic()
        now = self._clock(connection)
        least, most = now - self._monotonic(), now - before
        was_put_forward = self._offset is not None and least - self._offset > _STEP_S
        if self._offset is None or not least <= self._offset <= most:
            self._offset = (least + most) / 2
        return now, self._offset, was_put_forward

    def _move_on(self, connection: sa.Connection, free_at: Mapping[str, float], now: float) -> None:
        values = [{"of": f"{self._account} {unit}", "to": to, "now": now} for unit, to in free_at.items()]
        connection.execute(_MOVE_ON, values)


_MOVE_ON = (
    sa.update(PACE)
    .where(PACE.c.name == sa.bindparam("of"))
    .values(free_at=sa.bindparam("to"), moved_at=sa.bindparam("now"))
)

_CLOCK = sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")


def _database_time(connection: sa.Connection) -> float:
    """Of PostgreSQL its wall clock; of a file the monotonic clock, which all processes of a machine share."""
    if connection.dialect.name == "sqlite":
        return time.monotonic()
    return float(connection.execute(_CLOCK).scalar_one())


def _put_back(row: "sa.Row[tuple[str, float, float]]", now: float) -> float:
    """When a unit is free; if the clock was put back since the row was written, that goes back as far."""
    return float(row.free_at - max(0.0, row.moved_at - now))
