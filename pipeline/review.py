"""What a person decides. The page, the HTTP routes and the command line all call these functions.

Nothing here can spend money: what is to be sent, or sent again, is queued, and the runner picks it up. An edit is named
by its id; a caller that has read it hands in the record, and whether it still is so is checked when it is written.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.blobs import kept_sha256, kept_uri
from pipeline.claiming import EVERYTHING, QueueFilter, edit_filter
from pipeline.desk import Desk
from pipeline.errors import Conflict, NotFound, PictureError, UsageError
from pipeline.images import prepare_markup, prepare_mask
from pipeline.people import Person
from pipeline.providers import provider_names
from pipeline.records import DecisionRecord, EditRecord, OutputRecord
from pipeline.states import AttemptState, DecisionKind, EditState, Role
from pipeline.store import deciding, reading
from pipeline.store.deciding import Choice, NextRound
from pipeline.store.reading import EditFilter
from pipeline.values import Instruction

_CAN_REJECT = frozenset({EditState.IN_REVIEW, EditState.REFUSED, EditState.IN_DOUBT, EditState.FAILED})
_CAN_BE: Mapping[DecisionKind, frozenset[EditState]] = {
    DecisionKind.ACCEPT: frozenset({EditState.IN_REVIEW}),
    DecisionKind.REJECT: _CAN_REJECT,
    DecisionKind.REPROMPT: frozenset({*_CAN_REJECT, EditState.REJECTED}),
    DecisionKind.ESCALATE: frozenset({EditState.IN_REVIEW}),
    DecisionKind.SEND_AGAIN: frozenset({EditState.IN_DOUBT}),
}
"""In which states an edit can be decided on, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the person saw when they decided.

    Attributes:
        revision: The edit's revision; the present one if None.
        output_id: The output; may be None if there is only one.
        claim: The token of the person's claim.
        shown_ms: How long the pictures were to be seen, in milliseconds.
        idempotency_key: The caller's own name for this decision: sent twice, it counts once.
    """

    revision: int | None = None
    output_id: int | None = None
    claim: str | None = None
    shown_ms: int | None = None
    idempotency_key: str | None = None


ELSEWHERE = Screen()
"""A decision that was made away from the review page."""


def accept(desk: Desk, edit: EditRecord | int, *, by: Person, screen: Screen = ELSEWHERE, note: str = "") -> EditState:
    """Approve one output of an edit; where several people must, the edit waits for the others.

    If those chose another output, an approver decides. Who works alone is enough by themselves.

    Raises:
        Conflict: The edit has moved on, somebody else has claimed it, the person has approved it already, or it is in
            no state to be approved.
        Forbidden: The person does not review, or it was escalated and they are no approver.
        UsageError: There are several outputs and none was named.
    """
    seen = _seen(desk, edit, screen, by, DecisionKind.ACCEPT)
    if seen is None:
        return _now(desk, edit)
    output = _chosen(seen, screen.output_id)
    _need(seen, DecisionKind.ACCEPT, "approved")
    if by.name in seen.approvals:
        raise Conflict(f"{seen.title}: {by.name} has approved it already; now somebody else has to")
    kind = DecisionKind.ACCEPT
    is_disagreement = seen.escalated_by is None and _was_another_chosen(desk, seen, output)
    if is_disagreement and not by.may(Role.APPROVER):
        stay, so_far = seen.state, seen.approvals
        return _decide(desk, seen, by, screen, kind, stay, output, note=note, approvals=so_far, escalated_by=by.name)
    approvals = (*seen.approvals, by.name)
    is_settled = by.is_alone or is_disagreement or seen.escalated_by is not None
    is_enough = is_settled or len(approvals) >= desk.policy.approvals
    new = EditState.APPROVED if is_enough else seen.state
    return _decide(desk, seen, by, screen, kind, new, output, note=note, approvals=approvals)


def reject(
    desk: Desk, edit: EditRecord | int, *, by: Person, reason: str, screen: Screen = ELSEWHERE, note: str = ""
) -> EditState:
    """Reject an edit, for a reason of the desk's or the recipe's list; if others approved it, an approver decides.

    Raises:
        Conflict: The edit has moved on, somebody else has claimed it, or it is in no state to be rejected.
        Forbidden: The person does not review, or it was escalated and they are no approver.
        UsageError: The reason is not on the list.
    """
    seen = _seen(desk, edit, screen, by, DecisionKind.REJECT)
    if seen is None:
        return _now(desk, edit)
    _check_reason(desk, seen, reason)
    _need(seen, DecisionKind.REJECT, "rejected")
    is_disagreement = bool(seen.approvals) and seen.escalated_by is None and not by.may(Role.APPROVER)
    new = seen.state if is_disagreement else EditState.REJECTED
    return _decide(
        desk,
        seen,
        by,
        screen,
        DecisionKind.REJECT,
        new,
        _shown(seen, screen),
        reason=reason,
        note=note,
        approvals=seen.approvals,
        escalated_by=by.name if is_disagreement else seen.escalated_by,
    )


def escalate(
    desk: Desk, edit: EditRecord | int, *, by: Person, screen: Screen = ELSEWHERE, note: str = ""
) -> EditState:
    """Leave an edit to an approver.

    Raises:
        Conflict: The edit has moved on, somebody else has claimed it, it is not in review, or was escalated before.
        Forbidden: The person does not review.
    """
    seen = _seen(desk, edit, screen, by, DecisionKind.ESCALATE)
    if seen is None:
        return _now(desk, edit)
    _need(seen, DecisionKind.ESCALATE, "escalated")
    if seen.escalated_by is not None:
        raise Conflict(f"{seen.title}: {seen.escalated_by} has escalated it already; accept it or reject it")
    return _decide(
        desk,
        seen,
        by,
        screen,
        DecisionKind.ESCALATE,
        seen.state,
        _shown(seen, screen),
        note=note,
        approvals=seen.approvals,
        escalated_by=by.name,
    )


def reprompt(
    desk: Desk,
    edit: EditRecord | int,
    *,
    by: Person,
    prompt: str,
    screen: Screen = ELSEWHERE,
    on_output: bool = False,
    provider: str | None = None,
    mask: bytes | None = None,
    markup: bytes | None = None,
    reason: str = "",
    note: str = "",
) -> EditState:
    """Ask for another round with another instruction.

    Args:
        desk: The desk.
        edit: The edit that this round takes the place of.
        by: Who asks.
        prompt: The new instruction.
        screen: What they saw.
        on_output: Start from this edit's output instead of from the picture that it started from.
        provider: Another provider than before.
        mask: A region to edit, as `prepare_mask` takes it, of the size of the picture that it starts from; what the
            provider makes is put back into that picture, so that nothing changes outside.
        markup: Marks that point at what the prompt is about, as `prepare_markup` takes them, of the same size; instead
            of a mask, for a provider that takes them.
        reason: What is wrong with this round, of the desk's or the recipe's list; may be left out.
        note: Free words.

    Raises:
        Conflict: The edit has moved on, somebody else has claimed it, it is in no state to be asked for again, or its
            asset has had as many rounds as the policy allows.
        Forbidden: The person does not review, or it was escalated and they are no approver.
        UsageError: The prompt is empty, there is no output to start from, the mask or the markup does not fit, or the
            reason is not on the list.
    """
    seen = _seen(desk, edit, screen, by, DecisionKind.REPROMPT)
    if seen is None:
        return _now(desk, edit)
    if not prompt.strip():
        raise UsageError(f"{seen.title}: found an empty prompt; expected what to do differently")
    if provider is not None and provider not in provider_names():
        raise UsageError(f"{seen.title}: found provider {provider!r}; expected one of: {', '.join(provider_names())}")
    if on_output and not seen.outputs:
        raise UsageError(f"{seen.title}: it has no output to start from; start from the source")
    if mask is not None and markup is not None:
        raise UsageError(f"{seen.title}: found a mask and a markup; expected one of the two")
    if reason:
        _check_reason(desk, seen, reason)
    _need(seen, DecisionKind.REPROMPT, "asked for again")
    if seen.round >= desk.policy.most_rounds and not by.may(Role.APPROVER):
        raise Conflict(f"{seen.title}: it has had {seen.round} rounds, as many as the policy allows; escalate it")
    output = _shown(seen, screen)
    start = output if on_output else None
    following = NextRound(
        instruction=next_instruction(seen, prompt.strip()),
        input_sha256=start.picture.sha256 if start else seen.input_sha256,
        provider=provider,
        mask=None if mask is None else _kept_overlay(desk, seen, prepare_mask, mask, start),
        markup=manifest_markup(seen) if markup is None else _kept_overlay(desk, seen, prepare_markup, markup, start),
    )
    new, kind = EditState.SUPERSEDED, DecisionKind.REPROMPT
    return _decide(desk, seen, by, screen, kind, new, output, reason=reason, note=note, following=following)


def send_again(
    desk: Desk, edit: EditRecord | int, *, by: Person, screen: Screen = ELSEWHERE, note: str = ""
) -> EditState:
    """Send an edit again whose answer was lost, and that may have been billed; what it may have cost stays in doubt.

    Raises:
        Conflict: The edit has moved on, somebody else has claimed it, or it is not in doubt.
        Forbidden: The person does not review.
    """
    seen = _seen(desk, edit, screen, by, DecisionKind.SEND_AGAIN)
    if seen is None:
        return _now(desk, edit)
    _need(seen, DecisionKind.SEND_AGAIN, "sent again")
    return _decide(desk, seen, by, screen, DecisionKind.SEND_AGAIN, EditState.QUEUED, None, note=note)


def undo(
    desk: Desk,
    edit_id: int,
    *,
    by: Person,
    even_exported: bool = False,
    note: str = "",
    idempotency_key: str | None = None,
    among: int = deciding.UNDOABLE,
) -> EditState:
    """Take back the last decision on an edit: one's own last ten, or as an approver any; gives its state then.

    Args:
        desk: The desk.
        edit_id: Which edit.
        by: Who takes it back.
        even_exported: Although an export has it; approvers only.
        note: Free words.
        idempotency_key: The caller's own name for this: sent twice, one decision is taken back.
        among: A reviewer's own last decisions that it must be one of.

    Raises:
        Conflict: There is none, it was exported, it is somebody else's, or the round that it asked for has begun.
        Forbidden: The person may not.
    """
    by.need(
        Role.APPROVER if even_exported else Role.REVIEWER, "take back what was exported" if even_exported else "undo"
    )
    may_undo_all = by.may(Role.APPROVER)
    return deciding.undo(
        desk.db,
        edit_id,
        actor=by.name,
        may_undo_all=may_undo_all,
        even_exported=even_exported,
        note=note,
        idempotency_key=idempotency_key,
        among=among,
    )


def to_undo(desk: Desk, *, by: Person, idempotency_key: str | None = None) -> int:
    """The edit of this person's last decision that they can take back; under a name that was used, the same as then.

    Raises:
        NotFound: There is none.
        Conflict: The name belongs to another decision.
    """
    before = None if idempotency_key is None else deciding.undone(desk.db, idempotency_key)
    found = [before] if before is not None else undoable(desk, by=by)
    if not found:
        raise NotFound(f"{by.name} has decided on nothing that could be taken back")
    return found[0]


def undoable(desk: Desk, *, by: Person) -> list[int]:
    """The edits of this person's last ten decisions that they can take back, the latest first."""
    return deciding.recent(desk.db, by.name)


