"""What the routes say of edits and pictures: plain JSON values.

EDIT: ``id``, ``revision``, ``state``, ``title``, ``batch``, ``sku``, ``prompt``, ``recipe`` (or null), ``provider``,
``ai_model`` (or null), ``round``, ``asked_by``, ``cost_usd``, ``unpriced`` (requests billed at an unknown price),
``asset_cost_usd`` and ``asset_unpriced`` (all rounds of the asset), ``doubtful_usd`` (of an edit in doubt: the most
that its lost requests can have cost; null if that is not known), ``reasons`` (why a person must look; the same words
for a sampled edit as for any that no flag brought), ``error`` (or null), ``reject_reasons``, ``reject_prompts`` (by
reason, where the desk has its own words), ``may`` (``accept``, ``reject``, ``reprompt``, ``escalate``, ``send_again``:
what this person can decide now), ``escalated_by`` (or null), ``approvals``, ``source`` (PICTURE or null), ``input``
(PICTURE that it started from; null for the source), ``outputs``, ``rounds``. An output has ``id``, ``name``,
``picture`` and ``flags``; a flag ``kind``, ``change``, ``level``, ``score``, ``label``, ``line``, ``xyxy``,
``source_xyxy`` (or null; boxes in pixels). A round has ``id``, ``round``, ``state``, ``prompt``, ``picture_url_small``
(or null). Of one edit by itself, ``decisions`` come too: ``edit``, ``decision``, ``by``, ``at`` (ISO 8601, UTC),
``reason``, ``note``. An edit's ``destinations`` are the names of those that its asset goes to.

PICTURE: ``sha256`` of the bytes, ``url`` for exactly these bytes (it may lead into the desk's bucket), ``pixels_url``
for the same bytes from here, whose pixels a script can read, ``small_url`` for a WebP of 640 pixels, ``width``,
``height``, ``media_type``, ``bytes``.

QUOTE, of another round: ``provider``, ``ai_model`` (or null), ``low_usd`` and ``high_usd`` (null if the price is not
known: ``unpriced``), ``budget_left_usd`` and ``month_left_usd`` (null without a limit), ``is_over_budget``, ``reused``
(an equal request was answered before, and costs nothing), ``problem`` (why it would be refused, or ""), ``providers``:
who could be asked, each with ``name``, ``ai_model`` (or null), ``takes_mask``, ``takes_markup``, ``problem``.

What others wrote (titles, prompts, labels, errors, notes) stands in it as it is: show it as plain text.
"""

from collections.abc import Sequence
from typing import Any

from pipeline import review
from pipeline.asking import Offer, Quote
from pipeline.desk import Desk
from pipeline.flag_lines import flag_line
from pipeline.people import Person
from pipeline.records import DecisionRecord, EditRecord, OutputRecord
from pipeline.routing import shown_reasons
from pipeline.states import DecisionKind, EditState
from pipeline.store import reading
from pipeline.values import Flag, PictureFacts
from review_app import tickets

SMALL = 640
"""Long side of ``small_url``, in pixels."""

_MAY = {
    "accept": DecisionKind.ACCEPT,
    "reject": DecisionKind.REJECT,
    "reprompt": DecisionKind.REPROMPT,
    "escalate": DecisionKind.ESCALATE,
    "send_again": DecisionKind.SEND_AGAIN,
}


