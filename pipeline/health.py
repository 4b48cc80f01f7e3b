"""Whether the desk can be worked on from here: what a load balancer or an orchestrator asks before it sends anybody."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.blobs import blob_name, open_shelf
from pipeline.desk import Desk
from pipeline.shelves import Shelf
from pipeline.store import measuring

OK = "ok"
LEAST_FREE_MB: Final = 32
"""As the runner has it: with less, no request is sent whose answer could not be kept."""

_NO_PICTURE: Final = blob_name("0" * 64, "image/png")
_AT_ONCE: Final = (("max_retries", 0), ("timeout", "2s"), ("retry_timeout_s", 2))
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
        self._shelf = _quick_shelf(desk)

    def now(self) -> Readiness:
        """How the desk is."""
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= _LOOKED_AT_S:
                self._known = (
                    self._clock(),
                    Readiness({**_database(self._desk), "pictures": _pictures(self._desk, self._shelf)}),
                )
            return self._known[1]


def database_answers(desk: Desk) -> bool:
    """Whether it does, at this moment."""
    return _database(desk)["database"] == OK


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


def _quick_shelf(desk: Desk) -> Shelf:
    """The desk's, that tries once and not for long: who asks whether it answers wants to know now."""
    place = desk.blobs.place
    return open_shelf(place if place.is_folder else replace(place, options=(*place.options, *_AT_ONCE)))


def _pictures(desk: Desk, shelf: Shelf) -> str:
    """Whether they can be written, as far as that is known without writing: of a bucket, whether it answers."""
    folder = desk.blobs.folder
    if folder is None:
        try:
            shelf.stat(_NO_PICTURE)
        except Exception:  # whatever it is, nobody sees a picture
            return "their bucket does not answer"
        return _disk(desk.root)
    there = _first_there(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return "their folder cannot be written"
    return _disk(there)


def _disk(folder: Path) -> str:
    try:
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError:
        return "the disk cannot be reached"
    return OK if free_mb >= LEAST_FREE_MB else f"the disk has {free_mb:.0f} MB left"


def _first_there(folder: Path) -> Path:
    """It is made when the first picture is put in."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)
