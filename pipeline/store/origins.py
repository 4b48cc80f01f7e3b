"""How pictures came to be, and what was decided on telling others: read for a page of edits at a time.

A decision on disclosure is an event and nothing else, so that the history's chain vouches for it, and what was written
in it goes with its asset. The last one counts; one for an edit goes before one for its batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from pipeline.errors import Conflict, NotFound
from pipeline.provenance.disclosure import Disclosure, DisclosureClass
from pipeline.provenance.origin import Origin, Round
from pipeline.provenance.source_types import COMPOSITED, FROM_REFERENCE
from pipeline.store.chain import EVENT
from pipeline.store.database import Database
from pipeline.store.erasing import is_erased
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.store.running import ATTEMPT, OUTPUT, PICTURE
from pipeline.texts import need_storable
from pipeline.values import PictureFacts

DECIDED: Final = "disclosure.decided"
_COMPOSITED_FROM: Final = "composited_from"

_IS_DECISION: Final = sa.text(f"event.kind = '{DECIDED}'")
"""The kind is literal, since a bound one may miss the partial index."""

_IDS: sa.BindParameter[Sequence[int]] = sa.bindparam("ids", expanding=True)


def origins(connection: sa.Connection, edit_ids: Sequence[int]) -> dict[int, Origin]:
    """By edit, how its accepted output came to be; four statements, however many edits.

    Args:
        connection: One consistent view.
        edit_ids: At most some thousands; those that the desk does not have are left out.
    """
    if not edit_ids:
        return {}
    decided = disclosures(connection, edit_ids)
    rows: dict[int, list[Any]] = {}
    for row in connection.execute(_led_to(), {"ids": edit_ids}):
        rows.setdefault(row.wanted, []).append(row)
    provided = _provided(connection, [found[0] for found in rows.values()])
    return {edit_id: _origin(found, decided.get(edit_id), provided) for edit_id, found in rows.items()}


def disclosures(connection: sa.Connection, edit_ids: Sequence[int]) -> dict[int, Disclosure]:
    """By edit, what was decided last: on the edit itself, or else on its batch; nothing where nobody has."""
    if not edit_ids or connection.execute(sa.select(EVENT.c.id).where(_IS_DECISION).limit(1)).first() is None:
        return {}
    edits = connection.execute(
        sa.select(EDIT.c.id, EDIT.c.batch_id).where(EDIT.c.id.in_(_IDS)), {"ids": edit_ids}
    ).all()
    of_edit: dict[int, Disclosure] = {}
    of_batch: dict[int, Disclosure] = {}
    known = {"ids": edit_ids, "batches": sorted({row.batch_id for row in edits})}
    for row in connection.execute(_decided(), known):
        decision = Disclosure(
            DisclosureClass(row.data["to"]), row.data.get("why", ""), row.actor, row.at, row.edit_id is None
        )
        if row.edit_id is None:
            of_batch[row.batch_id] = decision
        else:
            of_edit[row.edit_id] = decision
    found = {row.id: of_edit.get(row.id, of_batch.get(row.batch_id)) for row in edits}
    return {edit_id: decision for edit_id, decision in found.items() if decision is not None}


def disclose_edit(db: Database, edit_id: int, kind: DisclosureClass, why: str, *, actor: str) -> None:
    """Record a decision on one edit.

    Raises:
        NotFound: There is no such edit.
        Conflict: Its asset was erased.
        UsageError: The reason has a character that no database keeps.
    """
    need_storable(reason=why)
    with db.write() as connection:
        asset_id = connection.execute(sa.select(EDIT.c.asset_id).where(EDIT.c.id == edit_id)).scalar_one_or_none()
        if asset_id is None:
            raise NotFound(f"edit {edit_id}: there is no such edit in this desk")
        if is_erased(connection, asset_id):
            raise Conflict(f"edit {edit_id}: its asset was erased")
        add_event(connection, DECIDED, actor=actor, edit_id=edit_id, data={"to": kind.value, "why": why})


def disclose_batch(db: Database, batch_id: int, kind: DisclosureClass, why: str, *, actor: str) -> None:
    """Record a decision on all edits of a batch, those to come included.

    Raises:
        NotFound: There is no such batch.
        UsageError: The reason has a character that no database keeps.
    """
    need_storable(reason=why)
    with db.write() as connection:
        if connection.execute(sa.select(BATCH.c.id).where(BATCH.c.id == batch_id)).first() is None:
            raise NotFound(f"batch {batch_id}: there is no such batch in this desk")
        add_event(connection, DECIDED, actor=actor, batch_id=batch_id, data={"to": kind.value, "why": why})


def _provided(connection: sa.Connection, rows: Sequence[Any]) -> dict[str, PictureFacts]:
    """What providers returned, by its sha256, where the desk composited it with the source."""
    wanted = sorted({sha256 for row in rows if (sha256 := (row.notes or {}).get(_COMPOSITED_FROM))})
    if not wanted:
        return {}
    found = connection.execute(sa.select(PICTURE).where(PICTURE.c.sha256.in_(wanted)))
    return {
        row.sha256: PictureFacts(row.sha256, row.media_type, (row.width, row.height), row.byte_count) for row in found
    }


def _origin(rows: Sequence[Any], disclosure: Disclosure | None, provided: Mapping[str, PictureFacts]) -> Origin:
    """Of one edit's rows, which begin with its own and go back through the edits before it."""
    said = (rows[0].source_facts or {}).get("metadata", {}).get("digital_source_types", ())
    return Origin(
        rounds=tuple(made for row in reversed(list(_made_it(rows))) for made in _rounds(row)),
        composited_from=provided.get((rows[0].notes or {}).get(_COMPOSITED_FROM, "")),
        source_uri=rows[0].source_uri,
        source_said=tuple(said),
        disclosure=disclosure,
    )


