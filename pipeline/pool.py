"""Work that needs the processor, carried by processes of this machine.

Everything that goes in is a pure function of its arguments, so it may be repeated: a worker that dies takes
nothing with it. A picture that kills its worker three times is given up with `WorkerCrashed`; the others go on.
"""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

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
    """A process that is handed one call at a time through a pipe.

    It is a program of its own, and no spawned copy of this one: that would run the caller's script once more, which may
    be a page of Streamlit's.
    """

    def __init__(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *sys.path],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )

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
        self._process.communicate()

    def _end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return f"a worker process ended with {self._process.returncode}"


_PROGRAM: Final = """
import sys
sys.path[:] = sys.argv[2:]
from pipeline.pool import work
work(int(sys.argv[1]))
"""


def work(descriptor: int) -> None:
    """Carry out calls that come through a pipe, until it is closed."""
    _start_worker()
    connection = Connection(descriptor)
    while True:
        try:
            connection.send_bytes(_answer(connection.recv_bytes()))
        except (EOFError, OSError):
            return


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

    def follow() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
