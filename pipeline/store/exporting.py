"""What an export reads, all of it of one moment.

The database puts a page of rows into one text of JSON, which threads wait for while pages before are written: so the
reading goes on beside Python. Of a million rows, one takes 7 microseconds to read and 1.8 to understand; as a row of a
cursor, it took 13, all of it in Python's one turn (our measurement, 2026-11-21).
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from pipeline.states import DecisionKind, EditState
from pipeline.store.chain import DECISION, EVENT
from pipeline.store.database import Database
from pipeline.store.exports import Seen, was_approved_after
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT
from pipeline.store.running import FLAG, OUTPUT, PICTURE

_PAGE: Final = 2_000
"""Assets in a page."""

_READERS: Final = 2
"""Pages that are read while the one before is written."""

_ROUND = EDIT.alias("any_round")


class ApprovedRow(NamedTuple):
    """An approved asset. Moments are text as ``2026-11-21 20:15:00`` in UTC, and more digits.

    Attributes:
        destinations: Where it goes, as JSON: a list of packs; None for what its batch says.
        extra: The manifest's own columns, as JSON.
        made: What the edit was asked for, as JSON: a list of `MADE`. Few differ, so it is worked out once for all.
        decided_by: The last person who accepted it; None if the policy approved.
        flags: A list of `FLAG_COLUMNS` for each flag; None for none. A place is JSON.
        rounds: A list of `ROUND_COLUMNS` for each round on the asset; None where there is only one, and nobody asked.
        source_facts: What the source's file said of itself, as JSON; None where nobody asked.
        is_new: 1 if it was approved after the event that was named, otherwise 0.
    """

    name: str
    variant: str
    sku: str
    source_uri: str
    original_sha256: str | None
    destinations: str | None
    extra: str
    edit_id: int
    parent_id: int | None
    round: int
    cost_microusd: int
    unpriced: int
    made: str
    sha256: str
    media_type: str
    width: int
    height: int
    byte_count: int
    decided_by: str | None
    decided_at: str
    policy_hash: str
    note: str | None
    flags: list[list[Any]] | None
    rounds: list[list[Any]] | None
    source_facts: str | None
    is_new: int


MADE = ("recipe", "prompt", "provider", "ai_model", "size", "quality", "n", "mask")
MADE_JSON = ("operations", "parameters", "references")
"""They follow on `MADE`, and are texts of JSON in there."""

FLAG_COLUMNS = (
    *("id", "kind", "change", "level", "score", "label", "detector", "version", "before", "likeness", "remark"),
    *("xyxy", "source_xyxy"),
)

ROUND_COLUMNS = ("id", "round", "state", "prompt", "cost_microusd", "unpriced")


class ApprovedBatch(NamedTuple):
    """A batch of which something may be approved; ``destinations`` are where its pictures go."""

    id: int
    name: str
    destinations: list[str]


class Approved:
    """What is approved at one moment.

    Args:
        connection: One consistent view.
        readers: The same view, for a thread each.
        batch_id: Of this batch only; None for all.
    """

    def __init__(self, connection: sa.Connection, readers: Sequence[sa.Connection], batch_id: int | None) -> None:
        self._connection = connection
        self._readers = readers
        last = connection.execute(sa.select(sa.func.coalesce(sa.func.max(EVENT.c.id), 0))).scalar_one()
        self.seen = Seen(batch_id, last)
        batches = sa.select(*(BATCH.c[name] for name in ApprovedBatch._fields)).order_by(BATCH.c.id)
        if batch_id is not None:
            batches = batches.where(BATCH.c.id == batch_id)
        self._batches = [ApprovedBatch(*row) for row in connection.execute(batches)]

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
            .where(_text(ASSET.c.extra) != "{}")
        )
        found = set[str]()
        for batch in self._batches:
            found.update(self._connection.execute(names, {"batch": batch.id}).scalars())
        return sorted(found)

    def pages(self, *, is_whole: bool = False, after: int = 0) -> Iterator[tuple[ApprovedBatch, list[ApprovedRow]]]:
        """Batch by batch a page of rows, in the order of line, asset and edit.

        Args:
            is_whole: With all rounds and what the sources' files say, too.
            after: What was approved after this event is new; 0 if all of it is.
        """
        rows = _rows(is_whole=is_whole, after=after)
        rows = sa.select(sa.func.aggregate_strings(rows.subquery().c.row, ","))
        coming = deque[tuple[ApprovedBatch, Future[str | None]]]()
        with ThreadPoolExecutor(len(self._readers)) as threads:
            for reader, (batch, span) in zip(cycle(self._readers), self._spans(), strict=False):
                before = [_understood(*coming.popleft())] if len(coming) == len(self._readers) else []
                coming.append((batch, threads.submit(_read, reader, rows, span)))
                yield from before
            yield from (_understood(*each) for each in coming)

    def _spans(self) -> Iterator[tuple[ApprovedBatch, dict[str, int]]]:
        """Batch by batch where a page begins and ends."""
        for batch in self._batches:
            line, asset = -1, -1
            while line < _NO_END:
                begin = {"batch": batch.id, "line": line, "asset": asset}
                end = self._connection.execute(_END_OF_PAGE, begin).first()
                line, asset = (_NO_END, _NO_END) if end is None else end
                yield batch, {**begin, "last_line": line, "last": asset}


@contextmanager
def approved(db: Database, batch_id: int | None) -> Iterator[Approved]:
    """What is approved now, whatever is decided meanwhile."""
    with db.read_together(1 + _READERS) as (connection, *readers):
        yield Approved(connection, readers, batch_id)


def _read(reader: sa.Connection, rows: sa.Select[Any], span: dict[str, int]) -> str | None:
    text: str | None = reader.execute(rows, span).scalar_one()
    return text


def _understood(batch: ApprovedBatch, text: Future[str | None]) -> tuple[ApprovedBatch, list[ApprovedRow]]:
    return batch, list(map(ApprovedRow._make, json.loads(f"[{text.result() or ''}]")))


class _JsonFunction(sa.sql.functions.FunctionElement[Any]):
    """A function that each database has under another name."""

    inherit_cache = True
    type = sa.JSON()
    names: Mapping[str, str]


class _List(_JsonFunction):
    """Its arguments as a list."""

    inherit_cache = True
    names = MappingProxyType({"sqlite": "json_array", "postgresql": "json_build_array"})


class _ListOfAll(_JsonFunction):
    """Its argument of all rows as a list; of no rows, an empty one or NULL."""

    inherit_cache = True
    names = MappingProxyType({"sqlite": "json_group_array", "postgresql": "json_agg"})


@compiles(_JsonFunction)
def _called(element: _JsonFunction, compiler: sa.sql.compiler.SQLCompiler, **more: Any) -> str:  # noqa: ANN401
    return f"{element.names[compiler.dialect.name]}({compiler.process(element.clauses, **more)})"


_NO_END: Final = 2**63 - 1
_PLACE = sa.tuple_(ASSET.c.line, ASSET.c.id)
_BEHIND = (
    ASSET.c.batch_id == sa.bindparam("batch"),
    sa.tuple_(sa.bindparam("line", type_=sa.BigInteger), sa.bindparam("asset", type_=sa.BigInteger)) < _PLACE,
)
_END_OF_PAGE = (
    sa.select(ASSET.c.line, ASSET.c.id).where(*_BEHIND).order_by(ASSET.c.line, ASSET.c.id).offset(_PAGE - 1).limit(1)
)


def _rows(*, is_whole: bool, after: int) -> sa.Select[Any]:
    """A page's rows, each a text: the list of an `ApprovedRow`."""
    accepted = sa.select(sa.func.max(DECISION.c.id)).where(
        DECISION.c.edit_id == EDIT.c.id, DECISION.c.kind == DecisionKind.ACCEPT
    )
    last = sa.tuple_(sa.bindparam("last_line", type_=sa.BigInteger), sa.bindparam("last", type_=sa.BigInteger))
    cells = _cells(is_whole=is_whole, after=after)
    row = _List(*(cells[name] for name in ApprovedRow._fields))
    return (
        sa.select(_text(row).label("row"))
        .select_from(ASSET)
        .join(EDIT, EDIT.c.asset_id == ASSET.c.id)
        .join(OUTPUT, OUTPUT.c.id == EDIT.c.accepted_output_id)
        .join(PICTURE, PICTURE.c.sha256 == OUTPUT.c.sha256)
        .outerjoin(DECISION, DECISION.c.id == accepted.correlate(EDIT).scalar_subquery())
        .where(*_BEHIND, last >= _PLACE, EDIT.c.state == EditState.APPROVED)
        .order_by(ASSET.c.line, ASSET.c.id, EDIT.c.id)
    )


