"""Attempts and money: what was sent, what it cost, and what nobody knows.

An attempt is committed before its request leaves, with the most that it can cost reserved in the purses of its batch
and its month; the answer turns the reservation into a charge. A lost answer keeps its reservation until a bill or a
person settles it. Purses are running sums of charges and reservations, so a budget costs one update and not a sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipeline.errors import BudgetReached, Conflict
from pipeline.prices import PER_PICTURE, UNITS
from pipeline.states import IN_FLIGHT, AttemptState, EditState
from pipeline.store.chain import EVENT
from pipeline.store.codec import detection_to_json
from pipeline.store.database import Database
from pipeline.store.moves import EDIT, add_event, move
from pipeline.store.running import ATTEMPT, OUTPUT, cancel_queued, is_cancelled, is_paused, save_picture
from pipeline.tables import ChargeRow, PurseRow, now
from pipeline.texts import mended, mended_json
from pipeline.values import Detection, PictureFacts

CHARGE = ChargeRow.__table__  # type: ignore[attr-defined]
PURSE = PurseRow.__table__  # type: ignore[attr-defined]

INTERRUPTED = "interrupted"
"""Code of an attempt that ended with its run, and that could be repeated for free."""

RUNNER = "runner-"
"""What the names of runners begin with, in the history."""

SETTLED = "settled"
"""Code of a lost attempt whose cost a bill has told since."""


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """An output whose bytes are in the blob store already."""

    picture: PictureFacts
    name: str
    notes: Mapping[str, Any]
    findings: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be sent.

    Attributes:
        batch_id: Whose purse it is paid from.
        key: Names the request by everything that its answer depends on.
        client_id: Our name for this one attempt.
        sent: All that is sent, pictures by their sha256: enough to send it again.
        ai_model: The provider's model, its default included; "" if it has none.
        reserved_microusd: The most that it can cost; 0 if that is not known.
        is_fresh: Not to be answered by an earlier output.
    """

    batch_id: int
    key: str
    client_id: str
    sent: Mapping[str, Any]
    reserved_microusd: int
    ai_model: str = ""
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent, in millionths of a US dollar; None for no limit."""

    batch_microusd: int | None = None
    month_microusd: int | None = None


def begin(db: Database, edit_id: int, sending: Sending, *, owner: str, caps: Caps) -> int | None:
    """Write down that a request is about to leave, and give the attempt's id; send only after this returned.

    None, if nothing is to be sent: an equal request was answered before, and its outputs are the edit's now; or it is
    being made by another worker, or the batch is paused, and the edit is given back.

    Raises:
        BudgetReached: It could pass a cap; nothing is written.
        Conflict: The edit is not queued any more, or another worker has it.
    """
    with db.write() as connection:
        if (already := _begun(connection, sending, owner)) is not None:
            return already
        if is_paused(connection, sending.batch_id):
            connection.execute(_GIVE_BACK, {"edit": edit_id, "later": None})
            return None
        if not sending.is_fresh and connection.execute(_EQUAL_IN_FLIGHT, {"key": sending.key}).first() is not None:
            connection.execute(_GIVE_BACK, {"edit": edit_id, "later": now() + _LOOK_AT_EQUAL_AGAIN})
            return None
        earlier = None if sending.is_fresh else _answered(connection, sending.key)
        if earlier is not None:
            _reuse(connection, edit_id, earlier, key=sending.key, owner=owner)
            return None
        month = now().strftime("%Y-%m")
        if sending.reserved_microusd:
            _reserve(connection, f"batch:{sending.batch_id}", sending.reserved_microusd, caps.batch_microusd)
            _reserve(connection, f"month:{month}", sending.reserved_microusd, caps.month_microusd)
        move(
            connection,
            edit_id,
            EditState.QUEUED,
            EditState.SENDING,
            held_by=owner,
            actor=owner,
            data={"attempt": sending.client_id},
            key=sending.key,
            owner=owner,
        )
        values = {
            "edit_id": edit_id,
            "of_edit": edit_id,
            "state": AttemptState.STARTED,
            "owner": owner,
            "client_id": sending.client_id,
            "ai_model": sending.ai_model,
            "sent": dict(sending.sent),
            "request_id": "",
            "reserved_microusd": sending.reserved_microusd,
            "month": month,
            "details": {},
            "started_at": now(),
        }
        return int(connection.execute(_ADD_ATTEMPT, values).scalar_one())


def is_to_be_sent(db: Database, attempt_id: int, *, owner: str) -> bool:
    """Whether an attempt is still this worker's, whom others may have taken for dead meanwhile."""
    with db.read() as connection:
        attempt = connection.execute(
            sa.select(ATTEMPT.c.owner, ATTEMPT.c.state).where(ATTEMPT.c.id == attempt_id)
        ).one()
    return bool(attempt.owner == owner and attempt.state == AttemptState.STARTED)


