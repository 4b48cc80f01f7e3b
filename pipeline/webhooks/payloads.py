"""What a message says: numbers, names, who and when; no picture, no prompt, no note, and nothing that opens a door."""

import json
from datetime import UTC, datetime
from typing import Any

from pipeline.store.ledger import RUNNER
from pipeline.store.listening import WHO_NOTES
from pipeline.store.outgoing import Due, Told
from pipeline.webhooks.kinds import TEST, Message

VERSION = 1
"""Of the payload's form. Fields may be added to it; whatever else changes makes it another version."""


def payload(due: Due, *, page_url: str | None) -> str:
    """The body of a message; the same for each try.

    Args:
        due: The delivery.
        page_url: Where people open the desk's page; no links if None.
    """
    told = due.told
    data = _of_batch(told) if told.edit_id is None else _of_edit(told)
    if due.message is Message.BATCH_DONE:
        data["counts"] = told.data["counts"]
    if due.message is Message.BUDGET_REACHED:
        data |= {"code": told.data["code"], "message": told.data["message"]}
    return _body(due.message.value, told.at, {"event": told.event_id, **data, "links": _links(told, page_url)})


def trial_payload(number: int, *, who: str, at: datetime) -> str:
    """The body of the message that an admin sends to see whether one arrives."""
    return _body(TEST, at, {"webhook": number, "who": who, "links": {}})


def _body(kind: str, at: datetime, data: dict[str, Any]) -> str:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    told = {"type": kind, "version": VERSION, "timestamp": moment, "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _of_edit(told: Told) -> dict[str, Any]:
    asset = {"id": told.asset_id, "name": told.asset_name, "variant": told.variant, "sku": told.sku}
    state, reason = told.kind.removeprefix("edit."), told.data.get("reason")
    return {
        "edit": {"id": told.edit_id, "round": told.round},
        "asset": asset,
        "batch": {"id": told.batch_id, "name": told.batch_name},
        "state": state,
        "was": told.data.get("from"),
        "who": _who(told.actor),
        "reason": reason if isinstance(reason, str) and _who(told.actor) else "",
    }


def _of_batch(told: Told) -> dict[str, Any]:
    return {"batch": {"id": told.batch_id, "name": told.batch_name}, "who": _who(told.actor)}


def _who(actor: str) -> str | None:
    """A person or a machine's token; None for the desk itself, by its policy."""
    return None if actor.startswith(RUNNER) or actor == WHO_NOTES else actor


def _links(told: Told, page_url: str | None) -> dict[str, str]:
    if page_url is None:
        return {}
    base = page_url.rstrip("/")
    return {"page": f"{base}/batches" if told.edit_id is None else f"{base}/asset?edit={told.edit_id}"}