def history(desk: Desk, edit: EditRecord) -> tuple[list[EditRecord], list[DecisionRecord]]:
    """All rounds of the edit's asset, first to last, and every decision on them."""
    rounds = reading.rounds(desk.db, edit.asset.id)
    return rounds, reading.decisions(desk.db, [record.id for record in rounds])


def waiting(
    desk: Desk, wanted: QueueFilter = EVERYTHING, *, state: EditState = EditState.IN_REVIEW
) -> Iterator[EditRecord]:
    """Everything that is in this state, oldest first, read page by page."""
    yield from reading.each_edit(desk.db, edit_filter(desk, wanted, frozenset({state})))


def edit_of_asset(desk: Desk, name: str, *, batch: str | None = None, variant: str = "") -> int:
    """The last round on the asset of that name; a re-prompt that was taken back is none.

    Raises:
        NotFound: There is no such asset.
    """
    batch_id = None if batch is None else reading.batch_named(desk.db, batch).id
    wanted = EditFilter(batch_id=batch_id, asset_name=name)
    found = [edit for edit in reading.each_edit(desk.db, wanted) if edit.asset.variant == variant]
    if not found:
        raise NotFound(f"asset {name!r}: this desk has none of that name; see: picturedesk status --edits")
    if len({edit.asset.id for edit in found}) > 1:
        raise UsageError(f"asset {name!r} is in several batches; name one with --batch")
    return max(found, key=lambda edit: (edit.state is not EditState.CANCELLED, edit.id)).id