class Payloads:
    """Makes them for a desk.

    Args:
        desk: The desk.
        key: Signs the pictures' URLs.
    """

    def __init__(self, desk: Desk, key: bytes) -> None:
        self._desk = desk
        self._key = key

    def edit(self, edit: EditRecord, *, by: Person) -> dict[str, Any]:
        """EDIT, for this person."""
        rounds = [edit] if edit.parent_id is None else reading.rounds(self._desk.db, edit.asset.id)
        return self._edit(edit, by, rounds)

    def full_edit(self, edit: EditRecord, *, by: Person) -> dict[str, Any]:
        """EDIT with the rounds behind it, too, and all decisions on its asset."""
        rounds, decisions = review.history(self._desk, edit)
        return {**self._edit(edit, by, rounds), "decisions": [_decision(each) for each in decisions]}

    def picture(self, facts: PictureFacts) -> dict[str, Any]:
        """PICTURE."""
        width, height = facts.size_wh
        url = self.url(facts.sha256)
        return {
            "sha256": facts.sha256,
            "url": url,
            "pixels_url": url if self._desk.blobs.place.is_folder else f"{url}&here=1",
            "small_url": self.url(facts.sha256, side=SMALL),
            "width": width,
            "height": height,
            "media_type": facts.media_type,
            "bytes": facts.byte_count,
        }

    def url(self, sha256: str, *, side: int | None = None) -> str:
        """Where the browser finds a picture, byte for byte; or a small WebP of it, never to decide by."""
        small = "" if side is None else f"&side={side}"
        return f"/api/page/pictures/{sha256}?ticket={tickets.issue(self._key, sha256)}{small}"

    def _edit(self, edit: EditRecord, by: Person, rounds: Sequence[EditRecord]) -> dict[str, Any]:
        asset, instruction = edit.asset, edit.instruction
        open_decisions = review.open_decisions(self._desk, edit, by=by)
        return {
            "id": edit.id,
            "revision": edit.revision,
            "state": edit.state.value,
            "title": asset.title,
            "batch": asset.batch,
            "sku": asset.sku,
            "destinations": list(asset.destinations),
            "prompt": instruction.prompt,
            "recipe": instruction.recipe,
            "provider": edit.provider,
            "ai_model": edit.ai_model,
            "round": edit.round,
            "asked_by": edit.asked_by,
            "cost_usd": edit.cost_microusd / 1_000_000,
            "unpriced": edit.unpriced,
            "asset_cost_usd": sum(each.cost_microusd for each in rounds) / 1_000_000,
            "asset_unpriced": sum(each.unpriced for each in rounds),
            "doubtful_usd": self._doubtful_usd(edit),
            "reasons": _reasons(edit),
            "error": edit.error,
            "reject_reasons": list(review.reject_reasons(self._desk, edit)),
            "reject_prompts": review.reject_prompts(self._desk, edit),
            "may": {name: kind in open_decisions for name, kind in _MAY.items()},
            "escalated_by": edit.escalated_by,
            "approvals": list(edit.approvals),
            "source": None if asset.source is None else self.picture(asset.source),
            "input": None if edit.input_sha256 is None else self._stored(edit.input_sha256),
            "outputs": [self._output(output) for output in edit.outputs],
            "rounds": [self._round(each) for each in rounds],
        }

    def _stored(self, sha256: str) -> dict[str, Any]:
        return self.picture(reading.picture(self._desk.db, sha256))

    def _doubtful_usd(self, edit: EditRecord) -> float | None:
        if edit.state is not EditState.IN_DOUBT:
            return None
        return _usd(review.doubtful_microusd(self._desk, edit))

    def _output(self, output: OutputRecord) -> dict[str, Any]:
        return {
            "id": output.id,
            "name": output.name,
            "picture": self.picture(output.picture),
            "flags": [_flag(flag) for flag in output.flags],
        }

    def _round(self, edit: EditRecord) -> dict[str, Any]:
        first = edit.outputs[0].picture.sha256 if edit.outputs else None
        return {
            "id": edit.id,
            "round": edit.round,
            "state": edit.state.value,
            "prompt": edit.instruction.prompt,
            "picture_url_small": None if first is None else self.url(first, side=SMALL),
        }


def quote_payload(quote: Quote) -> dict[str, Any]:
    """QUOTE."""
    return {
        "provider": quote.offer.provider,
        "ai_model": quote.offer.ai_model or None,
        "low_usd": _usd(quote.low_microusd),
        "high_usd": _usd(quote.high_microusd),
        "unpriced": quote.high_microusd is None,
        "budget_left_usd": _usd(quote.batch_left_microusd),
        "month_left_usd": _usd(quote.month_left_microusd),
        "is_over_budget": quote.is_over_budget,
        "reused": quote.is_reused,
        "problem": quote.problem,
        "providers": list(map(_offer, quote.offers)),
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.provider,
        "ai_model": offer.ai_model or None,
        "takes_mask": offer.takes_mask,
        "takes_markup": offer.takes_markup,
        "problem": offer.problem,
    }


def _usd(microusd: int | None) -> float | None:
    return None if microusd is None else microusd / 1_000_000


def _flag(flag: Flag) -> dict[str, Any]:
    found = flag.detection
    return {
        "kind": found.kind.value,
        "change": flag.change.value,
        "level": found.level.value,
        "score": found.score,
        "label": found.label,
        "line": flag_line(flag),
        "xyxy": list(found.xyxy),
        "source_xyxy": None if flag.source_xyxy is None else list(flag.source_xyxy),
    }


def _reasons(edit: EditRecord) -> list[str]:
    flags = [flag for output in edit.outputs for flag in output.flags]
    return list(shown_reasons(edit.route.get("reasons", ()), flags, outputs=len(edit.outputs)))


def _decision(decision: DecisionRecord) -> dict[str, Any]:
    return {
        "edit": decision.edit_id,
        "decision": decision.kind.value,
        "by": decision.actor,
        "at": decision.created_at.isoformat(),
        "reason": decision.reason,
        "note": decision.note,
    }