def is_answered(db: Database, key: str) -> bool:
    """Whether this desk has outputs of an equal request."""
    with db.read() as connection:
        return _answered(connection, key) is not None


def adopt(
    db: Database,
    edit_id: int,
    *,
    key: str,
    outputs: Sequence[StoredOutput],
    saved_microusd: int,
    owner: str,
) -> None:
    """Give an edit the outputs that another desk got for the same request: nothing is sent, nothing is paid."""
    with db.write() as connection:
        _add_outputs(connection, edit_id, None, outputs)
        move(
            connection,
            edit_id,
            EditState.QUEUED,
            EditState.PRODUCED,
            actor=owner,
            data={"reused_from": "another desk"},
            key=key,
            saved_microusd=saved_microusd,
        )


def save_task_id(db: Database, attempt_id: int, task_id: str) -> None:
    """Keep a provider's name for a request, so that a restart asks for the answer instead of paying again."""
    with db.write() as connection:
        connection.execute(sa.update(ATTEMPT).where(ATTEMPT.c.id == attempt_id).values(task_id=mended(task_id)))


def finish(
    db: Database,
    attempt_id: int,
    *,
    owner: str,
    outputs: Sequence[StoredOutput],
    request_id: str,
    usage: Mapping[str, int],
    cost_microusd: int | None,
    ai_model: str = "",
) -> list[int]:
    """Book an answer: attempt, charge, pictures and state in one transaction; gives the outputs' ids.

    The bytes are on disk already. Whoever brings an answer first has it booked, even if somebody else took the request
    over meanwhile, or wrote it off: what was paid for is kept. No ids, if the edit is somebody else's by then.
    """
    cost_microusd = _bookable(cost_microusd)
    with db.write() as connection:
        attempt = connection.execute(_ATTEMPT, {"attempt": attempt_id}).one()
        if attempt.state != AttemptState.STARTED:
            return _finish_late(connection, attempt, owner, outputs, request_id, usage, cost_microusd, ai_model)
        _end(connection, attempt_id, AttemptState.SUCCEEDED, request_id=request_id)
        ids = _add_outputs(connection, attempt.edit_id, attempt_id, outputs)
        _charge(connection, attempt, cost_microusd, usage, ai_model)
        move(
            connection,
            attempt.edit_id,
            EditState.SENDING,
            EditState.PRODUCED,
            actor=owner,
            owner=owner,
            add_cost_microusd=cost_microusd,
        )
    return ids


