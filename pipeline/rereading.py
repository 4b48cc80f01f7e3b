"""What files say, read again once somebody changed them: so a process that runs for weeks takes a change up."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

EVERY_S = 0.02
"""Files are looked at once in this time: 10 to 20 microseconds would be felt where a report asks for every edit."""

SETTLED_S = 0.05
"""A file that was touched less than this ago may be half written: what it said before holds until then."""

Stamp = tuple[tuple[str, int, int, int], ...]


class Reread(Generic[T]):
    """A value out of files, as they are now.

    A look at a file's size, time and number takes 10 microseconds, at a desk's folder of recipes 20 (our measurement,
    2026-11-21).

    Args:
        files: Where it comes from; a file that is missing may come.
        read: Reads it.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], read: Callable[[], T]) -> None:
        self._files = files
        self._read = read
        self._known: tuple[Stamp, T] | None = None
        self._looked_at = 0.0

    def now(self) -> T:
        """The value.

        Raises:
            PicturedeskError: What reading raises; nothing is kept then, and the next one who asks reads again.
        """
        known = self._known
        if known is not None and time.monotonic() - self._looked_at < EVERY_S:
            return known[1]
        stamp, touched_at = _stamp(self._files())
        self._looked_at = time.monotonic()
        if known is not None and (known[0] == stamp or 0 <= time.time() - touched_at < SETTLED_S):
            return known[1]
        self._known = None
        value = self._read()
        self._known = (stamp, value)
        return value

    def forget(self) -> None:
        """Read again, however short ago the files were touched: this process has just written them whole."""
        self._known = None


def _stamp(files: Iterable[Path]) -> tuple[Stamp, float]:
    """What differs once a file was changed, and when the last one was touched, in seconds since 1970."""
    stamps, touched_at = [], 0.0
    for path in files:
        try:
            found = path.stat()
            stamps.append((str(path), found.st_mtime_ns, found.st_size, found.st_ino))
            touched_at = max(touched_at, found.st_mtime)
        except FileNotFoundError:  # an editor may take the old file away before it puts the new one there
            stamps.append((str(path), 0, -1, 0))
            if path.parent.exists():
                touched_at = max(touched_at, path.parent.stat().st_mtime)
    return tuple(stamps), touched_at
