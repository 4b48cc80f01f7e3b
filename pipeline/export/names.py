"""File names that every system takes, made of names that anybody chose."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.blobs import SUFFIXES
from pipeline.store.exporting import ApprovedRow

Numbers = npt.NDArray[np.int64]

MAX_STEM = 100
"""Characters; with suffix and folder far below the 255 bytes that file systems allow, whatever the script."""

_MOST_LATEST = 1_000

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file (read 2026-11-21)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


_PLAIN = re.compile(
    r"(?!(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$))[a-z0-9_-]([a-z0-9_. -]{0,98}[a-z0-9_-])?", re.IGNORECASE | re.ASCII
)
"""What is safe already, as nearly all names are: told in a tenth of the time of `made_safe`."""


class Taken:
    """Numbers that were given: a million of them take 8 MB, where a set takes 80 (our measurement, 2026-11-22).

    They stand in sorted runs, two of which become one as soon as they are about as long.
    """

    def __init__(self) -> None:
        self._latest: set[int] = set()
        self._runs: list[Numbers] = []

    def has(self, number: int) -> bool:
        """Whether it was given."""
        return number in self._latest or self.has_any(np.array([number]))

    def has_any(self, numbers: Numbers) -> bool:
        """Whether any of these was given; they are sorted."""
        if self._latest and not self._latest.isdisjoint(numbers.tolist()):
            return True
        return any(
            (run[np.minimum(np.searchsorted(run, numbers), len(run) - 1)] == numbers).any() for run in self._runs
        )

    def add(self, number: int) -> None:
        """Give it."""
        self._latest.add(number)
        if len(self._latest) >= _MOST_LATEST:
            self.add_all(np.sort(np.fromiter(self._latest, np.int64)))
            self._latest.clear()

    def add_all(self, numbers: Numbers) -> None:
        """Give these; they are sorted, and none of them was given."""
        if not len(numbers):
            return
        self._runs.append(numbers)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")


class FileNames:
    """Gives every asset a file name of its own."""

    def __init__(self) -> None:
        self._taken = Taken()  # of hashes: the names themselves would take four times the memory
        self._again: Counter[str] = Counter()  # of names that came more than twice

    def name(self, asset_id: str, variant: str, media_type: str) -> str:
        """A name from asset and variant, ending as the media type does."""
        wanted = f"{asset_id}--{variant}" if variant else asset_id
        return self.stem(wanted) + SUFFIXES.get(media_type, ".bin")

    def names(self, rows: Sequence[ApprovedRow]) -> list[str]:
        """A name for each, as `name` gives it, in half the time where all of them are plain and new."""
        wanted = [f"{row.name}--{row.variant}" if row.variant else row.name for row in rows]
        hashes = np.sort(np.fromiter((hash(stem.casefold()) for stem in wanted), np.int64, len(wanted)))
        is_new = not (hashes[1:] == hashes[:-1]).any() and not self._taken.has_any(hashes)
        if is_new and all(map(_PLAIN.fullmatch, wanted)):
            self._taken.add_all(hashes)
            stems = wanted
        else:
            stems = [self.stem(each) for each in wanted]
        return [stem + SUFFIXES.get(row.media_type, ".bin") for stem, row in zip(stems, rows, strict=True)]

    def stem(self, wanted: str) -> str:
        """A name without an ending; one that differs only in case, or had to be changed, gets a short hash."""
        stem = safe_stem(wanted)
        if (stem is not wanted and stem != unicodedata.normalize("NFC", wanted)) or self._is_taken(stem):
            stem = f"{stem}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        name = stem
        while self._is_taken(name):
            self._again[stem] += 1
            name = f"{stem}-again" if self._again[stem] == 1 else f"{stem}-again-{self._again[stem]}"
        self._taken.add(hash(name.casefold()))
        return name

    def _is_taken(self, stem: str) -> bool:
        return self._taken.has(hash(stem.casefold()))


def safe_stem(text: str) -> str:
    """The text without what some file system does not take; never empty, hidden or reserved."""
    return text if _PLAIN.fullmatch(text) else made_safe(text)


def made_safe(text: str) -> str:
    """The same, character by character."""
    stem = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text))
    stem = "".join(character if character.isprintable() else "_" for character in stem)
    stem = stem.strip(" .")[:MAX_STEM].rstrip(" .")
    while len(stem.encode()) > 2 * MAX_STEM:
        stem = stem[:-1]
    return f"_{stem}" if not stem or _RESERVED.fullmatch(stem) else stem
