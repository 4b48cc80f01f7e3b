"""Actors on a Ray cluster: each loads its models once, on the processor or a GPU of any node.

Ray places them, carries pictures to them through its object store, and says when one died; what a dead actor or node
had begun is begun again by another, as `pipeline.engines.hands` has it. The nodes need this package and nothing else of
the desk's: weights and brand kit travel to them once, and are kept there.
"""

import hashlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engines import Portable
from pipeline.engines.hands import Hands, Outcome, WorkerDied, carry_out
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings import Settings

_KEPT_S = 7 * 24 * 3600.0
"""Weights and kits that no actor of a node asked for in so long are removed there."""

_REMEMBERED = 4
_KNOCK_S = 10.0


def open_actors(settings: "Settings") -> "RayActors":
    """The engine of these settings; connects at its first call.

    Raises:
        UsageError: Ray is not installed.
    """
    need_ray(settings.engine)
    return RayActors(settings)


def need_ray(address: str) -> None:
    """Refuse an engine whose packages are missing.

    Raises:
        UsageError: Says what to install.
    """
    for module, extra in (("ray", "ray"), *((("grpc", "ray"),) if address.startswith("ray://") else ())):
        if find_spec(module) is None:
            raise UsageError(
                f'engine = "{address}" needs the package {module}; run: pip install "picturedesk[{extra}]"'
            )


class RayActors(Hands):
    """Actors that carry out calls.

    Args:
        settings: The desk's: where the cluster is, how many actors, and what each is given.
    """

    def __init__(self, settings: "Settings") -> None:
        super().__init__(settings.workers or 1, ahead=settings.engine_options.in_flight)
        self._settings = settings
        self._parcels: dict[Portable, Parcel] = {}
        self._lock = threading.Lock()
        self._is_connected = False

    def close(self) -> None:
        """Stop the actors, and the cluster if this process began it."""
        super().close()
        self._parcels.clear()
        if self._is_connected:
            self._is_connected = False
            CONNECTION.close()

    def _hire(self) -> "_Actor":
        self.connect()
        import ray

        options = self._settings.engine_options
        resources = {"num_cpus": options.cpus_per_worker, "num_gpus": options.gpus_per_worker}
        kind: Any = ray.remote(ActorBody)
        return _Actor(kind.options(max_restarts=0, max_task_retries=0, **resources).remote(), self._sent)

    def connect(self) -> None:
        """Reach the cluster now, and not at the first call; seconds.

        Raises:
            UsageError: It cannot be reached, or does not start.
        """
        _prepare(self._settings)
        with self._lock:
            if not self._is_connected:
                CONNECTION.open(self._settings)
                self._is_connected = True
                if self._settings.workers is None:
                    self.workers = most_actors(self._settings)

    def _sent(self, arg: object) -> object:
        return self.parcel(arg) if isinstance(arg, Portable) else arg

    def parcel(self, arg: Portable) -> "Parcel":
        """The argument to be sent, its files put into the object store once."""
        import ray

        with self._lock:
            if arg not in self._parcels:
                files = arg.packed()
                while len(self._parcels) >= _REMEMBERED:
                    del self._parcels[next(iter(self._parcels))]
                self._parcels[arg] = Parcel(arg, _digest(files), [ray.put(files)])
            return self._parcels[arg]


class _Actor:
    """An actor as the desk sees it."""

    def __init__(self, handle: Any, sent: Callable[[object], object]) -> None:  # noqa: ANN401 - Ray's
        self._handle = handle
        self._sent = sent
        self._begun: deque[Any] = deque()
        self._version = handle.version.remote()

    def ready(self) -> None:
        """Wait until it runs, where Ray finds room for it.

        Raises:
            WorkerDied: It could not begin.
            UsageError: Its node has another version of this package.
        """
        is_good, there = _result(self._version)
        if not is_good:
            raise WorkerDied(str(there))
        if there != (here := version("picturedesk")):
            raise UsageError(
                f"a node of the Ray cluster has picturedesk {there}, this desk {here}; install {here} there"
            )

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._begun.append(self._handle.carry_out.remote(function, tuple(map(self._sent, args))))

    def finish(self) -> Outcome:
        is_good, value = _result(self._begun.popleft())
        if not is_good:
            return False, value
        outcome: Outcome = value
        return outcome

    def kill(self) -> None:
        import ray

        if ray.is_initialized():
            ray.kill(self._handle)


