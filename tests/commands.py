"""The command as somebody types it, carried out in this process: a process of its own takes a second to begin."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

from pipeline.cli import main
from pipeline.pool import WorkPool


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


def run_command(*arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run ``picturedesk ARGUMENTS``; its worker processes stay for the next run.

    Args:
        arguments: As typed.
        environment: Variables to set besides those of this process.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["picturedesk", *arguments]),
        patch.dict(os.environ, environment or {}),
        patch("pipeline.runner.WorkPool", lambda _: shared_pool()),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        return Ran(_exit_code(), stdout.getvalue(), stderr.getvalue())


class SharedPool(WorkPool):
    """Goes on when a run is over: to start a process takes a second."""

    def close(self) -> None:
        """Not yet."""


@cache
def shared_pool() -> SharedPool:
    """One worker process for all runs of this process, with which it ends."""
    return SharedPool(1)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0
