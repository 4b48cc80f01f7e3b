"""A desk's content in another database: all of it to the letter, or none."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import audit, moving, review
from pipeline.desk import Desk
from pipeline.errors import Conflict, DeskMoved, Forbidden, StoreError
from pipeline.people import Person, local_person
from pipeline.states import Role
from pipeline.store import Database, access, chain, reading
from pipeline.store import moving as content
from pipeline.store.workers import WORKER
from pipeline.tables import Table, now
from tests import postgres
from tests.desks import HOSTILE, add_doubtful, build_desk

ADA = local_person("ada")
HAT, MUG, BAG = 1, 2, 3


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """In SQLite: decisions, a claim, a doubtful request, people, a re-prompt and a batch that a budget holds."""
    opened = build_desk(tmp_path / "desk")
    add_doubtful(opened)
    review.reject(opened, HAT, by=ADA, reason="other", note=HOSTILE)
    review.undo(opened, HAT, by=ADA)
    review.accept(opened, MUG, by=ADA)
    review.reprompt(opened, BAG, by=ADA, prompt='für Ä: 猫 \U0001f600\u202e \'n\\u0000 "quoted"\ttab\nline \\N \\x00')
    for name in ("grace@example.com", "Zoe@example.com"):
        access.set_role(opened.db, name, Role.REVIEWER, actor="ada")
    yield opened
    opened.close()


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[Database]:
    if kind == "sqlite":
        with closing(Database(f"sqlite:///{folder / 'moved.db'}")) as database:
            yield database
        return
    url_of = {"postgresql": postgres.empty_desk, "postgresql in English": _database_that_sorts_as_people_do}
    with url_of[kind]() as url, closing(Database(url)) as database:
        yield database


@contextmanager
def _database_that_sorts_as_people_do() -> Iterator[str]:
    """Its texts are not in the order of their bytes, as on most servers."""
    server = postgres.server()
    with server.database() as url:
        name = sa.make_url(url).database
        server.execute(f"DROP DATABASE {name}")
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'")
        yield url


def move(source: Database, target: Database) -> moving.Move:
    return moving.move(source, target, by=ADA, silent_s=0)


def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows, as the tables' own types read them, without the marks that a move leaves."""
    marks = (chain.MOVED, chain.ARRIVED, chain.REOPENED)
    found = {}
    with db.read() as connection:
        for table in Table.metadata.sorted_tables:
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            found[table.name] = sorted(rows, key=repr)
    found["event"] = [row for row in found["event"] if row["kind"] not in marks]
    del found["chain_end"]
    return found


def test_a_desk_goes_to_postgresql_and_back_and_is_the_same(desk: Desk, tmp_path: Path) -> None:
    before, head = everything(desk.db), chain.end(desk.db)
    progress: list[tuple[str, int, int]] = []
    with new_database("postgresql in English", tmp_path) as there, new_database("sqlite", tmp_path) as back:
        done = moving.move(desk.db, there, by=ADA, on_progress=lambda *step: progress.append(step))
        assert everything(there) == before
        assert done.arrival.head == head.hash
        assert {name: each.rows for name, each in done.arrival.tables.items() if each.rows} == {
            name: len(rows) for name, rows in before.items() if rows
        } | {"chain_end": 1}
        assert done.arrival.money.charged_microusd == 5 * 40_000
        assert done.arrival.money.open_requests == 1
        assert done.arrival.replaced == {}
        assert progress[-1][1] == progress[-1][2]
        move(there, back)
        assert everything(back) == before
        moved_twice = Desk(desk.root, desk.settings, back)
        assert audit.verify(moved_twice, expected=head.hash).is_whole
        with back.read() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").first() is None


