"""What engines are given to do; a module of its own, for workers import it."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.errors import EditRefused


def double(number: int) -> int:
    return 2 * number


def size_of(data: bytes) -> int:
    return len(data)


def process_id() -> int:
    return os.getpid()


def refuse(_: int) -> int:
    raise EditRefused("needs_region", "say where")


def mistake(_: int) -> int:
    raise KeyError("a mistake of ours")


def unsendable() -> object:
    return threading.Lock()


def die(journal: str) -> int:
    _note(journal, "died")
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_looking(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_and_note(number: int, seconds: float, journal: str) -> int:
    _note(journal, f"{number} {os.getpid()}")
    time.sleep(seconds)
    return number


def _note(journal: str, line: str) -> None:
    with Path(journal).open("a") as file:
        file.write(f"{line}\n")
