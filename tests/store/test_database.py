"""Engines and migrations."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.errors import StoreError
from pipeline.states import EditState
from pipeline.store import Database, batching
from pipeline.store.batching import BATCH_COUNT
from pipeline.store.moves import EDIT
from pipeline.tables import EditRow, Table
from tests.attempts import begin, give_up
from tests.store.conftest import load, produce, row


def test_the_migrations_make_exactly_the_tables_of_the_code(db: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_upgrading_twice_is_upgrading_once(db: Database) -> None:
    db.upgrade()
    with db.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one() == 1


def test_desks_of_one_process_may_be_opened_side_by_side(tmp_path: Path) -> None:
    def upgraded(number: int) -> int:
        db = Database(f"sqlite:///{tmp_path / f'{number}.db'}")
        db.upgrade()
        with db.read() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one())

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(upgraded, range(8))) == [1] * 8


def test_the_ledger_survives_power_loss(db: Database) -> None:
    with db.write() as connection:
        if db.is_shared:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
            return
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def test_a_failed_transaction_leaves_nothing(db: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        _write_one_good_and_one_bad_row(db)
    with db.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM event").scalar_one() == 0


def test_a_state_that_does_not_exist_is_refused_by_the_database_itself(db: Database) -> None:
    checks = sa.inspect(db._engines.read).get_check_constraints(str(EditRow.__tablename__))
    assert any("in_review" in str(check["sqltext"]) for check in checks)


def test_a_folder_that_cannot_be_opened_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path / 'missing' / 'desk.db'}").upgrade()


def _write_one_good_and_one_bad_row(db: Database) -> None:
    with db.write() as connection:
        connection.exec_driver_sql("INSERT INTO event (at, kind, actor, data) VALUES ('2026-01-01', 'x', 'y', '{}')")
        connection.exec_driver_sql("INSERT INTO event (at, kind) VALUES ('2026-01-01', 'x')")


def test_the_counts_of_each_batch_are_kept_whatever_moves(db: Database) -> None:
    load(db, *(row(f"item-{number}") for number in range(5)))
    produce(db, 1)
    give_up(db, begin(db, 2), EditState.FAILED)
    batching.cancel(db, 1, actor="ada")
    counted = sa.select(EDIT.c.batch_id, EDIT.c.state, sa.func.count()).group_by(EDIT.c.batch_id, EDIT.c.state)
    with db.read() as connection:
        kept = connection.execute(sa.select(BATCH_COUNT).where(BATCH_COUNT.c.n != 0)).all()
        assert sorted(map(tuple, kept)) == sorted(map(tuple, connection.execute(counted)))
    assert len(kept) == 3
