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

_STEP_S = 0.02
"""A clock that is put forward by more; less is drift."""

_FORGET = 0.9
_MOST_ANSWERING_S = 0.02
"""Less than moments are asked for ahead of them: else those in between would be lost."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a request in line asks for.

    Attributes:
        takes_s: By unit, the seconds after which the next request may leave; one unit at least.
        within_s: How far ahead its moment may be. Whoever looks further goes first; and what was taken is lost with a
            worker that dies.
    """

    takes_s: Mapping[str, float]
    within_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What there was, in seconds of this worker's monotonic clock.

    Attributes:
        moments: When the first of those who asked may leave, in their order.
        next_at: The first moment that was too far ahead for the next of them; None if each has one.
        free_at: When the following request may leave.
    """

    moments: list[float]
    next_at: float | None
    free_at: float


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
        self._answers_in_s = 0.0

    def take(self, wants: Sequence[Want]) -> Taken:
        """Take the next moments, for as many of these requests as there are moments near enough."""
        began = self._monotonic()
        units = {unit for want in wants for unit in want.takes_s}
        with self._db.lease() as connection:
            rows = self._locked(connection, units)
            now, offset, was_put_forward = self._now(connection)
            free_at = {unit: _put_back(row, now) for unit, row in rows.items()}
            moments: list[float] = []
            next_at = None
            for want in wants:
                # After a leap of the clock, what others have in hand was taken by the old time: it is let pass.
                soonest_s = want.within_s if was_put_forward else self._answers_in_s
                moment = max(now + soonest_s, *(free_at[unit] for unit in want.takes_s))
                if moment > now + want.within_s:
                    next_at = moment - offset
                    break
                free_at |= {unit: moment + takes_s for unit, takes_s in want.takes_s.items()}
                moments.append(moment - offset)
            if moments:
                self._move_on(connection, free_at, now)
        # A moment that comes before its answer would be missed.
        self._answers_in_s = min(max(self._monotonic() - began, self._answers_in_s * _FORGET), _MOST_ANSWERING_S)
        return Taken(moments, next_at, max(free_at.values()) - offset)

    def hold_off(self, units: Iterable[str], wait_s: float) -> None:
        """Let no worker take a moment in the next seconds; what is in hand already leaves."""
        with self._db.lease() as connection:
            rows = self._locked(connection, units)
            now = self._clock(connection)
            held = {unit: max(_put_back(row, now), now + wait_s) for unit, row in rows.items()}
            self._move_on(connection, held, now)

    def _locked(self, connection: sa.Connection, units: Iterable[str]) -> dict[str, "sa.Row[tuple[str, float, float]]"]:
        """The rows of these units, ours until the transaction ends; in one order, so that nobody waits crosswise."""
        names = {f"{self._account} {unit}": unit for unit in sorted(units)}
        rows = connection.execute(_LOCKED, {"names": list(names)}).all()
        if len(rows) < len(names):
            new = [{"name": name, "free_at": 0.0, "moved_at": 0.0} for name in names]
            connection.execute(postgresql.insert(PACE).on_conflict_do_nothing(), new)
            rows = connection.execute(_LOCKED, {"names": list(names)}).all()
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


_LOCKED = (
    sa.select(PACE)
    .where(PACE.c.name.in_(sa.bindparam("names", expanding=True)))
    .order_by(PACE.c.name)
    .with_for_update()
)
_MOVE_ON = (
    sa.update(PACE)
    .where(PACE.c.name == sa.bindparam("of"))
    .values(free_at=sa.bindparam("to"), moved_at=sa.bindparam("now"))
)

_CLOCK = sa.text(
    "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision), "
    "set_config('idle_in_transaction_session_timeout', '1s', true)"
)
"""And a worker that is stopped with a row in its hands keeps the others for so long."""


def _database_time(connection: sa.Connection) -> float:
    """Of PostgreSQL its wall clock; of a file the monotonic clock, which all processes of a machine share."""
    if connection.dialect.name == "sqlite":
        return time.monotonic()
    seconds, _ = connection.execute(_CLOCK).one()
    return float(seconds)


def _put_back(row: "sa.Row[tuple[str, float, float]]", now: float) -> float:
    """When a unit is free; if the clock was put back since the row was written, that goes back as far."""
    return float(row.free_at - max(0.0, row.moved_at - now))
