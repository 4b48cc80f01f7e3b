"""What was answered to which request, beside the pictures: desks that share a picture store share these, too.

A desk finds its own answers in its database; this is for the others. A record is written after the desk's own books,
whole or not at all, and names its pictures by their sha256.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import NotFound
from pipeline.shelves import Shelf
from pipeline.store.codec import detection_from_json, detection_to_json
from pipeline.store.ledger import StoredOutput
from pipeline.values import PictureFacts

FOLDER = "answers"
"""Where they are on the pictures' shelf."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs that a request gave, and what it cost.

    Attributes:
        cost_microusd: None if its price was not known.
    """

    outputs: tuple[StoredOutput, ...]
    cost_microusd: int | None


class SharedAnswers:
    """Answers by the request's key.

    Args:
        shelf: Where they are, beside the pictures.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def get(self, key: str) -> Answer | None:
        """What this very request was answered; None if it is not known, or its record cannot be read."""
        try:
            data = json.loads(self._shelf.read(_name(key)))
            return Answer(tuple(map(_output_from_json, data["outputs"])), data["cost_microusd"])
        except (NotFound, OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, outputs: Sequence[StoredOutput], cost_microusd: int | None) -> None:
        """Keep an answer for other desks."""
        data = {"outputs": list(map(_output_to_json, outputs)), "cost_microusd": cost_microusd}
        self._shelf.replace(_name(key), json.dumps(data).encode(), media_type="application/json")


def _name(key: str) -> str:
    return f"{FOLDER}/{key[:2]}/{key}.json"


def _output_to_json(output: StoredOutput) -> dict[str, Any]:
    picture = output.picture
    return {
        "sha256": picture.sha256,
        "media_type": picture.media_type,
        "size_wh": list(picture.size_wh),
        "byte_count": picture.byte_count,
        "name": output.name,
        "notes": dict(output.notes),
        "findings": [detection_to_json(finding) for finding in output.findings],
    }


def _output_from_json(data: Mapping[str, Any]) -> StoredOutput:
    width, height = data["size_wh"]
    return StoredOutput(
        PictureFacts(data["sha256"], data["media_type"], (width, height), data["byte_count"]),
        data["name"],
        data["notes"],
        tuple(map(detection_from_json, data["findings"])),
    )
