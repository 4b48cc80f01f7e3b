"""What a person decides. The page, the HTTP routes and the command line all call these functions.

Nothing here can spend money: what is to be sent, or sent again, is queued, and the runner picks it up.
"""

import getpass
import os
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.desk import Desk
from pipeline.errors import Conflict, NotFound, UsageError
from pipeline.providers import provider_names
from pipeline.records import DecisionRecord, EditRecord, OutputRecord
from pipeline.states import DecisionKind, EditState
from pipeline.store import deciding, reading
from pipeline.store.reading import EditFilter
from pipeline.values import Instruction, Kind

_TO_LOOK_AT = frozenset({EditState.IN_REVIEW, EditState.REFUSED, EditState.IN_DOUBT})
_CAN_REJECT = frozenset({*_TO_LOOK_AT, EditState.FAILED})
_CAN_REPROMPT = frozenset({*_CAN_REJECT, EditState.REJECTED})


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which edits a reviewer wants to see.

    Attributes:
        batch: Of this batch only.
        kind: With a flag of this kind only.
        recipe: Made by this recipe only.
    """

    batch: str | None = None
    kind: Kind | None = None
    recipe: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the review of what a filter selects is."""

    waiting: int
    decided: int


def current_actor() -> str:
    """Who decides, where nobody signs in: the user of the operating system."""
    return os.environ.get("PICTUREDESK_ACTOR") or getpass.getuser()


def queue(desk: Desk, wanted: QueueFilter = QueueFilter(), *, after: int = 0, limit: int = 50) -> list[EditRecord]:
    """Edits that wait for a decision, oldest first, from behind the edit ``after``."""
    ids = reading.edit_ids(desk.db, _filter(desk, wanted, _TO_LOOK_AT), after=after, limit=limit)
    return reading.edits(desk.db, ids)


def progress(desk: Desk, wanted: QueueFilter = QueueFilter()) -> Progress:
    """How many wait and how many are decided."""
    decided = frozenset({EditState.APPROVED, EditState.REJECTED})
    return Progress(
        waiting=reading.count_edits(desk.db, _filter(desk, wanted, _TO_LOOK_AT)),
        decided=reading.count_edits(desk.db, _filter(desk, wanted, decided)),
    )


def history(desk: Desk, edit: EditRecord) -> tuple[list[EditRecord], list[DecisionRecord]]:
    """All rounds of the edit's asset, first to last, and every decision on them."""
    rounds = reading.rounds(desk.db, edit.asset.id)
    return rounds, reading.decisions(desk.db, [record.id for record in rounds])


def accept(
    desk: Desk,
    edit_id: int,
    *,
    actor: str,
    revision: int | None = None,
    output_id: int | None = None,
    note: str = "",
    idempotency_key: str | None = None,
) -> EditState:
    """Approve one output of an edit.

    Args:
        desk: The desk.
        edit_id: Which edit.
        actor: Who decides.
        revision: The revision that was on the screen; the present one if None.
        output_id: Which output; may be left out if there is only one.
        note: Free words.
        idempotency_key: The caller's own name for this decision: sent twice, it counts once.

    Raises:
        Conflict: The edit has moved on, or is in no state to be approved.
        UsageError: There are several outputs and none was named.
    """
    edit = _seen(desk, edit_id, revision, idempotency_key)
    output = _chosen(edit, output_id)
    _need(edit, frozenset({EditState.IN_REVIEW}), "approved", is_repeat=_is_repeat(edit, revision, idempotency_key))
    deciding.decide(
        desk.db,
        edit_id,
        DecisionKind.ACCEPT,
        actor=actor,
        old=EditState.IN_REVIEW,
        new=EditState.APPROVED,
        revision=edit.revision if revision is None else revision,
        output_id=output.id,
        output_sha256=output.picture.sha256,
        flags=output.flags,
        note=note,
        policy_hash=desk.policy.hash,
        idempotency_key=idempotency_key,
    )
    return EditState.APPROVED


