"""Reading what a help desk sends: JSON whose form others decide."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import HelpDeskFailed, UsageError
from pipeline.texts import mended_json

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def message(body: bytes) -> Mapping[str, Any]:
    """A message's JSON object, its texts such as every database keeps.

    Raises:
        UsageError: It is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise UsageError('the message is no JSON; send an object such as {"ticket_id": "123"}') from exc
    if not isinstance(found, dict):
        raise UsageError('the message is no JSON object; send one such as {"ticket_id": "123"}')
    mended: Mapping[str, Any] = mended_json(found)
    return mended


def number(found: object) -> str:
    """A ticket's number as text.

    Raises:
        UsageError: It is none that can stand in an address and a file's name.
    """
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"found {text[:80]!r} for the ticket's number; expected letters, digits, dots and hyphens")
    return text


def text(value: object) -> str:
    """A field's value as text; "" for none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def objects(name: str, value: object) -> list[Mapping[str, Any]]:
    """A list of JSON objects.

    Raises:
        HelpDeskFailed: It is none.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise HelpDeskFailed("bad_answer", f"{name}: the help desk's answer has no list where one was expected")
    return value


def object_(name: str, value: object, key: str) -> Mapping[str, Any]:
    """The JSON object under a key of an answer.

    Raises:
        HelpDeskFailed: There is none.
    """
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise HelpDeskFailed("bad_answer", f"{name}: the help desk's answer has no {key}; check the address")
    return found
