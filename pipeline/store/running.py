"""What the runner writes: claims, attempts, outputs, routes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pipeline.errors import BudgetReached
from pipeline.states import AttemptState, EditState
from pipeline.store.codec import detection_from_json, detection_to_json, flag_to_json, route_to_json
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, new_edit
from pipeline.store.moves import EDIT, add_event, move
from pipeline.tables import AttemptRow, ChargeRow, FlagRow, OutputRow, PictureRow, ScanRow, now
from pipeline.values import Detection, Flag, PictureFacts, Route

ATTEMPT = AttemptRow.__table__  # type: ignore[attr-defined]
CHARGE = ChargeRow.__table__  # type: ignore[attr-defined]
FLAG = FlagRow.__table__  # type: ignore[attr-defined]
OUTPUT = OutputRow.__table__  # type: ignore[attr-defined]
PICTURE = PictureRow.__table__  # type: ignore[attr-defined]
SCAN = ScanRow.__table__  # type: ignore[attr-defined]


INTERRUPTED = "interrupted"
"""Code of an attempt that ended with its run, and that could be repeated for free."""


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """An output whose bytes are in the blob store already."""

    picture: PictureFacts
    name: str
    notes: Mapping[str, Any]
    findings: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A request that an earlier run left without an answer."""

    id: int
    edit_id: int
    provider: str
    task_id: str | None


def claim_queued(db: Database, *, owner: str, limit: int, batch_id: int | None) -> list[int]:
    """Take the next queued edits for this runner: re-prompts first, then the manifest's order."""
    pick = (
        sa.select(EDIT.c.id)
        .where(EDIT.c.state == sa.literal_column("'queued'"), EDIT.c.owner.is_(None))
        .where(sa.or_(EDIT.c.not_before.is_(None), EDIT.c.not_before <= now()))
        .order_by(EDIT.c.priority, EDIT.c.id)
        .limit(limit)
    )
    if batch_id is not None:
        pick = pick.where(EDIT.c.batch_id == batch_id)
    with db.write() as connection:
        ids = list(connection.execute(pick).scalars())
        connection.execute(sa.update(EDIT).where(EDIT.c.id.in_(ids)).values(owner=owner))
    return ids


def release(db: Database, edit_ids: Iterable[int], *, owner: str) -> None:
    """Give queued edits back that this runner took and did not start."""
    with db.write() as connection:
        connection.execute(
            sa.update(EDIT)
            .where(EDIT.c.id.in_(list(edit_ids)), EDIT.c.owner == owner, EDIT.c.state == EditState.QUEUED)
            .values(owner=None)
        )


def next_due(db: Database, *, batch_id: int | None) -> datetime | None:
    """When the first waiting edit may be sent; None if none waits."""
    statement = sa.select(sa.func.min(EDIT.c.not_before)).where(EDIT.c.state == EditState.QUEUED)
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        return connection.execute(statement).scalar_one_or_none()


def take_over(db: Database, *, owner: str) -> tuple[list[OpenAttempt], list[int]]:
    """What a runner that died left behind: open attempts, and produced edits that were not routed.

    The caller holds the desk's lock, so whatever has an owner was left by somebody who is gone.
    """
    with db.write() as connection:
        connection.execute(sa.update(EDIT).where(EDIT.c.state == EditState.QUEUED).values(owner=None))
        rows = connection.execute(
            sa.select(ATTEMPT.c.id, ATTEMPT.c.edit_id, EDIT.c.provider, ATTEMPT.c.task_id)
            .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
            .where(ATTEMPT.c.state == AttemptState.STARTED, EDIT.c.state == EditState.SENDING)
            .order_by(ATTEMPT.c.id)
        ).all()
        produced = connection.execute(
            sa.update(EDIT).where(EDIT.c.state == EditState.PRODUCED).values(owner=owner).returning(EDIT.c.id)
        ).scalars()
        return [OpenAttempt(*row) for row in rows], list(produced)


def save_picture(connection: sa.Connection, picture: PictureFacts) -> None:
    """Record a stored picture; nothing happens if it is known."""
    width, height = picture.size_wh
    statement = sqlite.insert(PICTURE).values(
        sha256=picture.sha256,
        media_type=picture.media_type,
        width=width,
        height=height,
        byte_count=picture.byte_count,
    )
    connection.execute(statement.on_conflict_do_nothing())