def _cells(*, is_whole: bool, after: int) -> dict[str, sa.ColumnElement[Any]]:
    is_by_policy = DECISION.c.id.is_(None)
    policy = sa.func.coalesce(EDIT.c.route["policy_hash"].as_string(), "")
    cells: dict[str, sa.ColumnElement[Any]] = {
        "edit_id": EDIT.c.id,
        "extra": _text(ASSET.c.extra),
        # Joined to a text, SQLite takes it for one, and quotes it.
        "made": _text(_List(*(EDIT.c[name] for name in MADE), *(_text(EDIT.c[name]) for name in MADE_JSON))) + "",
        "decided_by": DECISION.c.actor,
        "decided_at": _text(sa.case((is_by_policy, EDIT.c.updated_at), else_=DECISION.c.created_at)),
        "policy_hash": sa.case((is_by_policy, policy), else_=DECISION.c.policy_hash),
        "note": DECISION.c.note,
        "flags": _flags(),
        "rounds": _rounds(is_whole=is_whole),
        "source_facts": _text(ASSET.c.source_facts) if is_whole else sa.null(),
        "is_new": sa.case((was_approved_after(after), 1), else_=0) if after else sa.literal_column("1"),
    }
    for table in (ASSET, EDIT, OUTPUT, PICTURE):
        cells = {**{name: table.c[name] for name in ApprovedRow._fields if name in table.c}, **cells}
    return cells


def _flags() -> sa.ScalarSelect[Any]:
    cells = (_text(FLAG.c[name]) if name.endswith("xyxy") else FLAG.c[name] for name in FLAG_COLUMNS)
    return sa.select(_ListOfAll(_List(*cells))).where(FLAG.c.output_id == OUTPUT.c.id).scalar_subquery()


def _rounds(*, is_whole: bool) -> sa.ColumnElement[Any]:
    on_it = _ROUND.c.asset_id == ASSET.c.id
    rounds = sa.select(_ListOfAll(_List(*(_ROUND.c[name] for name in ROUND_COLUMNS)))).where(on_it).scalar_subquery()
    if is_whole:
        return rounds
    count = sa.select(sa.func.count()).select_from(_ROUND).where(on_it).scalar_subquery()
    return sa.case((count > 1, rounds))


_TEXT = sa.String()


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.cast(column, _TEXT)
