"""Takes secrets out of what is written for people and machines to read: logs, errors, reports.

The one place that knows what a secret looks like: by the name it goes by, by its own form, by where it stands in a
URL, and by its value, if the environment holds it under the name of a secret.
"""

import os
import re
from typing import Final

SHOWN: Final = "[secret]"

_NAMES = r"secret|token|password|passwd|credential|signature|api_?key|access_?key|authorization"
_IS_SECRET = re.compile(rf"{_NAMES}|(^|[_-])key$", re.IGNORECASE)
_LEAST_LETTERS = 8
"""Shorter values of the environment are words that stand everywhere."""

_NAME = rf"[\w-]*(?:{_NAMES.replace('_?', '[_-]?')})[\w-]*|sig|key|ticket"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\w+://[^\s/:@\"']*:)[^\s/@\"']+(?=@)"), rf"\1{SHOWN}"),  # postgresql://desk:...@host/desk
    (re.compile(rf"([?&](?:{_NAME})=)[^\s&#\"')]+", re.IGNORECASE), rf"\1{SHOWN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w~+/.=-]{6,}", re.IGNORECASE), rf"\1 {SHOWN}"),
    (re.compile(r"\b(?:sk-|pd_|ooq_|AKIA|ASIA|AIza|ghp_|xox[abp]-)[\w-]{6,}"), SHOWN),
    (re.compile(r"\bwhsec_[\w+/-]{6,}=*"), SHOWN),
    # name = "value", 'name': 'value', NAME=value; a colon in prose is followed by a word and is left alone.
    (
        re.compile(
            rf"""(\b(?:{_NAME})\b["']?\s*(?:=\s*["']?|:\s*["']))(?!\[secret\]|Bearer |Basic )[^\s"',;}})&]+""",
            re.IGNORECASE,
        ),
        rf"\1{SHOWN}",
    ),
)


def names_secret(name: str) -> bool:
    """Whether a setting or variable of this name holds a secret."""
    return _IS_SECRET.search(name) is not None


def redacted(text: str) -> str:
    """The text with ``[secret]`` in the place of every secret."""
    for value in _values():
        text = text.replace(value, SHOWN)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def _values() -> list[str]:
    """Secrets of the environment, longest first: one may begin like another."""
    found = {value for name, value in os.environ.items() if names_secret(name) and len(value) >= _LEAST_LETTERS}
    return sorted(found, key=len, reverse=True)
