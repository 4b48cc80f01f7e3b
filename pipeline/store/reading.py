"""What everybody reads: batches, edits with their outputs and flags, histories, sums."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import NotFound
from pipeline.records import (
    AssetRecord,
    AttemptRecord,
    BatchRecord,
    DecisionRecord,
    EditRecord,
    EventRecord,
    OutputRecord,
)
from pipeline.states import AttemptState, DecisionKind, EditState
from pipeline.store.batching import BATCH_COUNT, batch_record
from pipeline.store.chain import DECISION, EVENT
from pipeline.store.codec import detection_from_json, flag_from_json, instruction_from_json
from pipeline.store.database import Database
from pipeline.store.ledger import CHARGE
from pipeline.store.loading import ASSET, BATCH, BATCH_CANCELLED
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, FLAG, OUTPUT, PICTURE
from pipeline.tables import TO_LOOK_AT
from pipeline.values import Change, Kind, PictureFacts

_PAGE = 500
_ROUTED = frozenset({EditState.IN_REVIEW, EditState.APPROVED, EditState.REJECTED, EditState.SUPERSEDED})
_TO_LOOK_AT = frozenset({EditState.IN_REVIEW, EditState.REFUSED, EditState.IN_DOUBT})
_MOST_IDS = 2**63


@dataclass(frozen=True, slots=True)
class EditFilter:
    """Which edits.

    Attributes:
        states: In one of these states; any if empty.
        batch_id: Of this batch.
        kind: With a flag of this kind.
        change: With a flag that says this of what the edit did.
        recipe: Made by this recipe.
        asked_by: Asked for by this person.
        asset_name: Of the asset with this name.
        name_has: Of an asset with this in its name, in capitals or not.
        provider: Made by this provider.
    """

    states: frozenset[EditState] = frozenset()
    batch_id: int | None = None
    kind: Kind | None = None
    change: Change | None = None
    recipe: str | None = None
    asked_by: str | None = None
    asset_name: str | None = None
    name_has: str | None = None
    provider: str | None = None


def batches(db: Database) -> list[BatchRecord]:
    """All batches, newest first."""
    with db.read() as connection:
        counts: dict[int, dict[EditState, int]] = {}
        for batch_id, state, n in connection.execute(sa.select(BATCH_COUNT).where(BATCH_COUNT.c.n > 0)):
            counts.setdefault(batch_id, {})[EditState(state)] = n
        known, requests = sa.func.count(CHARGE.c.amount_microusd), sa.func.count()
        amount = sa.cast(sa.func.coalesce(sa.func.sum(CHARGE.c.amount_microusd), 0), sa.BigInteger)
        spent = sa.select(CHARGE.c.batch_id, amount, requests - known).group_by(CHARGE.c.batch_id)
        costs = {batch_id: (cost, unpriced) for batch_id, cost, unpriced in connection.execute(spent)}
        return [
            batch_record(row, counts.get(row.id, {}), *costs.get(row.id, (0, 0)))
            for row in connection.execute(sa.select(BATCH).order_by(BATCH.c.id.desc()))
        ]


def batch_names(db: Database) -> list[str]:
    """Names of all batches, newest first, without counting their edits."""
    with db.read() as connection:
        return list(connection.execute(sa.select(BATCH.c.name).order_by(BATCH.c.id.desc())).scalars())


def batch_names_by_id(db: Database) -> dict[int, str]:
    """The same by number."""
    with db.read() as connection:
        return {row.id: row.name for row in connection.execute(sa.select(BATCH.c.id, BATCH.c.name))}


def batch_named(db: Database, name: str) -> BatchRecord:
    """The batch of that name.

    Raises:
        NotFound: There is none; the message lists those there are.
    """
    known = batches(db)
    for batch in known:
        if batch.name == name:
            return batch
    names = ", ".join(batch.name for batch in known) or "none yet"
    raise NotFound(f"no batch is called {name!r}; this desk has: {names}")


def batch_id(db: Database, name: str) -> int:
    """The number of the batch of that name, without counting its edits.

    Raises:
        NotFound: There is none; the message lists those there are.
    """
    with db.read() as connection:
        found = connection.execute(sa.select(BATCH.c.id).where(BATCH.c.name == name)).scalar_one_or_none()
    return batch_named(db, name).id if found is None else int(found)


def count_edits(db: Database, wanted: EditFilter, *, most: int | None = None) -> int:
    """How many edits fit; counted no further than ``most``."""
    if wanted == EditFilter(states=wanted.states, batch_id=wanted.batch_id):
        return _kept_count(db, wanted) if most is None else min(most, _kept_count(db, wanted))
    fitting = filtered(sa.select(EDIT.c.id), wanted).limit(most).subquery()
    statement = filtered(sa.select(sa.func.count()), wanted) if most is None else sa.select(sa.func.count(fitting.c.id))
    with db.read() as connection:
        return int(connection.execute(statement).scalar_one())


def _kept_count(db: Database, wanted: EditFilter) -> int:
    """As the database keeps count, by batch and state alone."""
    kept = sa.select(sa.func.coalesce(sa.func.sum(BATCH_COUNT.c.n), 0))
    if wanted.states:
        kept = kept.where(BATCH_COUNT.c.state.in_(sorted(wanted.states)))
    if wanted.batch_id is not None:
        kept = kept.where(BATCH_COUNT.c.batch_id == wanted.batch_id)
    with db.read() as connection:
        return int(connection.execute(kept).scalar_one())


def edit_ids(db: Database, wanted: EditFilter, *, after: int = 0, limit: int | None = None) -> list[int]:
    """Ids of the edits that fit, oldest first, from behind ``after``."""
    with db.read() as connection:
        return list(connection.execute(in_order(wanted, beyond=after).limit(limit)).scalars())


def in_order(wanted: EditFilter, *, beyond: int | None, newest_first: bool = False) -> sa.Select[Any]:
    """Ids of the edits that fit, by number, from beyond one of them on.

    Of a whole batch in the order of its index, and without an equality: else PostgreSQL takes the order by number alone
    for a walk over all edits (133 ms of a million; our measurement, 2026-11-21).
    """
    place: tuple[sa.ColumnElement[Any], ...] = (EDIT.c.id,)
    start: tuple[Any, ...] = (beyond,)
    if (batch_id := wanted.batch_id) is not None and not wanted.states:
        wanted, place, start = replace(wanted, batch_id=None), (EDIT.c.batch_id, EDIT.c.id), (batch_id, beyond)
    statement = filtered(sa.select(EDIT.c.id), wanted)
    if len(place) > 1:
        statement = statement.where(EDIT.c.batch_id >= batch_id, EDIT.c.batch_id <= batch_id)
    if beyond is not None:
        here, there = sa.tuple_(*place), sa.tuple_(*start)
        statement = statement.where(here < there if newest_first else here > there)
    return statement.order_by(*(column.desc() for column in place) if newest_first else place)


def edits(db: Database, ids: Sequence[int]) -> list[EditRecord]:
    """These edits, with outputs and flags, in the order asked for; unknown ids are left out."""
    with db.read() as connection:
        found = {record.id: record for record in _edits(connection, "id", list(ids))}
    return [found[edit_id] for edit_id in ids if edit_id in found]


def edit(db: Database, edit_id: int) -> EditRecord:
    """One edit with its outputs and flags.

    Raises:
        NotFound: There is no such edit.
    """
    found = edits(db, [edit_id]) if 0 < edit_id < _MOST_IDS else []
    if not found:
        raise NotFound(f"edit {edit_id}: there is no such edit in this desk")
    return found[0]


def each_edit(db: Database, wanted: EditFilter) -> Iterator[EditRecord]:
    """The edits that fit, oldest first, read page by page: memory stays flat however many there are."""
    after = 0
    while ids := edit_ids(db, wanted, after=after, limit=_PAGE):
        yield from edits(db, ids)
        after = ids[-1]


def each_routed(db: Database) -> Iterator[tuple[EditRecord, list[DecisionRecord]]]:
    """Every edit that the policy has routed, oldest first, with the decisions on it; read page by page."""
    after = 0
    while ids := edit_ids(db, EditFilter(states=_ROUTED), after=after, limit=_PAGE):
        decided: dict[int, list[DecisionRecord]] = {}
        for decision in decisions(db, ids):
            decided.setdefault(decision.edit_id, []).append(decision)
        for record in edits(db, ids):
            if record.route:  # a chained step is superseded without one
                yield record, decided.get(record.id, [])
        after = ids[-1]


def last_round(db: Database, edit_id: int) -> tuple[int, EditState] | None:
    """The last round on an edit's asset, and its state; None if there is no such edit. One quick look, to ask often.

    A round that somebody asked for and took back is none.
    """
    with db.read() as connection:
        row = connection.execute(_read_last_round(), {"edit": edit_id}).one_or_none() if edit_id < _MOST_IDS else None
    return None if row is None else (int(row.id), EditState(row.state))


def rounds(db: Database, asset_id: int) -> list[EditRecord]:
    """All rounds on an asset, first to last."""
    with db.read() as connection:
        return sorted(_edits(connection, "asset_id", [asset_id]), key=lambda record: record.id)


def decisions(db: Database, edit_ids: Iterable[int]) -> list[DecisionRecord]:
    """Decisions on these edits, oldest first."""
    statement = sa.select(DECISION).where(DECISION.c.edit_id.in_(list(edit_ids))).order_by(DECISION.c.id)
    with db.read() as connection:
        return [
            DecisionRecord(
                id=row.id,
                edit_id=row.edit_id,
                kind=DecisionKind(row.kind),
                actor=row.actor,
                output_sha256=row.output_sha256,
                shown_ms=row.shown_ms,
                reason=row.reason,
                note=row.note,
                policy_hash=row.policy_hash,
                created_at=row.created_at,
            )
            for row in connection.execute(statement)
        ]


def events(db: Database, edit_ids: Iterable[int]) -> list[EventRecord]:
    """What happened to these edits, oldest first."""
    statement = sa.select(EVENT).where(EVENT.c.edit_id.in_(list(edit_ids))).order_by(EVENT.c.id)
    with db.read() as connection:
        return [_event_record(row) for row in connection.execute(statement)]


def latest_events(
    db: Database,
    *,
    kind: str | None = None,
    actor: str | None = None,
    edit_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[EventRecord]:
    """What happened last, newest first.

    Args:
        db: The desk's database.
        kind: How the kinds begin: ``edit.`` for all that happened to edits.
        actor: By this person, runner or policy.
        edit_id: To this edit.
        before: Before the event with this id.
        limit: The most to give.
    """
    statement = sa.select(EVENT).order_by(EVENT.c.id.desc()).limit(limit)
    if kind is not None:
        statement = statement.where(EVENT.c.kind.istartswith(kind, autoescape=True))
    if actor is not None:
        statement = statement.where(EVENT.c.actor == actor)
    if edit_id is not None:
        statement = statement.where(EVENT.c.edit_id == edit_id)
    if before is not None:
        statement = statement.where(EVENT.c.id < before)
    with db.read() as connection:
        return [_event_record(row) for row in connection.execute(statement)]


def picture(db: Database, sha256: str) -> PictureFacts:
    """What is known of a stored picture.

    Raises:
        NotFound: The desk has no such picture.
    """
    with db.read() as connection:
        row = connection.execute(sa.select(PICTURE).where(PICTURE.c.sha256 == sha256)).one_or_none()
    if row is None:
        raise NotFound(f"picture {sha256[:12]}: this desk has none of that name")
    return PictureFacts(row.sha256, row.media_type, (row.width, row.height), row.byte_count)


def attempts(db: Database, edit_id: int) -> list[AttemptRecord]:
    """All requests that were made for an edit, oldest first."""
    statement = (
        sa.select(ATTEMPT, CHARGE.c.amount_microusd, CHARGE.c.usage, CHARGE.c.id.label("charge_id"))
        .outerjoin(CHARGE, CHARGE.c.attempt_id == ATTEMPT.c.id)
        .where(ATTEMPT.c.edit_id == edit_id)
        .order_by(ATTEMPT.c.number)
    )
    same = (
        *("edit_id", "number", "client_id", "sent", "task_id", "request_id", "reserved_microusd", "error_code"),
        *("error", "details", "started_at", "ended_at"),
    )
    with db.read() as connection:
        return [
            AttemptRecord(
                **{name: row[name] for name in same},
                state=AttemptState(row["state"]),
                cost_microusd=row["amount_microusd"],
                usage=row["usage"] or {},
            )
            for row in connection.execute(statement).mappings()
        ]


@dataclass(frozen=True, slots=True)
class Booked:
    """What a request was charged.

    Attributes:
        microusd: 0 without a charge; None if its price is not known.
    """

    provider: str
    microusd: int | None


def booked(db: Database) -> dict[str, Booked]:
    """What every request was charged, by our name for it."""
    columns = (ATTEMPT.c.client_id, EDIT.c.provider, CHARGE.c.id, CHARGE.c.amount_microusd)
    statement = (
        sa.select(*columns)
        .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
        .outerjoin(CHARGE, CHARGE.c.attempt_id == ATTEMPT.c.id)
    )
    with db.read() as connection:
        return {
            client_id: Booked(provider, amount if charge_id is not None else 0)
            for client_id, provider, charge_id, amount in connection.execute(statement)
        }


def sample_counts(db: Database, policy_hash: str) -> tuple[int, int]:
    """Of the edits that this policy drew as its sample: how many were decided on, and how many of these were bad."""
    statement = (
        sa.select(EDIT.c.state, sa.func.count())
        .where(EDIT.c.sampled_by.is_not(None), EDIT.c.sampled_by == policy_hash)
        .group_by(EDIT.c.state)
    )
    with db.read() as connection:
        counts = {EditState(state): n for state, n in connection.execute(statement)}
    bad = counts.get(EditState.REJECTED, 0) + counts.get(EditState.SUPERSEDED, 0)
    return counts.get(EditState.APPROVED, 0) + bad, bad


def recipes_in_use(db: Database) -> list[str]:
    """Names of the recipes that any edit came from."""
    statement = sa.select(EDIT.c.recipe).where(EDIT.c.recipe.is_not(None)).distinct()
    with db.read() as connection:
        return sorted(connection.execute(statement).scalars())


def filtered(statement: sa.Select[Any], wanted: EditFilter) -> sa.Select[Any]:
    """The statement, for the edits that fit."""
    statement = statement.select_from(EDIT)
    if wanted.states == _TO_LOOK_AT:
        statement = statement.where(sa.text(f"edit.{TO_LOOK_AT}"))  # as its index says
    elif wanted.states:
        statement = statement.where(EDIT.c.state.in_(sorted(wanted.states)))
    if wanted.batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == wanted.batch_id)
    if wanted.recipe is not None:
        statement = statement.where(EDIT.c.recipe == wanted.recipe)
    if wanted.asked_by is not None:
        statement = statement.where(EDIT.c.asked_by == wanted.asked_by)
    if wanted.kind is not None or wanted.change is not None:
        flagged = sa.select(OUTPUT.c.id).join(FLAG, FLAG.c.output_id == OUTPUT.c.id)
        flagged = flagged.where(OUTPUT.c.edit_id == EDIT.c.id)  # for each edit that is walked over, not for all
        if wanted.kind is not None:
            flagged = flagged.where(FLAG.c.kind == wanted.kind)
        if wanted.change is not None:
            flagged = flagged.where(FLAG.c.change == wanted.change)
        statement = statement.where(flagged.exists())
    if wanted.asset_name is not None:
        named = sa.select(ASSET.c.id).where(ASSET.c.name == wanted.asset_name)
        statement = statement.where(EDIT.c.asset_id.in_(named))
    if wanted.name_has is not None:
        of_it = sa.select(ASSET.c.id).where(ASSET.c.id == EDIT.c.asset_id)  # walked as flags are
        statement = statement.where(of_it.where(ASSET.c.name.icontains(wanted.name_has, autoescape=True)).exists())
    if wanted.provider is not None:
        statement = statement.where(EDIT.c.provider == wanted.provider)
    return statement


def _event_record(row: sa.Row[Any]) -> EventRecord:
    return EventRecord(row.id, row.at, row.kind, row.actor, row.edit_id, row.data)


def _edits(connection: sa.Connection, by: str, ids: Sequence[int]) -> list[EditRecord]:
    """The edits whose ``id`` or ``asset_id`` is among these."""
    rows = connection.execute(_read_edits(by), {"ids": ids}).mappings().all()
    outputs = _outputs(connection, [row["id"] for row in rows]) if rows else {}
    return [_edit_record(row, _asset_record(row), outputs.get(row["id"], ())) for row in rows]


def _asset_record(row: sa.RowMapping) -> AssetRecord:
    source = None
    if row["source_sha256"]:
        size_wh = (row["width"], row["height"])
        source = PictureFacts(row["source_sha256"], row["media_type"], size_wh, row["byte_count"])
    same = (
        "batch_id",
        "batch",
        "name",
        "variant",
        "sku",
        "line",
        "source_uri",
        "original_sha256",
        "source_facts",
        "extra",
    )
    destinations = tuple(row["own_destinations"] or row["batch_destinations"])
    same_values = {name: row[name] for name in same}
    return AssetRecord(id=row["asset_id"], **same_values, source=source, destinations=destinations)


def _outputs(connection: sa.Connection, edit_ids: Sequence[int]) -> dict[int, tuple[OutputRecord, ...]]:
    rows = connection.execute(_read_outputs(), {"ids": edit_ids}).all()
    flags: dict[int, list[Any]] = {}
    for flag in connection.execute(_read_flags(), {"ids": [row.id for row in rows]}).mappings():
        flags.setdefault(flag["output_id"], []).append(flag_from_json(dict(flag)))
    found: dict[int, tuple[OutputRecord, ...]] = {}
    for row in rows:
        record = OutputRecord(
            id=row.id,
            edit_id=row.edit_id,
            position=row.position,
            name=row.name,
            picture=PictureFacts(row.sha256, row.media_type, (row.width, row.height), row.byte_count),
            notes=row.notes,
            flags=tuple(flags.get(row.id, ())),
            findings=tuple(map(detection_from_json, row.findings)),
        )
        found[row.edit_id] = (*found.get(row.edit_id, ()), record)
    return found


def _edit_record(row: sa.RowMapping, asset: AssetRecord, outputs: tuple[OutputRecord, ...]) -> EditRecord:
    same = (
        *("id", "parent_id", "round", "revision", "provider", "ai_model", "size", "quality", "n", "mask"),
        *("keeps_outside", "markup", "input_sha256", "asked_by", "error_code", "error", "cost_microusd"),
        *("unpriced", "saved_microusd", "key", "is_fresh", "priority", "route", "accepted_output_id"),
        *("claimed_by", "claim_until", "escalated_by", "created_at", "updated_at"),
    )
    return EditRecord(
        **{name: row[name] for name in same},
        asset=asset,
        state=EditState(row["state"]),
        instruction=instruction_from_json(dict(row)),
        next_steps=tuple(map(instruction_from_json, row["next_steps"])),
        references=tuple(row["references"]),
        approvals=tuple(row["approvals"]),
        outputs=outputs,
    )


@cache
def _read_edits(by: str) -> sa.Select[Any]:
    """Edits, each with its asset and that one's source."""
    names = (
        "name",
        "variant",
        "sku",
        "line",
        "source_uri",
        "original_sha256",
        "source_sha256",
        "source_facts",
        "extra",
    )
    facts = (PICTURE.c[name] for name in ("media_type", "width", "height", "byte_count"))
    goes = ASSET.c.destinations.label("own_destinations"), BATCH.c.destinations.label("batch_destinations")
    return (
        sa.select(EDIT, *(ASSET.c[name] for name in names), BATCH.c.name.label("batch"), *goes, *facts)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .outerjoin(PICTURE, PICTURE.c.sha256 == ASSET.c.source_sha256)
        .where(EDIT.c[by].in_(_IDS))
    )


