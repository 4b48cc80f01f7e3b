"""Work that needs the processor, carried by a pool of processes.

Everything that goes in is a pure function of its arguments, so it may be repeated: a worker that dies takes
nothing with it. A picture that kills its worker twice is given up with `WorkerCrashed`; the others go on.
"""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

from pipeline.errors import WorkerCrashed

T = TypeVar("T")


class WorkPool:
    """A pool of worker processes that outlives the death of any of them.

    Args:
        workers: How many processes; by default one for each core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._executor: ProcessPoolExecutor | None = None
        self._alone = asyncio.Lock()

    async def run(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - passed through
        """The function's result, computed in a worker; its exceptions come back as they are.

        Raises:
            WorkerCrashed: The worker died twice over these arguments.
        """
        try:
            return await self._submit(function, *args)
        except BrokenProcessPool:
            self._drop()
        # Whoever shared the pool with the culprit lands here too, so each tries again by itself.
        async with self._alone:
            try:
                return await self._submit(function, *args)
            except BrokenProcessPool as exc:
                self._drop()
                raise WorkerCrashed(
                    f"{function.__name__} killed its worker process twice; the picture may be too large for this "
                    "machine's memory, or damaged in a way that a library cannot take"
                ) from exc

    async def _submit(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
            )
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def _drop(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def close(self) -> None:
        """Stop the workers; what they were doing is lost, and may be repeated."""
        executor, self._executor = self._executor, None
        if executor is not None:
            for process in list((executor._processes or {}).values()):
                process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


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
