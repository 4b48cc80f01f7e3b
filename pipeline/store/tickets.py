"""Help desks' tickets: what came, what became of their pictures, and what was answered.

A worker holds a ticket while it asks the help desk about it (`hold`); each move names its holder, so that one who was
away for too long changes nothing. An answer is planned in the transaction that takes its pictures, and marked as begun
before it is sent: one that is found begun may have been sent (`pipeline.tickets.working`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict, NotFound
from pipeline.states import DecisionKind, EditState, TicketState
from pipeline.store.chain import DECISION
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH_CANCELLED
from pipeline.store.moves import EDIT, add_event
from pipeline.store.running import OUTPUT, PICTURE
from pipeline.tables import TICKET_IS_OPEN, TicketDeliveryRow, TicketPictureRow, TicketRow, now
from pipeline.texts import mended, mended_json, need_storable
from pipeline.values import PictureFacts

TICKET = TicketRow.__table__  # type: ignore[attr-defined]
TICKET_PICTURE = TicketPictureRow.__table__  # type: ignore[attr-defined]
DELIVERY = TicketDeliveryRow.__table__  # type: ignore[attr-defined]

IN_NO_ANSWER = 0
"""The answer of a picture that was erased, or cannot be read; the first one is 1."""

_UNREADABLE = (
    *("empty_file", "not_a_picture", "unsupported_format", "truncated", "bad_picture", "too_large"),
    *("decompression_bomb", "too_small", "animated"),
)
"""What `pipeline.images.prepare_picture` says of a file of which no edit can be made, however often it is tried."""

_DECIDED = (EditState.APPROVED, EditState.REJECTED)


@dataclass(frozen=True, slots=True)
class TicketRecord:
    """A ticket.

    Attributes:
        help_desk: Its name in the settings.
        number: The help desk's own.
        said: What the last message told besides the number.
        news: How many messages told of it.
        seen: After how many of them it was looked at.
        answers: How many answers were sent.
        answer: The one that is on its way: ``number``, ``reference``, ``edits``, ``begun``.
        tries: How often what is next went wrong.
        pictures: How many came with it.
    """

    id: int
    help_desk: str
    number: str
    state: TicketState
    said: Mapping[str, Any]
    news: int
    seen: int
    answers: int
    answer: Mapping[str, Any] | None
    tries: int
    not_before: datetime | None
    error_code: str | None
    error: str | None
    received_at: datetime
    updated_at: datetime
    pictures: int = 0

    @property
    def title(self) -> str:
        """How a message calls it."""
        return f"ticket {self.number} of {self.help_desk}"


@dataclass(frozen=True, slots=True)
class DecidedPicture:
    """A picture of a ticket, and what was decided on it.

    Attributes:
        edit_id: Its last round.
        picture: What was approved; None if it was rejected.
        decided_by: Who decided last; "" if the policy did.
        reason: Why it was rejected.
        note: What they wrote for the record.
    """

    edit_id: int
    picture: PictureFacts | None
    decided_by: str
    reason: str
    note: str


def receive(
    db: Database, help_desk: str, number: str, *, delivery: str, said: Mapping[str, Any], actor: str
) -> TicketRecord | None:
    """Keep that a help desk told of a ticket; None if the same message was kept before.

    Args:
        db: The desk's database.
        help_desk: Which.
        number: The ticket's.
        delivery: The message's own name; "" if it has none: such messages are all taken; to look
            twice adds nothing.
        said: What else it told; lists are added to those that nobody has looked at yet.
        actor: For the history.
    """
    need_storable(number=number, delivery=delivery)
    with db.write() as connection:
        if delivery and not _is_new(connection, help_desk, delivery):
            return None
        found = connection.execute(_of_number(help_desk, number)).mappings().one_or_none()
        moment = now()
        if found is None:
            values: dict[str, Any] = {"help_desk": help_desk, "number": number, "state": TicketState.RECEIVED}
            values |= {"said": mended_json(dict(said)), "news": 1, "seen": 0, "answers": 0, "answer": None, "tries": 0}
            values |= {"not_before": None, "held_by": None, "held_until": None, "error_code": None, "error": None}
            values |= {"received_at": moment, "updated_at": moment}
            row = connection.execute(sa.insert(TICKET).values(values).returning(*TICKET.c)).mappings().one()
        else:
            state = _woken(TicketState(found["state"]), has_answer=found["answer"] is not None)
            changed = (
                sa.update(TICKET)
                .where(TICKET.c.id == found["id"])
                .values(
                    state=state,
                    said=_together(found["said"], mended_json(dict(said))),
                    news=TICKET.c.news + 1,
                    updated_at=moment,
                    **_FRESH,
                )
            )
            row = connection.execute(changed.returning(*TICKET.c)).mappings().one()
        add_event(connection, "ticket.received", actor=actor, data={"help_desk": help_desk, "ticket": number})
        return _record(row)


def _together(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What two messages told: a later one does not take back what an earlier one has listed."""
    lists = {
        name: [*before[name], *(each for each in value if each not in before[name])]
        for name, value in said.items()
        if isinstance(value, list) and isinstance(before.get(name), list)
    }
    return {**before, **said, **lists}