@cache
def _read_last_round() -> sa.Select[Any]:
    asset = sa.select(EDIT.c.asset_id).where(EDIT.c.id == sa.bindparam("edit")).scalar_subquery()
    is_taken_back = sa.and_(EDIT.c.state == EditState.CANCELLED, EDIT.c.error_code.is_distinct_from(BATCH_CANCELLED))
    last = sa.select(EDIT.c.id, EDIT.c.state).where(EDIT.c.asset_id == asset, sa.not_(is_taken_back))
    return last.order_by(EDIT.c.id.desc()).limit(1)


@cache
def _read_outputs() -> sa.Select[Any]:
    facts = (PICTURE.c[name] for name in ("media_type", "width", "height", "byte_count"))
    return (
        sa.select(OUTPUT, *facts)
        .join(PICTURE, PICTURE.c.sha256 == OUTPUT.c.sha256)
        .where(OUTPUT.c.edit_id.in_(_IDS))
        .order_by(OUTPUT.c.edit_id, OUTPUT.c.position)
    )


@cache
def _read_flags() -> sa.Select[Any]:
    return sa.select(FLAG).where(FLAG.c.output_id.in_(_IDS)).order_by(FLAG.c.id)


_IDS: sa.BindParameter[Sequence[int]] = sa.bindparam("ids", expanding=True)
