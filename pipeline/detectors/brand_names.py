"""Brand names in what was read, with the slips that reading makes: letters taken for others, lines cut or split."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from pipeline.values import Box

ALONE = "alone"
EXACT = "exact"
CUT_SHARE = 0.7
"""The least part of a long name that stands for it, where a line is cut."""

_MIN_WORD = 3
_MIN_FUZZY = 6
_MIN_CUT = 7
_MIN_JOINED = 5
_MOST_WORDS = 4
# What each way of matching is worth: our choice; only a name that is there in full and rightly spelled is sure.
_SPELLED, _FOLDED, _NEAR, _PART = 1.0, 0.95, 0.9, 0.85
# Letters that a reader takes for each other.
_FOLD = str.maketrans("015i", "olsl")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text that was read, and where."""

    label: str
    xyxy: Box


@dataclass(frozen=True, slots=True)
class Named:
    """A brand name in a line, or in lines that belong together.

    Attributes:
        name: As the list spells it.
        score: 1 if it is spelled like that; less, the more had to be guessed.
        xyxy: Around the lines.
    """

    name: str
    score: float
    xyxy: Box


class BrandNames:
    """Brand names, one a line, in one or more lists.

    A name may be followed by a tab and how it counts: ``exact``, if one letter makes it another word; ``alone``, if
    it is a word itself and names the brand only where nothing else stands in the line.

    Args:
        paths: The lists; a later one decides how a name counts.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        entries = {plain(name): (name, manner) for path in paths for name, manner in _entries(path)}
        self._names = {key: name for key, (name, _) in entries.items()}
        self._words = {key for key, (_, manner) in entries.items() if manner != ALONE and len(key) >= _MIN_WORD}
        loose = [key for key, (_, manner) in entries.items() if not manner]
        self._folded = {_folded(key): key for key in loose if len(key) > _MIN_WORD}
        self._fuzzy = [key for key in loose if len(key) >= _MIN_FUZZY]
        self._cut = [key for key in loose if len(key) >= _MIN_CUT]

    def find(self, lines: Sequence[Line]) -> list[Named]:
        """The lines that name a brand, and names that are spread over lines next to each other."""
        named = [(line, self.match(line.label)) for line in lines]
        found = [Named(match[0], match[1], line.xyxy) for line, match in named if match]
        rest = [line for line, match in named if not match]
        for label, xyxy in _joined(rest):
            key = plain(label)
            if len(key) >= _MIN_JOINED and key in self._names:
                found.append(Named(self._names[key], _SPELLED, xyxy))
        return found

    def match(self, label: str) -> tuple[str, float] | None:
        """The brand that one line names, as the list spells it, and the score; the whole line first, then its words."""
        whole = plain(label)
        if len(whole) < 2:
            return None
        site = re.search(r"([\w-]+)\.com\b", label, re.IGNORECASE)
        for key in (whole, plain(site[1]) if site else whole):
            if key in self._names and self._is_written(key, label):
                return self._names[key], _SPELLED
        parts = list(_runs(label))
        for key in parts:
            if key in self._words:
                return self._names[key], _SPELLED
        return next((guess for key in [whole, *parts] if (guess := self._guess(key))), None)

    def _is_written(self, key: str, label: str) -> bool:
        """Names of two letters must stand as the list spells them: two letters are read into many a shape."""
        return len(key) >= _MIN_WORD or label.strip() == self._names[key]

    def _guess(self, key: str) -> tuple[str, float] | None:
        if (same := self._folded.get(_folded(key))) is not None:
            return self._names[same], _FOLDED
        if len(key) < _MIN_FUZZY - 1:
            return None
        near = process.extractOne(key, self._fuzzy, scorer=Levenshtein.distance, score_cutoff=1)
        if near is not None:
            return self._names[near[0]], _NEAR
        return self._part(key)

    def _part(self, key: str) -> tuple[str, float] | None:
        for name in self._cut:
            if len(key) >= CUT_SHARE * len(name) and (name.startswith(key) or name.endswith(key)):
                return self._names[name], _PART
        return None


def plain(text: str) -> str:
    """Letters and digits only, in lower case, without accents."""
    letters = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", letters)


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, manner = line.strip().partition("\t")
        if name and not name.startswith("#") and len(plain(name)) >= 2:
            yield name, manner


def _folded(key: str) -> str:
    return key.replace("rn", "m").replace("vv", "w").translate(_FOLD)


def _runs(label: str) -> Iterator[str]:
    """The words of a line, longer runs of them first; then the same without a genitive's s."""
    for text in dict.fromkeys((label, re.sub(r"['’´`]s\b", "", label, flags=re.IGNORECASE))):
        words = [key for word in re.split(r"[\s\-_.,:;!|/@]+", text) if (key := plain(word))]
        for length in range(min(_MOST_WORDS, len(words)), 0, -1):
            yield from ("".join(words[start : start + length]) for start in range(len(words) - length + 1))


def _joined(lines: Sequence[Line]) -> Iterator[tuple[str, Box]]:
    """Lines that follow each other, beside or below, at about the same height of letters: two of them, then three."""
    pairs = [(first, second) for first in lines for second in lines if first is not second and _follows(first, second)]
    for first, second in pairs:
        yield first.label + second.label, _around(first.xyxy, second.xyxy)
        for third in (after for before, after in pairs if before is second):
            label = first.label + second.label + third.label
            yield label, _around(_around(first.xyxy, second.xyxy), third.xyxy)


def _follows(first: Line, second: Line) -> bool:
    left, top, right, bottom = first.xyxy
    left_2, top_2, right_2, bottom_2 = second.xyxy
    height = min(bottom - top, bottom_2 - top_2)
    if max(bottom - top, bottom_2 - top_2) > 2 * height:
        return False
    is_beside = abs(top + bottom - top_2 - bottom_2) < height and -height < left_2 - right < height
    shared = min(right, right_2) - max(left, left_2)
    is_below = shared > 0.5 * min(right - left, right_2 - left_2) and -0.5 * height < top_2 - bottom < 0.7 * height
    return is_beside or is_below


def _around(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