def test_what_was_moved_goes_on(desk: Desk, tmp_path: Path) -> None:
    """New rows follow the last ones, and the counts by state are kept on."""
    with new_database("postgresql", tmp_path) as there:
        move(desk.db, there)
        moved = Desk(desk.root, desk.settings, there)
        last = max(reading.edit_ids(there, reading.EditFilter(), limit=100))
        review.undo(moved, MUG, by=ADA)
        review.reprompt(moved, MUG, by=ADA, prompt="once more")
        assert max(reading.edit_ids(there, reading.EditFilter(), limit=100)) == last + 1
        with there.read() as connection:
            kept = connection.exec_driver_sql("SELECT batch_id, state, n FROM batch_count WHERE n > 0").all()
            counted = connection.exec_driver_sql("SELECT batch_id, state, count(*) FROM edit GROUP BY 1, 2").all()
        assert sorted(map(tuple, kept)) == sorted(map(tuple, counted))
        assert audit.verify(moved).is_whole


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_goes_on_where_a_desk_was_moved_away_from(desk: Desk, tmp_path: Path, kind: str) -> None:
    with new_database(kind, tmp_path) as there:
        move(desk.db, there)
        before = everything(desk.db)
        with pytest.raises(DeskMoved, match="database ="):
            review.accept(desk, HAT, by=ADA)  # a page that was open all the time
        with pytest.raises(DeskMoved) as refused:
            Desk.open(desk.root)
        assert refused.value.to == content.shown(there.url)
        with pytest.raises(DeskMoved):
            move(desk.db, there)
        assert everything(desk.db) == before
        left = Desk.open(desk.root, even_moved=True)
        assert audit.verify(left).is_whole
        assert moving.undo(desk.db, by=ADA) == content.shown(there.url)
        review.accept(desk, HAT, by=ADA)
        with pytest.raises(StoreError, match="not moved"):
            moving.undo(desk.db, by=ADA)
        assert audit.verify(left).is_whole
        left.close()


