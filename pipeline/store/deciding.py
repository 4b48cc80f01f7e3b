"""What a person decides: the decision, the edit's move and the next round in one transaction."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.states import DecisionKind, EditState
from pipeline.store.codec import flag_to_json, instruction_to_json
from pipeline.store.database import Database
from pipeline.store.loading import REPROMPT_PRIORITY
from pipeline.store.moves import EDIT, move
from pipeline.store.reading import DECISION
from pipeline.store.running import ATTEMPT, insert_round
from pipeline.tables import now
from pipeline.values import Flag, Instruction


def decide(
    db: Database,
    edit_id: int,
    kind: DecisionKind,
    *,
    actor: str,
    old: EditState,
    new: EditState,
    revision: int,
    output_id: int | None,
    output_sha256: str | None,
    flags: Sequence[Flag] = (),
    reason: str = "",
    note: str = "",
    policy_hash: str = "",
    idempotency_key: str | None = None,
    next_round: Instruction | None = None,
    next_input_sha256: str | None = None,
    next_provider: str | None = None,
) -> int:
    """Carry out one decision; gives its id. The same idempotency key twice is one decision.

    Args:
        db: The desk's database.
        edit_id: Which edit.
        kind: What was decided.
        actor: Who decided.
        old: The state on the screen.
        new: Where the edit goes.
        revision: The revision on the screen.
        output_id: The output that was decided on.
        output_sha256: Its bytes.
        flags: What was flagged on the screen.
        reason: A code of the reject reasons.
        note: Free words.
        policy_hash: The policy on the screen.
        idempotency_key: The caller's own name for this decision.
        next_round: For a re-prompt: what to ask for.
        next_input_sha256: For a re-prompt: the picture to start from; None for the asset's source.
        next_provider: For a re-prompt: another provider.

    Raises:
        Conflict: The edit has moved on since it was shown.
    """
    with db.write() as connection:
        if idempotency_key is not None and (known := _decision_of(connection, idempotency_key, edit_id, kind)):
            return known
        edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).mappings().one_or_none()
        if edit is not None and edit["revision"] != revision:
            raise Conflict(
                f"edit {edit_id}: somebody changed it meanwhile, it is {edit['state']} by now; look at it again"
            )
        forgotten = {"error_code": None, "error": None} if new is EditState.QUEUED else {}
        move(
            connection,
            edit_id,
            old,
            new,
            actor=actor,
            revision=revision,
            data={"decision": kind.value, "reason": reason},
            accepted_output_id=output_id if new is EditState.APPROVED else None,
            **forgotten,
        )
        decision_id = connection.execute(
            sa.insert(DECISION)
            .values(
                edit_id=edit_id,
                kind=kind,
                actor=actor,
                output_id=output_id,
                output_sha256=output_sha256,
                revision=revision,
                state_before=old,
                reason=reason,
                note=note,
                flags=[flag_to_json(flag) for flag in flags],
                policy_hash=policy_hash,
                idempotency_key=idempotency_key,
                created_at=now(),
            )
            .returning(DECISION.c.id)
        ).scalar_one()
        if next_round is not None:
            assert edit is not None
            changes: dict[str, Any] = {} if next_provider is None else {"provider": next_provider, "ai_model": None}
            insert_round(
                connection,
                edit,
                steps=[instruction_to_json(next_round), *edit["next_steps"]],
                input_sha256=next_input_sha256,
                actor=actor,
                priority=REPROMPT_PRIORITY,
                **changes,
            )
        return int(decision_id)


def undo(db: Database, edit_id: int, *, actor: str, note: str = "") -> EditState:
    """Take back the last decision on an edit, a person's or the policy's approval; gives the state it is in again.

    Raises:
        Conflict: Nobody decided on it, it has moved on since, or the round that a re-prompt asked for has begun.
    """
    with db.write() as connection:
        edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).one_or_none()
        if edit is None:
            raise Conflict(f"edit {edit_id}: there is no such edit in this desk")
        last = connection.execute(
            sa.select(DECISION).where(DECISION.c.edit_id == edit_id).order_by(DECISION.c.id.desc()).limit(1)
        ).one_or_none()
        before = _state_before(edit, last)
        kind = None if last is None else last.kind
        if kind == DecisionKind.SEND_AGAIN and edit.owner is not None:
            raise Conflict(f"edit {edit_id}: it is being sent already; it is {edit.state} now")
        if kind == DecisionKind.REPROMPT:
            _cancel_next_round(connection, edit_id, actor)
        move(
            connection,
            edit_id,
            EditState(edit.state),
            before,
            actor=actor,
            data={"decision": "undo"},
            accepted_output_id=None,
            **(_last_error(connection, edit_id) if kind == DecisionKind.SEND_AGAIN else {}),
        )
        connection.execute(
            sa.insert(DECISION).values(
                edit_id=edit_id,
                kind=DecisionKind.UNDO,
                actor=actor,
                output_id=last.output_id if last else edit.accepted_output_id,
                output_sha256=last.output_sha256 if last else None,
                revision=edit.revision,
                state_before=edit.state,
                reason="",
                note=note,
                flags=[],
                policy_hash=last.policy_hash if last else "",
                idempotency_key=None,
                created_at=now(),
            )
        )
        return before


def _decision_of(connection: sa.Connection, key: str, edit_id: int, kind: DecisionKind) -> int | None:
    row = connection.execute(sa.select(DECISION).where(DECISION.c.idempotency_key == key)).one_or_none()
    if row is None:
        return None
    if (row.edit_id, row.kind) != (edit_id, kind):
        raise Conflict(f"edit {edit_id}: the idempotency key {key!r} belongs to another decision; use a new one")
    return int(row.id)


_LEFT_IN = {
    DecisionKind.ACCEPT: EditState.APPROVED,
    DecisionKind.REJECT: EditState.REJECTED,
    DecisionKind.REPROMPT: EditState.SUPERSEDED,
    DecisionKind.SEND_AGAIN: EditState.QUEUED,
}
"""The state in which a decision leaves an edit."""


def _state_before(edit: Any, last: Any) -> EditState:  # noqa: ANN401 - rows
    """The state that taking the last decision back leads to."""
    if edit.state == EditState.APPROVED and (last is None or last.kind == DecisionKind.UNDO):
        return EditState.IN_REVIEW  # the policy approved it
    if last is None or last.kind == DecisionKind.UNDO:
        raise Conflict(f"edit {edit.id}: there is no decision to take back")
    if edit.state != _LEFT_IN[DecisionKind(last.kind)]:
        raise Conflict(f"edit {edit.id}: it has moved on since it was decided, it is {edit.state} now; nothing to undo")
    return EditState(last.state_before)


def _last_error(connection: sa.Connection, edit_id: int) -> dict[str, Any]:
    of_edit = sa.select(ATTEMPT.c.error_code, ATTEMPT.c.error).where(ATTEMPT.c.edit_id == edit_id)
    return dict(connection.execute(of_edit.order_by(ATTEMPT.c.id.desc()).limit(1)).mappings().one())


def _cancel_next_round(connection: sa.Connection, edit_id: int, actor: str) -> None:
    following = connection.execute(
        sa.select(EDIT).where(EDIT.c.parent_id == edit_id).order_by(EDIT.c.id.desc()).limit(1)
    ).one()
    if following.state != EditState.QUEUED or following.owner is not None:
        raise Conflict(f"edit {edit_id}: round {following.round} has begun already; decide on that one instead")
    data = {"reason": "re-prompt taken back"}
    move(connection, following.id, EditState.QUEUED, EditState.CANCELLED, actor=actor, data=data)
