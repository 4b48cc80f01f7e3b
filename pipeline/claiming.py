"""Who looks at what: a reviewer's queue. Its edits are claimed, so that no two people decide on the same picture."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.records import EditRecord
from pipeline.states import EditState, Role
from pipeline.store import claims, reading
from pipeline.store.claims import Claim, Claimant
from pipeline.store.reading import EditFilter
from pipeline.values import Change, Kind

LEASE = timedelta(minutes=30)
"""As labello's, which is renewed by every write (https://github.com/HULKs/labello/wiki/Assignment, 2026-11-20)."""

RESERVED = timedelta(minutes=30)
"""So long, the result of a re-prompt waits for the one who asked for it."""

MOST = 200
"""Claims in one call: a contact sheet."""

_TO_LOOK_AT = frozenset({EditState.IN_REVIEW, EditState.REFUSED, EditState.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which edits a reviewer wants to see.

    Attributes:
        batch: Of this batch only.
        kind: With a flag of this kind only.
        change: With a flag that says this of what the edit did only.
        recipe: Made by this recipe only.
        asked_by: Asked for by this person only.
    """

    batch: str | None = None
    kind: Kind | None = None
    change: Change | None = None
    recipe: str | None = None
    asked_by: str | None = None


EVERYTHING = QueueFilter()


@dataclass(frozen=True, slots=True)
class Claimed:
    """An edit and the reviewer's claim on it."""

    edit: EditRecord
    claim: Claim


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the review of what a filter selects is."""

    waiting: int
    decided: int


def claim(
    desk: Desk,
    wanted: QueueFilter = EVERYTHING,
    *,
    by: Person,
    count: int = 1,
    leave_out: Collection[int] = (),
) -> list[Claimed]:
    """The next edits for this person, theirs for half an hour; what was escalated is for approvers only.

    Raises:
        Forbidden: The person does not review.
        NotFound: There is no such batch.
    """
    by.need(Role.REVIEWER, "decide")
    if count < 1:
        return []
    found = claims.claim(
        desk.db,
        _claimant(by),
        edit_filter(desk, wanted, frozenset()),
        count=min(count, MOST),
        lease=LEASE,
        reserved=RESERVED,
        leave_out=leave_out,
    )
    edits = {edit.id: edit for edit in reading.edits(desk.db, [each.edit_id for each in found])}
    return [Claimed(edits[each.edit_id], each) for each in found]


def claim_again(desk: Desk, edit_id: int, *, by: Person) -> Claim | None:
    """Claim this one edit, such as after taking a decision on it back; None if it does not wait for this person.

    Raises:
        Forbidden: The person does not review.
    """
    by.need(Role.REVIEWER, "decide")
    return claims.take(desk.db, _claimant(by), edit_id, lease=LEASE)


def renew(desk: Desk, tokens: Collection[str], *, by: Person) -> list[str]:
    """Keep these claims for another half hour; gives the tokens of those that still hold.

    Raises:
        Forbidden: The person does not review.
    """
    by.need(Role.REVIEWER, "decide")
    return claims.renew(desk.db, by.name, tokens, lease=LEASE)


def release(desk: Desk, tokens: Collection[str], *, by: Person) -> int:
    """Give claimed edits back to the queue; gives how many.

    Raises:
        Forbidden: The person does not review.
    """
    by.need(Role.REVIEWER, "decide")
    return claims.release(desk.db, by.name, tokens)


def queue(desk: Desk, wanted: QueueFilter = EVERYTHING, *, after: int = 0, limit: int = 50) -> list[EditRecord]:
    """Edits that wait for a decision, claimed or not, oldest first, from behind the edit ``after``."""
    ids = reading.edit_ids(desk.db, edit_filter(desk, wanted, _TO_LOOK_AT), after=after, limit=limit)
    return reading.edits(desk.db, ids)


def progress(desk: Desk, wanted: QueueFilter = EVERYTHING) -> Progress:
    """How many wait and how many are decided."""
    decided = frozenset({EditState.APPROVED, EditState.REJECTED})
    return Progress(
        waiting=reading.count_edits(desk.db, edit_filter(desk, wanted, _TO_LOOK_AT)),
        decided=reading.count_edits(desk.db, edit_filter(desk, wanted, decided)),
    )


def edit_filter(desk: Desk, wanted: QueueFilter, states: frozenset[EditState]) -> EditFilter:
    """The store's filter for what a reviewer wants.

    Raises:
        NotFound: There is no such batch.
    """
    return EditFilter(
        states=states,
        batch_id=None if wanted.batch is None else reading.batch_id(desk.db, wanted.batch),
        kind=wanted.kind,
        change=wanted.change,
        recipe=wanted.recipe,
        asked_by=wanted.asked_by,
    )


def _claimant(by: Person) -> Claimant:
    return Claimant(by.name, is_approver=by.may(Role.APPROVER), is_alone=by.is_alone)
