"""Thousands of edits in review, as copies of one: what a queue is measured on."""

from collections.abc import Sequence

import sqlalchemy as sa

from pipeline.desk import Desk
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT
from pipeline.store.running import FLAG, OUTPUT, save_picture
from pipeline.values import PictureFacts

_PAGE = 5_000


def add_copies(desk: Desk, edit_id: int, count: int, pictures: Sequence[PictureFacts] = ()) -> list[int]:
    """Copy an edit with its asset, output and flags, so many times; gives the copies' ids.

    Args:
        desk: The desk.
        edit_id: An edit in review with one output.
        count: How many copies.
        pictures: Source, output, source, output, ...: pairs that the copies take in turn; the edit's own if empty.
    """
    with desk.db.write() as connection:
        for facts in pictures:
            save_picture(connection, facts)
        edit = connection.execute(sa.select(EDIT).where(EDIT.c.id == edit_id)).mappings().one()
        asset = connection.execute(sa.select(ASSET).where(ASSET.c.id == edit["asset_id"])).mappings().one()
        output = connection.execute(sa.select(OUTPUT).where(OUTPUT.c.edit_id == edit_id)).mappings().one()
        flags = connection.execute(sa.select(FLAG).where(FLAG.c.output_id == output["id"])).mappings().all()
        first, ids = _ends(connection), range(count)
        pairs = [(a.sha256, b.sha256) for a, b in zip(pictures[::2], pictures[1::2], strict=True)]
        pairs = pairs or [(asset["source_sha256"], output["sha256"])]
        for start in range(0, count, _PAGE):
            page = ids[start : start + _PAGE]
            _insert(
                connection,
                ASSET,
                asset,
                [
                    {"id": first[ASSET] + n, "name": f"item-{n}", "source_sha256": pairs[n % len(pairs)][0]}
                    for n in page
                ],
            )
            _insert(connection, EDIT, edit, [{"id": first[EDIT] + n, "asset_id": first[ASSET] + n} for n in page])
            _insert(
                connection,
                OUTPUT,
                output,
                [
                    {"id": first[OUTPUT] + n, "edit_id": first[EDIT] + n, "sha256": pairs[n % len(pairs)][1]}
                    for n in page
                ],
            )
            for number, flag in enumerate(flags):
                begin = first[FLAG] + number * count
                _insert(connection, FLAG, flag, [{"id": begin + n, "output_id": first[OUTPUT] + n} for n in page])
    return [first[EDIT] + n for n in ids]


def _ends(connection: sa.Connection) -> dict[sa.Table, int]:
    tables = (ASSET, EDIT, OUTPUT, FLAG)
    return {table: connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() + 1 for table in tables}


def _insert(connection: sa.Connection, table: sa.Table, like: sa.RowMapping, changes: list[dict[str, object]]) -> None:
    connection.execute(sa.insert(table), [{**like, **change} for change in changes])
