"""Which edits an export has, without a mark on any of them."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.store import Database, exports
from tests.older_desks import fill_older

_MARKED = {1: "2026-11-02 10:00:00", 2: "2026-11-02 10:00:00", 3: "2026-11-03 10:00:00"}
_BATCH_OF = {1: 1, 2: 2, 3: 2, 4: 1, 5: 2}


def test_what_was_exported_from_an_older_desk_stays_so(tmp_path: Path) -> None:
    """Marks become exports: of all batches, and of one; what was approved after them is in none."""
    db = Database(f"sqlite:///{tmp_path / 'old.db'}")
    fill_older(db, "0008", [*_edits(), *_history()])
    db.upgrade()
    assert [edit_id for edit_id in _BATCH_OF if exports.is_exported(db, edit_id)] == [1, 2, 3]
    with db.read() as connection:
        moments = [exports.when_exported(connection, edit_id) for edit_id in _MARKED]
    assert [moment and moment.day for moment in moments] == [2, 2, 3]
    db.close()


def _edits() -> Iterator[str]:
    for batch in (1, 2):
        columns = "id, name, manifest_name, manifest_sha256, created_at"
        yield f"INSERT INTO batch ({columns}) VALUES ({batch}, 'b{batch}', '', '', '2026-11-01')"
    for edit, batch in _BATCH_OF.items():
        columns = "id, batch_id, name, variant, sku, line, source_uri, source_stamp, row_hash, source_facts, extra"
        cells = f"{edit}, {batch}, 'mug{edit}', '', '', 2, '', '', '', '{{}}', '{{}}'"
        yield f"INSERT INTO asset ({columns}) VALUES ({cells})"
        columns = "id, batch_id, asset_id, round, state, revision, priority, prompt, operations, parameters, next_steps"
        columns += ', provider, n, "references", asked_by, cost_microusd, route, created_at, updated_at, exported_at'
        cells = f"{edit}, {batch}, {edit}, 1, 'approved', 1, 10, 'x', '[]', '{{}}', '[]', 'local', 1, '[]', 'ada', 0"
        marked = f"'{_MARKED[edit]}'" if edit in _MARKED else "NULL"
        yield f"INSERT INTO edit ({columns}) VALUES ({cells}, '{{}}', '2026-11-01', '2026-11-01', {marked})"


def _history() -> Iterator[str]:
    for day, kind, batch, edit, data in (
        ("2026-11-01", "edit.approved", "NULL", "1", "{}"),
        ("2026-11-01", "edit.approved", "NULL", "2", "{}"),
        ("2026-11-02 10:00:01", "export.done", "NULL", "NULL", '{"rows": 2, "export_id": "a"}'),
        ("2026-11-03", "edit.approved", "NULL", "4", "{}"),
        ("2026-11-03", "edit.approved", "NULL", "3", "{}"),
        ("2026-11-03 10:00:01", "export.done", "2", "NULL", '{"rows": 2, "export_id": "b"}'),
        ("2026-11-04", "edit.approved", "NULL", "5", "{}"),
    ):
        values = f"'{day}', '{kind}', 'ada', {batch}, {edit}, '{data}'"
        yield f"INSERT INTO event (at, kind, actor, batch_id, edit_id, data) VALUES ({values})"