def _made_it(rows: Sequence[Any]) -> Iterator[Any]:
    """The edit, then each one that made the picture that this one began from; others before it led elsewhere."""
    yield rows[0]
    sought = rows[0].input_sha256
    for row in rows[1:]:
        if sought is not None and row.sha256 == sought:
            yield row
            sought = row.input_sha256


def _rounds(row: Any) -> Iterator[Round]:  # noqa: ANN401 - a row
    """The edit, and what the desk did to its output by itself."""
    carried_out: Mapping[str, Any] = row.notes or {}
    done = carried_out.get("operations") or row.operations
    made_at = row.ended_at or row.updated_at
    yield Round(
        provider=row.provider,
        ai_model=row.sent_model or row.ai_model or "",
        operations=tuple(_named(each) for each in done if isinstance(each, Mapping)),
        prompt=row.prompt,
        asked_by=row.asked_by,
        made_at=made_at,
    )
    if _COMPOSITED_FROM in carried_out:
        yield Round(provider="local", operations=(COMPOSITED,), made_at=made_at)


def _named(operation: Mapping[str, Any]) -> str:
    """An operation's name; one that puts another picture behind the item is told apart."""
    name = str(operation.get("op", ""))
    return FROM_REFERENCE if (name, operation.get("fill")) == ("background", "reference") else name


@cache
def _led_to() -> sa.Select[Any]:
    """Each wanted edit with its accepted output, then the edits before it with all of theirs."""
    begin = sa.select(
        EDIT.c.id.label("wanted"), EDIT.c.id, EDIT.c.parent_id, EDIT.c.input_sha256, sa.literal(0).label("depth")
    ).where(EDIT.c.id.in_(_IDS))
    chain = begin.cte("led_to", recursive=True)
    before = EDIT.alias("before")
    chain = chain.union_all(
        sa.select(chain.c.wanted, before.c.id, before.c.parent_id, before.c.input_sha256, chain.c.depth + 1)
        .select_from(chain)
        .join(before, before.c.id == chain.c.parent_id)
        .where(chain.c.input_sha256.is_not(None))
    )
    may_be_it = sa.or_(chain.c.depth > 0, OUTPUT.c.id == EDIT.c.accepted_output_id)
    of_edit = ("provider", "ai_model", "operations", "prompt", "asked_by", "updated_at")
    return (
        sa.select(
            chain.c.wanted,
            chain.c.id,
            chain.c.depth,
            *(EDIT.c[name] for name in of_edit),
            EDIT.c.input_sha256,
            OUTPUT.c.sha256,
            OUTPUT.c.notes,
            ATTEMPT.c.ai_model.label("sent_model"),
            ATTEMPT.c.ended_at,
            ASSET.c.source_uri,
            ASSET.c.source_facts,
        )
        .select_from(chain)
        .join(EDIT, EDIT.c.id == chain.c.id)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .outerjoin(OUTPUT, sa.and_(OUTPUT.c.edit_id == EDIT.c.id, may_be_it))
        .outerjoin(ATTEMPT, ATTEMPT.c.id == OUTPUT.c.attempt_id)
        .order_by(chain.c.wanted, chain.c.depth, OUTPUT.c.id)
    )


@cache
def _decided() -> sa.CompoundSelect[Any]:
    """Oldest first."""
    columns = (EVENT.c.id, EVENT.c.edit_id, EVENT.c.batch_id, EVENT.c.at, EVENT.c.actor, EVENT.c.data)
    decided = sa.select(*columns).where(_IS_DECISION)
    batches: sa.BindParameter[Sequence[int]] = sa.bindparam("batches", expanding=True)
    of_batch = decided.where(EVENT.c.edit_id.is_(None), EVENT.c.batch_id.in_(batches))
    return sa.union_all(decided.where(EVENT.c.edit_id.in_(_IDS)), of_batch).order_by("id")