_FRESH: Mapping[str, Any] = {"tries": 0, "not_before": None, "error_code": None, "error": None}


def _woken(state: TicketState, *, has_answer: bool) -> TicketState:
    """Where a ticket goes that there is news of."""
    if has_answer:
        return TicketState.ANSWERING
    return state if state is TicketState.WAITING else TicketState.RECEIVED


def _is_new(connection: sa.Connection, help_desk: str, delivery: str) -> bool:
    key = (DELIVERY.c.help_desk == help_desk, DELIVERY.c.name == delivery)
    if connection.execute(sa.select(DELIVERY.c.name).where(*key)).first() is not None:
        return False
    values = {"help_desk": help_desk, "name": delivery, "received_at": now()}
    connection.execute(sa.insert(DELIVERY).values(values))
    return True


def forget_deliveries(db: Database, *, before: datetime) -> int:
    """Forget messages that are too old to be taken again anyway; gives how many."""
    with db.write() as connection:
        return connection.execute(sa.delete(DELIVERY).where(DELIVERY.c.received_at < before)).rowcount


def due(db: Database, help_desk: str, *, decided_before: datetime, limit: int) -> list[TicketRecord]:
    """Tickets of a help desk for which there is something to do, and that nobody holds; oldest first.

    Args:
        db: The desk's database.
        help_desk: Which.
        decided_before: What was decided later is waited with: it may be taken back.
        limit: At most so many.
    """
    moment = now()
    is_open = sa.text(f"({TICKET_IS_OPEN})")  # literal, for the index
    news = sa.and_(TICKET.c.news > TICKET.c.seen, TICKET.c.state != TicketState.FAILED)
    decided = sa.and_(TICKET.c.state == TicketState.WAITING, ~_undecided(decided_before))
    wanted = (
        sa.select(TICKET)
        .where(TICKET.c.help_desk == help_desk, is_open)
        .where(sa.or_(TICKET.c.not_before.is_(None), TICKET.c.not_before <= moment))
        .where(sa.or_(TICKET.c.held_until.is_(None), TICKET.c.held_until < moment))
        .where(sa.or_(news, TICKET.c.state == TicketState.ANSWERING, decided))
        .order_by(TICKET.c.id)
        .limit(limit)
    )
    with db.read() as connection:
        return [_record(row) for row in connection.execute(wanted).mappings()]


def _undecided(decided_before: datetime) -> sa.ColumnElement[bool]:
    """Whether a ticket has a picture that nobody answered and whose last round is not decided, or only just.

    A picture that cannot be read holds nothing up.
    """
    last = _last_round(TICKET_PICTURE.c.asset_id)
    round_ = EDIT.alias("round")
    is_unreadable = sa.and_(round_.c.state == EditState.FAILED, round_.c.error_code.in_(_UNREADABLE))
    is_decided = sa.and_(sa.or_(round_.c.state.in_(_DECIDED), is_unreadable), round_.c.updated_at <= decided_before)
    undecided = (
        sa.select(TICKET_PICTURE.c.id)
        .select_from(TICKET_PICTURE)
        .join(round_, round_.c.id == last)
        .where(TICKET_PICTURE.c.ticket_id == TICKET.c.id, TICKET_PICTURE.c.answer.is_(None), ~is_decided)
    )
    return sa.exists(undecided.correlate(TICKET))


