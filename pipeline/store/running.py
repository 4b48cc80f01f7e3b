"""What the runner writes: claims, sources, scans, routes; the money is in `pipeline.store.ledger`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pipeline.states import EditState
from pipeline.store.codec import detection_from_json, detection_to_json, flag_to_json, route_to_json
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH_PRIORITY, new_edit
from pipeline.store.moves import EDIT, add_event, move
from pipeline.tables import AttemptRow, FlagRow, MemoryRow, OutputRow, PictureRow, ScanRow, now
from pipeline.values import Detection, Flag, PictureFacts, Route

ATTEMPT = AttemptRow.__table__  # type: ignore[attr-defined]
FLAG = FlagRow.__table__  # type: ignore[attr-defined]
MEMORY = MemoryRow.__table__  # type: ignore[attr-defined]
OUTPUT = OutputRow.__table__  # type: ignore[attr-defined]
PICTURE = PictureRow.__table__  # type: ignore[attr-defined]
SCAN = ScanRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A request that an earlier run left without an answer."""

    id: int
    edit_id: int
    provider: str
    key: str
    client_id: str
    task_id: str | None
    started_at: datetime


def claim_queued(
    db: Database, *, owner: str, provider: str, limit: int, batch_id: int | None, first_only: bool = False
) -> list[int]:
    """Take the next queued edits of a provider for this runner: re-prompts first, then the manifest's order.

    Args:
        db: The desk's database.
        owner: The runner.
        provider: Whose edits.
        limit: How many at most.
        batch_id: Only of this batch.
        first_only: Only what goes ahead of the batches, such as a re-prompt.
    """
    pick = (
        sa.select(EDIT.c.id)
        .where(EDIT.c.state == sa.literal_column("'queued'"), EDIT.c.provider == provider, EDIT.c.owner.is_(None))
        .where(sa.or_(EDIT.c.not_before.is_(None), EDIT.c.not_before <= now()))
        .order_by(EDIT.c.priority, EDIT.c.id)
        .limit(limit)
    )
    if batch_id is not None:
        pick = pick.where(EDIT.c.batch_id == batch_id)
    if first_only:
        pick = pick.where(EDIT.c.priority < BATCH_PRIORITY)
    with db.read() as connection:  # most often there is nothing to take, and a read waits for nobody
        if not connection.execute(pick.limit(1)).first():
            return []
    with db.write() as connection:
        ids = list(connection.execute(pick).scalars())
        connection.execute(sa.update(EDIT).where(EDIT.c.id.in_(ids)).values(owner=owner))
    return ids


def queued_providers(db: Database, *, batch_id: int | None = None) -> list[str]:
    """Who has something queued, in one batch or in all."""
    statement = sa.select(EDIT.c.provider).where(EDIT.c.state == sa.literal_column("'queued'")).distinct()
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def release(db: Database, edit_ids: Iterable[int], *, owner: str) -> None:
    """Give queued edits back that this runner took and did not start."""
    with db.write() as connection:
        connection.execute(
            sa.update(EDIT)
            .where(EDIT.c.id.in_(list(edit_ids)), EDIT.c.owner == owner, EDIT.c.state == EditState.QUEUED)
            .values(owner=None)
        )


def take_over(db: Database, *, owner: str, batch_id: int | None = None) -> tuple[list[OpenAttempt], list[int]]:
    """What a runner that died left behind, in one batch or in all: open attempts, and edits that were not routed.

    The caller holds the desk's lock, so whatever has an owner was left by somebody who is gone.
    """
    of_batch = sa.true() if batch_id is None else EDIT.c.batch_id == batch_id
    with db.write() as connection:
        connection.execute(
            sa.update(EDIT)
            .where(EDIT.c.state == sa.literal_column("'queued'"), EDIT.c.owner.is_not(None))
            .values(owner=None)
        )
        rows = connection.execute(
            sa.select(
                *(ATTEMPT.c.id, ATTEMPT.c.edit_id, EDIT.c.provider, sa.func.coalesce(EDIT.c.key, "")),
                *(ATTEMPT.c.client_id, ATTEMPT.c.task_id, ATTEMPT.c.started_at),
            )
            .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
            .where(ATTEMPT.c.state == sa.literal_column("'started'"), EDIT.c.state == EditState.SENDING, of_batch)
            .order_by(ATTEMPT.c.id)
        ).all()
        produced = connection.execute(
            sa.update(EDIT).where(EDIT.c.state == EditState.PRODUCED, of_batch).values(owner=owner).returning(EDIT.c.id)
        ).scalars()
        return [OpenAttempt(*row) for row in rows], list(produced)


