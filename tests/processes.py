"""A command in a process of its own that begins at once: it is forked from one that has imported everything.

To import what the review page needs takes more than a second of CPU, and some fifty tests start it.
"""

import itertools
import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from multiprocessing.context import ForkServerContext, ForkServerProcess

_IMPORTED = (
    *("pipeline.cli", "pipeline.batch_run", "pipeline.background", "review_app.app", "review_app.filtering"),
    *("pandas", "pyarrow", "streamlit.emojis", "streamlit.web.bootstrap", "uvicorn.protocols.http.h11_impl"),
)

_PORTS = itertools.cycle(range(10_000 + os.getpid() % 200 * 100, 10_100 + os.getpid() % 200 * 100))
"""Below those that connections are given, and of this process alone: nobody takes one before its server has it."""


def start(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> ForkServerProcess:
    """Run ``python -m MODULE ARGUMENTS``, which says nothing to the terminal.

    Args:
        module: One with a function ``main``.
        arguments: As typed.
        environment: Variables to set besides those of this process.
    """
    process = _forks().Process(target=_main, args=(module, arguments, {**os.environ, **(environment or {})}))
    process.start()
    return process


def free_port() -> int:
    """A port of loopback for a server that this process is about to start."""
    for port in itertools.islice(_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port of this process is taken")


@cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def _main(module: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.argv = [module, *arguments]
    import_module(module).main()
