"""Batches through the official client."""

import json
from typing import Any

import openai
from openai.types import Batch

from tests.fake_api.running import eventually

OVER = ("completed", "failed", "expired", "cancelled")


def line(custom_id: str, image: dict[str, str], *, prompt: str = "make it warmer", **body: Any) -> dict[str, Any]:
    """One edit of a batch; ``image`` is its source's ``file_id`` or ``image_url``."""
    asked = {"model": "gpt-image-2.5-flare", "prompt": prompt, "images": [image], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/images/edits", "body": asked}


def start_batch(client: openai.OpenAI, lines: list[dict[str, Any]]) -> Batch:
    """Upload these lines, and start a batch with them."""
    return start_batch_of(client, b"".join(json.dumps(each).encode() + b"\n" for each in lines))


def start_batch_of(client: openai.OpenAI, data: bytes) -> Batch:
    """Upload a file, whatever is in it, and start a batch with it."""
    uploaded = client.files.create(file=("lines.jsonl", data), purpose="batch")
    return client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/images/edits",
        completion_window="24h",
    )


def ended(client: openai.OpenAI, batch_id: str) -> Batch:
    """The batch once it is over."""

    def found() -> Batch | None:
        batch = client.batches.retrieve(batch_id)
        return batch if batch.status in OVER else None

    batch = eventually(found)
    assert batch is not None
    return batch


def answers(client: openai.OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    """The lines of an output or error file, by custom_id; each is there once."""
    assert file_id is not None
    found = [json.loads(each) for each in client.files.content(file_id).text.splitlines()]
    by_name = {each["custom_id"]: each for each in found}
    assert len(by_name) == len(found)
    return by_name
