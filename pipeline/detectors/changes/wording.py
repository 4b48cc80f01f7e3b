"""Whether two readings say the same."""

from collections.abc import Iterable

from rapidfuzz import fuzz

# Reading the same line twice gives strings at least this alike; our measurement, 2026-11-20.
_SAME_TEXT = 75.0


def text_likeness(one: str, other: str) -> float:
    """How alike two readings are, in [0, 100]; case, spaces and points do not count."""
    return float(fuzz.ratio(_plain(one), _plain(other)))


def is_same_text(before: Iterable[str], after: Iterable[str], *, exactly: bool) -> bool:
    """Whether any reading of the one says what any reading of the other says; an empty one says nothing.

    Args:
        before: Readings of one place.
        after: Readings of the other.
        exactly: Whether one letter makes a difference; readings of a place that looks the same waver.
    """
    known = [plain for text in before if (plain := _plain(text))]
    return any(
        _plain(text) == then if exactly else fuzz.ratio(_plain(text), then) >= _SAME_TEXT
        for text in after
        for then in known
        if _plain(text)
    )


def _plain(label: str) -> str:
    return "".join(letter for letter in label.casefold() if letter.isalnum())
