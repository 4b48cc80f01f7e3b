"""What every test lives by: no network but loopback, no desk but its own, nothing skipped where CI asks for all."""

import asyncio
import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline.desk import Desk
from tests import postgres
from tests.desks import new_desk
from tests.products import FOLDER_VARIABLE, product
from tests.soak_report import note_outcome

REQUIRE_ALL = os.environ.get("PICTUREDESK_REQUIRE_ALL") == "1"

# The same examples every time, however slow the machine is; soak trials ask for others each time.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run share what is drawn in it."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="picturedesk-drawn-")
        config.add_cleanup(folder.cleanup)
        os.environ[FOLDER_VARIABLE] = folder.name


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Of long trials, the report says how each ended."""
    note_outcome(report)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, since tests wait for browsers and servers; each takes up to 1.5 GB of memory."""
    return min((os.cpu_count() or 1) + 1, 4)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse every address but this machine's own."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            raise PermissionError(f"a test reached for {address[0]}; only loopback is allowed")

    def guarded_connect(sock: socket.socket, address: Any) -> None:
        check(sock, address)
        return connect(sock, address)

    def guarded_connect_ex(sock: socket.socket, address: Any) -> int:
        check(sock, address)
        return connect_ex(sock, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if host is not None and not is_loopback(host.decode() if isinstance(host, bytes) else host):
            raise socket.gaierror(socket.EAI_NONAME, f"a test looked up {host}; only loopback is allowed")
        return getaddrinfo(host, *args, **options)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
    yield
    patch.undo()


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's desk is set by the test alone; where the weights lie stays known."""
    for name in list(os.environ):
        if name.startswith("PICTUREDESK_") and name not in (
            *("PICTUREDESK_REQUIRE_ALL", "PICTUREDESK_CACHE", "PICTUREDESK_WHEELS", "PICTUREDESK_SCREENSHOTS"),
            "PICTUREDESK_SOAK_REPORT",
        ):
            monkeypatch.delenv(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every new desk of the test is in this kind of database."""
    if request.param == "sqlite":
        yield
        return
    with postgres.desks_are_in_it():
        yield


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty desk with the default settings."""
    opened = new_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """What three people decided in three weeks; not to be changed."""
    from tests.decided_desk import decided_desk

    opened = decided_desk(tmp_path_factory.mktemp("weeks") / "desk", until=datetime(2026, 11, 20, tzinfo=UTC))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """Where the detectors' weights are; `make test` installs them before any test runs."""
    from pipeline.detectors.weights import default_cache_dir, installed_weights
    from pipeline.errors import ModelsMissing

    folder = Path(os.environ.get("PICTUREDESK_CACHE") or default_cache_dir())
    try:
        installed_weights(folder)
    except ModelsMissing:
        reason = "the detectors' weights are missing; run: picturedesk models install"
        (pytest.fail if REQUIRE_ALL else pytest.skip)(reason)
    return folder


def need(module: str, command: str) -> None:
    """Skip where a part of ``dev`` is missing; fail where CI asks for all."""
    if find_spec(module) is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)(f"{module} is missing; run: {command}")


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the photographs that come with scikit-image; taken from the wheels that `make test` fetched."""
    from pipeline.samples import prepare_samples

    wheels = os.environ.get("PICTUREDESK_WHEELS")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.drawn_products.draw_product", lambda _: product("vase"))  # the quickest
        manifest = prepare_samples(tmp_path_factory.mktemp("samples"), wheels=Path(wheels) if wheels else None)
    return manifest.parent / "pictures"


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray cluster of three cores on this machine, as a desk starts it, once for all tests; it leaves no process."""
    import psutil

    from pipeline.engines import open_engine
    from pipeline.pool import WorkPool
    from pipeline.settings import Settings

    need("ray", 'pip install "picturedesk[ray]"')
    before = set(psutil.Process().children(recursive=True))
    keeper = open_engine(Settings(engine="ray", workers=3), WorkPool(1))
    with pytest.MonkeyPatch.context() as patch:  # its nodes keep what travels to them in a cache of their own
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("node")))
        asyncio.run(keeper.run(os.getpid))
    begun = set(psutil.Process().children(recursive=True)) - before
    yield
    keeper.close()
    _, alive = psutil.wait_procs(list(begun), timeout=60)
    assert begun
    assert alive == []