def save_source(
    db: Database, asset_id: int, *, original_sha256: str, source: PictureFacts, facts: Mapping[str, Any]
) -> None:
    """Record that an asset's source was read."""
    with db.write() as connection:
        save_picture(connection, source)
        connection.execute(
            sa.update(ASSET)
            .where(ASSET.c.id == asset_id)
            .values(original_sha256=original_sha256, source_sha256=source.sha256, source_facts=dict(facts))
        )


def reusable_outputs(db: Database, key: str) -> int | None:
    """The edit whose outputs answer this very request already, or None."""
    with db.read() as connection:
        found = connection.execute(
            sa.select(EDIT.c.id)
            .where(EDIT.c.key == key, sa.exists().where(OUTPUT.c.edit_id == EDIT.c.id))
            .order_by(EDIT.c.id)
            .limit(1)
        ).scalar_one_or_none()
        return None if found is None else int(found)


def reuse(db: Database, edit_id: int, *, source_edit_id: int, key: str, owner: str) -> None:
    """Give an edit the outputs of an equal one: nothing is sent, nothing is paid."""
    with db.write() as connection:
        rows = connection.execute(sa.select(OUTPUT).where(OUTPUT.c.edit_id == source_edit_id)).mappings().all()
        connection.execute(
            sa.insert(OUTPUT),
            [{**{k: v for k, v in row.items() if k != "id"}, "edit_id": edit_id, "attempt_id": None} for row in rows],
        )
        data = {"reused_from": source_edit_id}
        move(connection, edit_id, EditState.QUEUED, EditState.PRODUCED, actor=owner, data=data, key=key)


def begin_attempt(
    db: Database, edit_id: int, *, owner: str, key: str, reserved_microusd: int, budget_microusd: int | None = None
) -> int:
    """Write down that a request is about to leave, and give the attempt's id; send only after this returned.

    Args:
        db: The desk's database.
        edit_id: A queued edit.
        owner: The runner.
        key: Names the request by everything that its answer depends on.
        reserved_microusd: The most that it can cost.
        budget_microusd: What the edit's batch may cost; checked in the same transaction, so that requests that leave
            at once cannot pass it together.

    Raises:
        BudgetReached: It could pass the budget; nothing is written.
        Conflict: The edit is not queued any more.
    """
    with db.write() as connection:
        if budget_microusd is not None and reserved_microusd:
            batch_id = connection.execute(sa.select(EDIT.c.batch_id).where(EDIT.c.id == edit_id)).scalar_one()
            spent = _spent(connection, batch_id)
            if spent + reserved_microusd > budget_microusd:
                raise BudgetReached(spent_microusd=spent, budget_microusd=budget_microusd)
        number = connection.execute(
            sa.select(sa.func.coalesce(sa.func.max(ATTEMPT.c.number), 0) + 1).where(ATTEMPT.c.edit_id == edit_id)
        ).scalar_one()
        attempt_id = connection.execute(
            sa.insert(ATTEMPT)
            .values(
                edit_id=edit_id,
                number=number,
                state=AttemptState.STARTED,
                owner=owner,
                task_id=None,
                request_id="",
                reserved_microusd=reserved_microusd,
                started_at=now(),
            )
            .returning(ATTEMPT.c.id)
        ).scalar_one()
        data = {"attempt": number}
        move(connection, edit_id, EditState.QUEUED, EditState.SENDING, actor=owner, data=data, key=key)
    return int(attempt_id)


def attempts_made(db: Database, attempt_id: int) -> int:
    """How many requests were made for this attempt's edit, without those that only the end of a run broke off."""
    edit_id = sa.select(ATTEMPT.c.edit_id).where(ATTEMPT.c.id == attempt_id).scalar_subquery()
    counted = sa.func.coalesce(ATTEMPT.c.error_code, "") != INTERRUPTED
    statement = sa.select(sa.func.count()).where(ATTEMPT.c.edit_id == edit_id, counted)
    with db.read() as connection:
        return int(connection.execute(statement).scalar_one())


def save_task_id(db: Database, attempt_id: int, task_id: str) -> None:
    """Keep a provider's name for a request, so that a restart asks for the answer instead of paying again."""
    with db.write() as connection:
        connection.execute(sa.update(ATTEMPT).where(ATTEMPT.c.id == attempt_id).values(task_id=task_id))