def open_decisions(desk: Desk, edit: EditRecord, *, by: Person) -> frozenset[DecisionKind]:
    """What this person can decide on an edit as it is now, for a screen to offer; deciding checks it again."""
    is_own_escalation = edit.escalated_by == by.name and not by.is_alone
    if not by.may(Role.REVIEWER if edit.escalated_by is None else Role.APPROVER) or is_own_escalation:
        return frozenset()
    found = {kind for kind, states in _CAN_BE.items() if edit.state in states}
    if not edit.outputs or by.name in edit.approvals:
        found.discard(DecisionKind.ACCEPT)
    if edit.escalated_by is not None:
        found.discard(DecisionKind.ESCALATE)
    if edit.round >= desk.policy.most_rounds and not by.may(Role.APPROVER):
        found.discard(DecisionKind.REPROMPT)
    return frozenset(found)


def reject_reasons(desk: Desk, edit: EditRecord) -> tuple[str, ...]:
    """Reasons that a reviewer chooses from: the desk's, and the recipe's own first."""
    recipe = desk.recipes.get(edit.instruction.recipe or "")
    own = recipe.reject_reasons if recipe else ()
    return tuple(dict.fromkeys([*own, *desk.reject_reasons]))


def reject_prompts(desk: Desk, edit: EditRecord) -> dict[str, str]:
    """What to ask for in another round, for those of the reasons that the desk has words of its own for."""
    own = desk.settings.reject_prompts
    return {reason: own[reason] for reason in reject_reasons(desk, edit) if reason in own}