def test_the_password_is_shown_nowhere() -> None:
    assert content.shown("postgresql://desk:secret@db/desk?password=secret&sslmode=require") == (
        "postgresql://desk@db/desk?sslmode=require"
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_does_not_arrive_whole_is_not_there_at_all(desk: Desk, tmp_path: Path, kind: str) -> None:
    before = everything(desk.db)
    with desk.db.write() as connection:  # somebody's hand in the history
        connection.exec_driver_sql("UPDATE event SET actor = 'eve' WHERE id = 3")
    with new_database(kind, tmp_path) as there:
        with pytest.raises(StoreError, match="event 3 does not follow"):
            move(desk.db, there)
        assert content.contents(there).is_empty
        chain.check_is_here(desk.db)
        with desk.db.write() as connection:
            connection.exec_driver_sql("UPDATE event SET actor = 'ada' WHERE id = 3")
        move(desk.db, there)
        assert everything(there) == before


def test_a_desk_is_moved_to_an_empty_database_only(desk: Desk, tmp_path: Path) -> None:
    with new_database("sqlite", tmp_path) as there:
        there.upgrade()
        access.set_role(there, "eve", Role.ADMIN, actor="eve")
        for attempt in (move, partial(moving.plan, by=ADA)):
            with pytest.raises(StoreError, match="not empty"):
                attempt(desk.db, there)
        assert content.contents(there).rows["edit"] == 0
    chain.check_is_here(desk.db)


def test_another_programs_tables_are_left_alone(desk: Desk, tmp_path: Path) -> None:
    with new_database("postgresql", tmp_path) as there:
        with there.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
            connection.exec_driver_sql("CREATE TABLE person (id int)")
        with pytest.raises(StoreError, match="none of ours"):
            move(desk.db, there)
        with there.read() as connection:
            assert sa.inspect(connection).get_table_names() == ["person"]


def test_nothing_is_moved_while_a_worker_lives(desk: Desk, tmp_path: Path) -> None:
    """A row that a killed one left is in nobody's way, and stays behind."""
    values = {"name": "w-1", "host": "elsewhere", "pid": 1, "started_at": now(), "beaten_at": now()}
    with desk.db.write() as connection:
        connection.execute(sa.insert(WORKER).values(values))

    def beat() -> None:
        with desk.db.write() as connection:
            connection.execute(sa.update(WORKER).values(beaten_at=now()))

    with new_database("sqlite", tmp_path) as there, pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.moving.time.sleep", lambda _: beat())
        with pytest.raises(Conflict, match="w-1"):
            moving.move(desk.db, there, by=ADA)
        patch.undo()
        with pytest.raises(StoreError, match="meanwhile"):  # it began again in the last moment
            content.move(desk.db, there, actor="ada", seen=[], check=lambda _: None, on_progress=lambda *_: None)
        move(desk.db, there)
        with there.read() as connection:
            assert connection.execute(sa.select(WORKER)).all() == []


def test_a_move_that_was_cut_off_before_the_mark_is_ended_by_another(desk: Desk, tmp_path: Path) -> None:
    with new_database("sqlite", tmp_path) as there:
        move(desk.db, there)
        arrived = everything(there)
        with desk.db.write() as connection:  # as if the process had been killed before it could mark the source
            connection.exec_driver_sql("DELETE FROM event WHERE kind = 'desk.moved'")
            last = connection.exec_driver_sql("SELECT hash FROM event ORDER BY id DESC LIMIT 1").scalar_one()
            connection.exec_driver_sql(f"UPDATE chain_end SET hash = '{last}', length = length - 1")
        assert move(desk.db, there).arrival.was_there
        assert everything(there) == arrived
        with pytest.raises(DeskMoved):
            chain.check_is_here(desk.db)


def test_a_move_takes_an_admin(desk: Desk, tmp_path: Path) -> None:
    by = Person("eve", Role.APPROVER)
    with new_database("sqlite", tmp_path) as there:
        for what in (lambda: moving.move(desk.db, there, by=by), lambda: moving.plan(desk.db, there, by=by)):
            with pytest.raises(Forbidden):
                what()
    with pytest.raises(Forbidden):
        moving.undo(desk.db, by=by)


def test_an_old_desks_nul_and_nan_are_replaced_and_its_history_stays_whole(desk: Desk, tmp_path: Path) -> None:
    """SQLite kept what PostgreSQL does not: each place is said, and what the hashes cover has the same hash."""
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE asset SET sku = 'a' || char(0) || 'b' WHERE id = 1")
        connection.exec_driver_sql("""UPDATE edit SET route = '{"reasons": ["a\\u0000b"], "x": NaN}' WHERE id = 1""")
        connection.execute(
            sa.insert(chain.EVENT).values(**_next_event(connection, "e\0ve", {"note": "n\0", "half": "\ud83d"}))
        )
    head = chain.end(desk.db).hash
    with new_database("postgresql", tmp_path) as there:
        arrival = move(desk.db, there).arrival
        assert arrival.replaced == {"asset.sku": 1, "edit.route": 1, "event.actor": 1}
        with there.read() as connection:
            assert connection.exec_driver_sql("SELECT sku FROM asset WHERE id = 1").scalar_one() == "a\ufffdb"
            route = connection.exec_driver_sql("SELECT route FROM edit WHERE id = 1").scalar_one()
            assert route == {"reasons": ["a\ufffdb"], "x": None}
            assert connection.exec_driver_sql("SELECT route->>'x' FROM edit WHERE id = 1").scalar_one() is None
        assert audit.verify(Desk(desk.root, desk.settings, there), expected=head).is_whole


def _next_event(connection: sa.Connection, actor: str, data: dict[str, str]) -> dict[str, Any]:
    """An event as an earlier version appended it."""
    event = chain.event_values("desk.test", actor=actor, data=data)
    end = connection.execute(sa.select(chain.CHAIN_END)).one()
    made = chain.event_hash(end.hash, event)
    connection.execute(sa.update(chain.CHAIN_END).values(hash=made, length=end.length + 1))
    return {**event, "hash": made}