def recall(db: Database, provider: str, name: str) -> str | None:
    """What a provider remembered under a name, unless it has expired."""
    statement = sa.select(MEMORY.c.value).where(
        MEMORY.c.provider == provider,
        MEMORY.c.name == name,
        sa.or_(MEMORY.c.expires_at.is_(None), MEMORY.c.expires_at > now()),
    )
    with db.read() as connection:
        return connection.execute(statement).scalar_one_or_none()


def remember(db: Database, provider: str, name: str, value: str, *, expires_at: datetime | None) -> None:
    """Keep a value for a provider, in place of an earlier one."""
    values = {"provider": provider, "name": name, "value": value, "expires_at": expires_at}
    statement = sqlite.insert(MEMORY).values(values)
    with db.write() as connection:
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["provider", "name"],
                set_={"value": statement.excluded.value, "expires_at": statement.excluded.expires_at},
            )
        )


def save_picture(connection: sa.Connection, picture: PictureFacts) -> None:
    """Record a stored picture; nothing happens if it is known."""
    width, height = picture.size_wh
    values = {
        "sha256": picture.sha256,
        "media_type": picture.media_type,
        "width": width,
        "height": height,
        "byte_count": picture.byte_count,
    }
    connection.execute(_SAVE_PICTURE, values)


_SAVE_PICTURE = sqlite.insert(PICTURE).on_conflict_do_nothing()

_SAVE_SOURCE = (
    sa.update(ASSET)
    .where(ASSET.c.id == sa.bindparam("asset"))
    .values(
        original_sha256=sa.bindparam("original"),
        source_sha256=sa.bindparam("source"),
        source_facts=sa.bindparam("facts"),
    )
)


def save_source(
    db: Database, asset_id: int, *, original_sha256: str, source: PictureFacts, facts: Mapping[str, Any]
) -> None:
    """Record that an asset's source was read."""
    values = {"asset": asset_id, "original": original_sha256, "source": source.sha256, "facts": dict(facts)}
    with db.write() as connection:
        save_picture(connection, source)
        connection.execute(_SAVE_SOURCE, values)


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
            sampled_by=route.policy_hash if route.is_sample else None,
            accepted_output_id=None if route.to_review else best_output_id,
        )


def replace_picture(
    db: Database, edit_id: int, output_id: int, picture: PictureFacts, notes: Mapping[str, Any], *, owner: str
) -> None:
    """Let an output be another picture, made from the one that the provider returned; its notes say from which.

    Args:
        db: The desk's database.
        edit_id: A produced edit.
        output_id: Its output.
        picture: The new picture, which is in the blob store.
        notes: Added to the output's notes.
        owner: The runner.
    """
    with db.write() as connection:
        save_picture(connection, picture)
        was = connection.execute(sa.select(OUTPUT.c.notes).where(OUTPUT.c.id == output_id)).scalar_one()
        changed = sa.update(OUTPUT).where(OUTPUT.c.id == output_id)
        connection.execute(changed.values(sha256=picture.sha256, notes={**was, **notes}))
        data = {"output": output_id, "sha256": picture.sha256, **notes}
        add_event(connection, "output.composited", actor=owner, edit_id=edit_id, data=data)


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
    names = ("provider", "ai_model", "size", "quality", "n", "mask", "markup", "references")
    options = {name: parent[name] for name in names}
    if parent["keeps_outside"]:
        options["mask"] = None  # a region was asked for in that round only
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