def reject(
    desk: Desk,
    edit_id: int,
    *,
    actor: str,
    reason: str,
    revision: int | None = None,
    note: str = "",
    idempotency_key: str | None = None,
) -> EditState:
    """Reject an edit, for a reason of the desk's or the recipe's list.

    Raises:
        Conflict: The edit has moved on, or is in no state to be rejected.
        UsageError: The reason is not on the list.
    """
    edit = _seen(desk, edit_id, revision, idempotency_key)
    known = reject_reasons(desk, edit)
    if reason not in known:
        raise UsageError(f"{edit.title}: found reason {reason!r}; expected one of: {', '.join(known)}")
    _need(edit, _CAN_REJECT, "rejected", is_repeat=_is_repeat(edit, revision, idempotency_key))
    first = edit.outputs[0] if edit.outputs else None
    deciding.decide(
        desk.db,
        edit_id,
        DecisionKind.REJECT,
        actor=actor,
        old=edit.state,
        new=EditState.REJECTED,
        revision=edit.revision if revision is None else revision,
        output_id=first.id if first else None,
        output_sha256=first.picture.sha256 if first else None,
        flags=first.flags if first else (),
        reason=reason,
        note=note,
        policy_hash=desk.policy.hash,
        idempotency_key=idempotency_key,
    )
    return EditState.REJECTED


def reprompt(
    desk: Desk,
    edit_id: int,
    *,
    actor: str,
    prompt: str,
    revision: int | None = None,
    on_output: bool = False,
    output_id: int | None = None,
    provider: str | None = None,
    note: str = "",
    idempotency_key: str | None = None,
) -> EditState:
    """Ask for another round with another instruction.

    Args:
        desk: The desk.
        edit_id: The edit that this round takes the place of.
        actor: Who asks.
        prompt: The new instruction.
        revision: The revision that was on the screen; the present one if None.
        on_output: Start from this edit's output instead of from the picture that it started from.
        output_id: Which output, if there are several; the first if None.
        provider: Another provider than before.
        note: Free words.
        idempotency_key: The caller's own name for this decision.

    Raises:
        Conflict: The edit has moved on, or is in no state to be asked for again.
        UsageError: The prompt is empty, or there is no output to start from.
    """
    edit = _seen(desk, edit_id, revision, idempotency_key)
    if not prompt.strip():
        raise UsageError(f"{edit.title}: found an empty prompt; expected what to do differently")
    if provider is not None and provider not in provider_names():
        raise UsageError(f"{edit.title}: found provider {provider!r}; expected one of: {', '.join(provider_names())}")
    if on_output and not edit.outputs:
        raise UsageError(f"{edit.title}: it has no output to start from; start from the source")
    _need(edit, _CAN_REPROMPT, "asked for again", is_repeat=_is_repeat(edit, revision, idempotency_key))
    output = None
    if edit.outputs:
        output = edit.outputs[0] if output_id is None else _chosen(edit, output_id)
    deciding.decide(
        desk.db,
        edit_id,
        DecisionKind.REPROMPT,
        actor=actor,
        old=edit.state,
        new=EditState.SUPERSEDED,
        revision=edit.revision if revision is None else revision,
        output_id=output.id if output else None,
        output_sha256=output.picture.sha256 if output else None,
        flags=output.flags if output else (),
        note=note,
        policy_hash=desk.policy.hash,
        idempotency_key=idempotency_key,
        next_round=_next_instruction(edit, prompt.strip()),
        next_input_sha256=output.picture.sha256 if on_output and output else edit.input_sha256,
        next_provider=provider,
    )
    return EditState.SUPERSEDED


