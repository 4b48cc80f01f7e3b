"""Texts that every database keeps as they are: without NUL, and without halves of surrogate pairs.

PostgreSQL keeps no NUL in a text, and neither database, nor a page, a halved surrogate pair. What a person types is
refused where it is typed; what a machine says is mended, since an answer that was paid for must not be lost over it.
"""

import math
import re
from typing import Any

from pipeline.errors import UsageError

INSTEAD = "\N{REPLACEMENT CHARACTER}"

_BAD = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether every database keeps this text."""
    return _BAD.search(text) is None


def mended(text: str) -> str:
    """A machine's text, with U+FFFD in place of what no database keeps."""
    return _BAD.sub(INSTEAD, text)


def mended_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """What a machine said as JSON: its texts mended, and None where a number is none, such as NaN."""
    match value:
        case str():
            return mended(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {mended(str(name)): mended_json(each) for name, each in value.items()}
        case list() | tuple():
            return [mended_json(each) for each in value]
        case _:
            return value


def need_storable(**typed: str | None) -> None:
    """Refuse what a person typed, or a program sent for one.

    Args:
        typed: Texts by what they are, as in ``prompt=...``; None counts as not given.

    Raises:
        UsageError: One cannot be kept.
    """
    for what, text in typed.items():
        if text is not None and (found := _BAD.search(text)):
            raise UsageError(
                f"{what.replace('_', ' ')}: character {found.start() + 1} is {_name(found[0])}, which no database "
                "keeps; take it out"
            )


def _name(character: str) -> str:
    return "NUL" if character == "\0" else f"half a character (U+{ord(character):04X})"