def next_instruction(edit: EditRecord, prompt: str) -> Instruction:
    """What another round is told; the recipe's operations stay only if the prompt stayed."""
    before = edit.instruction
    if prompt == before.prompt:
        return before
    return Instruction(prompt, recipe=before.recipe, parameters=before.parameters)


def manifest_markup(edit: EditRecord) -> str | None:
    """The marks that came with the manifest; a reviewer's, which lie among the pictures, were for that round only."""
    return None if kept_sha256(edit.markup) else edit.markup


def doubtful_microusd(desk: Desk, edit: EditRecord) -> int | None:
    """The most that lost requests for an edit can have cost, in millionths of a US dollar; None if not known."""
    lost = [each for each in reading.attempts(desk.db, edit.id) if each.state is AttemptState.LOST]
    amounts = [each.reserved_microusd for each in lost]
    return sum(amounts) if all(amounts) else None  # nothing is reserved where no price is known


def _seen(desk: Desk, edit: EditRecord | int, screen: Screen, by: Person, kind: DecisionKind) -> EditRecord | None:
    """The edit that the person saw; None if this very decision was carried out before."""
    by.need(Role.REVIEWER, "decide")
    edit = reading.edit(desk.db, edit) if isinstance(edit, int) else edit
    key, is_as_shown = screen.idempotency_key, screen.revision == edit.revision
    # Every decision raises the revision: an edit that still is as it was shown has not had this one.
    if key is not None and not is_as_shown:
        output_id = screen.output_id
        if deciding.decided(desk.db, key, edit.id, kind, actor=by.name, output_id=output_id):
            return None
    if screen.revision is not None and not is_as_shown:
        raise Conflict(f"{edit.title}: it changed since it was shown, it is {edit.state} now; look at it again")
    if edit.escalated_by is not None:
        by.need(Role.APPROVER, "decide on what was escalated")
        if edit.escalated_by == by.name and not by.is_alone:
            raise Conflict(f"{edit.title}: {by.name} has escalated it; another approver has to decide")
    return edit


