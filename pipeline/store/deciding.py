"""What a person decides: the decision, the edit's move and the next round in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.states import DecisionKind, EditState
from pipeline.store.chain import DECISION, decision_hash
from pipeline.store.claims import FREE
from pipeline.store.codec import flag_to_json, instruction_to_json
from pipeline.store.database import Database
from pipeline.store.erasing import is_erased
from pipeline.store.exports import when_exported
from pipeline.store.loading import REPROMPT_PRIORITY
from pipeline.store.moves import EDIT, keep, move
from pipeline.store.running import ATTEMPT, insert_round
from pipeline.tables import now
from pipeline.texts import need_storable
from pipeline.values import Flag, Instruction

UNDOABLE = 10
"""So many of a person's decisions can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """What a re-prompt asks for.

    Attributes:
        instruction: What to do.
        input_sha256: The picture to start from; None for the asset's source.
        provider: Another provider than before.
        mask: Path of the region to edit; outside of it, nothing may change.
        markup: Path of marks that point at what is meant.
    """

    instruction: Instruction
    input_sha256: str | None
    provider: str | None = None
    mask: str | None = None
    markup: str | None = None

    def options(self) -> dict[str, Any]:
        """What differs from the round before, as columns of the edit; a provider's words mean nothing to another."""
        other = {} if self.provider is None else {"provider": self.provider, "ai_model": None, "quality": None}
        if self.mask is not None:
            return {**other, "mask": self.mask, "keeps_outside": True, "markup": None}
        no_mask = {} if self.markup is None else {"mask": None}
        return {**other, **no_mask, "markup": self.markup}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One decision, with what was on the screen.

    Attributes:
        kind: What was decided.
        actor: Who decided.
        old: The edit's state on the screen.
        new: Where the edit goes; the same state if others have to decide, too.
        revision: The edit's revision on the screen.
        approvals: Who has approved the edit, after this.
        escalated_by: Who wants an approver to decide, after this; None for nobody.
        output_id: The output that was decided on.
        output_sha256: Its bytes.
        flags: What was flagged on the screen.
        reason: A code of the reject reasons.
        note: Free words.
        policy_hash: The policy on the screen.
        shown_ms: How long the pictures were on the screen, in milliseconds.
        claim: The token of the reviewer's claim.
        idempotency_key: The caller's own name for this decision.
        following: For a re-prompt: the next round.
    """

    kind: DecisionKind
    actor: str
    old: EditState
    new: EditState
    revision: int
    approvals: tuple[str, ...] = ()
    escalated_by: str | None = None
    output_id: int | None = None
    output_sha256: str | None = None
    flags: Sequence[Flag] = ()
    reason: str = ""
    note: str = ""
    policy_hash: str = ""
    shown_ms: int | None = None
    claim: str | None = None
    idempotency_key: str | None = None
    following: NextRound | None = None


def decide(db: Database, edit_id: int, choice: Choice) -> int:
    """Carry out one decision; gives its id. The same idempotency key twice is one decision.

    Raises:
        Conflict: The edit has moved on since it was shown, or somebody else has claimed it.
        UsageError: A text has a character that no database keeps.
    """
    need_storable(note=choice.note, reason=choice.reason, idempotency_key=choice.idempotency_key, claim=choice.claim)
    if choice.following is not None:
        need_storable(prompt=choice.following.instruction.prompt)
    with db.write() as connection:
        key = choice.idempotency_key
        if key is not None:
            known = _decision_of(connection, key, edit_id, choice.kind, choice.actor, choice.output_id)
            if known is not None:
                return known
        edit = connection.execute(_read_decided_on(), {"edit": edit_id}).mappings().one_or_none()
        _check_is_as_seen(edit_id, edit, choice)
        assert edit is not None
        record = _record(edit, choice)
        _move(connection, edit_id, choice, record=decision_hash(record))
        decision_id = connection.execute(_insert_decision(), record).scalar_one()
        if choice.following is not None:
            _ask_again(connection, edit_id, choice, choice.following)
        return int(decision_id)


def decided(
    db: Database, idempotency_key: str, edit_id: int, kind: DecisionKind, *, actor: str, output_id: int | None
) -> bool:
    """Whether this very decision was carried out before; of the only output, if none is named.

    Raises:
        Conflict: Its name belongs to another decision.
    """
    with db.read() as connection:
        return _decision_of(connection, idempotency_key, edit_id, kind, actor, output_id) is not None


def next_round(db: Database, edit_id: int) -> int | None:
    """The edit that takes an edit's place; None if none does. Within a group, as it stands there."""
    asset = sa.select(EDIT.c.asset_id).where(EDIT.c.id == edit_id).scalar_subquery()  # parents have no index
    following = sa.select(EDIT.c.id).where(EDIT.c.asset_id == asset, EDIT.c.parent_id == edit_id)
    following = following.where(EDIT.c.state != EditState.CANCELLED)
    with db.write() as connection:
        return connection.execute(following.order_by(EDIT.c.id.desc()).limit(1)).scalar_one_or_none()