def _finish_late(
    connection: sa.Connection,
    attempt: Any,  # noqa: ANN401 - a row
    owner: str,
    outputs: Sequence[StoredOutput],
    request_id: str,
    usage: Mapping[str, int],
    cost_microusd: int | None,
    ai_model: str,
) -> list[int]:
    """Book the answer to a request that has ended in the books already, and go on with it if its edit still waits."""
    edit = connection.execute(sa.select(EDIT.c.state, EDIT.c.owner).where(EDIT.c.id == attempt.edit_id)).one()
    if attempt.state == AttemptState.SUCCEEDED:  # this very answer, by another worker; or by us, unseen
        is_ours = edit.state == EditState.PRODUCED and edit.owner == owner
        return _outputs_of(connection, attempt) if is_ours else []
    pictures = [output.picture.sha256 for output in outputs]
    cost = _charge_after_all(connection, attempt, cost_microusd, usage, ai_model, owner=owner, pictures=pictures)
    _end(connection, attempt.id, AttemptState.SUCCEEDED, request_id=request_id)
    state = EditState(edit.state)
    if state not in (EditState.IN_DOUBT, EditState.QUEUED):
        if state in IN_FLIGHT:  # it was sent once more: both answers will be looked at
            _add_outputs(connection, attempt.edit_id, attempt.id, outputs, first=_BESIDE)
        else:
            for output in outputs:
                save_picture(connection, output.picture)
        _add_cost(connection, attempt.edit_id, cost)
        return []
    ids = _add_outputs(connection, attempt.edit_id, attempt.id, outputs)
    move(
        connection,
        attempt.edit_id,
        state,
        EditState.PRODUCED,
        actor=owner,
        owner=owner,
        add_cost_microusd=cost,
        not_before=None,
        error_code=None,
        error=None,
    )
    return ids


def _charge_after_all(
    connection: sa.Connection,
    attempt: Any,  # noqa: ANN401 - a row
    cost_microusd: int | None,
    usage: Mapping[str, int],
    ai_model: str = "",
    *,
    owner: str,
    pictures: Sequence[str] = (),
) -> int | None:
    """Charge a request that has ended in the books without a charge; gives what is to be added to its edit's cost."""
    cost_microusd = _bookable(cost_microusd)
    charged = CHARGE.c.edit_id == attempt.edit_id, CHARGE.c.attempt_id == attempt.id
    was_charged = connection.execute(sa.select(CHARGE.c.id).where(*charged)).first() is not None
    cost = 0 if was_charged else cost_microusd  # a bill has told what it was
    if not was_charged and attempt.state == AttemptState.LOST:
        _charge(connection, attempt, cost_microusd, usage, ai_model)
    elif not was_charged:  # its reservation was given back
        _book(connection, attempt, spent=attempt.reserved_microusd if cost_microusd is None else cost_microusd)
        _add_charge(connection, attempt, cost_microusd, usage, ai_model)
    data = {"attempt": attempt.client_id, "was": attempt.state, "cost_microusd": cost, "pictures": list(pictures)}
    add_event(connection, "attempt.late", actor=owner, edit_id=attempt.edit_id, data=data)
    return cost


def _add_cost(connection: sa.Connection, edit_id: int, cost_microusd: int | None) -> None:
    added = {
        "cost_microusd": EDIT.c.cost_microusd + (cost_microusd or 0),
        "unpriced": EDIT.c.unpriced + int(cost_microusd is None),
    }
    connection.execute(sa.update(EDIT).where(EDIT.c.id == edit_id).values(added))


def _outputs_of(connection: sa.Connection, attempt: Any) -> list[int]:  # noqa: ANN401 - a row
    outputs = OUTPUT.c.edit_id == attempt.edit_id, OUTPUT.c.attempt_id == attempt.id
    return list(connection.execute(sa.select(OUTPUT.c.id).where(*outputs).order_by(OUTPUT.c.position)).scalars())


