"""What was answered to a program's writes, kept for a day under the caller's own name for the request."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from pipeline.store.database import Database
from pipeline.tables import AnswerRow, now
from pipeline.texts import need_storable

ANSWER = AnswerRow.__table__  # type: ignore[attr-defined]

KEPT_FOR = timedelta(hours=24)

_SWEPT_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered.

    Attributes:
        request_sha256: Of the request.
        status: Of the answer, and its ``body``.
    """

    request_sha256: str
    status: int
    body: str


def kept(db: Database, caller: str, key: str, *, in_group: bool = False) -> KeptAnswer | None:
    """What this caller was answered under that name within a day; None if nothing.

    Args:
        db: The desk's database.
        caller: Who asked.
        key: Their name for the request.
        in_group: Read as the group stands that this thread is in.
    """
    need_storable(caller=caller, idempotency_key=key)
    statement = sa.select(ANSWER.c.request_sha256, ANSWER.c.status, ANSWER.c.body).where(
        ANSWER.c.caller == caller, ANSWER.c.key == key, ANSWER.c.created_at > now() - KEPT_FOR
    )
    with db.write() if in_group else db.read() as connection:
        row = connection.execute(statement).one_or_none()
    return None if row is None else KeptAnswer(row.request_sha256, row.status, row.body)


def keep(db: Database, caller: str, key: str, answer: KeptAnswer) -> None:
    """Keep an answer, and forget some that are over, this name's among them."""
    over = now() - KEPT_FOR
    old = sa.select(ANSWER.c.caller, ANSWER.c.key).where(ANSWER.c.created_at <= over)
    old = old.order_by(ANSWER.c.created_at).limit(_SWEPT_AT_ONCE)
    values = {"caller": caller, "key": key, "request_sha256": answer.request_sha256, "status": answer.status}
    with db.write() as connection:
        connection.execute(sa.delete(ANSWER).where(sa.tuple_(ANSWER.c.caller, ANSWER.c.key).in_(old)))
        connection.execute(sa.delete(ANSWER).where(ANSWER.c.caller == caller, ANSWER.c.key == key))
        connection.execute(sa.insert(ANSWER).values(**values, body=answer.body, created_at=now()))
