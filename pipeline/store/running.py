"""What the runner writes: claims, sources, scans, routes; the money is in `pipeline.store.ledger`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipeline.states import EditState
from pipeline.store.codec import detection_from_json, detection_to_json, flag_to_json, route_to_json
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH, BATCH_CANCELLED, BATCH_PRIORITY, new_edit
from pipeline.store.moves import EDIT, add_event, move
from pipeline.tables import AttemptRow, FlagRow, MemoryRow, OutputRow, PictureRow, ScanRow, now
from pipeline.texts import mended, mended_json
from pipeline.values import Detection, Flag, PictureFacts, Route

ATTEMPT = AttemptRow.__table__  # type: ignore[attr-defined]
FLAG = FlagRow.__table__  # type: ignore[attr-defined]
MEMORY = MemoryRow.__table__  # type: ignore[attr-defined]
OUTPUT = OutputRow.__table__  # type: ignore[attr-defined]
PICTURE = PictureRow.__table__  # type: ignore[attr-defined]
SCAN = ScanRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class QueuedLine:
    """That a provider has something to make of a batch.

    Attributes:
        is_stopped: Whether it is said of the batch what stopped it.
    """

    provider: str
    batch_id: int
    is_stopped: bool


def claim_queued(
    db: Database,
    *,
    owner: str,
    provider: str,
    limit: int,
    batch_id: int | None,
    first_only: bool = False,
    leave_out: Iterable[int] = (),
) -> list[int]:
    """Take the next queued edits of a provider for this runner: re-prompts first, then the order of loading.

    Nothing is taken of a paused batch, and what it has queued is not walked over.

    Args:
        db: The desk's database.
        owner: The runner.
        provider: Whose edits.
        limit: How many at most.
        batch_id: Only of this batch.
        first_only: Only what goes ahead of the batches, such as a re-prompt.
        leave_out: Batches to take nothing of.
    """
    wanted = {"provider": provider, "moment": now(), "before": BATCH_PRIORITY if first_only else _ANY_PRIORITY}
    wanted |= {"batch": batch_id, "leave_out": list(leave_out)}
    of_batch = batch_id is not None
    with db.read() as connection:  # most often there is nothing to take, and a read waits for nobody
        if not connection.execute(_next_queued(of_batch=of_batch), {**wanted, "most": 1, "looked_at": 1}).first():
            return []
    with db.lease() as connection:
        found = {**wanted, "most": limit, "looked_at": limit + _SPARE}
        ids = list(connection.execute(_take_queued(of_batch=of_batch), found).scalars())
        if ids:
            connection.execute(sa.update(EDIT).where(EDIT.c.id.in_(ids)).values(owner=owner))
    return ids


def queued_providers(db: Database) -> list[str]:
    """Who has something queued."""
    with db.read() as connection:
        return _queued_providers(connection)


def queued_lines(db: Database, *, batch_id: int | None = None) -> list[QueuedLine]:
    """Who has what queued, in one batch or in all; without what is paused."""
    with db.read() as connection:
        lines = [
            QueuedLine(provider, row.id, row.stopped is not None)
            for provider in _queued_providers(connection)
            for row in connection.execute(_lines_of(), {"provider": provider})
        ]
    return [line for line in lines if batch_id in (None, line.batch_id)]


def queued_batches(connection: sa.Connection) -> set[int]:
    """Batches that have something queued, paused or not."""
    found = _each("batch_id", provider=sa.bindparam("provider"))
    statement = sa.select(found.c.batch_id).where(found.c.batch_id.is_not(None))
    return {
        batch_id
        for provider in _queued_providers(connection)
        for batch_id in connection.execute(statement, {"provider": provider}).scalars()
    }


def _queued_providers(connection: sa.Connection) -> list[str]:
    return list(connection.execute(_providers_with_queued()).scalars())


_QUEUED: sa.ColumnElement[str] = sa.literal_column("'queued'")
"""Literal: a bound parameter may miss the index."""

_ANY_PRIORITY = 2**31 - 1

_SPARE = 64
"""So many more edits are looked at than are taken: another worker may be taking the first of them at this moment."""


def _each(column: str, **fixed: sa.BindParameter[Any]) -> sa.CTE:
    """The different values of a column of what is queued, each by one step into the index; the last one is null."""
    first, further = EDIT.alias(), EDIT.alias()

    def least(table: sa.Alias) -> sa.Select[Any]:
        of_these = [table.c[name] == value for name, value in fixed.items()]
        return sa.select(sa.func.min(table.c[column]).label(column)).where(table.c.state == _QUEUED, *of_these)

    found = least(first).cte(f"each_{column}", recursive=True)
    following = least(further).where(further.c[column] > found.c[column]).scalar_subquery()
    return found.union_all(sa.select(following).where(found.c[column].is_not(None)))


@cache
def _providers_with_queued() -> sa.Select[Any]:
    found = _each("provider")
    return sa.select(found.c.provider).where(found.c.provider.is_not(None))


@cache
def _lines_of() -> sa.Select[Any]:
    """Batches of which a provider has something queued, but for paused ones."""
    found = _each("batch_id", provider=sa.bindparam("provider"))
    batches = sa.select(BATCH.c.id, BATCH.c.stopped).join(found, found.c.batch_id == BATCH.c.id)
    return batches.where(BATCH.c.paused_at.is_(None)).order_by(BATCH.c.id)


@cache
def _next_queued(*, of_batch: bool) -> sa.Select[Any]:
    """The next edits of each batch, and of these the next of all."""
    provider: sa.BindParameter[str] = sa.bindparam("provider")
    most: sa.BindParameter[int] = sa.bindparam("most")
    found = _each("batch_id", provider=provider)
    edit = EDIT.alias()
    is_due = sa.or_(edit.c.not_before.is_(None), edit.c.not_before <= sa.bindparam("moment"))
    of_each = (
        sa.select(edit.c.id)
        .where(edit.c.state == _QUEUED, edit.c.provider == provider, edit.c.batch_id == BATCH.c.id)
        .where(edit.c.owner.is_(None), is_due, edit.c.priority < sa.bindparam("before"))
        .order_by(edit.c.priority, edit.c.id)
        .limit(sa.bindparam("looked_at"))
    )
    batches = found.join(BATCH, BATCH.c.id == found.c.batch_id)
    statement = (
        sa.select(EDIT.c.id)
        .select_from(batches.join(EDIT, EDIT.c.id.in_(of_each.correlate(BATCH))))
        .where(BATCH.c.paused_at.is_(None), BATCH.c.id.not_in(sa.bindparam("leave_out", expanding=True)))
        .where(EDIT.c.state == _QUEUED, EDIT.c.owner.is_(None))  # once more: it may have been taken meanwhile
        .order_by(EDIT.c.priority, EDIT.c.id)
        .limit(most)
    )
    return statement.where(BATCH.c.id == sa.bindparam("batch")) if of_batch else statement


@cache
def _take_queued(*, of_batch: bool) -> sa.Select[Any]:
    """The same, locked, without those that another worker is taking; that an event on one is written is no matter."""
    return _next_queued(of_batch=of_batch).with_for_update(skip_locked=True, key_share=True, of=EDIT)


def release(db: Database, edit_ids: Iterable[int], *, owner: str) -> None:
    """Give queued edits back that this runner took and did not start."""
    with db.write() as connection:
        connection.execute(
            sa.update(EDIT)
            .where(EDIT.c.id.in_(list(edit_ids)), EDIT.c.owner == owner, EDIT.c.state == _QUEUED)
            .values(owner=None)
        )


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
    values = {"provider": provider, "name": name, "value": mended(value), "expires_at": expires_at}
    statement = postgresql.insert(MEMORY).values(values)
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


_SAVE_PICTURE = postgresql.insert(PICTURE).on_conflict_do_nothing()

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
    values = {"asset": asset_id, "original": original_sha256, "source": source.sha256, "facts": mended_json(facts)}
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


def known_scans(db: Database, sha256: str, fingerprints: Iterable[str]) -> dict[str, tuple[Detection, ...]]:
    """What these very detectors found in a picture before, by their fingerprints."""
    with db.read() as connection:
        rows = connection.execute(
            sa.select(SCAN.c.fingerprint, SCAN.c.detections).where(
                SCAN.c.sha256 == sha256, SCAN.c.fingerprint.in_(list(fingerprints))
            )
        ).all()
    return {fingerprint: tuple(map(detection_from_json, detections)) for fingerprint, detections in rows}


def save_scans(db: Database, sha256: str, found: Mapping[str, Sequence[Detection]]) -> None:
    """Keep what detectors found in a picture, by their fingerprints; there must be one."""
    rows = [
        {"sha256": sha256, "fingerprint": fingerprint, "detections": list(map(detection_to_json, detections))}
        for fingerprint, detections in found.items()
    ]
    with db.write() as connection:
        connection.execute(postgresql.insert(SCAN).values(rows).on_conflict_do_nothing())


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
    notes = mended_json(notes)
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
        following = insert_round(
            connection,
            edit,
            steps=edit["next_steps"],
            input_sha256=output_sha256,
            actor=edit["asked_by"],
            priority=edit["priority"],
        )
        if is_cancelled(connection, edit["batch_id"]):
            cancel_queued(connection, following, owner=owner)
        return following


def is_cancelled(connection: sa.Connection, batch_id: int) -> bool:
    """Whether a batch was cancelled: what a runner would queue of it by itself is cancelled, too."""
    found = connection.execute(_held(), {"batch": batch_id}).one_or_none()
    return found is not None and found.cancelled_at is not None


def is_paused(connection: sa.Connection, batch_id: int) -> bool:
    """Whether nothing of a batch is to be sent now."""
    found = connection.execute(_held(), {"batch": batch_id}).one_or_none()
    return found is not None and found.paused_at is not None


def cancel_queued(connection: sa.Connection, edit_id: int, *, owner: str) -> None:
    """Cancel an edit with its batch, which was cancelled while the edit was at work."""
    move(
        connection,
        edit_id,
        EditState.QUEUED,
        EditState.CANCELLED,
        actor=owner,
        data={"reason": "the whole batch"},
        owner=None,
        error_code=BATCH_CANCELLED,
        error="the batch was cancelled",
    )


@cache
def _held() -> sa.Select[Any]:
    return sa.select(BATCH.c.paused_at, BATCH.c.cancelled_at).where(BATCH.c.id == sa.bindparam("batch"))


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