def _result(reference: Any) -> Outcome:  # noqa: ANN401 - Ray's
    """What came of it; an error of Ray's own that is not the actor's end counts as one of the call."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return True, ray.get(reference)
    except RayTaskError as exc:  # what cannot be read there or sent back
        return False, TypeError(f"a call or what it gave cannot be sent to another process: {exc.cause}")
    except (RayError, SystemError, ValueError) as exc:  # the actor, its node, or the connection is gone
        raise WorkerDied(str(exc).splitlines()[0] if str(exc) else type(exc).__name__) from exc


class ActorBody:
    """What runs on a node."""

    def version(self) -> str:
        """Of this package."""
        return version("picturedesk")

    def carry_out(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
        """Call the function."""
        return carry_out(function, tuple(arg.open() if isinstance(arg, Parcel) else arg for arg in args))


@dataclass(frozen=True, slots=True)
class Parcel:
    """An argument on its way, and its files in the object store: in a list, since Ray would fetch a bare reference."""

    arg: Portable
    digest: str
    files: list[Any]

    def open(self) -> Portable:
        """The argument, for its files on this node."""
        import ray
        from platformdirs import user_cache_path

        shelf = user_cache_path("picturedesk") / "carried"
        folder = shelf / self.digest
        if folder.is_dir():
            os.utime(folder)
        else:
            _keep(ray.get(self.files[0]), folder)
            _tidy(shelf)
        return self.arg.unpacked(str(folder))


def _keep(files: dict[str, bytes], folder: Path) -> None:
    """The files in a folder that is there whole or not at all; several actors may do that at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
        for name in ("cache", "kit"):
            (Path(made) / "all" / name).mkdir(parents=True)
        for name, data in files.items():
            path = Path(made) / "all" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            (Path(made) / "all").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _tidy(shelf: Path) -> None:
    for folder in shelf.iterdir():
        if time.time() - folder.stat().st_mtime > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def most_actors(settings: "Settings") -> int:
    """As many as the cluster has room for now."""
    import ray

    options = settings.engine_options
    found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    room = found.get("CPU", 0) / options.cpus_per_worker
    if options.gpus_per_worker:
        room = min(room, found.get("GPU", 0) / options.gpus_per_worker)
    return max(1, int(room))


class _Connection:
    """This process's one connection to a cluster, for all engines of it; the last one who leaves ends it.

    A thread keeps it that lives as long: what Ray starts on this machine ends with the thread that started it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._address = ""
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, settings: "Settings") -> None:
        """Connect, or begin a cluster on this machine if the settings name none; seconds.

        Raises:
            UsageError: It cannot be reached, or does not start.
        """
        import ray

        address = _address(settings)
        try:
            _knock(address)
        except OSError as exc:
            raise UsageError(_unreachable(settings, exc)) from exc
        with self._lock:
            if self._users and address != self._address:
                raise UsageError(f"this process works on the Ray cluster {self._address or 'of this machine'} already")
            if self._users == 0 and not ray.is_initialized():
                self._connect(settings)
            self._address = address
            self._users += 1

    def close(self) -> None:
        """One engine needs it no more."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._thread is not None:
                self._is_over.set()
                self._thread.join()
                self._thread = None

    def _connect(self, settings: "Settings") -> None:
        is_there, problems = threading.Event(), list[Exception]()
        self._is_over.clear()

        def keep() -> None:
            import ray

            try:
                _hush()
                ray.init(**_how(settings))
            except Exception as exc:  # Ray raises many; the message is what matters
                problems.append(exc)
            is_there.set()
            self._is_over.wait()
            ray.shutdown()

        self._thread = threading.Thread(target=keep, daemon=True, name="ray")
        self._thread.start()
        is_there.wait()
        if problems:
            self._is_over.set()
            self._thread.join()
            self._thread = None
            raise UsageError(_unreachable(settings, problems[0])) from problems[0]


CONNECTION = _Connection()


def _prepare(settings: "Settings") -> None:
    """What Ray reads once, when it is imported: it tells its makers nothing, and lets nobody else in.

    Whoever reaches a cluster without a token may run what they like on it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not _address(settings) and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _address(settings: "Settings") -> str:
    """Of the cluster to join; "" to start one on this machine."""
    return os.environ.get("RAY_ADDRESS", "") if settings.engine == "ray" else settings.engine


def _knock(address: str) -> None:
    """Raise OSError if nobody listens there: Ray itself would try for a minute, and then end this process."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _hush() -> None:
    """Ray prints what befell its workers to standard output, at any log level; what a command answers goes there."""
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def _how(settings: "Settings") -> dict[str, Any]:
    """What Ray is told."""
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address := _address(settings):
        return {"address": address, **quiet}
    options = settings.engine_options
    cpus = ceil(settings.workers * options.cpus_per_worker) if settings.workers else os.cpu_count()
    return {
        "address": "local",
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": options.object_store_mb * 1_000_000,
        **quiet,
    }


def _unreachable(settings: "Settings", exc: Exception) -> str:
    where = _address(settings) or "this machine"
    said = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    return f'engine = "{settings.engine}": no Ray cluster at {where} ({said}); start one, or set engine = "pool"'