def _last_round(asset_id: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    """An asset's last round; one that was taken back is none."""
    of_asset = EDIT.alias("of_asset")
    taken_back = sa.and_(
        of_asset.c.state == EditState.CANCELLED, of_asset.c.error_code.is_distinct_from(BATCH_CANCELLED)
    )
    last = sa.select(sa.func.max(of_asset.c.id)).where(of_asset.c.asset_id == asset_id, ~taken_back)
    return last.correlate_except(of_asset).scalar_subquery()


def hold(db: Database, ticket_id: int, *, holder: str, until: datetime) -> TicketRecord | None:
    """Take a ticket to work on it; None if somebody else has it."""
    is_free = sa.or_(TICKET.c.held_until.is_(None), TICKET.c.held_until < now())
    taken = sa.update(TICKET).where(TICKET.c.id == ticket_id, is_free).values(held_by=holder, held_until=until)
    with db.write() as connection:
        row = connection.execute(taken.returning(*TICKET.c)).mappings().one_or_none()
    return None if row is None else _record(row)


def let_go(db: Database, ticket_id: int, *, holder: str) -> None:
    """Hold a ticket no longer."""
    held = sa.update(TICKET).where(TICKET.c.id == ticket_id, TICKET.c.held_by == holder)
    with db.write() as connection:
        connection.execute(held.values(held_by=None, held_until=None))


def holders(db: Database) -> set[str]:
    """Who holds tickets for which there is something to do."""
    is_open = sa.text(f"({TICKET_IS_OPEN})")
    with db.read() as connection:
        wanted = sa.select(TICKET.c.held_by).where(is_open, TICKET.c.held_by.is_not(None))
        return set(connection.execute(wanted).scalars())


def free(db: Database, gone: Sequence[str]) -> None:
    """Let go of what these held, who have ended."""
    with db.write() as connection:
        held = sa.update(TICKET).where(TICKET.c.held_by.in_(gone))
        connection.execute(held.values(held_by=None, held_until=None))


def known_pictures(db: Database, ticket_id: int) -> set[str]:
    """The names of a ticket's pictures that were loaded."""
    with db.read() as connection:
        wanted = sa.select(TICKET_PICTURE.c.name).where(TICKET_PICTURE.c.ticket_id == ticket_id)
        return set(connection.execute(wanted).scalars())


def looked_at(
    db: Database,
    ticket: TicketRecord,
    loaded: Mapping[str, str],
    *,
    batch_id: int | None,
    holder: str,
    actor: str,
) -> TicketState:
    """Keep which pictures came with a ticket; gives where it stands now.

    Args:
        db: The desk's database; this belongs into the group that loads the pictures.
        ticket: As it was when the help desk was asked.
        loaded: New pictures: the name of each one's asset, by the help desk's name for it.
        batch_id: The batch that they are in.
        holder: Who holds it.
        actor: For the history.

    Raises:
        Conflict: Somebody else holds it by now.
    """
    with db.write() as connection:
        row = _held(connection, ticket.id, holder)
        for name, asset in loaded.items():
            asset_id = connection.execute(
                sa.select(ASSET.c.id).where(ASSET.c.batch_id == batch_id, ASSET.c.name == asset)
            ).scalar_one()
            values = {"ticket_id": ticket.id, "name": name, "asset_id": asset_id, "answer": None}
            connection.execute(sa.insert(TICKET_PICTURE).values(values))
        if loaded:
            data = {"help_desk": ticket.help_desk, "ticket": ticket.number, "pictures": len(loaded)}
            add_event(connection, "ticket.loaded", actor=actor, batch_id=batch_id, data=data)
        state = TicketState(row["state"])
        if state is not TicketState.ANSWERING:
            state = _at_rest(connection, ticket.id, answers=row["answers"])
        said = {} if row["news"] == ticket.news else row["said"]
        changed = sa.update(TICKET).where(TICKET.c.id == ticket.id)
        connection.execute(changed.values(state=state, said=said, seen=ticket.news, updated_at=now(), **_FRESH))
    return state


def _at_rest(connection: sa.Connection, ticket_id: int, *, answers: int) -> TicketState:
    """Where a ticket stands of which all news is known and no answer is on its way."""
    unanswered = sa.select(TICKET_PICTURE.c.id).where(
        TICKET_PICTURE.c.ticket_id == ticket_id, TICKET_PICTURE.c.answer.is_(None)
    )
    if connection.execute(unanswered.limit(1)).first() is not None:
        return TicketState.WAITING
    return TicketState.ANSWERED if answers else TicketState.EMPTY


def plan_answer(
    db: Database, ticket_id: int, *, reference: str, decided_before: datetime, holder: str
) -> TicketRecord | None:
    """Take the pictures that are decided into an answer; None if one is not decided any more, or none is left.

    Raises:
        Conflict: Somebody else holds it by now.
    """
    with db.write() as connection:
        row = _held(connection, ticket_id, holder)
        still = sa.select(TICKET.c.id).where(TICKET.c.id == ticket_id, ~_undecided(decided_before))
        if row["state"] != TicketState.WAITING or connection.execute(still).first() is None:
            return None
        number = row["answers"] + 1
        of_it = (TICKET_PICTURE.c.ticket_id == ticket_id, TICKET_PICTURE.c.answer.is_(None))
        assets = connection.execute(sa.select(TICKET_PICTURE.c.asset_id).where(*of_it)).scalars().all()
        last = connection.execute(
            sa.select(EDIT.c.id, EDIT.c.asset_id, EDIT.c.accepted_output_id, EDIT.c.state)
            .where(EDIT.c.asset_id.in_(assets), EDIT.c.id == _last_round(EDIT.c.asset_id))
            .order_by(EDIT.c.id)
        ).all()
        rounds = [edit for edit in last if edit.state in _DECIDED]
        unreadable = TICKET_PICTURE.c.asset_id.in_([edit.asset_id for edit in last if edit.state not in _DECIDED])
        connection.execute(sa.update(TICKET_PICTURE).where(*of_it, unreadable).values(answer=IN_NO_ANSWER))
        if not rounds:  # all that it waited for was erased, or cannot be read
            state = _at_rest(connection, ticket_id, answers=row["answers"])
            connection.execute(sa.update(TICKET).where(TICKET.c.id == ticket_id).values(state=state, updated_at=now()))
            return None
        connection.execute(sa.update(TICKET_PICTURE).where(*of_it).values(answer=number))
        edits = [[edit.id, edit.accepted_output_id if edit.state == EditState.APPROVED else None] for edit in rounds]
        answer = {"number": number, "reference": reference, "edits": edits, "begun": False}
        changed = sa.update(TICKET).where(TICKET.c.id == ticket_id)
        values = {"state": TicketState.ANSWERING, "answer": answer, "updated_at": now()}
        return _record(connection.execute(changed.values(values).returning(*TICKET.c)).mappings().one())


def begin_answer(db: Database, ticket: TicketRecord, *, is_there: bool, holder: str, until: datetime) -> bool:
    """Mark an answer as begun, before it is sent; False if a decision was taken back, and the ticket waits again.

    Args:
        db: The desk's database.
        ticket: With the answer.
        is_there: The help desk has it already: then it is ended, whatever was decided since.
        holder: Who holds the ticket.
        until: So long it is held from now on.

    Raises:
        Conflict: Somebody else holds it by now.
    """
    with db.write() as connection:
        row = _held(connection, ticket.id, holder)
        answer = dict(row["answer"])
        if not is_there and not _still_stands(connection, answer["edits"]):
            of_it = (TICKET_PICTURE.c.ticket_id == ticket.id, TICKET_PICTURE.c.answer == answer["number"])
            connection.execute(sa.update(TICKET_PICTURE).where(*of_it).values(answer=None))
            values: dict[str, Any] = {"state": TicketState.WAITING, "answer": None}
        else:
            values = {"answer": {**answer, "begun": True}, "held_until": until}
        connection.execute(sa.update(TICKET).where(TICKET.c.id == ticket.id).values(**values, updated_at=now()))
    return values["answer"] is not None


def _still_stands(connection: sa.Connection, edits: Sequence[Sequence[Any]]) -> bool:
    ids = [edit_id for edit_id, _ in edits]
    columns = (EDIT.c.id, EDIT.c.state, EDIT.c.accepted_output_id)
    found = {edit.id: edit for edit in connection.execute(sa.select(*columns).where(EDIT.c.id.in_(ids)))}

    def stands(edit_id: int, output_id: int | None) -> bool:
        edit = found.get(edit_id)
        if edit is None or output_id is None:
            return edit is not None and edit.state == EditState.REJECTED
        return edit.state == EditState.APPROVED and bool(edit.accepted_output_id == output_id)

    return all(stands(edit_id, output_id) for edit_id, output_id in edits)


def decided_pictures(db: Database, ticket: TicketRecord) -> list[DecidedPicture]:
    """What goes into the answer that is on its way."""
    assert ticket.answer is not None
    edits = {int(edit_id): output for edit_id, output in ticket.answer["edits"]}
    outputs = [output for output in edits.values() if output is not None]
    said = DECISION.alias("said")
    last = sa.select(sa.func.max(DECISION.c.id)).where(
        DECISION.c.edit_id == EDIT.c.id, DECISION.c.kind.in_((DecisionKind.ACCEPT, DecisionKind.REJECT))
    )
    wanted = (
        sa.select(EDIT.c.id, PICTURE, said.c.actor, said.c.reason, said.c.note)
        .select_from(EDIT)
        .join(TICKET_PICTURE, TICKET_PICTURE.c.asset_id == EDIT.c.asset_id)
        .outerjoin(OUTPUT, sa.and_(OUTPUT.c.edit_id == EDIT.c.id, OUTPUT.c.id.in_(outputs)))
        .outerjoin(PICTURE, PICTURE.c.sha256 == OUTPUT.c.sha256)
        .outerjoin(said, said.c.id == last.scalar_subquery())
        .where(EDIT.c.id.in_(edits))
        .order_by(TICKET_PICTURE.c.id)
    )
    with db.read() as connection:
        return [
            _decided(row, is_approved=edits[row["id"]] is not None) for row in connection.execute(wanted).mappings()
        ]


def _decided(row: Any, *, is_approved: bool) -> DecidedPicture:  # noqa: ANN401 - a row
    size_wh = (row["width"], row["height"])
    facts = PictureFacts(row["sha256"], row["media_type"], size_wh, row["byte_count"]) if is_approved else None
    words = (row["actor"] or "", row["reason"] or "", row["note"] or "")
    return DecidedPicture(row["id"], facts, *words)


def answered(db: Database, ticket: TicketRecord, *, outcome: str, holder: str, actor: str) -> TicketState:
    """Keep that the answer is with the help desk; gives where the ticket stands now.

    Raises:
        Conflict: Somebody else holds it by now.
    """
    assert ticket.answer is not None
    with db.write() as connection:
        row = _held(connection, ticket.id, holder)
        state = _at_rest(connection, ticket.id, answers=ticket.answers + 1)
        if row["news"] > row["seen"]:
            state = TicketState.RECEIVED
        changed = sa.update(TICKET).where(TICKET.c.id == ticket.id)
        values = {"state": state, "answers": ticket.answer["number"], "answer": None, "updated_at": now(), **_FRESH}
        connection.execute(changed.values(values))
        data: dict[str, Any] = {"help_desk": ticket.help_desk, "ticket": ticket.number, "outcome": outcome}
        data |= {"reference": ticket.answer["reference"], "edits": [edit_id for edit_id, _ in ticket.answer["edits"]]}
        add_event(connection, "ticket.answered", actor=actor, data=data)
    return state


def went_wrong(
    db: Database,
    ticket: TicketRecord,
    *,
    code: str,
    message: str,
    not_before: datetime | None,
    holder: str,
    actor: str,
) -> None:
    """Keep what went wrong; tried again after that moment, or failed if it is None.

    Raises:
        Conflict: Somebody else holds it by now.
    """
    values: dict[str, Any] = {"error_code": code, "error": mended(message)[:2000], "not_before": not_before}
    values |= {"tries": TICKET.c.tries + 1, "held_by": None, "held_until": None, "updated_at": now()}
    with db.write() as connection:
        _held(connection, ticket.id, holder)
        if not_before is None:
            values["state"] = TicketState.FAILED
            data = {"help_desk": ticket.help_desk, "ticket": ticket.number, "code": code}
            add_event(connection, "ticket.failed", actor=actor, data=data)
        connection.execute(sa.update(TICKET).where(TICKET.c.id == ticket.id).values(values))


def retry(db: Database, ticket_ids: Iterable[int], *, actor: str) -> int:
    """Try failed tickets again, and those that wait to be tried again now; gives how many.

    Raises:
        NotFound: There is no such ticket.
    """
    count = 0
    with db.write() as connection:
        for ticket_id in ticket_ids:
            row = connection.execute(sa.select(TICKET).where(TICKET.c.id == ticket_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"ticket {ticket_id}: this desk has none of that number; see: picturedesk tickets list")
            state = TicketState(row["state"])
            values: dict[str, Any] = dict(_FRESH)
            if state is TicketState.FAILED:
                is_news = row["news"] > row["seen"]
                state = _woken(TicketState.RECEIVED, has_answer=row["answer"] is not None)
                values |= {"state": state, "news": row["news"] if is_news else row["news"] + 1}
            elif row["error_code"] is None:
                continue
            connection.execute(sa.update(TICKET).where(TICKET.c.id == ticket_id).values(**values, updated_at=now()))
            data = {"help_desk": row["help_desk"], "ticket": row["number"]}
            add_event(connection, "ticket.retried", actor=actor, data=data)
            count += 1
    return count


def listed(
    db: Database,
    *,
    help_desk: str | None = None,
    states: Sequence[TicketState] = (),
    before: int | None = None,
    limit: int = 100,
) -> list[TicketRecord]:
    """Tickets, newest first, those in one of these states if any are given."""
    pictures = sa.select(sa.func.count()).where(TICKET_PICTURE.c.ticket_id == TICKET.c.id).scalar_subquery()
    wanted = sa.select(TICKET, pictures.label("pictures")).order_by(TICKET.c.id.desc()).limit(limit)
    if help_desk is not None:
        wanted = wanted.where(TICKET.c.help_desk == help_desk)
    if states:
        wanted = wanted.where(TICKET.c.state.in_(states))
    if before is not None:
        wanted = wanted.where(TICKET.c.id < before)
    with db.read() as connection:
        return [_record(row) for row in connection.execute(wanted).mappings()]


def ticket_ids(db: Database, help_desk: str | None, number: str) -> list[int]:
    """The tickets with that number."""
    wanted = sa.select(TICKET.c.id).where(TICKET.c.number == number)
    if help_desk is not None:
        wanted = wanted.where(TICKET.c.help_desk == help_desk)
    with db.read() as connection:
        return list(connection.execute(wanted).scalars())


def _of_number(help_desk: str, number: str) -> sa.Select[Any]:
    return sa.select(TICKET).where(TICKET.c.help_desk == help_desk, TICKET.c.number == number)


def _held(connection: sa.Connection, ticket_id: int, holder: str) -> Mapping[str, Any]:
    row = connection.execute(sa.select(TICKET).where(TICKET.c.id == ticket_id)).mappings().one()
    if row["held_by"] != holder:
        raise Conflict(f"ticket {row['number']} of {row['help_desk']}: another worker has taken it over")
    return dict(row)


def _record(row: sa.RowMapping) -> TicketRecord:
    same = ("id", "help_desk", "number", "said", "news", "seen", "answers", "answer", "tries", "not_before")
    more = ("error_code", "error", "received_at", "updated_at")
    return TicketRecord(
        **{name: row[name] for name in (*same, *more)},
        state=TicketState(row["state"]),
        pictures=row.get("pictures", 0),
    )
