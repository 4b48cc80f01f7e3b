"""Batches, edits and pictures for programs; lists page by page, in the order of an index."""

from dataclasses import replace

from pipeline import batches
from pipeline.desk import Desk
from pipeline.errors import NotFound
from pipeline.http_api import cursors
from pipeline.http_api.shapes import Batch, Batches, BatchesQuery, Edit, Edits, EditsQuery
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import batching, reading
from pipeline.store.reading import EditFilter
from pipeline.values import PictureFacts


def list_batches(desk: Desk, query: BatchesQuery, *, by: Person) -> Batches:
    """A page of batches, newest first.

    Raises:
        Forbidden: The person may not.
        UsageError: The cursor is none of this list's.
    """
    by.need(Role.VIEWER, "see batches")
    question = ["batches", query.name]
    before = cursors.place(question, query.cursor)
    if query.name is not None:
        number = batching.number_of(desk.db, query.name)
        found = [] if number is None else batches.statuses(desk, [number])
        return Batches(items=list(map(Batch.of, found)), next=None)
    found = batches.listed(desk, before=before, limit=query.limit + 1)
    shown, more = found[: query.limit], found[query.limit :]
    following = cursors.cursor(question, shown[-1].batch.id) if more else None
    return Batches(items=list(map(Batch.of, shown)), next=following)


def batch(desk: Desk, batch_id: int, *, by: Person) -> Batch:
    """One batch.

    Raises:
        Forbidden: The person may not.
        NotFound: There is none of that number.
    """
    by.need(Role.VIEWER, "see batches")
    found = batches.statuses(desk, [batch_id])
    if not found:
        raise NotFound(f"batch {batch_id}: this desk has none of that number; see GET /api/v1/batches")
    return Batch.of(found[0])


def list_edits(desk: Desk, query: EditsQuery, *, by: Person) -> Edits:
    """A page of edits, oldest first.

    Raises:
        Forbidden: The person may not.
        UsageError: The cursor is none of this list's.
    """
    by.need(Role.VIEWER, "see edits")
    question = ["edits", query.batch, sorted(query.state), query.asset_id]
    after = cursors.place(question, query.cursor)
    ids = _edit_ids(desk, query, after=after or 0, limit=query.limit + 1)
    shown = ids[: query.limit]
    following = cursors.cursor(question, shown[-1]) if len(ids) > query.limit else None
    return Edits(items=list(map(Edit.of, reading.edits(desk.db, shown))), next=following)


def _edit_ids(desk: Desk, query: EditsQuery, *, after: int, limit: int) -> list[int]:
    """State by state within a batch, as its index is: of a million edits, 10 ms instead of 470 for two rare states."""
    wanted = EditFilter(states=frozenset(query.state), batch_id=query.batch, asset_name=query.asset_id)
    if query.batch is None or len(wanted.states) < 2:
        return reading.edit_ids(desk.db, wanted, after=after, limit=limit)
    each = (replace(wanted, states=frozenset({state})) for state in wanted.states)
    return sorted(edit_id for one in each for edit_id in reading.edit_ids(desk.db, one, after=after, limit=limit))[
        :limit
    ]


def edit(desk: Desk, edit_id: int, *, by: Person) -> Edit:
    """One edit.

    Raises:
        Forbidden: The person may not.
        NotFound: There is none of that number.
    """
    by.need(Role.VIEWER, "see edits")
    return Edit.of(reading.edit(desk.db, edit_id))


def output_picture(desk: Desk, edit_id: int, output_id: int, *, by: Person) -> PictureFacts:
    """The picture of an output.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such edit, or it has no such output.
    """
    by.need(Role.VIEWER, "see pictures")
    for output in reading.edit(desk.db, edit_id).outputs:
        if output.id == output_id:
            return output.picture
    raise NotFound(f"edit {edit_id}: it has no output {output_id}; see GET /api/v1/edits/{edit_id}")


def source_picture(desk: Desk, edit_id: int, *, by: Person) -> PictureFacts:
    """The source of an edit's asset.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such edit, or its source was not read yet.
    """
    by.need(Role.VIEWER, "see pictures")
    source = reading.edit(desk.db, edit_id).asset.source
    if source is None:
        raise NotFound(f"edit {edit_id}: its source was not read yet; ask again when it is no longer queued")
    return source
