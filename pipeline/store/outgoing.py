"""Webhooks and their deliveries: rows made by walking the history, so that nothing is told that was rolled back.

Each webhook has a place in the history that it has read up to, and a lease of who sends to it now. Taking what is due
moves both in one short transaction, beside those that write history (`Database.lease`); what was taken and never booked
is taken again, with the name that it was sent under. Time is PostgreSQL's own clock, or this machine's for a file.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFound
from pipeline.states import DeliveryState
from pipeline.store.chain import EVENT
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.tables import DeliveryRow, WebhookRow
from pipeline.webhooks.kinds import STOPPED, Message, events_of, message_of

WEBHOOK = WebhookRow.__table__  # type: ignore[attr-defined]
DELIVERY = DeliveryRow.__table__  # type: ignore[attr-defined]

LEASE_S = 60.0
"""Longer than anything between taking and booking; a sender that was stopped meanwhile takes anew."""

MOST_WAITING = 1_000
"""So many deliveries of a webhook are rows at a time; what comes after them waits in the history."""

MANY_FAILURES = 3
"""In a row: then the receiver is away, and what it missed meanwhile is due at once when it is back."""

_PAGE = 200
_FORGOTTEN = 1_000
_PENDING = sa.text("delivery.state = 'pending'")
"""Literal, as the partial indexes are."""


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """An endpoint as an admin sees it; no secret.

    Attributes:
        off_because: Why it is off; "" while it is on.
        has_old_secret: Whether messages are signed with the secret before, too.
        failures: Requests that went wrong since the last one that did not.
        waiting: Deliveries under way, those that failed included.
        dead: Deliveries given up.
        behind: Events of the history that it has not read yet.
    """

    id: int
    url: str
    events: tuple[Message, ...]
    is_on: bool
    off_because: str
    has_old_secret: bool
    failures: int
    failing_since: datetime | None
    not_before: datetime | None
    created_by: str
    created_at: datetime
    waiting: int
    dead: int
    behind: int


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A message to one endpoint.

    Attributes:
        at: When what it tells happened.
        subject: What it is about, such as ``edit:17``.
        next_at: When it is tried again, if it is.
        status: The last answer's; None if there was none.
        answer: What that said, clipped, or why there was none; anybody's text.
    """

    id: int
    webhook_id: int
    url: str
    kind: str
    subject: str
    at: datetime
    message_id: str
    state: DeliveryState
    tries: int
    next_at: datetime
    tried_at: datetime | None
    status: int | None
    answer: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes, and what signs it.

    Attributes:
        secrets: The secret, and the one before while both count.
        failures: Requests that went wrong since the last one that did not.
    """

    id: int
    url: str
    secrets: tuple[str, ...]
    failures: int


@dataclass(frozen=True, slots=True)
class Told:
    """What happened, as far as a message tells it."""

    event_id: int
    at: datetime
    kind: str
    actor: str
    data: dict[str, Any]
    edit_id: int | None
    round: int | None
    asset_id: int | None
    asset_name: str | None
    variant: str | None
    sku: str | None
    batch_id: int | None
    batch_name: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be tried now."""

    id: int
    message_id: str
    message: Message
    tries: int
    told: Told


