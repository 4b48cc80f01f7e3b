"""Work that needs the processor, carried by processes of this machine.

Everything that goes in is a pure function of its arguments, so it may be repeated: a worker that dies takes
nothing with it. A picture that kills its worker three times is given up with `WorkerCrashed`; the others go on.
"""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from pipeline.engines.hands import Hands, Outcome, WorkerDied, carry_out


class WorkPool(Hands):
    """Worker processes; the death of one is felt by none of the others.

    Args:
        workers: How many processes; by default one for each core.
    """

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers or os.cpu_count() or 1)

    def _hire(self) -> "_Process":
        return _Process()


class _Process:
    """A process that is handed one call at a time through a pipe."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def ready(self) -> None:
        """It is, as soon as it takes what is sent to it."""

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        data = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        try:
            self._connection.send_bytes(data)
        except OSError as exc:
            raise WorkerDied(self._end()) from exc

    def finish(self) -> Outcome:
        try:
            data = self._connection.recv_bytes()
        except (EOFError, OSError) as exc:
            raise WorkerDied(self._end()) from exc
        try:
            outcome: Outcome = pickle.loads(data)  # noqa: S301 - from our own process
        except Exception as exc:
            return False, exc
        return outcome

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def _end(self) -> str:
        self._process.join(1)
        return f"a worker process ended with {self._process.exitcode}"


def _work(connection: Connection) -> None:
    _start_worker()
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(_answer(data))


def _answer(data: bytes) -> bytes:
    try:
        function, args = pickle.loads(data)  # noqa: S301 - from the process that began this one
        return pickle.dumps(carry_out(function, args), pickle.HIGHEST_PROTOCOL)
    except Exception as exc:  # what cannot travel
        return pickle.dumps((False, TypeError(f"a call or what it gave cannot be sent to another process: {exc}")))


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it: a worker whose parent was killed would wait for work for ever."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
