"""An answer of the images endpoints, checked by us: the official client checks nothing (openai 3.52.0, 2026-11-20)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pipeline.values import OutputPicture

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class BadAnswer(Exception):
    """The answer holds nothing to use; the message says what is wrong, and follows "answered, and"."""


def read_outputs(body: Any) -> tuple[OutputPicture, ...]:  # noqa: ANN401 - JSON
    """The pictures of an answer.

    Raises:
        BadAnswer: There is none.
    """
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not data:
        raise BadAnswer("the answer holds no picture")
    return tuple(_output(entry) for entry in data)


def read_usage(body: Mapping[str, Any]) -> dict[str, int] | None:
    """Tokens by kind; None if the answer does not say.

    What is not told apart counts as pictures, which cost most: a bill is never larger than what is booked.
    """
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    total_in, total_out = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if total_in is None or total_out is None:
        return None
    inputs = _mapping(usage.get("input_tokens_details"))
    cached = _mapping(inputs.get("cached_tokens_details"))
    text_in, cached_text = _count(inputs, "text_tokens") or 0, _count(cached, "text_tokens") or 0
    cached_image = _count(cached, "image_tokens") or 0
    image_in = max(0, total_in - text_in)
    text_out = _count(_mapping(usage.get("output_tokens_details")), "text_tokens") or 0
    found = {
        "text_in": max(0, text_in - cached_text),
        "cached_text_in": cached_text,
        "image_in": max(0, image_in - cached_image),
        "cached_image_in": cached_image,
        "text_out": text_out,
        "image_out": max(0, total_out - text_out),
    }
    return {unit: amount for unit, amount in found.items() if amount}


def media_type_of(data: bytes) -> str:
    """What the bytes say they are; whether they are a whole picture is found out later, in a process of its own."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "application/octet-stream"


def _output(entry: Any) -> OutputPicture:  # noqa: ANN401 - JSON
    encoded = entry.get("b64_json") if isinstance(entry, dict) else None
    if not isinstance(encoded, str) or not encoded:
        raise BadAnswer("a picture has no b64_json")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadAnswer("a picture is no base64") from None
    return OutputPicture(data, media_type_of(data))


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, dict) else {}


def _count(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
