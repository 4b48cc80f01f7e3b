"""What is known of an asset taken out of the desk's rows, for good; sums, and who did what when, stay.

The rows of its money (charges, purses, what attempts cost) are not touched. What was approved goes to ``rejected``, so
that nothing exports it. Its outputs name a blank picture instead. What is taken out of events and decisions is named by
the event ``asset.erased``, so that the history still holds (`pipeline.store.chain`).
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.blobs import kept_sha256
from pipeline.errors import Conflict
from pipeline.records import asset_title
from pipeline.states import IN_FLIGHT, EditState
from pipeline.store.answering import ANSWER
from pipeline.store.chain import DECISION, ERASED, ERASED_BY, EVENT, PLAIN, digest
from pipeline.store.database import Database
from pipeline.store.exports import exported_at
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT, add_event, move
from pipeline.store.running import ATTEMPT, FLAG, MEMORY, OUTPUT, SCAN, save_picture
from pipeline.store.tickets import IN_NO_ANSWER, TICKET, TICKET_PICTURE
from pipeline.store.walking import walk
from pipeline.values import PictureFacts

GONE = "erased"
"""The source's stamp of an asset that was erased."""

_TO_REJECTED: Mapping[EditState, tuple[EditState, ...]] = {
    EditState.APPROVED: (EditState.IN_REVIEW, EditState.REJECTED),
    EditState.IN_REVIEW: (EditState.REJECTED,),
    EditState.REFUSED: (EditState.REJECTED,),
    EditState.FAILED: (EditState.REJECTED,),
    EditState.IN_DOUBT: (EditState.REJECTED,),
    EditState.CANCELLED: (EditState.SUPERSEDED,),
}
"""So that nothing of it can be exported or sent again."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Traces:
    """What a desk has of an asset.

    Attributes:
        asset_id: The row.
        title: Name and variant.
        files: Where its source, masks, marks and references came from: paths and URLs that nothing else of this desk
            names.
        edit_ids: Its rounds.
        keys: Names of its requests, under which answers are shared.
        pictures: The sha256 of its pictures that nothing else of this desk names.
        shared: The sha256 of those that other assets name, too.
    """

    asset_id: int
    title: str
    files: tuple[str, ...]
    edit_ids: tuple[int, ...]
    keys: tuple[str, ...]
    pictures: tuple[str, ...]
    shared: tuple[str, ...]


def is_erased(connection: sa.Connection, asset_id: int) -> bool:
    """Whether that asset was erased."""
    stamp = sa.select(ASSET.c.source_stamp).where(ASSET.c.id == asset_id)
    return bool(connection.execute(stamp).scalar_one() == GONE)


def assets_named(db: Database, name: str, batch_id: int | None) -> list[int]:
    """All assets of that name, variants and all batches."""
    statement = sa.select(ASSET.c.id).where(ASSET.c.name == name, ASSET.c.source_stamp != GONE).order_by(ASSET.c.id)
    if batch_id is not None:
        statement = statement.where(ASSET.c.batch_id == batch_id)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def expired_assets(
    db: Database, *, rejected_before: datetime | None = None, exported_before: datetime | None = None
) -> Iterator[int]:
    """Assets whose last round was rejected, or exported, before these moments; page by page."""
    later = EDIT.alias()
    is_last = ~sa.exists().where(later.c.parent_id == EDIT.c.id)
    reasons = []
    if rejected_before is not None:
        reasons.append(sa.and_(EDIT.c.state == EditState.REJECTED, EDIT.c.updated_at < rejected_before))
    if exported_before is not None:
        reasons.append(exported_at() < exported_before)
    if not reasons:
        return
    statement = (
        sa.select(ASSET.c.id)
        .join(EDIT, EDIT.c.asset_id == ASSET.c.id)
        .where(ASSET.c.source_stamp != GONE, is_last, sa.or_(*reasons))
    )
    for asset in walk(db, statement, start=0, page=_PAGE):
        yield asset.id


def traces(db: Database, asset_id: int) -> Traces:
    """What is there of an asset.

    Raises:
        Conflict: A round of it is queued or being made.
    """
    with db.read() as connection:
        asset = connection.execute(sa.select(ASSET).where(ASSET.c.id == asset_id)).mappings().one()
        edits = connection.execute(sa.select(EDIT).where(EDIT.c.asset_id == asset_id)).mappings().all()
        title = asset_title(asset["name"], asset["variant"])
        _check_is_at_rest(title, edits)
        edit_ids = [edit["id"] for edit in edits]
        sent = set(_sent_besides(connection, edit_ids))
        found = {*_of_asset(asset), *_of_edits(edits), *_of_outputs(connection, edit_ids), *sent}
        pictures = sorted(sha256 for sha256 in found if sha256)
        shared = _shared(connection, pictures, asset_id, edit_ids) | _sent_elsewhere(connection, sent, edit_ids)
        files = {asset["source_uri"], *_files(edits)}
        return Traces(
            asset_id,
            title,
            tuple(sorted(files - _named_elsewhere(connection, files, asset_id))),
            tuple(edit_ids),
            tuple(edit["key"] for edit in edits if edit["key"]),
            tuple(sha256 for sha256 in pictures if sha256 not in shared),
            tuple(sha256 for sha256 in pictures if sha256 in shared),
        )


def erase(db: Database, found: Traces, *, blank: PictureFacts, actor: str, reason: str) -> None:
    """Take all that is known of an asset out of its rows, in one transaction.

    Args:
        db: The desk's database.
        found: What there is of it.
        blank: What stands for its outputs.
        actor: Who does it.
        reason: Why: ``asked`` or ``expired``.

    Raises:
        Conflict: A round of it is queued or being made by now.
    """
    with db.write() as connection:
        if connection.dialect.name == "sqlite":  # what is taken out is overwritten in the file, too
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        edits = connection.execute(sa.select(EDIT).where(EDIT.c.asset_id == found.asset_id)).mappings().all()
        _check_is_at_rest(found.title, edits)
        save_picture(connection, blank)
        for edit in edits:
            _let_rest(connection, edit, actor)
        edit_ids = [edit["id"] for edit in edits]
        _blank_rows(connection, found, edit_ids, blank)
        _blank_history(connection, found.asset_id, edit_ids, actor, reason)


def _check_is_at_rest(title: str, edits: Sequence[sa.RowMapping]) -> None:
    for edit in edits:
        if edit["state"] in IN_FLIGHT:
            raise Conflict(f"{title}: edit {edit['id']} is {edit['state']}; cancel its batch, or wait, and erase then")


def _let_rest(connection: sa.Connection, edit: sa.RowMapping, actor: str) -> None:
    state = EditState(edit["state"])
    for new in _TO_REJECTED.get(state, ()):
        move(connection, edit["id"], state, new, actor=actor, data={"reason": GONE}, accepted_output_id=None)
        state = new


def _blank_rows(connection: sa.Connection, found: Traces, edit_ids: Sequence[int], blank: PictureFacts) -> None:
    nothing: dict[str, Any] = {"sku": "", "source_uri": "", "source_stamp": GONE, "row_hash": "", "source_facts": {}}
    nothing |= {"name": f"erased-{found.asset_id}", "variant": "", "extra": {}}
    nothing |= {"source_sha256": None, "original_sha256": None}
    name = connection.execute(sa.select(ASSET.c.name).where(ASSET.c.id == found.asset_id)).scalar_one()
    told = json.dumps(name, ensure_ascii=False)
    connection.execute(sa.delete(ANSWER).where(ANSWER.c.body.contains(told, autoescape=True)))
    connection.execute(sa.update(ASSET).where(ASSET.c.id == found.asset_id).values(**nothing))
    came_with = sa.select(TICKET_PICTURE.c.ticket_id).where(TICKET_PICTURE.c.asset_id == found.asset_id)
    connection.execute(sa.update(TICKET).where(TICKET.c.id.in_(came_with)).values(said={}, error=None))
    of_it = TICKET_PICTURE.c.asset_id == found.asset_id
    connection.execute(sa.update(TICKET_PICTURE).where(of_it).values(answer=IN_NO_ANSWER))
    of_edit: dict[str, Any] = {"prompt": "", "operations": [], "parameters": {}, "next_steps": [], "references": []}
    of_edit |= dict.fromkeys(("key", "mask", "markup", "input_sha256", "error", "claimed_by", "claim_token"))
    of_edit |= {"claim_until": None}
    for edit_id, route in connection.execute(sa.select(EDIT.c.id, EDIT.c.route).where(EDIT.c.id.in_(edit_ids))).all():
        left = {name: value for name, value in route.items() if name != "reasons"}
        connection.execute(sa.update(EDIT).where(EDIT.c.id == edit_id).values(**of_edit, route=left))
    said: dict[str, Any] = {"sent": {}, "details": {}, "error": None}
    connection.execute(sa.update(ATTEMPT).where(ATTEMPT.c.edit_id.in_(edit_ids)).values(**said))
    outputs = sa.select(OUTPUT.c.id).where(OUTPUT.c.edit_id.in_(edit_ids))
    unsaid = {"label": "", "before": "", "remark": ""}
    connection.execute(sa.update(FLAG).where(FLAG.c.output_id.in_(outputs)).values(**unsaid))
    drawn = {"name": "", "notes": {}, "findings": [], "sha256": blank.sha256}
    connection.execute(sa.update(OUTPUT).where(OUTPUT.c.edit_id.in_(edit_ids)).values(**drawn))
    connection.execute(sa.delete(SCAN).where(SCAN.c.sha256.in_(found.pictures)))
    for sha256 in found.pictures:
        connection.execute(sa.delete(MEMORY).where(MEMORY.c.name.endswith(sha256) | (MEMORY.c.value == sha256)))


def _blank_history(connection: sa.Connection, asset_id: int, edit_ids: Sequence[int], actor: str, reason: str) -> None:
    """Take text out of events and decisions; the event that vouches for it comes first, as they name it."""
    events = {
        row["id"]: row["data"]
        for row in connection.execute(sa.select(EVENT).where(EVENT.c.edit_id.in_(edit_ids))).mappings()
        if set(row["data"]) - PLAIN
    }
    decisions = connection.execute(sa.select(DECISION).where(DECISION.c.edit_id.in_(edit_ids))).mappings().all()
    written = [row for row in decisions if row["note"] or any(row["flags"])]
    taken = {str(number): _digests(data, set(data) - PLAIN) for number, data in events.items()}
    noted = {str(row["id"]): _digests(dict(row), ("note", "flags")) for row in written}
    told = {"asset": asset_id, "reason": reason, "events": taken, "decisions": noted}
    add_event(connection, ERASED, actor=actor, data=told)
    by = connection.execute(sa.select(sa.func.max(EVENT.c.id))).scalar_one()
    for number, data in events.items():
        left = {name: value for name, value in data.items() if name in PLAIN} | {ERASED_BY: by}
        connection.execute(sa.update(EVENT).where(EVENT.c.id == number).values(data=left))
    for row in written:
        blank = {"note": "", "flags": [{ERASED_BY: by}]}
        connection.execute(sa.update(DECISION).where(DECISION.c.id == row["id"]).values(**blank))


def _digests(values: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    return {name: digest(values[name]) for name in sorted(names)}


def _of_asset(asset: sa.RowMapping) -> Iterator[str | None]:
    yield asset["original_sha256"]
    yield asset["source_sha256"]


def _of_edits(edits: Sequence[sa.RowMapping]) -> Iterator[str | None]:
    for edit in edits:
        yield edit["input_sha256"]
        yield from map(kept_sha256, (edit["mask"], edit["markup"], *edit["references"]))


def _files(edits: Sequence[sa.RowMapping]) -> Iterator[str]:
    """What rounds are made from besides the source, where it was brought to."""
    for edit in edits:
        for each in (edit["mask"], edit["markup"], *edit["references"]):
            if each is not None and kept_sha256(each) is None:
                yield each


def _named_elsewhere(connection: sa.Connection, files: Collection[str], asset_id: int) -> set[str]:
    """Those of these files that another asset is made from; walks over all assets and edits."""
    wanted = set(files)
    sources = sa.select(ASSET.c.source_uri).where(ASSET.c.source_uri.in_(wanted), ASSET.c.id != asset_id).distinct()
    named = set(connection.execute(sources).scalars())
    references = sa.cast(EDIT.c.references, sa.Text)  # as JSON, which may escape other letters than these
    parts = {max(re.findall("[A-Za-z0-9]+", each.rpartition("/")[2]), key=len, default="") for each in wanted}
    may_name = (EDIT.c.mask.in_(wanted), EDIT.c.markup.in_(wanted), *map(references.contains, parts))
    rounds = sa.select(EDIT.c.mask, EDIT.c.markup, EDIT.c.references).where(EDIT.c.asset_id != asset_id)
    for mask, markup, listed in connection.execute(rounds.where(sa.or_(*may_name))):
        named |= wanted.intersection((mask, markup, *listed))
    return named


def _of_outputs(connection: sa.Connection, edit_ids: Sequence[int]) -> Iterator[str | None]:
    for row in connection.execute(sa.select(OUTPUT).where(OUTPUT.c.edit_id.in_(edit_ids))).mappings():
        yield row["sha256"]
        yield row["notes"].get("composited_from")


def _sent_besides(connection: sa.Connection, edit_ids: Sequence[int]) -> Iterator[str]:
    """What was sent besides the sources, as it was prepared: masks, marks, references."""
    for sent in connection.execute(sa.select(ATTEMPT.c.sent).where(ATTEMPT.c.edit_id.in_(edit_ids))).scalars():
        yield from filter(None, (sent.get("mask"), sent.get("markup"), *(sent.get("references") or ())))


def _shared(
    connection: sa.Connection, pictures: Sequence[str], asset_id: int, edit_ids: Sequence[int]
) -> frozenset[str]:
    """Those that something else of the desk is made from or made."""
    elsewhere = (
        sa.select(ASSET.c.source_sha256).where(ASSET.c.source_sha256.in_(pictures), ASSET.c.id != asset_id),
        sa.select(ASSET.c.original_sha256).where(ASSET.c.original_sha256.in_(pictures), ASSET.c.id != asset_id),
        sa.select(OUTPUT.c.sha256).where(OUTPUT.c.sha256.in_(pictures), OUTPUT.c.edit_id.not_in(edit_ids)),
        sa.select(EDIT.c.input_sha256).where(EDIT.c.input_sha256.in_(pictures), EDIT.c.asset_id != asset_id),
    )
    return frozenset(sha256 for statement in elsewhere for sha256 in connection.execute(statement.distinct()).scalars())


def _sent_elsewhere(connection: sa.Connection, pictures: Collection[str], edit_ids: Sequence[int]) -> frozenset[str]:
    """Those that were sent for something else, too, such as a backdrop for a whole batch; walks over all attempts."""
    others = sa.select(ATTEMPT.c.id).where(ATTEMPT.c.edit_id.not_in(edit_ids)).limit(1)
    sent = sa.cast(ATTEMPT.c.sent, sa.Text)
    return frozenset(each for each in pictures if connection.execute(others.where(sent.contains(each))).first())
