"""Where messages go: what an admin adds, changes, tries, and sends again. Every change is an event."""

import asyncio
import base64
import secrets
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import Person
from pipeline.states import DeliveryState, Role
from pipeline.store import listening, outgoing
from pipeline.store.outgoing import DeliveryRecord, WebhookRecord
from pipeline.webhooks import posting
from pipeline.webhooks.kinds import Message
from pipeline.webhooks.payloads import trial_payload
from pipeline.webhooks.posting import Answer
from pipeline.webhooks.verifying import signed_headers

KEEP_OLD = timedelta(hours=24)
"""So long messages are signed with the secret before, too."""

MOST_KEPT_HOURS = 24 * 30
_SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new endpoint; the secret is shown this once.

    Attributes:
        secret: ``whsec_`` and base64, as libraries for Standard Webhooks take it.
    """

    webhook: WebhookRecord
    secret: str


def add(desk: Desk, url: str, *, events: Iterable[str], by: Person) -> Added:
    """Add an endpoint; it is told what happens from now on.

    Raises:
        Forbidden: The person is no admin.
        UsageError: The URL or an event is none.
    """
    by.need(Role.ADMIN, "add webhooks")
    chosen, found = _events(events), _url(desk, url)
    secret = _new_secret()
    listening.note_done(desk.db)  # batches that were done before are no news
    number = outgoing.add(desk.db, url=found, origin=posting.origin(found), events=chosen, secret=secret, actor=by.name)
    return Added(outgoing.webhook(desk.db, number), secret)


def change(
    desk: Desk, number: int, *, url: str | None = None, events: Iterable[str] | None = None, by: Person
) -> WebhookRecord:
    """Send to another URL, or other events; what is left out stays.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such endpoint.
        UsageError: The URL or an event is none.
    """
    by.need(Role.ADMIN, "change webhooks")
    before = outgoing.webhook(desk.db, number)
    found = before.url if url is None else _url(desk, url)
    chosen = before.events if events is None else _events(events)
    outgoing.change(desk.db, number, url=found, origin=posting.origin(found), events=chosen, actor=by.name)
    return outgoing.webhook(desk.db, number)


def switch(desk: Desk, number: int, *, is_on: bool, skip_missed: bool = False, by: Person) -> WebhookRecord:
    """Switch an endpoint on or off; switched on, it is told what it missed, unless that is to be skipped.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such endpoint.
    """
    by.need(Role.ADMIN, "switch webhooks on and off")
    because = "" if is_on else f"switched off by {by.name}"
    outgoing.switch(desk.db, number, is_on=is_on, because=because, skip_missed=skip_missed, actor=by.name)
    return outgoing.webhook(desk.db, number)


def rotate(desk: Desk, number: int, *, keep_old: timedelta = KEEP_OLD, by: Person) -> str:
    """A new secret, shown this once; messages are signed with the old one, too, for so long.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such endpoint.
        UsageError: The time is no time.
    """
    by.need(Role.ADMIN, "change a webhook's secret")
    if not timedelta() <= keep_old <= timedelta(hours=MOST_KEPT_HOURS):
        raise UsageError(f"found {keep_old.total_seconds() / 3600:g} hours; expected 0 to {MOST_KEPT_HOURS}")
    secret = _new_secret()
    outgoing.rotate(desk.db, number, secret=secret, keep_old=keep_old, actor=by.name)
    return secret


def remove(desk: Desk, number: int, *, by: Person) -> None:
    """Take an endpoint away, with what it was still to be told.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such endpoint.
    """
    by.need(Role.ADMIN, "remove webhooks")
    outgoing.remove(desk.db, number, actor=by.name)


def listed(desk: Desk, *, by: Person) -> list[WebhookRecord]:
    """All endpoints, oldest first.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "see the webhooks")
    return outgoing.webhooks(desk.db)


