"""Moving a desk to another database, and what a database holds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline import audit, crew
from pipeline.desk import open_database
from pipeline.errors import Conflict, StoreError, UsageError
from pipeline.people import Person
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.settings import read_settings
from pipeline.states import Role
from pipeline.store import Database, chain, moving, workers
from pipeline.store.chain import History
from pipeline.store.moving import Arrival, Contents
from pipeline.store.workers import WorkerRecord

SILENT_S = crew.SILENT_S + crew.BEAT_S
"""Of a worker that is not heard for so long, others would take the work over."""

_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do.

    Attributes:
        source: The database that the desk is in, without a password.
        target: The database that it goes to, without a password.
        contents: What would be moved.
    """

    source: str
    target: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Move:
    """What a move did."""

    source: str
    target: str
    arrival: Arrival
    seconds: float


def plan(source: Database, target: Database, *, by: Person, silent_s: float = SILENT_S) -> Plan:
    """What a move would do; nothing is written.

    Raises:
        Forbidden: The person is no admin.
        Conflict: A worker is at work.
        StoreError: The source was moved before, or the target is not empty.
    """
    by.need(Role.ADMIN, "move the desk")
    _need_two(source, target)
    chain.check_is_here(source)
    found = moving.contents(target)
    if not found.is_empty:
        raise StoreError(f"{moving.shown(target.url)} is not empty; choose an empty database")
    _wait_for_silence(source, silent_s)
    return Plan(moving.shown(source.url), moving.shown(target.url), moving.contents(source))


def move(
    source: Database,
    target: Database,
    *,
    by: Person,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    silent_s: float = SILENT_S,
) -> Move:
    """Move a desk's whole content to an empty database, see that it arrived, and mark the old one.

    Args:
        source: Where the desk is; its tables are of this version.
        target: Where it goes; its tables are made here.
        by: Who moves it.
        on_progress: Called with what is done, the rows so far, and all rows.
        silent_s: So long must no worker have said that it lives.

    Raises:
        Forbidden: The person is no admin.
        Conflict: A worker is at work, or the history is not whole.
        StoreError: The source was moved before, the target is not empty, or what arrived is not what was sent.
    """
    by.need(Role.ADMIN, "move the desk")
    _need_two(source, target)
    began = time.monotonic()
    chain.check_is_here(source)
    moving.contents(target)  # refuses another program's tables, before ours are made among them
    target.upgrade()
    seen = _wait_for_silence(source, silent_s)
    arrival = moving.move(source, target, actor=by.name, seen=seen, check=_need_whole_history, on_progress=on_progress)
    return Move(moving.shown(source.url), moving.shown(target.url), arrival, time.monotonic() - began)


def undo(source: Database, *, by: Person) -> str:
    """Go on with a desk where it was moved away from; gives where it was moved to, which is left as it is.

    Raises:
        Forbidden: The person is no admin.
        StoreError: It was not moved.
    """
    by.need(Role.ADMIN, "take a moved desk back")
    return chain.reopen(source, actor=by.name)


def database_of(root: Path) -> Database:
    """The database of the desk in this folder, its tables brought to this version.

    Raises:
        UsageError: There is no desk, or it names no database.
    """
    if not (root / SETTINGS_FILE).exists():
        raise UsageError(f"there is no desk in {root}; name its folder with --desk, or its database with --from")
    found = open_database(root, read_settings(root))
    found.upgrade()
    return found


def database_at(url: str, *, option: str, is_there: bool) -> Database:
    """The database with this URL.

    Args:
        url: As typed.
        option: Which option says so.
        is_there: Whether there must be a desk already; its tables are brought to this version.

    Raises:
        UsageError: It is no such URL, or there is no desk.
    """
    try:
        found = Database(url)
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from exc
    if is_there:
        if not found.is_shared and not Path(url.removeprefix("sqlite:///")).exists():
            raise UsageError(f"{option}: there is no file {url.removeprefix('sqlite:///')}")
        if moving.contents(found).version is None:
            raise UsageError(f"{option}: there is no desk in {moving.shown(url)}")
        found.upgrade()
    return found


def _need_two(source: Database, target: Database) -> None:
    if source.url == target.url:
        raise UsageError("--to names the database that the desk is in; name another one")


def _wait_for_silence(source: Database, silent_s: float) -> list[WorkerRecord]:
    """Watch the workers for a while; gives those who said nothing, as they were.

    Raises:
        Conflict: One lives.
    """
    seen = workers.all_workers(source)
    end = time.monotonic() + (silent_s if seen else 0)
    while time.monotonic() < end:
        time.sleep(max(min(_LOOK_S, end - time.monotonic()), 0))
        for worker in workers.all_workers(source):
            if worker not in seen:
                raise Conflict(
                    f"worker {worker.name} is at work on this desk; stop it (Ctrl-C, or SIGTERM: what it is sending "
                    "comes home first), close the review page, and move again"
                )
    return seen


def _need_whole_history(history: History) -> None:
    found = audit.verify_history(history)
    if not found.is_whole:
        raise Conflict(
            f"the history that arrived is not whole: {found.breaks[0]}; nothing was kept there. Was it whole before? "
            "See: picturedesk audit verify"
        )
