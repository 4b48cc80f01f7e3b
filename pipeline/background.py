"""The runner beside the review page, so that a re-prompt is made while the reviewer goes on."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline import logs
from pipeline.desk import Desk
from pipeline.errands import errands
from pipeline.errors import DatabaseAway, UsageError
from pipeline.logs import LogForm
from pipeline.runner import Runner, Stop, stop_code
from pipeline.suites import ready_weights
from pipeline.webhooks.sending import sending

LOG_NAME = "worker.log"
LOCK_NAME = "worker.lock"

_RETRY_S = 2.0
_TRY_AGAIN_S = 30.0
"""After a budget, an account or a setting stopped the worker: somebody may have mended it."""

_STOP_S = 20.0
_STOP_PAGE_S = 15.0
"""A reviewer's claims are kept meanwhile: a page that comes back finds them, and the browser its unsent decisions."""

_FRUGAL = {"MALLOC_ARENA_MAX": "2"}
"""For glibc: threads that decode pictures otherwise keep memory each for itself. With every page opened and a contact
sheet of 24, the page's process has 200 MB instead of 273 (our measurement, 2026-11-21)."""


def serve_review(
    root: Path,
    *,
    host: str,
    port: int,
    with_worker: bool,
    open_browser: bool,
    form: LogForm = LogForm.TEXT,
) -> int:
    """Serve the review page until it is stopped, with a runner beside it; gives the exit code."""
    command = [sys.executable, "-m", "review_app.app", "--desk", str(root), "--host", host, "--port", str(port)]
    command += ["--log-format", form]
    if not open_browser:
        command.append("--no-browser")
    with background_worker(root, enabled=with_worker, form=form):
        page = subprocess.Popen(command, env={**_FRUGAL, **os.environ})  # noqa: S603 - our own module
        signal.signal(signal.SIGTERM, lambda *_: _stop(page))
        while True:
            try:
                code = page.wait()
            except KeyboardInterrupt:
                continue  # the page got the same Ctrl-C; wait for its end
            # Its server raises the signal again once it has ended well.
            return 0 if code == -signal.SIGTERM else code


def _stop(page: "subprocess.Popen[bytes]") -> None:
    """Let the page answer what it was asked; what takes longer is cut off: browsers ask again."""
    page.terminate()
    killer = threading.Timer(_STOP_PAGE_S, page.kill)
    killer.daemon = True
    killer.start()


@contextmanager
def background_worker(root: Path, *, enabled: bool, form: LogForm = LogForm.TEXT) -> Iterator[None]:
    """A runner in a process of its own; it ends with this one, even if this one is killed.

    Its log goes into a file of the desk; as JSON, to standard error, where whoever collects it looks.
    """
    if not enabled:
        yield
        return
    with (root / LOG_NAME).open("ab") as log:
        # The pipe is how the worker knows: it closes with this process, whatever ends it.
        worker = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "pipeline.cli", "--desk", str(root), "work", "--log-format", form],
            stdin=subprocess.PIPE,
            stdout=log if form is LogForm.TEXT else None,
            stderr=log if form is LogForm.TEXT else None,
            start_new_session=True,
        )
    try:
        yield
    finally:
        assert worker.stdin is not None
        worker.stdin.close()
        try:
            worker.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def work_until_closed(desk: Desk) -> None:
    """Make what is queued, and what comes, until standard input is closed; one process for each desk's folder."""
    is_closed = threading.Event()
    threading.Thread(target=_watch_input, args=(is_closed,), daemon=True).start()
    lock = FileLock(desk.root / LOCK_NAME)
    while not is_closed.is_set():
        with suppress(Timeout), lock.acquire(timeout=_RETRY_S):  # another page of this desk may have a worker already
            _work(desk, is_closed)
            return


def work_until_stopped(desk: Desk, *, concurrency: int | None = None) -> None:
    """Make what is queued, and what comes, until the process is told to end; on any number of machines at once."""
    _work(desk, threading.Event(), concurrency=concurrency)


def _work(desk: Desk, is_closed: threading.Event, **options: Any) -> None:  # noqa: ANN401 - Settings' fields
    with sending(desk):  # while a budget or an account stops the work, people decide, and others are told
        _work_on(desk, is_closed, **options)


def _work_on(desk: Desk, is_closed: threading.Event, **options: Any) -> None:  # noqa: ANN401 - Settings' fields
    ready_weights(desk.settings, on_progress=partial(logs.say, "weights"))
    said = ""
    while not is_closed.is_set():
        began = time.monotonic()
        stopped_by = _run(desk.root, **options)
        if stopped_by is None:
            return
        if str(stopped_by) != said:
            said = str(stopped_by)
            logs.say("worker.stopped", said, level=logging.WARNING, code=stop_code(stopped_by))
        signal.signal(signal.SIGTERM, lambda *_: is_closed.set())  # nothing is in flight now
        again_s = _RETRY_S if isinstance(stopped_by, DatabaseAway) else _TRY_AGAIN_S - (time.monotonic() - began)
        is_closed.wait(max(_RETRY_S, again_s))


def _run(root: Path, **options: Any) -> Stop | None:  # noqa: ANN401 - Settings' fields
    """Work until something stops it; the desk is opened anew, since its settings may have been mended."""
    try:
        with closing(Desk.open(root, **options)) as desk, errands(desk):
            return asyncio.run(Runner(desk).run(follow=True)).stopped_by
    except (UsageError, DatabaseAway) as exc:
        return exc


def _watch_input(is_closed: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):  # unbuffered: a thread that holds a buffer's lock breaks the exit
        pass
    is_closed.set()
    os.kill(os.getpid(), signal.SIGTERM)
