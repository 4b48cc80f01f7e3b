"""Many decisions at once: named on the command line, chosen by a filter, or listed in a file."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import claiming, review
from pipeline.claiming import QueueFilter
from pipeline.desk import Desk
from pipeline.errors import ManifestError, PicturedeskError, RowProblem, UsageError
from pipeline.flag_lines import flag_line
from pipeline.manifest import read_json
from pipeline.people import Person
from pipeline.records import EditRecord
from pipeline.review import ELSEWHERE, Screen
from pipeline.states import DecisionKind, EditState, Role
from pipeline.store import reading
from pipeline.store.claims import Claim
from pipeline.store.deciding import UNDOABLE
from pipeline.values import Change, Flag, Level

_VERBS = tuple(DecisionKind)

_MOST_DIGITS = 19
"""Of the number of an edit: the database holds no longer ones."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision to carry out.

    Attributes:
        verb: A `DecisionKind`'s name.
        edit_id: On which edit; 0 while it is a template.
        reason: Why it is rejected, or asked for again.
        prompt: The new instruction.
        provider: Another provider for the next round.
        on_output: Start the next round from the output.
        mask: The region that the next round may change, as `prepare_mask` takes it.
        markup: Marks that point at what the prompt is about, as `prepare_markup` takes them.
        screen: What the person saw, and which output they chose.
        even_exported: Undo although an export has it.
        note: Free words.
    """

    verb: str
    edit_id: int = 0
    reason: str = ""
    prompt: str = ""
    provider: str | None = None
    on_output: bool = False
    mask: bytes | None = None
    markup: bytes | None = None
    screen: Screen = ELSEWHERE
    even_exported: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision.

    Attributes:
        state: Where the edit is now; None if the decision could not be carried out.
        cause: Why not.
    """

    decision: Decision
    state: EditState | None
    cause: PicturedeskError | None = None

    @property
    def error(self) -> str | None:
        """Why not, in words."""
        return None if self.cause is None else str(self.cause)

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "edit": self.decision.edit_id,
            "decision": self.decision.verb,
            "state": self.state.value if self.state else None,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of taking a decision back together with others.

    Attributes:
        claim: The edit is the person's again; None if it waits for others, or its decision stands.
        cause: Why its decision stands.
    """

    edit_id: int
    claim: Claim | None = None
    cause: PicturedeskError | None = None


def chosen(
    desk: Desk,
    template: Decision,
    *,
    edits: Sequence[int],
    assets: Sequence[str],
    everything: bool,
    file: Path | None,
    wanted: QueueFilter,
) -> Iterator[Decision]:
    """The decisions that a call asks for; a file is checked whole before the first.

    Raises:
        UsageError: The call names nothing to decide on, or too much.
        ManifestError: Rows of the file are wrong.
    """
    if file is not None:
        if template.verb or edits or assets or everything:
            raise UsageError("--from says everything itself; leave out the decision and the edits")
        return iter(_read(desk, file, wanted.batch))
    if not template.verb:
        raise UsageError(f"say what to decide: {', '.join(_VERBS)}; or give a list with --from FILE")
    if everything == bool(edits or assets):
        raise UsageError("name edits by number, or assets with --asset, or all that wait with --all")
    if everything:
        if template.verb == "undo":
            raise UsageError("undo takes edits by number; there is no undo of everything")
        state = EditState.IN_DOUBT if template.verb == "send-again" else EditState.IN_REVIEW
        found = review.waiting(desk, wanted, state=state)
        return (replace(template, edit_id=edit.id, screen=Screen(output_id=_first(edit))) for edit in found)
    by_name = [review.edit_of_asset(desk, name, batch=wanted.batch) for name in assets]
    return (replace(template, edit_id=edit_id) for edit_id in [*edits, *by_name])


def carry_out(desk: Desk, decisions: Iterable[Decision], *, by: Person) -> list[Outcome]:
    """Carry out one by one; one that cannot be leaves the others alone."""
    outcomes = []
    for decision in decisions:
        try:
            outcomes.append(Outcome(decision, decide(desk, decision, by=by)))
        except PicturedeskError as exc:
            outcomes.append(Outcome(decision, None, exc))
    return outcomes


def carry_out_together(desk: Desk, decisions: Sequence[Decision], *, by: Person) -> list[Outcome]:
    """Carry out in one transaction; one that cannot be is rolled back alone, and leaves the others as they are.

    Whoever accepts many pictures at once sees each of them small and shortly, so an output with an open flag of level
    ``sure`` is not accepted here: its outcome says so, and it is to be looked at by itself.
    """
    edits = {edit.id: edit for edit in reading.edits(desk.db, [each.edit_id for each in decisions])}
    outcomes = []
    with desk.db.group():
        for decision in decisions:
            try:
                with desk.db.part():
                    edit = edits.get(decision.edit_id)
                    if decision.verb == "accept" and edit is not None:
                        _refuse_sure(edit, decision.screen.output_id)
                    state = decide(desk, decision, by=by, edit=edit)
                outcomes.append(Outcome(decision, state))
            except PicturedeskError as exc:
                outcomes.append(Outcome(decision, None, exc))
    return outcomes


def take_back_together(
    desk: Desk, edit_ids: Sequence[int], *, by: Person, idempotency_key: str | None = None
) -> list[TakenBack]:
    """Take back the last decisions on these edits in one transaction, and claim them again for this person.

    What was decided at once can be taken back at once: a reviewer's own last decisions, as many as are named here and
    the ten before them. One that cannot be taken back leaves the others alone.

    Raises:
        Forbidden: The person does not review.
    """
    by.need(Role.REVIEWER, "undo")
    found = []
    with desk.db.group():
        for edit_id in edit_ids:
            key = None if idempotency_key is None else f"{idempotency_key}/{edit_id}"
            try:
                with desk.db.part():
                    review.undo(desk, edit_id, by=by, idempotency_key=key, among=len(edit_ids) + UNDOABLE)
                    found.append(TakenBack(edit_id, claiming.claim_again(desk, edit_id, by=by)))
            except PicturedeskError as exc:
                found.append(TakenBack(edit_id, cause=exc))
    return found


def decide(desk: Desk, decision: Decision, *, by: Person, edit: EditRecord | None = None) -> EditState:
    """Carry out one; gives the edit's state then.

    Args:
        desk: The desk.
        decision: What to do.
        by: Who decides.
        edit: The edit, if the caller has read it.

    Raises:
        PicturedeskError: As the functions of `pipeline.review` do.
    """
    shown, screen, note = edit or decision.edit_id, decision.screen, decision.note
    match decision.verb:
        case "accept":
            return review.accept(desk, shown, by=by, screen=screen, note=note)
        case "reject":
            return review.reject(desk, shown, by=by, reason=decision.reason, screen=screen, note=note)
        case "escalate":
            return review.escalate(desk, shown, by=by, screen=screen, note=note)
        case "re-prompt":
            return review.reprompt(
                desk,
                shown,
                by=by,
                prompt=decision.prompt,
                screen=screen,
                on_output=decision.on_output,
                provider=decision.provider,
                mask=decision.mask,
                markup=decision.markup,
                reason=decision.reason,
                note=note,
            )
        case "send-again":
            return review.send_again(desk, shown, by=by, screen=screen, note=note)
        case "undo":
            return review.undo(desk, decision.edit_id, by=by, even_exported=decision.even_exported, note=note)
        case other:
            raise UsageError(f"found decision {other!r}; expected one of: {', '.join(_VERBS)}")


def _refuse_sure(edit: EditRecord, output_id: int | None) -> None:
    flags = [flag for output in edit.outputs if output_id in (None, output.id) for flag in output.flags]
    open_flags = list(filter(_is_open_and_sure, flags))
    if open_flags:
        raise UsageError(f"{edit.title}: it has a sure flag ({flag_line(open_flags[0])}); accept it by itself")


def _is_open_and_sure(flag: Flag) -> bool:
    return flag.detection.level is Level.SURE and flag.change is not Change.KEPT


def _first(edit: Any) -> int | None:  # noqa: ANN401 - an EditRecord
    return edit.outputs[0].id if edit.outputs else None


def _read(desk: Desk, file: Path, batch: str | None) -> list[Decision]:
    decisions, problems = [], []
    for line, row in _rows(file):
        try:
            decisions.append(_from_row(desk, row, batch))
        except PicturedeskError as exc:
            expected = "decision, and edit or asset_id; reason for reject, prompt for re-prompt"
            problems.append(RowProblem(line, "", str(exc), expected))
    if problems:
        raise ManifestError(problems)
    return decisions


def _rows(file: Path) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        text = file.read_text("utf-8-sig")
        if file.suffix.lower() in (".jsonl", ".ndjson"):
            lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
            return [(number, read_json(line)) for number, line in lines]
        reader = csv.DictReader(io.StringIO(text, newline=""))
        return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as exc:
        raise UsageError(f"{file}: cannot be read as a list of decisions ({exc})") from exc


def _from_row(desk: Desk, row: Any, batch: str | None) -> Decision:  # noqa: ANN401 - JSON
    if not isinstance(row, Mapping):
        raise UsageError(f"{row!r}")
    verb = str(row.get("decision") or "").strip()
    if verb not in _VERBS:
        raise UsageError(f"decision {verb!r}")
    number, name = str(row.get("edit") or "").strip(), str(row.get("asset_id") or "").strip()
    if number and not (number.isdecimal() and len(number) < _MOST_DIGITS):
        raise UsageError(f"edit {number!r}")
    if not number and not name:
        raise UsageError("neither edit nor asset_id")
    edit_id = (
        int(number)
        if number
        else review.edit_of_asset(desk, name, batch=batch, variant=str(row.get("variant") or "").strip())
    )
    reason, prompt, note = (str(row.get(key) or "").strip() for key in ("reason", "prompt", "note"))
    return Decision(verb=verb, edit_id=edit_id, reason=reason, prompt=prompt, note=note)