def _now(desk: Desk, edit: EditRecord | int) -> EditState:
    return reading.edit(desk.db, edit if isinstance(edit, int) else edit.id).state


def _need(edit: EditRecord, kind: DecisionKind, what: str) -> None:
    if edit.state not in _CAN_BE[kind]:
        raise Conflict(f"{edit.title}: it is {edit.state} and cannot be {what}")


def _decide(
    desk: Desk,
    edit: EditRecord,
    by: Person,
    screen: Screen,
    kind: DecisionKind,
    new: EditState,
    output: OutputRecord | None,
    *,
    reason: str = "",
    note: str = "",
    approvals: tuple[str, ...] = (),
    escalated_by: str | None = None,
    following: NextRound | None = None,
) -> EditState:
    choice = Choice(
        kind=kind,
        actor=by.name,
        old=edit.state,
        new=new,
        revision=edit.revision,
        approvals=approvals,
        escalated_by=escalated_by,
        output_id=output.id if output else None,
        output_sha256=output.picture.sha256 if output else None,
        flags=output.flags if output else (),
        reason=reason,
        note=note,
        policy_hash=desk.policy.hash,
        shown_ms=screen.shown_ms,
        claim=screen.claim,
        idempotency_key=screen.idempotency_key,
        following=following,
    )
    deciding.decide(desk.db, edit.id, choice)
    return new


def _chosen(edit: EditRecord, output_id: int | None) -> OutputRecord:
    if not edit.outputs:
        raise Conflict(f"{edit.title}: it is {edit.state} and has no output to approve")
    if output_id is None:
        if len(edit.outputs) > 1:
            names = ", ".join(f"{output.id} {output.name}".strip() for output in edit.outputs)
            raise UsageError(f"{edit.title}: it has several outputs; name one of: {names}")
        return edit.outputs[0]
    for output in edit.outputs:
        if output.id == output_id:
            return output
    raise NotFound(f"{edit.title}: it has no output {output_id}")


def _was_another_chosen(desk: Desk, edit: EditRecord, output: OutputRecord) -> bool:
    """Whether somebody whose approval stands approved another output than this."""
    if not edit.approvals or len(edit.outputs) == 1:
        return False
    accepted = [each for each in reading.decisions(desk.db, [edit.id]) if each.kind is DecisionKind.ACCEPT]
    chosen = {each.actor: each.output_sha256 for each in accepted}
    return any(chosen.get(name) != output.picture.sha256 for name in edit.approvals)


def _shown(edit: EditRecord, screen: Screen) -> OutputRecord | None:
    """The output on the screen, or the first; None if there is none."""
    if not edit.outputs:
        return None
    return edit.outputs[0] if screen.output_id is None else _chosen(edit, screen.output_id)


def _check_reason(desk: Desk, edit: EditRecord, reason: str) -> None:
    known = reject_reasons(desk, edit)
    if reason not in known:
        raise UsageError(f"{edit.title}: found reason {reason!r}; expected one of: {', '.join(known)}")


def _kept_overlay(
    desk: Desk,
    edit: EditRecord,
    prepare: Callable[[bytes, tuple[int, int]], bytes],
    overlay: bytes,
    start: OutputRecord | None,
) -> str:
    """The name of a region or of marks, checked against the picture that the round starts from and kept beside it."""
    if start is not None:
        size_wh = start.picture.size_wh
    elif edit.input_sha256 is not None:
        size_wh = reading.picture(desk.db, edit.input_sha256).size_wh
    elif edit.asset.source is not None:
        size_wh = edit.asset.source.size_wh
    else:
        raise UsageError(f"{edit.title}: its source was not read yet, so nothing can be marked on it")
    try:
        kept = prepare(overlay, size_wh)
    except PictureError as exc:
        raise UsageError(f"{edit.title}: {exc}") from exc
    return kept_uri(desk.blobs.put(kept, "image/png"))