def undelivered(
    desk: Desk, *, number: int | None = None, before: int | None = None, limit: int = 100, by: Person
) -> list[DeliveryRecord]:
    """What failed, whether it is tried again or was given up; newest first.

    Args:
        desk: The desk.
        number: Of this endpoint; of all if None.
        before: Before the delivery with that number.
        limit: The most to give.
        by: Who asks.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "see what was not delivered")
    return outgoing.undelivered(desk.db, webhook_id=number, before=before, limit=limit)


def resend(desk: Desk, deliveries: Collection[int] | None = None, *, number: int | None = None, by: Person) -> int:
    """Try dead deliveries again from the start, and failing ones now; gives how many.

    Args:
        desk: The desk.
        deliveries: These; all dead ones if None.
        number: Of this endpoint; of all if None.
        by: Who wants it.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "send again")
    return outgoing.send_again(desk.db, delivery_ids=deliveries, webhook_id=number, actor=by.name)


def send_test(desk: Desk, number: int, *, by: Person) -> Answer:
    """Send a message of the type ``webhook.test`` at once, also to an endpoint that is off; gives what came back.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such endpoint.
    """
    by.need(Role.ADMIN, "try webhooks")
    target, at = outgoing.target(desk.db, number), datetime.now(UTC)
    body = trial_payload(number, who=by.name, at=at)
    headers = signed_headers(target.secrets, message_id=f"msg_{uuid.uuid4().hex}", at=at, body=body)

    async def send() -> Answer:
        async with posting.opened_client(allow_private=desk.settings.allow_private_webhooks) as client:
            return await posting.post(client, target.url, body, headers)

    return asyncio.run(send())


def doubtful(desk: Desk) -> list[str]:
    """What somebody should look at; nobody is asked."""
    found = outgoing.webhooks(desk.db)
    return [
        *(f"webhook {each.id}: {each.dead:,} messages were given up" for each in found if each.dead),
        *(f"webhook {each.id}: {standing(each)}" for each in found if standing(each) != "on"),
    ]


def standing(record: WebhookRecord) -> str:
    """How an endpoint stands, in words."""
    if not record.is_on:
        return f"off: {record.off_because}"
    if record.failing_since is not None:
        return f"failing since {record.failing_since:%Y-%m-%d %H:%M} UTC"
    return "on"


def whats_next(record: DeliveryRecord) -> str:
    """What becomes of a delivery that failed, in words."""
    is_dead = record.state is DeliveryState.DEAD
    return "given up" if is_dead else f"again {record.next_at:%Y-%m-%d %H:%M} UTC"


def last_answer(record: DeliveryRecord) -> str:
    """The last answer in one line; anybody's text."""
    status = "none" if record.status is None else str(record.status)
    return f"{status}: {' '.join(record.answer.split())}" if record.answer else status


def webhook_json(record: WebhookRecord) -> dict[str, Any]:
    """JSON values."""
    return {
        "webhook": record.id,
        "url": record.url,
        "events": [each.value for each in record.events],
        "on": record.is_on,
        "off_because": record.off_because,
        "two_secrets": record.has_old_secret,
        "waiting": record.waiting,
        "dead": record.dead,
        "failures": record.failures,
        "failing_since": _iso(record.failing_since),
        "added_by": record.created_by,
        "added_at": _iso(record.created_at),
    }


def delivery_json(record: DeliveryRecord) -> dict[str, Any]:
    """JSON values."""
    return {
        "delivery": record.id,
        "webhook": record.webhook_id,
        "message_id": record.message_id,
        "type": record.kind,
        "about": record.subject,
        "at": _iso(record.at),
        "state": record.state.value,
        "tries": record.tries,
        "last_try_at": _iso(record.tried_at),
        "next_try_at": _iso(record.next_at) if record.state is DeliveryState.PENDING else None,
        "status": record.status,
        "answer": record.answer,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _url(desk: Desk, url: str) -> str:
    return posting.check_url(url, allow_private=desk.settings.allow_private_webhooks)


def _events(names: Iterable[str]) -> list[Message]:
    known = {message.value: message for message in Message}
    given = list(dict.fromkeys(names))
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        found = f"no event called {unknown[0]!r}" if unknown else "no event"
        raise UsageError(f"found {found}; expected one or more of {', '.join(known)}")
    return [known[name] for name in given]


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode('ascii')}"