def undone(db: Database, idempotency_key: str) -> int | None:
    """The edit on which a decision was taken back under that name; None if none was.

    Raises:
        Conflict: It belongs to another decision.
    """
    with db.read() as connection:
        row = connection.execute(_read_named(), {"key": idempotency_key}).one_or_none()
    if row is not None and row.kind != DecisionKind.UNDO:
        raise Conflict(f"the idempotency key {idempotency_key!r} belongs to another decision; use a new one")
    return None if row is None else int(row.edit_id)


def undo(
    db: Database,
    edit_id: int,
    *,
    actor: str,
    may_undo_all: bool,
    even_exported: bool = False,
    note: str = "",
    idempotency_key: str | None = None,
    among: int = UNDOABLE,
) -> EditState:
    """Take back the last decision on an edit, a person's or the policy's approval; gives the state it is in again.

    Args:
        db: The desk's database.
        edit_id: Which edit.
        actor: Who takes it back.
        may_undo_all: Other people's decisions, too, and not only this person's last ones.
        even_exported: Although an export has it.
        note: Free words.
        idempotency_key: The caller's own name for this: sent twice, one decision is taken back.
        among: So many of this person's last decisions can be taken back.

    Raises:
        Conflict: Nobody decided on it, it has moved on since, the round that a re-prompt asked for has begun, it was
            exported, or it is not this person's to take back.
        UsageError: A text has a character that no database keeps.
    """
    need_storable(note=note, idempotency_key=idempotency_key)
    with db.write() as connection:
        edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).mappings().one_or_none()
        if edit is None:
            raise Conflict(f"edit {edit_id}: there is no such edit in this desk")
        if is_erased(connection, edit["asset_id"]):
            raise Conflict(f"edit {edit_id}: its asset was erased; nothing of it comes back")
        key, undo = idempotency_key, DecisionKind.UNDO
        if key is not None and _decision_of(connection, key, edit_id, undo, actor):
            return EditState(edit["state"])
        last = _last_standing(connection, edit)
        before = _state_before(edit, last)
        if not may_undo_all:
            _check_is_own(connection, edit_id, last, actor, among)
        exported = None if even_exported else when_exported(connection, edit_id)
        if exported is not None:
            raise Conflict(
                f"edit {edit_id}: it was exported on {exported:%Y-%m-%d}; an approver can take it back all the same, "
                "with decide undo --even-exported, or even_exported of the HTTP API"
            )
        _take_back(connection, edit, last, before, actor=actor, note=note, idempotency_key=idempotency_key)
        return before


def recent(db: Database, actor: str) -> list[int]:
    """The edits of a person's last decisions that can still be taken back, the latest first."""
    with db.read() as connection:
        return [row.edit_id for row in _latest(connection, actor) if _is_standing(connection, row)]


def _ask_again(connection: sa.Connection, edit_id: int, choice: Choice, following: NextRound) -> None:
    edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).mappings().one()
    insert_round(
        connection,
        edit,
        steps=[instruction_to_json(following.instruction), *edit["next_steps"]],
        input_sha256=following.input_sha256,
        actor=choice.actor,
        priority=REPROMPT_PRIORITY,
        **following.options(),
    )


def _check_is_as_seen(edit_id: int, edit: sa.RowMapping | None, choice: Choice) -> None:
    if edit is None:
        raise Conflict(f"edit {edit_id}: there is no such edit in this desk")
    if edit["revision"] != choice.revision:
        raise Conflict(f"edit {edit_id}: somebody changed it meanwhile, it is {edit['state']} by now; look at it again")
    is_anothers = edit["claimed_by"] is not None and edit["claim_token"] != choice.claim
    if is_anothers and edit["claimed_by"] != choice.actor and edit["claim_until"] > now():
        raise Conflict(f"edit {edit_id}: {edit['claimed_by']} is looking at it; it is free when they leave it")


