"""What an export reads, all of it of one moment, and what it leaves behind."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.states import DecisionKind, EditState
from pipeline.store.chain import DECISION, EVENT
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.store.running import FLAG, OUTPUT, PICTURE
from pipeline.tables import now

_PAGE: Final = 2_000
"""Approved assets that are in memory at once."""

_MARKED_AT_ONCE: Final = 20_000
"""Edits marked in one transaction: others wait for 0.1 s at most (our measurement, 2026-11-21)."""

COLUMNS = (
    *("name", "variant", "sku", "source_uri", "original_sha256", "extra"),
    *("edit_id", "parent_id", "round", "moved_at", "route"),
    *("recipe", "prompt", "provider", "ai_model"),
    *("size", "quality", "n", "mask", "operations", "parameters", "references"),
    *("output_id", "sha256", "media_type", "width", "height", "byte_count"),
    *("decided_by", "decided_at", "policy_hash", "note"),
    *("asset_id", "root_id", "cost_microusd", "unpriced", "last_id", "flag_count", "flags"),
)
"""Of an approved asset, in this order: JSON as text, moments as ``2026-11-21 20:15:00`` in UTC and more digits.

From ``decided_by`` on what the last person said who accepted it, None if the policy approved; ``root_id`` and
``last_id`` are the first and the last round on it. For ``flags`` see `flags_of`.
"""


FLAG_COLUMNS = (
    *("id", "kind", "change", "level", "score", "label", "detector", "version", "before", "likeness", "remark"),
    *("xyxy", "source_xyxy"),
)

_WITHIN, _BETWEEN = "\x1f", "\x1e"


@dataclass(frozen=True, slots=True)
class Seen:
    """The moment that an export is of.

    Attributes:
        batch_id: Of this batch only; None for all.
        last_event: The last thing that had happened.
    """

    batch_id: int | None
    last_event: int


class Approved:
    """What is approved at one moment.

    Args:
        connection: One consistent view.
        batch_id: Of this batch only; None for all.
    """

    def __init__(self, connection: sa.Connection, batch_id: int | None) -> None:
        self._connection = connection
        last = connection.execute(sa.select(sa.func.coalesce(sa.func.max(EVENT.c.id), 0))).scalar_one()
        self.seen = Seen(batch_id, last)
        batches = sa.select(BATCH.c.id, BATCH.c.name).order_by(BATCH.c.id)
        if batch_id is not None:
            batches = batches.where(BATCH.c.id == batch_id)
        self._batches = connection.execute(batches).all()

    def extra_columns(self) -> list[str]:
        """The names of the manifests' own columns, in alphabetical order."""
        cell = sa.func.json_each(ASSET.c.extra).table_valued("key", name="cell")
        names = (
            sa.select(cell.c.key)
            .distinct()
            .select_from(EDIT)
            .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
            .join(cell, sa.true())
            .where(EDIT.c.batch_id == sa.bindparam("batch"), EDIT.c.state == EditState.APPROVED)
        )
        found = set[str]()
        for batch in self._batches:
            found.update(self._connection.execute(names, {"batch": batch.id}).scalars())
        return sorted(found)

    def pages(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Batch by batch, its name with a page of rows as `COLUMNS` says, in the order of line, asset and edit."""
        streamed = self._connection.execution_options(yield_per=_PAGE)
        for batch in self._batches:
            for rows in streamed.execute(_rows(), {"batch": batch.id}).partitions():
                yield batch.name, rows

    def flags_of(self, row: Any) -> list[Sequence[Any]]:  # noqa: ANN401 - a row
        """A row's flags, each with the columns of `FLAG_COLUMNS` as text; "" where there is nothing."""
        flags = [flag.split(_WITHIN) for flag in row.flags.split(_BETWEEN)] if row.flag_count else []
        if len(flags) != row.flag_count or any(len(flag) != len(FLAG_COLUMNS) for flag in flags):
            # A text that somebody wrote has a separator in it, which only makes the parts more.
            of_output = sa.select(*_flag_cells()).where(FLAG.c.output_id == row.output_id)
            flags = [list(flag) for flag in self._connection.execute(of_output)]
        return sorted(flags, key=lambda flag: int(flag[0])) if len(flags) > 1 else flags

    def rounds(self, rows: Sequence[Any]) -> Iterator[Any]:
        """All rounds on these rows' assets, first to last."""
        assets = [row.asset_id for row in rows]
        if assets:
            yield from self._connection.execute(_rounds(), {"assets": assets})

    def costs(self, rows: Sequence[Any]) -> dict[int, tuple[int, int]]:
        """By asset that has several rounds, what all of them cost, and how many requests besides are unpriced."""
        costs: dict[int, tuple[int, int]] = {}
        for each in self.rounds([row for row in rows if row.root_id != row.last_id]):
            cost, unpriced = costs.get(each.asset_id, (0, 0))
            costs[each.asset_id] = (cost + each.cost_microusd, unpriced + each.unpriced)
        return costs

    def source_facts(self, rows: Sequence[Any]) -> dict[int, dict[str, Any]]:
        """By asset, what the sources' files said of themselves."""
        found = self._connection.execute(_source_facts(), {"assets": [row.asset_id for row in rows]})
        return {row.id: row.source_facts for row in found}


@contextmanager
def approved(db: Database, batch_id: int | None) -> Iterator[Approved]:
    """What is approved now, whatever is decided meanwhile."""
    with db.read() as connection:
        yield Approved(connection, batch_id)


def _rows() -> sa.Select[Any]:
    """By batch, so that the index of its lines gives the order, and nothing is sorted."""
    text, of_asset = sa.String(), EDIT.alias("of_asset")
    of_it = of_asset.c.asset_id == ASSET.c.id

    def of_all(end: sa.Function[Any]) -> sa.ScalarSelect[Any]:
        return sa.select(end).where(of_it).scalar_subquery()

    accepted = sa.select(sa.func.max(DECISION.c.id)).where(
        DECISION.c.edit_id == EDIT.c.id, DECISION.c.kind == DecisionKind.ACCEPT
    )
    said = DECISION.alias("said")
    columns: dict[str, Any] = {
        "edit_id": EDIT.c.id,
        "moved_at": sa.cast(EDIT.c.updated_at, text),
        "output_id": OUTPUT.c.id,
        "sha256": OUTPUT.c.sha256,
        "decided_by": said.c.actor,
        "decided_at": sa.cast(said.c.created_at, text),
        "policy_hash": said.c.policy_hash,
        "note": said.c.note,
        "asset_id": ASSET.c.id,
        "root_id": of_all(sa.func.min(of_asset.c.id)),
        "last_id": of_all(sa.func.max(of_asset.c.id)),
        "flag_count": sa.select(sa.func.count()).where(FLAG.c.output_id == OUTPUT.c.id).scalar_subquery(),
        "flags": _flags_of(OUTPUT.c.id),
        **{name: sa.cast(EDIT.c[name], text) for name in ("route", "operations", "parameters", "references")},
        "extra": sa.cast(ASSET.c.extra, text),
    }
    for table in (ASSET, EDIT, PICTURE):
        columns = {**{name: table.c[name] for name in COLUMNS if name in table.c}, **columns}
    return (
        sa.select(*(columns[name].label(name) for name in COLUMNS))
        .select_from(ASSET)
        .join(EDIT, EDIT.c.asset_id == ASSET.c.id)
        .join(OUTPUT, OUTPUT.c.id == EDIT.c.accepted_output_id)
        .join(PICTURE, PICTURE.c.sha256 == OUTPUT.c.sha256)
        .outerjoin(said, said.c.id == accepted.scalar_subquery())
        .where(ASSET.c.batch_id == sa.bindparam("batch"), EDIT.c.state == EditState.APPROVED)
        .order_by(ASSET.c.line, ASSET.c.id, EDIT.c.id)
    )


def _flags_of(output_id: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    """All flags of an output as one text: a thousand statements for a thousand outputs would take longer."""
    first, *others = _flag_cells()
    text = reduce(lambda before, cell: before + _WITHIN + cell, others, first)
    return sa.select(sa.func.aggregate_strings(text, _BETWEEN)).where(FLAG.c.output_id == output_id).scalar_subquery()


def _flag_cells() -> list[sa.ColumnElement[str]]:
    return [sa.func.coalesce(sa.cast(FLAG.c[name], sa.String), "") for name in FLAG_COLUMNS]


def _rounds() -> sa.Select[Any]:
    columns = (EDIT.c.asset_id, EDIT.c.id, EDIT.c.round, EDIT.c.state, EDIT.c.prompt)
    ids: sa.BindParameter[list[int]] = sa.bindparam("assets", expanding=True)
    chosen = sa.select(*columns, EDIT.c.cost_microusd, EDIT.c.unpriced).where(EDIT.c.asset_id.in_(ids))
    return chosen.order_by(EDIT.c.id)


def _source_facts() -> sa.Select[Any]:
    ids: sa.BindParameter[list[int]] = sa.bindparam("assets", expanding=True)
    return sa.select(ASSET.c.id, ASSET.c.source_facts).where(ASSET.c.id.in_(ids))


def record_export(db: Database, seen: Seen, *, actor: str, rows: int, export_id: str) -> None:
    """Mark what was exported, and remember that it was.

    Marks are set part by part, so that nobody waits long; the export stands when its event is written.

    Args:
        db: The desk's database.
        seen: The moment that the export is of.
        actor: Who exports.
        rows: Approved assets in it.
        export_id: Names the export's content.

    Raises:
        Conflict: The approval of one of them was taken back meanwhile; no mark stays.
    """
    at = now()
    try:
        for first, last in _spans(db, seen):
            with db.write() as connection:
                _refuse_taken_back(connection, seen)
                connection.execute(_mark(seen), {"moment": at, "first": first, "last": last})
        with db.write() as connection:
            _refuse_taken_back(connection, seen)
            data = {"rows": rows, "export_id": export_id}
            add_event(connection, "export.done", actor=actor, batch_id=seen.batch_id, data=data)
    except BaseException:
        with db.write() as connection:
            connection.execute(sa.update(EDIT).where(EDIT.c.exported_at == at).values(exported_at=None))
        raise


def _spans(db: Database, seen: Seen) -> Iterator[tuple[int, int]]:
    """First and last number of the edits that are to be marked, part by part."""
    with db.read() as connection:
        first, last = connection.execute(
            sa.select(sa.func.min(EDIT.c.id), sa.func.max(EDIT.c.id)).where(*_unmarked(seen))
        ).one()
    while first is not None and first <= last:
        yield first, first + _MARKED_AT_ONCE - 1
        first += _MARKED_AT_ONCE


def _unmarked(seen: Seen) -> tuple[sa.ColumnElement[bool], ...]:
    """Of the edits that were approved then, those that no export had yet."""
    since = sa.select(EVENT.c.edit_id).where(EVENT.c.id > seen.last_event, EVENT.c.kind == f"edit.{EditState.APPROVED}")
    found = (EDIT.c.state == EditState.APPROVED, EDIT.c.exported_at.is_(None), EDIT.c.id.not_in(since))
    return found if seen.batch_id is None else (*found, EDIT.c.batch_id == seen.batch_id)


def _mark(seen: Seen) -> sa.Update:
    in_part = EDIT.c.id.between(sa.bindparam("first"), sa.bindparam("last"))
    return sa.update(EDIT).where(in_part, *_unmarked(seen)).values(exported_at=sa.bindparam("moment"))


def _refuse_taken_back(connection: sa.Connection, seen: Seen) -> None:
    """Every move says in its event where it came from: the first one since tells whether the edit was approved."""
    came_from = EVENT.c.data["from"].as_string()
    moved = sa.select(sa.func.min(EVENT.c.id)).where(EVENT.c.id > seen.last_event, came_from.is_not(None))
    taken_back = (
        sa.select(EVENT.c.id)
        .join(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .where(EVENT.c.id.in_(moved.group_by(EVENT.c.edit_id)), came_from == EditState.APPROVED.value)
        .limit(1)
    )
    if seen.batch_id is not None:
        taken_back = taken_back.where(EDIT.c.batch_id == seen.batch_id)
    if connection.execute(taken_back).first() is not None:
        raise Conflict("an approval was taken back while the export was written; export again")