@dataclass(frozen=True, slots=True)
class Load:
    """What one sender has in hand; of each edit one message at most."""

    target: Target
    due: tuple[Due, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try.

    Attributes:
        wait_s: Until the next one; None if it was the last.
    """

    delivery_id: int
    is_delivered: bool
    status: int | None
    answer: str
    wait_s: float | None = None


# What an admin does.


def add(db: Database, *, url: str, origin: str, events: Sequence[Message], secret: str, actor: str) -> int:
    """Add an endpoint, which is told what happens from now on; gives its number."""
    with db.write() as connection:
        moment = database_now(connection)
        values = {"url": url, "events": [each.value for each in events], "secret": secret, "is_on": True}
        values |= {"off_because": "", "seen_event": last_event(connection), "failures": 0}
        values |= {"created_by": actor, "created_at": moment}
        number = int(connection.execute(sa.insert(WEBHOOK).values(values).returning(WEBHOOK.c.id)).scalar_one())
        data = {"webhook": number, "origin": origin, "events": values["events"]}
        add_event(connection, "webhook.added", actor=actor, data=data)
        return number


def change(db: Database, number: int, *, url: str, origin: str, events: Sequence[Message], actor: str) -> None:
    """Tell an endpoint other things, or elsewhere.

    Raises:
        NotFound: There is none with that number.
    """
    with db.write() as connection:
        chosen = [each.value for each in events]
        _change(connection, number, url=url, events=chosen, failures=0, failing_since=None, not_before=None)
        data = {"webhook": number, "origin": origin, "events": chosen}
        add_event(connection, "webhook.changed", actor=actor, data=data)


def switch(db: Database, number: int, *, is_on: bool, because: str = "", skip_missed: bool = False, actor: str) -> None:
    """Switch an endpoint on or off.

    Args:
        db: The desk's database.
        number: Which.
        is_on: Whether messages go there.
        because: Why not.
        skip_missed: Tell it nothing of what happened meanwhile.
        actor: Who does it.

    Raises:
        NotFound: There is none with that number.
    """
    with db.write() as connection:
        _hold(connection, number)
        changes: dict[str, Any] = {"is_on": is_on, "off_because": because, "failures": 0, "failing_since": None}
        if skip_missed:
            changes["seen_event"] = last_event(connection)
            waiting = sa.delete(DELIVERY).where(DELIVERY.c.webhook_id == number, _PENDING)
            connection.execute(waiting)
        _change(connection, number, **changes, not_before=None, leased_by=None, leased_until=None)
        data = {"webhook": number} | ({"because": because} if because else {})
        add_event(connection, "webhook.on" if is_on else "webhook.off", actor=actor, data=data)


def rotate(db: Database, number: int, *, secret: str, keep_old: timedelta, actor: str) -> None:
    """Sign with another secret; with the old one, too, for so long.

    Raises:
        NotFound: There is none with that number.
    """
    with db.write() as connection:
        old_until = database_now(connection) + keep_old
        _change(connection, number, old_secret=WEBHOOK.c.secret, old_until=old_until, secret=secret)
        add_event(connection, "webhook.secret", actor=actor, data={"webhook": number})


def remove(db: Database, number: int, *, actor: str) -> None:
    """Take an endpoint away, with all that it was to be told.

    Raises:
        NotFound: There is none with that number.
    """
    with db.write() as connection:
        _hold(connection, number)
        connection.execute(sa.delete(DELIVERY).where(DELIVERY.c.webhook_id == number))
        connection.execute(sa.delete(WEBHOOK).where(WEBHOOK.c.id == number))
        add_event(connection, "webhook.removed", actor=actor, data={"webhook": number})


def send_again(
    db: Database, *, delivery_ids: Collection[int] | None = None, webhook_id: int | None = None, actor: str
) -> int:
    """Make dead deliveries, and failing ones, due now; gives their number.

    Args:
        db: The desk's database.
        delivery_ids: These; all dead ones if None.
        webhook_id: Of this endpoint; of all if None.
        actor: Who wants it.
    """
    which = [DELIVERY.c.state == DeliveryState.DEAD]
    if delivery_ids is not None:
        is_open = DELIVERY.c.state.in_([DeliveryState.DEAD, DeliveryState.PENDING])
        which = [DELIVERY.c.id.in_(list(delivery_ids)), is_open]
    if webhook_id is not None:
        which.append(DELIVERY.c.webhook_id == webhook_id)
    with db.write() as connection:
        anew = (
            sa.update(DELIVERY)
            .where(*which)
            .values(state=DeliveryState.PENDING, tries=0, next_at=database_now(connection))
        )
        of = connection.execute(anew.returning(DELIVERY.c.webhook_id)).scalars().all()
        for number in sorted(set(of)):
            _change(connection, number, not_before=None)
            data = {"webhook": number, "deliveries": of.count(number)}
            add_event(connection, "webhook.resent", actor=actor, data=data)
        return len(of)


def webhooks(db: Database) -> list[WebhookRecord]:
    """All endpoints, oldest first."""
    with db.read() as connection:
        last = last_event(connection)
        rows = connection.execute(sa.select(WEBHOOK).order_by(WEBHOOK.c.id)).mappings().all()
        return [_record(connection, row, last) for row in rows]


def webhook(db: Database, number: int) -> WebhookRecord:
    """One endpoint.

    Raises:
        NotFound: There is none with that number.
    """
    with db.read() as connection:
        return _record(connection, _read(connection, number), last_event(connection))


def target(db: Database, number: int) -> Target:
    """Where one endpoint is, and what signs messages to it.

    Raises:
        NotFound: There is none with that number.
    """
    with db.read() as connection:
        return _target(_read(connection, number), database_now(connection))


def undelivered(
    db: Database, *, webhook_id: int | None = None, before: int | None = None, limit: int
) -> list[DeliveryRecord]:
    """Deliveries that failed, whether they are tried again or were given up; newest first."""
    has_failed = sa.or_(sa.text("delivery.state = 'dead'"), sa.and_(_PENDING, DELIVERY.c.tries > 0))
    columns = [column for column in DELIVERY.c if column.name != "event_id"]
    statement = (
        sa.select(*columns, WEBHOOK.c.url, EVENT.c.at)
        .join(WEBHOOK, WEBHOOK.c.id == DELIVERY.c.webhook_id)
        .join(EVENT, EVENT.c.id == DELIVERY.c.event_id)
        .where(has_failed)
        .order_by(DELIVERY.c.id.desc())
        .limit(limit)
    )
    if webhook_id is not None:
        statement = statement.where(DELIVERY.c.webhook_id == webhook_id)
    if before is not None:
        statement = statement.where(DELIVERY.c.id < before)
    with db.read() as connection:
        return [DeliveryRecord(**row) for row in connection.execute(statement).mappings()]


# What the sender does.


def look(db: Database, *, owner: str, moment: datetime | None = None) -> list[int]:
    """Endpoints that something may be sent to now, by this sender."""
    with db.read() as connection:
        now = moment or database_now(connection)
        ready = sa.select(WEBHOOK.c.id).where(_is_free(owner, now), _has_something(connection, now))
        return list(connection.execute(ready.order_by(WEBHOOK.c.id)).scalars())


def is_under_way(db: Database) -> bool:
    """Whether something is being sent, or is due now, whoever sends it."""
    with db.read() as connection:
        now = database_now(connection)
        ready = sa.select(WEBHOOK.c.id).where(_may_begin(now), _has_something(connection, now))
        return connection.execute(ready.limit(1)).first() is not None


def take(db: Database, number: int, *, owner: str, most: int, moment: datetime | None = None) -> Load | None:
    """What is due for an endpoint, read from the history if need be; None if nothing is, or another sender has it.

    Args:
        db: The desk's database.
        number: The endpoint.
        owner: Who sends; nobody else is given anything of this endpoint for `LEASE_S`.
        most: Messages at once. A receiver that fails gets one at a time; what tells of a whole batch goes alone.
        moment: Now; the database's own time if None.
    """
    with db.lease() as connection:
        now = moment or database_now(connection)
        wanted = sa.select(WEBHOOK).where(WEBHOOK.c.id == number, _is_free(owner, now))
        row = connection.execute(wanted.with_for_update(skip_locked=True)).mappings().one_or_none()
        if row is None:
            return None
        seen = _read_on(connection, row, now)
        found = _due(connection, number, now, 1 if row["failures"] else most)
        told = _told(connection, [each.event_id for each in found])
        due = tuple(
            Due(each.id, each.message_id, Message(each.kind), each.tries, told[each.event_id]) for each in found
        )
        lease = {"leased_by": owner, "leased_until": now + timedelta(seconds=LEASE_S)} if due else _NO_LEASE
        _change(connection, number, seen_event=seen, **lease)
        return Load(_target(row, now), due) if due else None


def book(
    db: Database,
    number: int,
    outcomes: Sequence[Outcome],
    *,
    pause_s: float | None = None,
    moment: datetime | None = None,
) -> None:
    """Keep what came of the tries.

    Args:
        db: The desk's database.
        number: The endpoint.
        outcomes: Of what was taken.
        pause_s: So long nothing is sent there; None to go on.
        moment: Now; the database's own time if None.
    """
    with db.lease() as connection:
        row = _hold(connection, number)
        now = moment or database_now(connection)
        for outcome in outcomes:
            connection.execute(_booked(outcome, now))
        rest: dict[str, Any] = {}
        if pause_s is not None:
            rest = {"not_before": now + timedelta(seconds=pause_s), **_NO_LEASE}
        if not any(outcome.is_delivered for outcome in outcomes):
            since = sa.func.coalesce(WEBHOOK.c.failing_since, now)
            _change(connection, number, failures=WEBHOOK.c.failures + 1, failing_since=since, **rest)
            return
        if row["failures"] >= MANY_FAILURES:
            missed = (DELIVERY.c.webhook_id == number, _PENDING, DELIVERY.c.tried_at >= row["failing_since"])
            connection.execute(sa.update(DELIVERY).where(*missed).values(next_at=now))
        _change(connection, number, failures=0, failing_since=None, **{"not_before": None, **rest})


def leave(db: Database, *, owner: str) -> None:
    """A sender ends: what it had is free for the others."""
    with db.lease() as connection:
        connection.execute(sa.update(WEBHOOK).where(WEBHOOK.c.leased_by == owner).values(**_NO_LEASE))


def forget(db: Database, *, before: datetime) -> int:
    """Take away what was delivered before that moment, some of it; gives how many that were."""
    old = sa.select(DELIVERY.c.id).where(sa.text("delivery.state = 'delivered'"), DELIVERY.c.tried_at < before)
    with db.lease() as connection:
        ids = list(connection.execute(old.limit(_FORGOTTEN)).scalars())
        return int(connection.execute(sa.delete(DELIVERY).where(DELIVERY.c.id.in_(ids))).rowcount)


def is_anywhere(db: Database) -> bool:
    """Whether there is any endpoint."""
    with db.read() as connection:
        return connection.execute(sa.select(WEBHOOK.c.id).limit(1)).first() is not None


def last_event(connection: sa.Connection) -> int:
    """The number of the history's last event; 0 if there is none."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(EVENT.c.id), 0))).scalar_one())


_NO_LEASE = {"leased_by": None, "leased_until": None}


def database_now(connection: sa.Connection) -> datetime:
    """The time that all senders of a desk go by."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def _is_free(owner: str, now: datetime) -> sa.ColumnElement[bool]:
    """On, not paused, and nobody else's."""
    is_nobodys = sa.or_(WEBHOOK.c.leased_by.is_(None), WEBHOOK.c.leased_by == owner, WEBHOOK.c.leased_until <= now)
    return sa.and_(_may_begin(now), is_nobodys)


def _may_begin(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(WEBHOOK.c.is_on, sa.or_(WEBHOOK.c.not_before.is_(None), WEBHOOK.c.not_before <= now))


def _has_something(connection: sa.Connection, now: datetime) -> sa.ColumnElement[bool]:
    """A delivery that is due, or history that it has not read and has room for."""
    pending = sa.and_(DELIVERY.c.webhook_id == WEBHOOK.c.id, _PENDING)
    waiting = sa.select(sa.func.count()).select_from(DELIVERY).where(pending).scalar_subquery()
    is_behind = sa.and_(WEBHOOK.c.seen_event < last_event(connection), waiting < MOST_WAITING)
    return sa.or_(sa.exists().where(pending, DELIVERY.c.next_at <= now), is_behind)


def _read_on(connection: sa.Connection, row: sa.RowMapping, now: datetime) -> int:
    """Make deliveries of what happened since; gives how far the history was read."""
    waiting = sa.select(sa.func.count()).select_from(DELIVERY).where(DELIVERY.c.webhook_id == row["id"], _PENDING)
    room = MOST_WAITING - connection.execute(waiting).scalar_one()
    seen, last = int(row["seen_event"]), last_event(connection)
    kinds = events_of(frozenset(map(Message, row["events"])))
    while room > 0 and seen < last:
        limit = min(_PAGE, room)
        found = sa.select(EVENT.c.id, EVENT.c.kind, EVENT.c.edit_id, EVENT.c.batch_id, EVENT.c.data)
        found = found.where(EVENT.c.id > seen, EVENT.c.id <= last, EVENT.c.kind.in_(kinds))
        events = connection.execute(found.order_by(EVENT.c.id).limit(limit)).all()
        made = [_delivery(row["id"], event, message, now) for event in events if (message := _message(event))]
        if made:
            connection.execute(sa.insert(DELIVERY), made)
        seen = events[-1].id if len(events) == limit else last
        room -= len(made)
        if made:
            break
    return seen


def _message(event: Any) -> Message | None:  # noqa: ANN401 - a row
    return message_of(event.kind, event.data if event.kind == STOPPED else {})


def _delivery(webhook_id: int, event: Any, message: Message, now: datetime) -> dict[str, Any]:  # noqa: ANN401 - a row
    subject = f"batch:{event.batch_id}" if event.edit_id is None else f"edit:{event.edit_id}"
    values = {"webhook_id": webhook_id, "event_id": event.id, "kind": message.value, "subject": subject}
    values |= {"message_id": f"msg_{uuid.uuid4().hex}", "state": DeliveryState.PENDING, "tries": 0, "next_at": now}
    return values | {"tried_at": None, "status": None, "answer": ""}


def _due(connection: sa.Connection, number: int, now: datetime, most: int) -> list[Any]:
    """The first ones that are due, of each subject the oldest that waits; what tells of a batch goes alone."""
    earlier = DELIVERY.alias("earlier")
    is_later = (
        sa.exists()
        .where(earlier.c.webhook_id == number, sa.text("earlier.state = 'pending'"))
        .where(earlier.c.subject == DELIVERY.c.subject, earlier.c.id < DELIVERY.c.id)
    )
    statement = (
        sa.select(DELIVERY)
        .where(DELIVERY.c.webhook_id == number, _PENDING, DELIVERY.c.next_at <= now, ~is_later)
        .order_by(DELIVERY.c.id)
        .limit(most)
    )
    found = list(connection.execute(statement).all())
    alone = next((place for place, each in enumerate(found) if each.subject.startswith("batch:")), len(found))
    return found[: max(alone, 1)]


def _told(connection: sa.Connection, event_ids: Sequence[int]) -> dict[int, Told]:
    statement = (
        sa.select(
            *(EVENT.c.id.label("event_id"), EVENT.c.at, EVENT.c.kind, EVENT.c.actor, EVENT.c.data),
            *(EVENT.c.edit_id, EDIT.c.round, EDIT.c.asset_id, ASSET.c.name.label("asset_name")),
            *(ASSET.c.variant, ASSET.c.sku, BATCH.c.id.label("batch_id"), BATCH.c.name.label("batch_name")),
        )
        .outerjoin(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .outerjoin(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .outerjoin(BATCH, BATCH.c.id == sa.func.coalesce(EVENT.c.batch_id, EDIT.c.batch_id))
        .where(EVENT.c.id.in_(event_ids))
    )
    return {row["event_id"]: Told(**row) for row in connection.execute(statement).mappings()}


def _booked(outcome: Outcome, now: datetime) -> sa.Update:
    state = DeliveryState.DELIVERED if outcome.is_delivered else DeliveryState.PENDING
    if not outcome.is_delivered and outcome.wait_s is None:
        state = DeliveryState.DEAD
    return (
        sa.update(DELIVERY)
        .where(DELIVERY.c.id == outcome.delivery_id, _PENDING)
        .values(state=state, tries=DELIVERY.c.tries + 1, tried_at=now, status=outcome.status, answer=outcome.answer)
        .values(next_at=now + timedelta(seconds=outcome.wait_s or 0))
    )


def _read(connection: sa.Connection, number: int) -> sa.RowMapping:
    row = connection.execute(sa.select(WEBHOOK).where(WEBHOOK.c.id == number)).mappings().one_or_none()
    if row is None:
        raise _missing(number)
    return row


def _hold(connection: sa.Connection, number: int) -> sa.RowMapping:
    """The same, and nobody else changes it or its deliveries: whoever changes both begins here."""
    wanted = sa.select(WEBHOOK).where(WEBHOOK.c.id == number).with_for_update()
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        raise _missing(number)
    return row


def _change(connection: sa.Connection, number: int, **values: Any) -> None:  # noqa: ANN401 - columns
    if not connection.execute(sa.update(WEBHOOK).where(WEBHOOK.c.id == number).values(**values)).rowcount:
        raise _missing(number)


def _missing(number: int) -> NotFound:
    return NotFound(f"there is no webhook {number} on this desk; see: picturedesk webhooks list")


def _target(row: sa.RowMapping, now: datetime) -> Target:
    keeps_old = row["old_secret"] is not None and row["old_until"] > now
    secrets = (row["secret"], row["old_secret"]) if keeps_old else (row["secret"],)
    return Target(row["id"], row["url"], secrets, row["failures"])


def _record(connection: sa.Connection, row: sa.RowMapping, last: int) -> WebhookRecord:
    def count(state: str) -> int:
        of_it = sa.and_(DELIVERY.c.webhook_id == row["id"], sa.text(f"delivery.state = '{state}'"))
        return int(connection.execute(sa.select(sa.func.count()).select_from(DELIVERY).where(of_it)).scalar_one())

    same = ("id", "url", "is_on", "off_because", "failures", "failing_since", "not_before", "created_by", "created_at")
    return WebhookRecord(
        **{name: row[name] for name in same},
        events=tuple(map(Message, row["events"])),
        has_old_secret=len(_target(row, database_now(connection)).secrets) > 1,
        waiting=count("pending"),
        dead=count("dead"),
        behind=max(0, last - row["seen_event"]),
    )