def send_again(
    desk: Desk,
    edit_id: int,
    *,
    actor: str,
    revision: int | None = None,
    note: str = "",
    idempotency_key: str | None = None,
) -> EditState:
    """Send an edit again whose answer was lost, and that may have been billed; what it may have cost stays in doubt.

    Raises:
        Conflict: The edit has moved on, or is not in doubt.
    """
    edit = _seen(desk, edit_id, revision, idempotency_key)
    _need(edit, frozenset({EditState.IN_DOUBT}), "sent again", is_repeat=_is_repeat(edit, revision, idempotency_key))
    deciding.decide(
        desk.db,
        edit_id,
        DecisionKind.SEND_AGAIN,
        actor=actor,
        old=EditState.IN_DOUBT,
        new=EditState.QUEUED,
        revision=edit.revision if revision is None else revision,
        output_id=None,
        output_sha256=None,
        note=note,
        policy_hash=desk.policy.hash,
        idempotency_key=idempotency_key,
    )
    return EditState.QUEUED


def undo(desk: Desk, edit_id: int, *, actor: str, note: str = "") -> EditState:
    """Take back the last decision on an edit; gives the state it is in again.

    Raises:
        Conflict: There is none, or the round that it asked for has begun.
    """
    return deciding.undo(desk.db, edit_id, actor=actor, note=note)


def waiting(
    desk: Desk, wanted: QueueFilter = QueueFilter(), *, state: EditState = EditState.IN_REVIEW
) -> Iterator[EditRecord]:
    """Everything that is in this state, oldest first, read page by page."""
    yield from reading.each_edit(desk.db, _filter(desk, wanted, frozenset({state})))


def edit_of_asset(desk: Desk, name: str, *, batch: str | None = None, variant: str = "") -> int:
    """The last round on the asset of that name.

    Raises:
        NotFound: There is no such asset.
    """
    wanted = EditFilter(batch_id=_batch_id(desk, batch), asset_name=name)
    found = [edit for edit in reading.each_edit(desk.db, wanted) if edit.asset.variant == variant]
    if not found:
        raise NotFound(f"asset {name!r}: this desk has none of that name; see: picturedesk status --edits")
    if len({edit.asset.id for edit in found}) > 1:
        raise UsageError(f"asset {name!r} is in several batches; name one with --batch")
    return found[-1].id


def reject_reasons(desk: Desk, edit: EditRecord) -> tuple[str, ...]:
    """Reasons that a reviewer chooses from: the desk's, and the recipe's own first."""
    recipe = desk.recipes.get(edit.instruction.recipe or "")
    own = recipe.reject_reasons if recipe else ()
    return tuple(dict.fromkeys([*own, *desk.settings.reject_reasons]))


def _filter(desk: Desk, wanted: QueueFilter, states: frozenset[EditState]) -> EditFilter:
    return EditFilter(states=states, batch_id=_batch_id(desk, wanted.batch), kind=wanted.kind, recipe=wanted.recipe)


def _batch_id(desk: Desk, name: str | None) -> int | None:
    return None if name is None else reading.batch_named(desk.db, name).id


def _seen(desk: Desk, edit_id: int, revision: int | None, idempotency_key: str | None) -> EditRecord:
    edit = reading.edit(desk.db, edit_id)
    if revision is not None and revision != edit.revision and idempotency_key is None:
        raise Conflict(f"{edit.title}: it changed since it was shown, it is {edit.state} now; look at it again")
    return edit


def _is_repeat(edit: EditRecord, revision: int | None, idempotency_key: str | None) -> bool:
    """Whether this may be a decision that was carried out already; the store knows its key."""
    return idempotency_key is not None and revision is not None and revision != edit.revision


def _need(edit: EditRecord, states: frozenset[EditState], what: str, *, is_repeat: bool) -> None:
    if edit.state not in states and not is_repeat:
        raise Conflict(f"{edit.title}: it is {edit.state} and cannot be {what}")


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


def _next_instruction(edit: EditRecord, prompt: str) -> Instruction:
    """The new prompt; the recipe and its operations stay only if the prompt stayed."""
    before = edit.instruction
    if prompt == before.prompt:
        return before
    return Instruction(prompt, recipe=before.recipe, parameters=before.parameters)