def _record(edit: sa.RowMapping, choice: Choice) -> dict[str, Any]:
    same = ("kind", "actor", "output_id", "output_sha256", "revision", "reason", "note", "policy_hash", "shown_ms")
    return {
        **{name: getattr(choice, name) for name in (*same, "idempotency_key")},
        "edit_id": edit["id"],
        "state_before": choice.old,
        "state_after": choice.new.value,
        "approvals_before": edit["approvals"],
        "escalated_before": edit["escalated_by"],
        "flags": [flag_to_json(flag) for flag in choice.flags],
        "created_at": now(),
    }


def _move(connection: sa.Connection, edit_id: int, choice: Choice, *, record: str) -> None:
    changes: dict[str, Any] = {**FREE, "approvals": list(choice.approvals), "escalated_by": choice.escalated_by}
    data = {"decision": choice.kind.value, "reason": choice.reason, "record": record}
    if choice.new is choice.old:
        keep(connection, edit_id, choice.old, actor=choice.actor, revision=choice.revision, data=data, **changes)
        return
    if choice.new is EditState.QUEUED:
        changes |= {"error_code": None, "error": None}
    changes["accepted_output_id"] = choice.output_id if choice.new is EditState.APPROVED else None
    move(
        connection,
        edit_id,
        choice.old,
        choice.new,
        actor=choice.actor,
        revision=choice.revision,
        data=data,
        **changes,
    )


def _decision_of(
    connection: sa.Connection,
    key: str,
    edit_id: int,
    kind: DecisionKind,
    actor: str,
    output_id: int | None = None,
) -> int | None:
    row = connection.execute(_read_named(), {"key": key}).one_or_none()
    if row is None:
        return None
    is_another_output = None not in (output_id, row.output_id) and output_id != row.output_id
    if is_another_output or (row.edit_id, row.kind, row.actor) != (edit_id, kind, actor):
        raise Conflict(f"edit {edit_id}: the idempotency key {key!r} belongs to another decision; use a new one")
    return int(row.id)


def _last_standing(connection: sa.Connection, edit: sa.RowMapping) -> Any:  # noqa: ANN401 - a row
    """The last decision not taken back; None if there is none, or the policy has approved the edit since."""
    of_edit = sa.select(DECISION).where(DECISION.c.edit_id == edit["id"]).order_by(DECISION.c.id.desc())
    taken_back = 0
    for decision in connection.execute(of_edit).all():
        if decision.kind == DecisionKind.UNDO:
            taken_back += 1
        elif taken_back:
            taken_back -= 1
        else:
            is_the_policys = edit["state"] == EditState.APPROVED and decision.kind != DecisionKind.ACCEPT
            return None if is_the_policys else decision
    return None


def _state_before(edit: sa.RowMapping, last: Any) -> EditState:  # noqa: ANN401 - rows
    """The state that taking the last decision back leads to."""
    if edit["state"] == EditState.APPROVED and last is None:
        return EditState.IN_REVIEW  # the policy approved it
    if last is None:
        raise Conflict(f"edit {edit['id']}: there is no decision to take back")
    if edit["state"] != last.state_after:
        raise Conflict(
            f"edit {edit['id']}: it has moved on since it was decided, it is {edit['state']} now; nothing to undo"
        )
    return EditState(last.state_before)


def _check_is_own(
    connection: sa.Connection,
    edit_id: int,
    last: Any,  # noqa: ANN401 - a row
    actor: str,
    among: int,
) -> None:
    if last is None or last.actor != actor:
        who = "the policy" if last is None else last.actor
        raise Conflict(f"edit {edit_id}: {who} decided on it; an approver can take it back")
    later = _own(sa.select(DECISION.c.id), actor).where(DECISION.c.id > last.id).limit(among)
    if len(connection.execute(later).all()) >= among:
        raise Conflict(f"edit {edit_id}: it is not among your last {among} decisions; an approver can take it back")


def _latest(connection: sa.Connection, actor: str) -> Sequence[Any]:
    """A person's last decisions that were no undoing, the latest first."""
    own = _own(sa.select(DECISION), actor)
    return connection.execute(own.order_by(DECISION.c.id.desc()).limit(UNDOABLE)).all()


def _own(decisions: sa.Select[Any], actor: str) -> sa.Select[Any]:
    return decisions.where(DECISION.c.actor == actor, DECISION.c.kind != DecisionKind.UNDO)


def _is_standing(connection: sa.Connection, decision: Any) -> bool:  # noqa: ANN401 - a row
    """Whether it is the last one on its edit, nothing has come of it that cannot be stopped, and no export has it."""
    edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == decision.edit_id)).mappings().one()
    last = _last_standing(connection, edit)
    if last is None or last.id != decision.id or edit["state"] != decision.state_after:
        return False
    if when_exported(connection, decision.edit_id) is not None:
        return False
    if decision.kind == DecisionKind.REPROMPT:
        return _still_waits(_next_round(connection, decision.edit_id))
    return decision.kind != DecisionKind.SEND_AGAIN or edit["owner"] is None


