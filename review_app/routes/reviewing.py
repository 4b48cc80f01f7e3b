"""Session, claims, prices, decisions, undo, edits: what the viewer and other programs call."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from pipeline import claiming, deciding_lists, review, signals
from pipeline.asking import Quotes
from pipeline.claiming import Claimed, QueueFilter
from pipeline.deciding_lists import Outcome, TakenBack
from pipeline.desk import Desk
from pipeline.errors import Conflict
from pipeline.records import EditRecord
from pipeline.states import Role
from pipeline.store import reading
from pipeline.store.claims import Claim
from review_app.callers import Caller, caller, renewed
from review_app.payloads import Payloads, quote_payload
from review_app.routes.answers import Refused, json_route, status_of
from review_app.routes.bodies import (
    BulkBody,
    BulkUndoBody,
    ClaimsBody,
    DecisionBody,
    EstimateBody,
    NoBody,
    ReleaseBody,
    Shape,
    UndoBody,
    parse,
)

_COUNTED_S = 2.0
"""So old may the numbers of what waits and what is decided be: they are shown, nothing rests on them."""

_COUNTED_MOST = 64


def review_routes(desk: Desk, key: bytes) -> list[BaseRoute]:
    """The routes of a desk.

    Args:
        desk: The desk.
        key: Signs tickets.
    """
    payloads, counts, quotes = Payloads(desk, key), Counts(desk), Quotes(desk)

    def session(who: Caller, _: NoBody) -> dict[str, Any]:
        ticket = renewed(key, who)
        person = who.person
        return {"ticket": ticket.text, "expires_at": ticket.expires_at, "name": person.name, "role": person.role.value}

    def claims(who: Caller, body: ClaimsBody) -> dict[str, Any]:
        wanted, by = body.filter.queue_filter(), who.person
        renewed_tokens = claiming.renew(desk, body.renew, by=by) if body.renew else []
        found = claiming.claim(desk, wanted, by=by, count=body.count, leave_out=set(body.leave_out))
        return {
            "claims": [_claimed(each) | {"edit": payloads.edit(each.edit, by=by)} for each in found],
            "renewed": renewed_tokens,
            "progress": counts.of(wanted),
        }

    def release(who: Caller, body: ReleaseBody) -> dict[str, Any]:
        return {"released": claiming.release(desk, body.tokens, by=who.person)}

    def estimate(who: Caller, body: EstimateBody) -> dict[str, Any]:
        return quote_payload(quotes.quote(body.question(), by=who.person))

    def decide(who: Caller, body: DecisionBody) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            state = deciding_lists.decide(desk, body.choice(), by=who.person)
            signals.tell("decision.booked", decision=body.decision, seconds=time.perf_counter() - began)
        except Conflict as exc:
            raise Refused(exc, {"edit": payloads.edit(reading.edit(desk.db, body.edit), by=who.person)}) from exc
        return {"edit": body.edit, "state": state.value}

    def decide_many(who: Caller, body: BulkBody) -> dict[str, Any]:
        who.person.need(Role.REVIEWER, "decide")
        choices = [each.choice() for each in body.decisions]
        began = time.perf_counter()
        outcomes = deciding_lists.carry_out_together(desk, choices, by=who.person)
        signals.tell("decision.booked", decision="many", seconds=time.perf_counter() - began)
        return {"outcomes": list(map(_outcome, outcomes))}

    def undo(who: Caller, body: UndoBody) -> dict[str, Any]:
        by = who.person
        by.need(Role.REVIEWER, "undo")
        edit_id = body.edit or review.to_undo(desk, by=by, idempotency_key=body.key)
        try:
            with desk.db.group():
                review.undo(desk, edit_id, by=by, idempotency_key=body.key)
                claim = claiming.claim_again(desk, edit_id, by=by)
        except Conflict as exc:
            raise Refused(exc, {"edit": payloads.edit(reading.edit(desk.db, edit_id), by=by)}) from exc
        edit = payloads.edit(reading.edit(desk.db, edit_id), by=by)
        return {"edit": edit, **({"token": None, "until": None} if claim is None else _claim(claim))}

    def undo_many(who: Caller, body: BulkUndoBody) -> dict[str, Any]:
        found = deciding_lists.take_back_together(desk, body.edits, by=who.person, idempotency_key=body.key)
        edits = {edit.id: edit for edit in reading.edits(desk.db, body.edits)}
        return {"outcomes": [_taken_back(each) | now(who, edits.get(each.edit_id)) for each in found]}

    def now(who: Caller, edit: EditRecord | None) -> dict[str, Any]:
        return {"now": None if edit is None else payloads.edit(edit, by=who.person)}

    def edit(who: Caller, edit_id: int) -> dict[str, Any]:
        return payloads.full_edit(reading.edit(desk.db, edit_id), by=who.person)

    def posted(path: str, shape: type[Shape], work: Callable[[Caller, Shape], Mapping[str, Any]]) -> Route:
        def handler(request: Request, data: bytes) -> Mapping[str, Any]:
            who = caller(desk, key, request.headers.get("authorization"))
            return work(who, parse(shape, data))

        return Route(f"/api/page/{path}", json_route(handler), methods=["POST"])

    def one_edit(request: Request, _: bytes) -> Mapping[str, Any]:
        who = caller(desk, key, request.headers.get("authorization"))
        return edit(who, request.path_params["edit"])

    return [
        posted("session", NoBody, session),
        posted("claims", ClaimsBody, claims),
        posted("claims/release", ReleaseBody, release),
        posted("estimate", EstimateBody, estimate),
        posted("decisions", DecisionBody, decide),
        posted("decisions/bulk", BulkBody, decide_many),
        posted("undo", UndoBody, undo),
        posted("undo/bulk", BulkUndoBody, undo_many),
        Route("/api/page/edits/{edit:int}", json_route(one_edit), methods=["GET"]),
    ]


class Counts:
    """How many edits wait and are decided, counted at most every two seconds for each filter.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._known: dict[QueueFilter, tuple[float, dict[str, int]]] = {}

    def of(self, wanted: QueueFilter) -> dict[str, int]:
        """The numbers, at most two seconds old."""
        with self._lock:
            counted_at, numbers = self._known.get(wanted, (0.0, {}))
            if numbers and time.monotonic() - counted_at < _COUNTED_S:
                return numbers
            numbers = asdict(claiming.progress(self._desk, wanted))
            self._known.pop(wanted, None)
            if len(self._known) >= _COUNTED_MOST:
                self._known.pop(next(iter(self._known)))
            self._known[wanted] = time.monotonic(), numbers
            return numbers


def _claimed(claimed: Claimed) -> dict[str, Any]:
    return _claim(claimed.claim)


def _claim(claim: Claim) -> dict[str, Any]:
    return {"token": claim.token, "until": int(claim.until.timestamp())}


def _taken_back(found: TakenBack) -> dict[str, Any]:
    if found.cause is not None:
        return {"edit": found.edit_id, "error": str(found.cause), "code": status_of(found.cause)[1]}
    return {"edit": found.edit_id, **({"token": None, "until": None} if found.claim is None else _claim(found.claim))}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    edit_id = outcome.decision.edit_id
    if outcome.cause is not None:
        return {"edit": edit_id, "error": outcome.error, "code": status_of(outcome.cause)[1]}
    assert outcome.state is not None
    return {"edit": edit_id, "state": outcome.state.value}
