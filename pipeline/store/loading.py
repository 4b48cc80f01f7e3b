"""Manifest rows in: once each, however often the manifest is loaded."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipeline.states import EditState, is_allowed
from pipeline.store.bulk import insert_many, kept, new_ids
from pipeline.store.chain import append_alike
from pipeline.store.codec import instruction_to_json
from pipeline.store.database import Database
from pipeline.store.moves import EDIT, add_event, move
from pipeline.tables import AssetRow, BatchRow, now
from pipeline.texts import need_storable
from pipeline.values import ManifestRow

ASSET = AssetRow.__table__  # type: ignore[attr-defined]
BATCH = BatchRow.__table__  # type: ignore[attr-defined]

BATCH_PRIORITY = 10
"""Rows of a manifest; what a reviewer asks for goes first with `REPROMPT_PRIORITY`."""

REPROMPT_PRIORITY = 0

BATCH_CANCELLED = "batch_cancelled"
"""Code of an edit that was cancelled with its whole batch, and that resuming the batch queues again."""

_CHUNK = 2_000
_FEW = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a manifest did.

    Attributes:
        batch_id: The batch that the rows are in.
        added: New assets.
        unchanged: Rows that were there already.
        renewed: Assets whose row or source changed, and that got a new round.
        resumed: Rows whose edit was cancelled with the batch, and is queued again.
        kept: Changed rows left alone, as their picture is being made or was approved; ``(line, asset_id)``.
    """

    batch_id: int
    added: int
    unchanged: int
    renewed: int
    kept: tuple[tuple[int, str], ...]
    resumed: int = 0


def load_rows(
    db: Database,
    rows: Iterable[ManifestRow],
    *,
    batch_name: str,
    manifest_name: str,
    manifest_sha256: str,
    default_provider: str,
    actor: str,
    stamp: Callable[[str], str],
    is_fresh: bool = False,
    destinations: Sequence[str] | None = None,
) -> Loaded:
    """Put rows into a batch, one transaction for all: a row that is there already adds nothing.

    Args:
        db: The desk's database.
        rows: Good rows.
        batch_name: The batch to add to; made if there is none of that name.
        manifest_name: File name, for the record.
        manifest_sha256: Of the manifest's bytes.
        default_provider: For rows that name none.
        actor: Who loads.
        stamp: Tells whether a source file may have changed, such as its size and time.
        is_fresh: Make what is queued by this anew, even if equal edits were made before.
        destinations: Where the batch's pictures go from now on; None to leave that as it is.

    Raises:
        UsageError: A text has a character that no database keeps; manifests are read without.
    """
    need_storable(batch=batch_name, manifest=manifest_name)
    rows = list(rows)
    with db.write() as connection:
        batch_id = _batch_id(connection, batch_name, manifest_name, manifest_sha256, actor)
        if destinations is not None:
            put_destinations(connection, batch_id, destinations, actor=actor)
        known = _known(connection, batch_id, rows)
        fresh: list[ManifestRow] = []
        renewed = 0
        unchanged: list[int] = []
        kept: list[tuple[int, str]] = []
        for row in rows:
            before = known.get((row.asset_id, row.variant))
            if before is None:
                fresh.append(row)
            elif before[1:] == (_row_hash(row, default_provider), stamp(row.source)):
                unchanged.append(before[0])
            elif _renew(connection, before[0], row, default_provider, stamp(row.source), actor):
                renewed += 1
            else:
                kept.append((row.line, row.asset_id))
        for start in range(0, len(fresh), _CHUNK):
            _insert(connection, batch_id, fresh[start : start + _CHUNK], default_provider, actor, stamp)
        resumed = _take_up(connection, batch_id, unchanged, actor)
        if is_fresh:
            queued = EDIT.c.state == sa.literal_column("'queued'")
            connection.execute(sa.update(EDIT).where(EDIT.c.batch_id == batch_id, queued).values(is_fresh=True))
        return Loaded(batch_id, len(fresh), len(unchanged) - resumed, renewed, tuple(kept), resumed)