def _take_back(
    connection: sa.Connection,
    edit: sa.RowMapping,
    last: Any,  # noqa: ANN401 - a row
    before: EditState,
    *,
    actor: str,
    note: str,
    idempotency_key: str | None,
) -> None:
    edit_id, kind = edit["id"], None if last is None else last.kind
    if kind == DecisionKind.SEND_AGAIN and edit["owner"] is not None:
        raise Conflict(f"edit {edit_id}: it is being sent already; it is {edit['state']} now")
    if kind == DecisionKind.REPROMPT:
        _cancel_next_round(connection, edit_id, actor)
    record = {
        "edit_id": edit_id,
        "kind": DecisionKind.UNDO,
        "actor": actor,
        "output_id": last.output_id if last else edit["accepted_output_id"],
        "output_sha256": last.output_sha256 if last else None,
        "revision": edit["revision"],
        "state_before": EditState(edit["state"]),
        "state_after": before.value,
        "approvals_before": edit["approvals"],
        "escalated_before": edit["escalated_by"],
        "reason": "",
        "note": note,
        "flags": [],
        "policy_hash": last.policy_hash if last else "",
        "shown_ms": None,
        "idempotency_key": idempotency_key,
        "created_at": now(),
    }
    data = {"decision": "undo", "record": decision_hash(record)}
    changes: dict[str, Any] = {
        **FREE,
        "approvals": last.approvals_before if last else [],
        "escalated_by": last.escalated_before if last else None,
        **(_last_error(connection, edit_id) if kind == DecisionKind.SEND_AGAIN else {}),
    }
    old = EditState(edit["state"])
    if before is old:
        keep(connection, edit_id, old, actor=actor, revision=edit["revision"], data=data, **changes)
    else:
        move(connection, edit_id, old, before, actor=actor, data=data, accepted_output_id=None, **changes)
    connection.execute(sa.insert(DECISION).values(record))


def _last_error(connection: sa.Connection, edit_id: int) -> dict[str, Any]:
    of_edit = sa.select(ATTEMPT.c.error_code, ATTEMPT.c.error).where(ATTEMPT.c.edit_id == edit_id)
    return dict(connection.execute(of_edit.order_by(ATTEMPT.c.id.desc()).limit(1)).mappings().one())


def _cancel_next_round(connection: sa.Connection, edit_id: int, actor: str) -> None:
    following = _next_round(connection, edit_id)
    if following.state == EditState.CANCELLED:  # with its batch, which does not queue it again now
        connection.execute(sa.update(EDIT).where(EDIT.c.id == following.id).values(error_code=None))
        return
    if not _still_waits(following):
        raise Conflict(f"edit {edit_id}: round {following.round} has begun already; decide on that one instead")
    data = {"reason": "re-prompt taken back"}
    move(connection, following.id, EditState.QUEUED, EditState.CANCELLED, actor=actor, data=data)


def _next_round(connection: sa.Connection, edit_id: int) -> Any:  # noqa: ANN401 - a row
    of_edit = sa.select(EDIT).where(EDIT.c.parent_id == edit_id)
    return connection.execute(of_edit.order_by(EDIT.c.id.desc()).limit(1)).one()


def _still_waits(following: Any) -> bool:  # noqa: ANN401 - a row
    is_queued = following.state == EditState.QUEUED and following.owner is None
    return is_queued or following.state == EditState.CANCELLED


@cache
def _read_decided_on() -> sa.Select[Any]:
    """What of an edit a decision depends on; from then on nobody else is given it."""
    names = ("id", "state", "revision", "claimed_by", "claim_token", "claim_until", "approvals", "escalated_by")
    read = sa.select(*(EDIT.c[name] for name in names)).where(EDIT.c.id == sa.bindparam("edit"))
    return read.with_for_update(key_share=True)


@cache
def _read_named() -> sa.Select[Any]:
    columns = (DECISION.c.id, DECISION.c.edit_id, DECISION.c.kind, DECISION.c.actor, DECISION.c.output_id)
    return sa.select(*columns).where(DECISION.c.idempotency_key == sa.bindparam("key"))


@cache
def _insert_decision() -> Any:  # noqa: ANN401 - SQLAlchemy keeps its name to itself
    return sa.insert(DECISION).returning(DECISION.c.id)