def finish_attempt(
    db: Database,
    attempt_id: int,
    *,
    owner: str,
    outputs: Sequence[StoredOutput],
    request_id: str,
    usage: Mapping[str, Any],
    cost_microusd: int,
) -> None:
    """Book an answer: attempt, charge, pictures and state in one transaction. The bytes are on disk already."""
    with db.write() as connection:
        edit = _edit_of(connection, attempt_id)
        _end_attempt(connection, attempt_id, AttemptState.SUCCEEDED, request_id=request_id)
        for position, output in enumerate(outputs):
            save_picture(connection, output.picture)
            connection.execute(
                sa.insert(OUTPUT).values(
                    edit_id=edit.id,
                    attempt_id=attempt_id,
                    position=position,
                    name=output.name,
                    sha256=output.picture.sha256,
                    notes=dict(output.notes),
                    findings=[detection_to_json(finding) for finding in output.findings],
                )
            )
        _charge(connection, edit, attempt_id, cost_microusd, usage)
        cost = EDIT.c.cost_microusd + cost_microusd
        move(connection, edit.id, EditState.SENDING, EditState.PRODUCED, actor=owner, cost_microusd=cost)


def give_up_attempt(
    db: Database,
    attempt_id: int,
    new: EditState,
    *,
    owner: str,
    code: str,
    message: str,
    not_before: datetime | None = None,
    cost_microusd: int = 0,
) -> None:
    """Book that an attempt brought no picture that can be used, and where its edit goes from there."""
    ended = AttemptState.LOST if new is EditState.IN_DOUBT else AttemptState.FAILED
    again = new is EditState.QUEUED
    with db.write() as connection:
        edit = _edit_of(connection, attempt_id)
        if cost_microusd:
            _charge(connection, edit, attempt_id, cost_microusd, {})
        _end_attempt(connection, attempt_id, ended, error_code=code, error=message)
        move(
            connection,
            edit.id,
            EditState.SENDING,
            new,
            actor=owner,
            data={"code": code},
            owner=None,
            cost_microusd=EDIT.c.cost_microusd + cost_microusd,
            not_before=not_before,
            error_code=None if again else code,
            error=None if again else message,
        )


def give_up_unsent(db: Database, edit_id: int, new: EditState, *, owner: str, code: str, message: str) -> None:
    """Book that an edit cannot even be sent, such as one whose source is broken."""
    with db.write() as connection:
        move(
            connection,
            edit_id,
            EditState.QUEUED,
            new,
            actor=owner,
            data={"code": code},
            owner=None,
            error_code=code,
            error=message,
        )


def resolve_doubt(db: Database, edit_id: int, new: EditState, *, actor: str) -> None:
    """A person, or the policy, says what becomes of an edit whose answer was lost."""
    with db.write() as connection:
        move(connection, edit_id, EditState.IN_DOUBT, new, actor=actor, owner=None, error_code=None, error=None)


def requeue_failed(db: Database, *, batch_id: int | None, actor: str) -> int:
    """Queue failed edits again; gives their number."""
    statement = sa.select(EDIT.c.id).where(EDIT.c.state == EditState.FAILED)
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.write() as connection:
        ids = connection.execute(statement).scalars().all()
        for edit_id in ids:
            move(
                connection,
                edit_id,
                EditState.FAILED,
                EditState.QUEUED,
                actor=actor,
                owner=None,
                error_code=None,
                error=None,
            )
    return len(ids)


def known_scans(db: Database, sha256s: Iterable[str], fingerprint: str) -> dict[str, tuple[Detection, ...]]:
    """What this very suite of detectors found in these pictures before."""
    with db.read() as connection:
        rows = connection.execute(
            sa.select(SCAN.c.sha256, SCAN.c.detections).where(
                SCAN.c.sha256.in_(list(sha256s)), SCAN.c.fingerprint == fingerprint
            )
        ).all()
    return {sha256: tuple(map(detection_from_json, detections)) for sha256, detections in rows}


def save_scan(db: Database, sha256: str, fingerprint: str, detections: Sequence[Detection]) -> None:
    """Keep what a suite found in a picture."""
    values = {
        "sha256": sha256,
        "fingerprint": fingerprint,
        "detections": [detection_to_json(detection) for detection in detections],
    }
    with db.write() as connection:
        connection.execute(sqlite.insert(SCAN).values(values).on_conflict_do_nothing())