def give_up(
    db: Database,
    attempt_id: int,
    new: EditState,
    *,
    owner: str,
    code: str,
    message: str,
    is_lost: bool = False,
    not_before: datetime | None = None,
    charge: tuple[int | None, Mapping[str, int], str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Book that an attempt brought no picture that can be used, and where its edit goes from there.

    Args:
        db: The desk's database.
        attempt_id: Which attempt.
        new: Where its edit goes.
        owner: The runner.
        code: Stable name of the reason.
        message: The reason in words.
        is_lost: Whether it may have been billed without anybody knowing; its reservation stays.
        not_before: When a queued edit may be sent again.
        charge: Cost, usage and request id of an answer that was billed and could not be used.
        details: What the provider said besides.

    Raises:
        Conflict: It has ended in the books already; or another worker took it over, and this one's not knowing what
            became of it is no news.
    """
    again = new is EditState.QUEUED
    code, message = mended(code), mended(message)
    with db.write() as connection:
        attempt = connection.execute(_ATTEMPT, {"attempt": attempt_id}).one()
        if attempt.state != AttemptState.STARTED and charge is not None:
            cost, usage, request_id = charge
            _add_cost(connection, attempt.edit_id, _charge_after_all(connection, attempt, cost, usage, owner=owner))
            if attempt.state == AttemptState.LOST:
                _end(connection, attempt_id, AttemptState.FAILED, request_id=request_id, error_code=code, error=message)
            return
        if attempt.state != AttemptState.STARTED:
            raise Conflict(f"attempt {attempt_id}: it is {attempt.state} by now")
        if attempt.owner != owner and (is_lost or code == INTERRUPTED):
            raise Conflict(f"attempt {attempt_id}: {attempt.owner} has it by now")
        cost, usage, request_id = charge or (0, {}, "")
        cost = _bookable(cost)
        if charge is not None:
            _charge(connection, attempt, cost, usage)
        elif not is_lost:
            _settle_purses(connection, attempt, 0)
        state = AttemptState.LOST if is_lost else AttemptState.FAILED
        said = mended_json(details or {})
        _end(connection, attempt_id, state, error_code=code, error=message, request_id=request_id, details=said)
        move(
            connection,
            attempt.edit_id,
            EditState.SENDING,
            new,
            actor=owner,
            data={"code": code, **said},
            owner=None,
            add_cost_microusd=cost,
            not_before=not_before,
            error_code=None if again else code,
            error=None if again else message,
        )
        if again and is_cancelled(connection, attempt.batch_id):
            cancel_queued(connection, attempt.edit_id, owner=owner)


def retries(db: Database, attempt_id: int, code: str) -> int:
    """How many requests for this attempt's edit ended with this code since a person last queued it."""
    edit_id = sa.select(ATTEMPT.c.edit_id).where(ATTEMPT.c.id == attempt_id).scalar_subquery()
    queued = sa.select(sa.func.max(EVENT.c.at)).where(
        EVENT.c.edit_id == edit_id, EVENT.c.kind == f"edit.{EditState.QUEUED}", EVENT.c.actor.not_like(f"{RUNNER}%")
    )
    statement = sa.select(sa.func.count()).where(
        ATTEMPT.c.edit_id == edit_id, ATTEMPT.c.error_code == code, ATTEMPT.c.started_at >= queued.scalar_subquery()
    )
    with db.read() as connection:
        return int(connection.execute(statement).scalar_one())


def lost_before(db: Database, attempt_id: int) -> int:
    """How many earlier requests for this attempt's edit were lost."""
    edit_id = sa.select(ATTEMPT.c.edit_id).where(ATTEMPT.c.id == attempt_id).scalar_subquery()
    statement = sa.select(sa.func.count()).where(ATTEMPT.c.edit_id == edit_id, ATTEMPT.c.state == AttemptState.LOST)
    with db.read() as connection:
        return int(connection.execute(statement).scalar_one())


def give_up_unsent(
    db: Database,
    edit_id: int,
    new: EditState,
    *,
    owner: str,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Book that an edit cannot even be sent, such as one whose source is broken."""
    code, message = mended(code), mended(message)
    with db.write() as connection:
        move(
            connection,
            edit_id,
            EditState.QUEUED,
            new,
            actor=owner,
            data={"code": code, **mended_json(details or {})},
            owner=None,
            error_code=code,
            error=message,
        )


def queue_doubtful(db: Database, edit_id: int, *, actor: str) -> None:
    """Queue an edit again whose answer was lost; money that is in doubt stays so."""
    cleared = {"owner": None, "error_code": None, "error": None}
    with db.write() as connection:
        move(connection, edit_id, EditState.IN_DOUBT, EditState.QUEUED, actor=actor, **cleared)


def settle(db: Database, costs: Mapping[str, int], *, actor: str, not_billed: Iterable[str] = ()) -> tuple[int, int]:
    """End the doubt about lost attempts, unknown prices, and what was booked as free, by what the provider billed.

    Gives how many of these requests were billed, and how many not.

    Args:
        db: The desk's database.
        costs: What was billed in all, in millionths of a US dollar, by our names of the requests.
        actor: Who brought the bill.
        not_billed: Our names of requests that the bill certainly does not have.
    """
    absent = set(not_billed) - set(costs)
    counts = [0, 0]
    with db.write() as connection:
        for attempt in connection.execute(_lost()).all():
            was_billed = attempt.client_id in costs
            if not was_billed and attempt.client_id not in absent:
                continue
            cost = costs.get(attempt.client_id, 0)
            if was_billed:
                _charge(connection, attempt, cost, {})
            else:
                _settle_purses(connection, attempt, 0)
            _note_settled(connection, attempt, cost, actor=actor)
            counts[0 if was_billed else 1] += 1
        for attempt in connection.execute(_uncharged()).all():
            if costs.get(attempt.client_id):
                _charge_late(connection, attempt, costs[attempt.client_id], actor=actor)
                counts[0] += 1
        for charge in connection.execute(_unpriced()).all():
            if charge.client_id in costs:
                _price(connection, charge, costs[charge.client_id], actor=actor)
                counts[0] += 1
    return counts[0], counts[1]


def set_budget(db: Database, batch_id: int, cap_microusd: int) -> None:
    """Say what a batch may cost, whoever goes on with it; it wins over the desk's own cap for batches."""
    with db.write() as connection:
        put_cap(connection, batch_id, cap_microusd)


def put_cap(connection: sa.Connection, batch_id: int, cap_microusd: int) -> int | None:
    """Write what a batch may cost; gives what it was until now."""
    of_batch = PURSE.c.scope == f"batch:{batch_id}"
    connection.execute(_OPEN_PURSE, {"scope": f"batch:{batch_id}"})
    before: int | None = connection.execute(sa.select(PURSE.c.cap_microusd).where(of_batch)).scalar_one()
    connection.execute(sa.update(PURSE).where(of_batch).values(cap_microusd=cap_microusd))
    return before


def budget(db: Database, batch_id: int) -> int | None:
    """What a batch may cost; None if nobody said so for this one."""
    with db.read() as connection:
        found = sa.select(PURSE.c.cap_microusd).where(PURSE.c.scope == f"batch:{batch_id}")
        return connection.execute(found).scalar_one_or_none()


def purse(db: Database, scope: str) -> tuple[int, int]:
    """What ``batch:ID`` or ``month:YYYY-MM`` has spent, and the most that open and lost requests can add."""
    with db.read() as connection:
        row = connection.execute(sa.select(PURSE).where(PURSE.c.scope == scope)).one_or_none()
    return (0, 0) if row is None else (row.spent_microusd, row.reserved_microusd)


def doubtful(db: Database) -> dict[str, str]:
    """The requests whose cost nobody knows yet: our names for them, and to whom they were sent."""
    with db.read() as connection:
        return {attempt.client_id: attempt.provider for attempt in connection.execute(_lost())}


def _attempts() -> sa.Select[Any]:
    """Requests, with what their charge needs."""
    return sa.select(ATTEMPT, EDIT.c.batch_id, EDIT.c.provider).join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)


def _lost() -> sa.Select[Any]:
    return _attempts().where(ATTEMPT.c.state == sa.literal_column("'lost'")).order_by(ATTEMPT.c.id)


def _note_settled(connection: sa.Connection, attempt: Any, cost_microusd: int, *, actor: str) -> None:  # noqa: ANN401
    details = {**attempt.details, SETTLED: True, "billed_microusd": cost_microusd}
    ended = {"state": AttemptState.FAILED, "details": details}
    connection.execute(sa.update(ATTEMPT).where(ATTEMPT.c.id == attempt.id).values(ended))
    added = EDIT.c.cost_microusd + cost_microusd
    connection.execute(sa.update(EDIT).where(EDIT.c.id == attempt.edit_id).values(cost_microusd=added))
    data = {"attempt": attempt.client_id, "billed_microusd": cost_microusd}
    add_event(connection, "attempt.settled", actor=actor, edit_id=attempt.edit_id, data=data)


def _uncharged() -> sa.Select[Any]:
    """Requests that ended, and were booked as free."""
    is_charged = sa.exists().where(CHARGE.c.attempt_id == ATTEMPT.c.id)
    return _attempts().where(ATTEMPT.c.state == AttemptState.FAILED, ~is_charged)


def _charge_late(connection: sa.Connection, attempt: Any, cost_microusd: int, *, actor: str) -> None:  # noqa: ANN401
    """Charge what was booked as free, and is on the bill all the same; its reservation was given back long ago."""
    _book(connection, attempt, spent=cost_microusd)
    _add_charge(connection, attempt, cost_microusd, {})
    _note_settled(connection, attempt, cost_microusd, actor=actor)


def _unpriced() -> sa.Select[Any]:
    columns = (CHARGE.c.id, CHARGE.c.edit_id, CHARGE.c.batch_id, ATTEMPT.c.client_id, ATTEMPT.c.month)
    return (
        sa.select(*columns, ATTEMPT.c.reserved_microusd)
        .join(ATTEMPT, ATTEMPT.c.id == CHARGE.c.attempt_id)
        .where(CHARGE.c.amount_microusd.is_(None))
    )


def _price(connection: sa.Connection, charge: Any, cost_microusd: int, *, actor: str) -> None:  # noqa: ANN401 - a row
    """Put the price to a charge that had none; the purses had the most that it can have cost."""
    connection.execute(sa.update(CHARGE).where(CHARGE.c.id == charge.id).values(amount_microusd=cost_microusd))
    _book(connection, charge, spent=cost_microusd - charge.reserved_microusd)
    connection.execute(
        sa.update(EDIT)
        .where(EDIT.c.id == charge.edit_id)
        .values(cost_microusd=EDIT.c.cost_microusd + cost_microusd, unpriced=EDIT.c.unpriced - 1)
    )
    data = {"attempt": charge.client_id, "billed_microusd": cost_microusd}
    add_event(connection, "charge.priced", actor=actor, edit_id=charge.edit_id, data=data)


def _begun(connection: sa.Connection, sending: Sending, owner: str) -> int | None:
    """The attempt, if it was written already by a commit of which nobody heard."""
    found = connection.execute(_BEGUN, {"client": sending.client_id}).one_or_none()
    if found is None:
        return None
    if (found.owner, found.state) != (owner, AttemptState.STARTED):
        raise Conflict(f"attempt {sending.client_id}: it is {found.state} by now")
    return int(found.id)


def _answered(connection: sa.Connection, key: str) -> int | None:
    """The edit whose outputs answer this very request already."""
    found = connection.execute(_ANSWERED, {"key": key}).scalar_one_or_none()
    return None if found is None else int(found)


def _reuse(connection: sa.Connection, edit_id: int, earlier: int, *, key: str, owner: str) -> None:
    """Give an edit the outputs of an equal one: nothing is sent, nothing is paid."""
    rows = connection.execute(sa.select(OUTPUT).where(OUTPUT.c.edit_id == earlier)).mappings().all()
    attempts = {row["attempt_id"] for row in rows if row["attempt_id"] is not None}
    saved = sa.select(sa.func.coalesce(sa.func.sum(CHARGE.c.amount_microusd), 0)).where(
        CHARGE.c.attempt_id.in_(attempts)
    )
    connection.execute(
        sa.insert(OUTPUT), [{**{k: v for k, v in row.items() if k != "id"}, "edit_id": edit_id} for row in rows]
    )
    move(
        connection,
        edit_id,
        EditState.QUEUED,
        EditState.PRODUCED,
        actor=owner,
        data={"reused_from": earlier},
        key=key,
        saved_microusd=int(connection.execute(saved).scalar_one()),
    )


def _add_outputs(
    connection: sa.Connection, edit_id: int, attempt_id: int | None, outputs: Sequence[StoredOutput], *, first: int = 0
) -> list[int]:
    ids = []
    for position, output in enumerate(outputs, start=first):
        save_picture(connection, output.picture)
        values = {
            "edit_id": edit_id,
            "attempt_id": attempt_id,
            "position": position,
            "name": mended(output.name),
            "sha256": output.picture.sha256,
            "notes": mended_json(output.notes),
            "findings": [detection_to_json(finding) for finding in output.findings],
        }
        ids.append(int(connection.execute(_ADD_OUTPUT, values).scalar_one()))
    return ids


def _reserve(connection: sa.Connection, scope: str, amount: int, cap: int | None) -> None:
    """Put the most that a request can cost aside, unless the purse could pass its cap."""
    values = {"purse": scope, "amount": amount, "cap": _NO_CAP if cap is None else cap}
    if connection.execute(_RESERVE, values).rowcount:
        return
    connection.execute(_OPEN_PURSE, {"scope": scope})
    if connection.execute(_RESERVE, values).rowcount:
        return
    purse = connection.execute(sa.select(PURSE).where(PURSE.c.scope == scope)).one()
    limit = cap if purse.cap_microusd is None else purse.cap_microusd
    assert limit is not None
    raise BudgetReached(
        scope=scope,
        spent_microusd=purse.spent_microusd,
        reserved_microusd=purse.reserved_microusd,
        limit_microusd=limit,
    )


def _settle_purses(connection: sa.Connection, attempt: Any, cost_microusd: int) -> None:  # noqa: ANN401 - a row
    """Turn a reservation into what was spent."""
    if attempt.reserved_microusd or cost_microusd:
        _book(connection, attempt, spent=cost_microusd, freed=attempt.reserved_microusd)


def _book(connection: sa.Connection, attempt: Any, *, spent: int, freed: int = 0) -> None:  # noqa: ANN401 - a row
    """Change the purses of an attempt's batch and month."""
    for scope in (f"batch:{attempt.batch_id}", f"month:{attempt.month}"):
        values = {"purse": scope, "spent": spent, "freed": freed}
        if not connection.execute(_CHANGE_PURSE, values).rowcount:
            connection.execute(_OPEN_PURSE, {"scope": scope})
            connection.execute(_CHANGE_PURSE, values)


def _charge(
    connection: sa.Connection,
    attempt: Any,  # noqa: ANN401 - a row
    amount_microusd: int | None,
    usage: Mapping[str, int],
    ai_model: str = "",
) -> None:
    # What has no known price counts in the purses as the most that it can have cost.
    _settle_purses(connection, attempt, attempt.reserved_microusd if amount_microusd is None else amount_microusd)
    _add_charge(connection, attempt, amount_microusd, usage, ai_model)


def _bookable(cost_microusd: int | None) -> int | None:
    """A price that can be added up; one that cannot be true is not known."""
    return None if cost_microusd is None or abs(cost_microusd) > _MOST else cost_microusd


def _add_charge(
    connection: sa.Connection,
    attempt: Any,  # noqa: ANN401 - a row
    amount_microusd: int | None,
    usage: Mapping[str, int],
    ai_model: str = "",
) -> None:
    values = {
        "batch_id": attempt.batch_id,
        "edit_id": attempt.edit_id,
        "attempt_id": attempt.id,
        "provider": attempt.provider,
        "ai_model": mended(ai_model) or attempt.ai_model,
        "amount_microusd": amount_microusd,
        **{unit: min(usage.get(unit, 0), _MOST) for unit in UNITS},
        "pictures": min(usage.get(PER_PICTURE, 0), _MOST),
        "usage": mended_json(usage),
        "created_at": now(),
    }
    connection.execute(_ADD_CHARGE, values)


def _end(
    connection: sa.Connection,
    attempt_id: int,
    state: AttemptState,
    *,
    request_id: str,
    error_code: str | None = None,
    error: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    values = {
        "attempt": attempt_id,
        "new": state,
        "moment": now(),
        "request": mended(request_id),
        "code": error_code,
        "message": error,
        "said": dict(details or {}),
    }
    connection.execute(_END, values)


# Built once: every edit passes through these.

_NO_CAP: Final = 2**62

_MOST: Final = 10**15
"""Of tokens, or of millionths of a dollar, for one answer: more cannot be true, and sums of it would leave 64 bits."""

_BESIDE: Final = 1_000
"""Where outputs are counted from that came beside those of a later request."""

_LOOK_AT_EQUAL_AGAIN: Final = timedelta(seconds=1)

_GIVE_BACK = (
    sa.update(EDIT)
    .where(EDIT.c.id == sa.bindparam("edit"), EDIT.c.state == sa.literal_column("'queued'"))
    .values(owner=None, not_before=sa.bindparam("later"))
)
_EQUAL_IN_FLIGHT = sa.select(EDIT.c.id).where(
    EDIT.c.key == sa.bindparam("key"), EDIT.c.state == sa.literal_column("'sending'")
)
_BEGUN = sa.select(ATTEMPT.c.id, ATTEMPT.c.owner, ATTEMPT.c.state).where(ATTEMPT.c.client_id == sa.bindparam("client"))
_ADD_ATTEMPT = (
    sa.insert(ATTEMPT)
    .values(
        number=sa.select(sa.func.coalesce(sa.func.max(ATTEMPT.c.number), 0) + 1)
        .where(ATTEMPT.c.edit_id == sa.bindparam("of_edit"))
        .scalar_subquery()
    )
    .returning(ATTEMPT.c.id)
)
_ATTEMPT = (
    sa.select(
        *(ATTEMPT.c.id, ATTEMPT.c.edit_id, ATTEMPT.c.state, ATTEMPT.c.reserved_microusd, ATTEMPT.c.month),
        *(ATTEMPT.c.ai_model, ATTEMPT.c.owner, ATTEMPT.c.client_id, EDIT.c.batch_id, EDIT.c.provider),
    )
    .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
    .where(ATTEMPT.c.id == sa.bindparam("attempt"))
)
_END = (
    sa.update(ATTEMPT)
    .where(ATTEMPT.c.id == sa.bindparam("attempt"))
    .values(
        state=sa.bindparam("new"),
        ended_at=sa.bindparam("moment"),
        request_id=sa.bindparam("request"),
        error_code=sa.bindparam("code"),
        error=sa.bindparam("message"),
        details=sa.bindparam("said"),
    )
)
_ANSWERED = (
    sa.select(EDIT.c.id)
    .where(EDIT.c.key == sa.bindparam("key"), sa.exists().where(OUTPUT.c.edit_id == EDIT.c.id))
    .order_by(EDIT.c.id.desc())
    .limit(1)
)
_ADD_OUTPUT = sa.insert(OUTPUT).returning(OUTPUT.c.id)
_ADD_CHARGE = sa.insert(CHARGE)
_OPEN_PURSE = postgresql.insert(PURSE).values(spent_microusd=0, reserved_microusd=0).on_conflict_do_nothing()
_RESERVE = (
    sa.update(PURSE)
    .where(
        PURSE.c.scope == sa.bindparam("purse"),
        PURSE.c.spent_microusd + PURSE.c.reserved_microusd + sa.bindparam("amount")
        <= sa.func.coalesce(PURSE.c.cap_microusd, sa.bindparam("cap")),
    )
    .values(reserved_microusd=PURSE.c.reserved_microusd + sa.bindparam("amount"))
)
_CHANGE_PURSE = (
    sa.update(PURSE)
    .where(PURSE.c.scope == sa.bindparam("purse"))
    .values(
        spent_microusd=PURSE.c.spent_microusd + sa.bindparam("spent"),
        reserved_microusd=PURSE.c.reserved_microusd - sa.bindparam("freed"),
    )
)
