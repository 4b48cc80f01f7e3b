"""Whether the desk can be worked on from here: what a load balancer or an orchestrator asks before it sends anybody."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.desk import Desk
from pipeline.store import measuring

OK = "ok"
LEAST_FREE_MB: Final = 32
"""As the runner has it: with less, no request is sent whose answer could not be kept."""

_LOOKED_AT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found.

    Attributes:
        parts: By the name of the part ``ok``, or what is wrong with it, in words of ours that tell no address, path or
            name: anybody may read them.
    """

    parts: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether nothing is wrong."""
        return all(found == OK for found in self.parts.values())


class Health:
    """Looks at a desk, at most every three seconds however many ask.

    Args:
        desk: The desk.
        clock: Seconds, for tests.
    """

    def __init__(self, desk: Desk, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, Readiness] | None = None

    def now(self) -> Readiness:
        """How the desk is."""
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= _LOOKED_AT_S:
                self._known = self._clock(), Readiness({**_database(self._desk), "pictures": _pictures(self._desk)})
            return self._known[1]


def _database(desk: Desk) -> dict[str, str]:
    try:
        form = measuring.form_of_tables(desk.db)
    except Exception:  # whatever it is, nobody can work
        return {"database": "does not answer", "tables": "not known"}
    newest = measuring.newest_form()
    if form == newest:
        return {"database": OK, "tables": OK}
    wrong = "newer than this program: update it" if form > newest else "older than this program: restart it"
    return {"database": OK, "tables": wrong}


def _pictures(desk: Desk) -> str:
    """Of a folder: whether it can be written, as far as that is known without writing."""
    if desk.blobs.folder is None:
        return OK  # a bucket that is away stops no page: pictures wait on this machine
    folder = _first_there(desk.blobs.folder)
    try:
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError:
        return "their folder cannot be reached"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "their folder cannot be written"
    return OK if free_mb >= LEAST_FREE_MB else f"the disk has {free_mb:.0f} MB left"


def _first_there(folder: Path) -> Path:
    """It is made when the first picture is put in."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)