def route_edit(
    db: Database, edit_id: int, route: Route, flags: Mapping[int, Sequence[Flag]], *, owner: str, best_output_id: int
) -> None:
    """Store the flags of an edit's outputs and carry out the route, in one transaction.

    Args:
        db: The desk's database.
        edit_id: A produced edit.
        route: What the policy says.
        flags: By output id.
        owner: The runner.
        best_output_id: The output that the policy approves, if it approves.
    """
    with db.write() as connection:
        connection.execute(sa.delete(FLAG).where(FLAG.c.output_id.in_(flags)))
        rows = [{"output_id": output, **flag_to_json(flag)} for output, found in flags.items() for flag in found]
        if rows:
            connection.execute(sa.insert(FLAG), rows)
        new = EditState.IN_REVIEW if route.to_review else EditState.APPROVED
        as_json = route_to_json(route)
        move(
            connection,
            edit_id,
            EditState.PRODUCED,
            new,
            actor=owner if route.to_review else "policy",
            data=as_json,
            owner=None,
            route=as_json,
            accepted_output_id=None if route.to_review else best_output_id,
        )


def chain(db: Database, edit_id: int, *, output_sha256: str, owner: str) -> int:
    """Start the next step of an edit on its output; gives the new edit's id."""
    with db.write() as connection:
        edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).mappings().one()
        move(connection, edit_id, EditState.PRODUCED, EditState.SUPERSEDED, actor=owner, owner=None)
        return insert_round(
            connection,
            edit,
            steps=edit["next_steps"],
            input_sha256=output_sha256,
            actor=edit["asked_by"],
            priority=edit["priority"],
        )


def insert_round(
    connection: sa.Connection,
    parent: sa.RowMapping,
    *,
    steps: list[dict[str, Any]],
    input_sha256: str | None,
    actor: str,
    priority: int,
    **changes: Any,  # noqa: ANN401 - columns of the edit
) -> int:
    """Insert the round after ``parent``, with its options unless changed; gives the new edit's id."""
    options = {k: parent[k] for k in ("provider", "ai_model", "size", "quality", "n", "mask", "references")}
    values = new_edit(
        steps, options={**options, **changes}, round_number=parent["round"] + 1, asked_by=actor, priority=priority
    )
    values |= {
        "batch_id": parent["batch_id"],
        "asset_id": parent["asset_id"],
        "parent_id": parent["id"],
        "input_sha256": input_sha256,
    }
    edit_id = connection.execute(sa.insert(EDIT).values(**values).returning(EDIT.c.id)).scalar_one()
    add_event(connection, "edit.queued", actor=actor, edit_id=edit_id, data={"parent": parent["id"]})
    return int(edit_id)


def spent_microusd(db: Database, *, batch_id: int | None) -> int:
    """All charges, and what is reserved for requests without an answer."""
    with db.read() as connection:
        return _spent(connection, batch_id)


def _spent(connection: sa.Connection, batch_id: int | None) -> int:
    charged = sa.select(sa.func.coalesce(sa.func.sum(CHARGE.c.amount_microusd), 0))
    reserved = (
        sa.select(sa.func.coalesce(sa.func.sum(ATTEMPT.c.reserved_microusd), 0))
        .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
        .where(ATTEMPT.c.state.in_([AttemptState.STARTED, AttemptState.LOST]))
    )
    if batch_id is not None:
        charged = charged.where(CHARGE.c.batch_id == batch_id)
        reserved = reserved.where(EDIT.c.batch_id == batch_id)
    return int(connection.execute(charged).scalar_one()) + int(connection.execute(reserved).scalar_one())


def _edit_of(connection: sa.Connection, attempt_id: int) -> Any:  # noqa: ANN401 - a row
    return connection.execute(
        sa.select(EDIT.c.id, EDIT.c.batch_id, EDIT.c.provider, EDIT.c.ai_model)
        .join(ATTEMPT, ATTEMPT.c.edit_id == EDIT.c.id)
        .where(ATTEMPT.c.id == attempt_id)
    ).one()


def _charge(
    connection: sa.Connection,
    edit: Any,  # noqa: ANN401 - a row
    attempt_id: int,
    amount_microusd: int,
    usage: Mapping[str, Any],
) -> None:
    connection.execute(
        sa.insert(CHARGE).values(
            batch_id=edit.batch_id,
            edit_id=edit.id,
            attempt_id=attempt_id,
            provider=edit.provider,
            ai_model=edit.ai_model,
            amount_microusd=amount_microusd,
            usage=dict(usage),
            created_at=now(),
        )
    )


def _end_attempt(
    connection: sa.Connection,
    attempt_id: int,
    state: AttemptState,
    **values: Any,  # noqa: ANN401 - columns of the attempt
) -> None:
    connection.execute(
        sa.update(ATTEMPT).where(ATTEMPT.c.id == attempt_id).values(state=state, ended_at=now(), **values)
    )