def rows_to_make(
    db: Database, rows: Iterable[ManifestRow], *, batch_name: str, default_provider: str, stamp: Callable[[str], str]
) -> list[ManifestRow]:
    """The rows that are new to a batch, changed since they were loaded, or cancelled with it."""
    rows = list(rows)
    with db.read() as connection:
        batch_id = connection.execute(sa.select(BATCH.c.id).where(BATCH.c.name == batch_name)).scalar_one_or_none()
        known = {} if batch_id is None else _known(connection, int(batch_id), rows)
        cancelled = set(connection.execute(sa.select(EDIT.c.asset_id).where(*_cancelled(batch_id))).scalars())

    def is_there(row: ManifestRow) -> bool:
        asset_id, *as_loaded = known.get((row.asset_id, row.variant), (0,))
        return as_loaded == [_row_hash(row, default_provider), stamp(row.source)] and asset_id not in cancelled

    return [row for row in rows if not is_there(row)]


def last_rounds(db: Database, batch_id: int, assets: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The number of the last round on each of a few assets, by name and variant, as the group that this is in has it.

    A round that somebody asked for and took back is none.
    """
    place = sa.tuple_(ASSET.c.name, ASSET.c.variant)
    is_taken_back = sa.and_(EDIT.c.state == EditState.CANCELLED, EDIT.c.error_code.is_distinct_from(BATCH_CANCELLED))
    statement = (
        sa.select(ASSET.c.name, ASSET.c.variant, sa.func.max(EDIT.c.id))
        .join(EDIT, EDIT.c.asset_id == ASSET.c.id)
        .where(ASSET.c.batch_id == batch_id, place.in_(list(assets)), sa.not_(is_taken_back))
        .group_by(ASSET.c.name, ASSET.c.variant)
    )
    with db.write() as connection:
        return {(name, variant): int(edit_id) for name, variant, edit_id in connection.execute(statement)}


def _cancelled(batch_id: int | None) -> tuple[sa.ColumnElement[bool], ...]:
    """The edits of a batch that were cancelled with it."""
    return EDIT.c.batch_id == batch_id, EDIT.c.state == EditState.CANCELLED, EDIT.c.error_code == BATCH_CANCELLED


def _take_up(connection: sa.Connection, batch_id: int, asset_ids: list[int], actor: str) -> int:
    """Whoever loads rows of a cancelled batch again wants them made; gives how many edits are queued again."""
    lifted = sa.update(BATCH).where(BATCH.c.id == batch_id, BATCH.c.cancelled_at.is_not(None))
    if not connection.execute(lifted.values(cancelled_at=None)).rowcount:
        return 0
    again = {"state": EditState.QUEUED, "revision": EDIT.c.revision + 1, "owner": None, "updated_at": now()}
    count = 0
    for start in range(0, len(asset_ids), _CHUNK):
        of_these = EDIT.c.asset_id.in_(asset_ids[start : start + _CHUNK])
        moved = sa.update(EDIT).where(*_cancelled(batch_id), of_these).values(**again, error_code=None, error=None)
        ids = connection.execute(moved.returning(EDIT.c.id)).scalars().all()
        data = {"from": EditState.CANCELLED.value, "reason": "loaded again"}
        append_alike(connection, "edit.queued", ids, actor=actor, batch_id=None, data=data)
        count += len(ids)
    add_event(connection, "batch.resumed", actor=actor, batch_id=batch_id, data={"queued": count})
    return count


def _known(
    connection: sa.Connection, batch_id: int, rows: list[ManifestRow]
) -> dict[tuple[str, str], tuple[int, str, str]]:
    """By name and variant: a batch's assets, with what tells whether their row or their source changed.

    For a few rows only those of their names: a program may bring pictures one by one into a batch of a million.
    """
    columns = (ASSET.c.id, ASSET.c.name, ASSET.c.variant, ASSET.c.row_hash, ASSET.c.source_stamp)
    statement = sa.select(*columns).where(ASSET.c.batch_id == batch_id)
    if len(rows) <= _FEW:
        statement = statement.where(ASSET.c.name.in_({row.asset_id for row in rows}))
    return {
        (name, variant): (asset_id, row_hash, source_stamp)
        for asset_id, name, variant, row_hash, source_stamp in connection.execute(statement)
    }


def _batch_id(connection: sa.Connection, name: str, manifest_name: str, sha256: str, actor: str) -> int:
    found = connection.execute(sa.select(BATCH.c.id).where(BATCH.c.name == name)).scalar_one_or_none()
    if found is not None:
        return int(found)
    values: dict[str, Any] = {"name": name, "manifest_name": manifest_name, "manifest_sha256": sha256}
    values |= {"created_at": now(), "created_by": actor, "paused_at": None, "cancelled_at": None, "stopped": None}
    values["destinations"] = []
    batch_id = connection.execute(sa.insert(BATCH).values(**values).returning(BATCH.c.id)).scalar_one()
    add_event(connection, "batch.created", actor=actor, batch_id=batch_id, data={"manifest": manifest_name})
    return int(batch_id)


def put_destinations(connection: sa.Connection, batch_id: int, destinations: Sequence[str], *, actor: str) -> None:
    """Say where a batch's pictures go; an event, if that is not what was said before."""
    row = connection.execute(sa.select(BATCH.c.name, BATCH.c.destinations).where(BATCH.c.id == batch_id)).one()
    wanted = list(destinations)
    if row.destinations != wanted:
        connection.execute(sa.update(BATCH).where(BATCH.c.id == batch_id).values(destinations=wanted))
        data = {"batch": row.name, "from": row.destinations, "to": wanted}
        add_event(connection, "batch.destinations", actor=actor, batch_id=batch_id, data=data)


def _row_hash(row: ManifestRow, default_provider: str) -> str:
    content = {**_edit_options(row, default_provider), "source": row.source, "sku": row.sku, "extra": dict(row.extra)}
    if row.markup is None:
        del content["markup"]  # a column that older desks do not know changes no row
    if row.destinations:
        content["destinations"] = list(row.destinations)
    content["steps"] = [instruction_to_json(step) for step in row.steps]
    return hashlib.sha256(_encode(content).encode()).hexdigest()


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
"""As `json.dumps` would; making the encoder anew for each row takes longer than what it does."""


def _edit_options(row: ManifestRow, default_provider: str) -> dict[str, Any]:
    return {
        "provider": row.provider or default_provider,
        "ai_model": row.ai_model,
        "size": row.size,
        "quality": row.quality,
        "n": row.n,
        "mask": row.mask,
        "markup": row.markup,
        "references": list(row.references),
    }


def _asset_values(row: ManifestRow, default_provider: str, stamp: str) -> dict[str, Any]:
    return {
        "sku": row.sku,
        "line": row.line,
        "source_uri": row.source,
        "source_stamp": stamp,
        "row_hash": _row_hash(row, default_provider),
        "original_sha256": None,
        "source_sha256": None,
        "source_facts": {},
        "extra": dict(row.extra),
        "destinations": list(row.destinations) or None,
    }


def first_round(row: ManifestRow, default_provider: str, actor: str) -> dict[str, Any]:
    """Columns of the edit that starts a row's work."""
    return new_edit(
        [instruction_to_json(step) for step in row.steps],
        options=_edit_options(row, default_provider),
        round_number=1,
        asked_by=actor,
        priority=BATCH_PRIORITY,
    )


def new_edit(
    steps: list[dict[str, Any]], *, options: Mapping[str, Any], round_number: int, asked_by: str, priority: int
) -> dict[str, Any]:
    """Columns of a queued edit that does the first of these steps, and keeps the rest for later."""
    moment = now()
    return {
        "keeps_outside": False,
        **steps[0],
        **options,
        "next_steps": steps[1:],
        "parent_id": None,
        "round": round_number,
        "state": EditState.QUEUED,
        "revision": 0,
        "priority": priority,
        "owner": None,
        "not_before": None,
        "key": None,
        "input_sha256": None,
        "asked_by": asked_by,
        "error_code": None,
        "error": None,
        "cost_microusd": 0,
        "unpriced": 0,
        "saved_microusd": 0,
        "is_fresh": False,
        "route": {},
        "sampled_by": None,
        "accepted_output_id": None,
        "claimed_by": None,
        "claim_token": None,
        "claim_until": None,
        "approvals": [],
        "escalated_by": None,
        "created_at": moment,
        "updated_at": moment,
    }


def _insert(
    connection: sa.Connection,
    batch_id: int,
    rows: list[ManifestRow],
    default_provider: str,
    actor: str,
    stamp: Callable[[str], str],
) -> None:
    """New assets, each with an edit and its event."""
    asset_ids, edit_ids = new_ids(connection, ASSET, len(rows)), new_ids(connection, EDIT, len(rows))
    assets, edits = [], []
    for row, asset_id, edit_id in zip(rows, asset_ids, edit_ids, strict=True):
        of_asset: dict[str, Any] = {"id": asset_id, "name": row.asset_id, "variant": row.variant}
        of_asset |= _asset_values(row, default_provider, stamp(row.source))
        of_asset |= {"source_facts": "{}", "extra": _json(of_asset["extra"])}
        of_asset["destinations"] = _json(list(row.destinations)) if row.destinations else None
        assets.append(tuple(of_asset.values()))
        first, *following = [instruction_to_json(step) for step in row.steps]
        first |= {"operations": _json(first["operations"]), "parameters": _json(first["parameters"])}
        of_edit = {"id": edit_id, "asset_id": asset_id, **first, **_edit_options(row, default_provider)}
        of_edit |= {"next_steps": _json(following), "references": _json(of_edit["references"])}
        edits.append(tuple(of_edit.values()))
    alike = {**kept(EDIT, first_round(rows[0], default_provider, actor)), "batch_id": batch_id}
    insert_many(connection, ASSET, list(of_asset), assets, {"batch_id": batch_id})
    insert_many(connection, EDIT, list(of_edit), edits, {k: v for k, v in alike.items() if k not in of_edit})
    append_alike(connection, "edit.queued", edit_ids, actor=actor, batch_id=batch_id, data={})


def _json(value: list[Any] | dict[str, Any]) -> str:
    """As a JSON column keeps it; most are empty."""
    return json.dumps(value) if value else "[]" if isinstance(value, list) else "{}"


def _renew(
    connection: sa.Connection, asset_id: int, row: ManifestRow, default_provider: str, stamp: str, actor: str
) -> bool:
    """Start a new round for a changed row, unless its last one is being made, reviewed or approved."""
    last = connection.execute(
        sa.select(EDIT.c.id, EDIT.c.batch_id, EDIT.c.state, EDIT.c.round, EDIT.c.owner)
        .where(EDIT.c.asset_id == asset_id)
        # A re-prompt that was taken back is no round: the one before it stands.
        .order_by(
            sa.and_(EDIT.c.state == EditState.CANCELLED, EDIT.c.error_code.is_distinct_from(BATCH_CANCELLED)),
            EDIT.c.id.desc(),
        )
        .limit(1)
    ).one()
    state = EditState(last.state)
    if state is EditState.QUEUED and last.owner is None:
        move(connection, last.id, state, EditState.CANCELLED, actor=actor, data={"reason": "the manifest changed"})
        state = EditState.CANCELLED
    if state in (EditState.IN_REVIEW, EditState.APPROVED) or not is_allowed(state, EditState.SUPERSEDED):
        return False
    move(connection, last.id, state, EditState.SUPERSEDED, actor=actor, data={"reason": "the manifest changed"})
    connection.execute(
        sa.update(ASSET).where(ASSET.c.id == asset_id).values(**_asset_values(row, default_provider, stamp))
    )
    values = {**first_round(row, default_provider, actor), "round": last.round + 1, "parent_id": last.id}
    edit_id = connection.execute(
        sa.insert(EDIT).values(batch_id=last.batch_id, asset_id=asset_id, **values).returning(EDIT.c.id)
    ).scalar_one()
    add_event(connection, "edit.queued", actor=actor, edit_id=edit_id, data={"parent": last.id})
    return True
