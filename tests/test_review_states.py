"""Several people at one queue, in any order of events, held against a model on paper.

The model knows the rules as docs/review.md tells them, and nothing of the code. After each step the whole desk must be
as the model has it: every edit, every lease, every decision.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline import audit, claiming, deciding_lists, review
from pipeline.deciding_lists import Decision
from pipeline.desk import Desk
from pipeline.errors import Conflict, Forbidden, PicturedeskError, UsageError
from pipeline.export import export_approved
from pipeline.export.writing import JSONL
from pipeline.people import Person
from pipeline.review import Screen
from pipeline.routing import DEFAULT_FILE
from pipeline.states import MOVES, DecisionKind, EditState, Role
from pipeline.store import claims, deciding, loading, moves, reading
from pipeline.store.chain import DECISION
from pipeline.store.exports import exported_at
from pipeline.store.moves import EDIT
from tests import postgres
from tests.desks import add_doubtful, build_desk, new_desk, produce

ADA, BOB, EVE = (Person(name, Role.REVIEWER) for name in ("ada", "bob", "eve"))
ANN, ABE = Person("ann", Role.APPROVER), Person("abe", Role.APPROVER)
VIC = Person("vic", Role.VIEWER)

HAS_SURE_FLAG = 3
"""The bag, which lost its logo."""

LEASE = RESERVED = timedelta(minutes=30)
MOST_ROUNDS = 5

_S, _K = EditState, DecisionKind
TO_LOOK_AT = (_S.IN_REVIEW, _S.REFUSED, _S.IN_DOUBT)
CAN = {
    _K.ACCEPT: (_S.IN_REVIEW,),
    _K.REJECT: (_S.IN_REVIEW, _S.REFUSED, _S.IN_DOUBT),
    _K.REPROMPT: (_S.IN_REVIEW, _S.REFUSED, _S.IN_DOUBT, _S.REJECTED),
    _K.ESCALATE: (_S.IN_REVIEW,),
    _K.SEND_AGAIN: (_S.IN_DOUBT,),
}
OVER = (_S.SUPERSEDED, _S.CANCELLED)


@dataclass(frozen=True)
class Lease:
    """Who has an edit before them."""

    by: str
    token: str
    until: datetime


@dataclass(frozen=True)
class Known:
    """An edit, as the model has it."""

    id: int
    asset: int
    round: int
    state: EditState
    revision: int
    outputs: tuple[int, ...]
    accepted: int | None
    asked_by: str
    is_asked_for: bool
    changed_at: datetime
    parent: int | None
    approvals: tuple[str, ...] = ()
    approved: tuple[int, ...] = ()
    escalated_by: str | None = None
    is_exported: bool = False
    lease: Lease | None = None

    def seen_by_all(self) -> tuple[object, ...]:
        """What undo has to give back."""
        return self.state, self.approvals, self.escalated_by, self.accepted


@dataclass(frozen=True)
class Made:
    """A decision, as the model has it, and the edit before."""

    edit: int
    kind: DecisionKind
    by: str
    before: Known
    after: EditState
    key: str | None


@dataclass(frozen=True)
class Sent:
    """What somebody sent."""

    by: Person
    edit: int
    kind: DecisionKind
    screen: Screen


@dataclass
class Clock:
    """The time, which goes only when it is told to."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment


class Reviews(RuleBasedStateMachine):
    """A desk, and the model of it.

    Args:
        desk: With edits in every state; put back as it was for each run.
        put_back: Makes its database what it was.
        clock: The desk's.
        approvals: How many must approve.
    """

    def __init__(self, desk: Desk, put_back: Callable[[], None], clock: Clock, approvals: int) -> None:
        super().__init__()
        put_back()
        self.desk, self.clock, self.needed = desk, clock, approvals
        self.known: dict[int, Known] = {}
        self.made: list[Made] = []
        self.sent: list[Sent] = []
        self.written: list[tuple[object, ...]] = []
        self.names = 0

    @initialize()
    def begin(self) -> None:
        self.known = {row["id"]: _known(self.desk, row) for row in self._rows()}

    # What people do.

    @rule(who=st.sampled_from([ADA, BOB, EVE, ANN, ABE, VIC]), count=st.integers(1, 3), skipped=st.integers(0, 9))
    def claim(self, who: Person, count: int, skipped: int) -> None:
        """Exactly the next edits that wait for this person, and that nobody has."""
        if not who.may(Role.REVIEWER):
            self._is_refused(lambda: claiming.claim(self.desk, by=who, count=count), Forbidden)
            return
        for edit in list(self.known.values()):
            if edit.lease is not None and edit.lease.until < self.clock():
                self._set(edit, lease=None)
        expected = [edit.id for edit in self._waiting_for(who) if edit.id != skipped][:count]
        given = claiming.claim(self.desk, by=who, count=count, leave_out=[skipped])
        assert [each.edit.id for each in given] == expected
        for each in given:
            self._set(self.known[each.edit.id], lease=Lease(who.name, each.claim.token, self.clock() + LEASE))

    @rule(who=st.sampled_from([ADA, ANN]), which=st.integers(0, 9))
    def claim_one(self, who: Person, which: int) -> None:
        """One edit, where it waits and nobody else has it."""
        edit = self._edit(which)
        is_free = edit.lease is None or edit.lease.by == who.name or edit.lease.until < self.clock()
        got = claiming.claim_again(self.desk, edit.id, by=who)
        assert (got is not None) == (is_free and self._waits_for(edit, who, is_reserved=False))
        if got is not None:
            self._set(edit, lease=Lease(who.name, got.token, self.clock() + LEASE))

    @rule(who=st.sampled_from([ADA, BOB, ANN]))
    def renew(self, who: Person) -> None:
        """Whoever sends all tokens that there are lengthens their own leases only."""
        held = [edit for edit in self.known.values() if edit.lease is not None]
        kept = claiming.renew(self.desk, [edit.lease.token for edit in held if edit.lease], by=who)
        own = [edit for edit in held if edit.lease and edit.lease.by == who.name]
        assert sorted(kept) == sorted(edit.lease.token for edit in own if edit.lease)
        for edit in own:
            assert edit.lease is not None
            self._set(edit, lease=replace(edit.lease, until=self.clock() + LEASE))

    @rule(who=st.sampled_from([ADA, BOB, ANN]), which=st.integers(0, 9))
    def release(self, who: Person, which: int) -> None:
        """Giving back what is not one's own changes nothing."""
        edit = self._edit(which)
        if edit.lease is None:
            return
        is_own = edit.lease.by == who.name
        assert claiming.release(self.desk, [edit.lease.token], by=who) == int(is_own)
        if is_own:
            self._set(edit, lease=None)

    @rule(minutes=st.sampled_from([1, 10, 30, 31]))
    def time_passes(self, minutes: int) -> None:
        self.clock.moment += timedelta(minutes=minutes)

    @rule(
        who=st.sampled_from([ADA, BOB, EVE, ANN, ABE, VIC]),
        which=st.integers(0, 9),
        kind=st.sampled_from([_K.ACCEPT, _K.ACCEPT, _K.REJECT, _K.REPROMPT, _K.ESCALATE, _K.SEND_AGAIN]),
        behind=st.sampled_from([0, 0, 0, 1, None]),
        output=st.sampled_from([0, 0, -1, None]),
    )
    def decide(self, who: Person, which: int, kind: DecisionKind, behind: int | None, output: int | None) -> None:
        """It is carried out where the rules allow it, and changes nothing where they do not."""
        edit = self._edit(which)
        revision = None if behind is None else edit.revision - behind
        self._decide(who, edit, kind, self._screen(edit, who, revision, output))

    @precondition(lambda self: any(edit.lease for edit in self.known.values()))
    @rule(
        which=st.integers(0, 9),
        kind=st.sampled_from([_K.ACCEPT, _K.REJECT, _K.REPROMPT, _K.ESCALATE]),
        is_stranger=st.booleans(),
    )
    def decide_on_what_is_held(self, which: int, kind: DecisionKind, *, is_stranger: bool) -> None:
        """By who has it, or by somebody else."""
        held = [edit for edit in self.known.values() if edit.lease is not None]
        edit = held[which % len(held)]
        holder = edit.lease.by if edit.lease else ""
        people = [each for each in (ADA, BOB, EVE, ANN, ABE) if (each.name == holder) != is_stranger]
        who = people[which % len(people)]
        self._decide(who, edit, kind, self._screen(edit, who, edit.revision, 0))

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 99))
    def send_again_what_was_decided(self, which: int) -> None:
        """A browser that heard no answer sends once more: nothing happens, whatever happened between."""
        sent = self.sent[which % len(self.sent)]
        assert self._call(sent.by, sent.edit, sent.kind, sent.screen) is self.known[sent.edit].state

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 9))
    def use_a_name_for_another_decision(self, which: int) -> None:
        sent, edit = self.sent[-1], self._edit(which)
        if sent.edit == edit.id:
            return
        screen = replace(sent.screen, revision=edit.revision, output_id=edit.outputs[0] if edit.outputs else None)
        self._is_refused(lambda: self._call(sent.by, edit.id, sent.kind, screen))

    @rule(
        who=st.sampled_from([ADA, BOB, ANN, VIC]),
        which=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        kind=st.sampled_from([_K.ACCEPT, _K.REJECT]),
        is_twice=st.booleans(),
    )
    def decide_on_many(self, who: Person, which: list[int], kind: DecisionKind, *, is_twice: bool) -> None:
        """In one transaction: those that cannot be, as where a flag is sure, leave the others as they are."""
        edits = list({edit.id: edit for edit in map(self._edit, which)}.values())
        screens = [self._screen(edit, who, edit.revision, 0) for edit in edits]
        expected = [
            self._may(who, edit, kind, screen) and not (kind is _K.ACCEPT and edit.id == HAS_SURE_FLAG)
            for edit, screen in zip(edits, screens, strict=True)
        ]
        asked = [_decision(kind, edit.id, screen) for edit, screen in zip(edits, screens, strict=True)]
        outcomes = deciding_lists.carry_out_together(self.desk, asked + asked[:is_twice], by=who)
        assert [outcome.state is not None for outcome in outcomes] == expected + expected[:is_twice]
        for edit, screen, is_done in zip(edits, screens, expected, strict=True):
            if is_done:
                self._apply(who, edit, kind, screen)

    @rule(who=st.sampled_from([ADA, BOB, ANN, VIC]), which=st.integers(0, 9), even_exported=st.booleans())
    def undo(self, who: Person, which: int, *, even_exported: bool) -> None:
        self._undo(who, self._edit(which), even_exported=even_exported)

    @precondition(lambda self: self.made)
    @rule(back=st.integers(1, 3), is_own=st.booleans())
    def undo_a_late_one(self, back: int, *, is_own: bool) -> None:
        last = self.made[-min(back, len(self.made))]
        people = [each for each in (ADA, BOB, EVE, ANN, ABE) if (each.name == last.by) == is_own]
        self._undo(people[0], self.known[last.edit], even_exported=False)

    # What the rest of the desk does.

    @precondition(lambda self: any(edit.state is _S.QUEUED and edit.round > 1 for edit in self.known.values()))
    @rule()
    def the_runner_makes_the_next_round(self) -> None:
        edit = next(edit for edit in self.known.values() if edit.state is _S.QUEUED and edit.round > 1)
        produce(self.desk, edit.id, [], colours=(f"#{edit.id:06x}",))
        made = _known(self.desk, next(row for row in self._rows() if row["id"] == edit.id))
        assert made.state is _S.IN_REVIEW
        self.known[edit.id] = replace(made, changed_at=self.clock())

    @precondition(lambda self: any(edit.state is _S.APPROVED for edit in self.known.values()))
    @rule()
    def export(self) -> None:
        """Every approved edit with the bytes that were accepted, and nothing else."""
        folder = self.desk.root / "export"
        export_approved(self.desk, folder, by=ANN)
        rows = [json.loads(line) for line in (folder / JSONL).read_text("utf-8").splitlines()]
        approved = [edit for edit in self.known.values() if edit.state is _S.APPROVED]
        bytes_of = {
            output.id: output.picture.sha256
            for edit in reading.edits(self.desk.db, [edit.id for edit in approved])
            for output in edit.outputs
        }
        assert sorted(row["output_sha256"] for row in rows) == sorted(bytes_of[edit.accepted or 0] for edit in approved)
        assert len({edit.asset for edit in approved}) == len(rows)
        for edit in approved:
            self._set(edit, is_exported=True)

    # What always holds.

    @invariant()
    def every_edit_is_as_the_model_has_it(self) -> None:
        rows = {row["id"]: row for row in self._rows()}
        assert rows.keys() == self.known.keys()
        for edit in self.known.values():
            row = rows[edit.id]
            lease = (edit.lease.by, edit.lease.token, edit.lease.until) if edit.lease else (None, None, None)
            assert (row["claimed_by"], row["claim_token"], row["claim_until"]) == lease
            found = (row["state"], row["revision"], tuple(row["approvals"]), row["escalated_by"])
            assert found == (edit.state, edit.revision, edit.approvals, edit.escalated_by)
            assert (row["accepted_output_id"], row["exported_at"] is not None) == (edit.accepted, edit.is_exported)

    @invariant()
    def decisions_are_only_appended(self) -> None:
        with self.desk.db.read() as connection:
            written = [tuple(row) for row in connection.execute(sa.select(DECISION).order_by(DECISION.c.id))]
        assert written[: len(self.written)] == self.written
        self.written = written
        assert len(written) == len(self.made)

    @invariant()
    def one_round_of_an_asset_counts(self) -> None:
        assets = [edit.asset for edit in self.known.values() if edit.state not in OVER]
        assert len(set(assets)) == len(assets)

    def teardown(self) -> None:
        """The history tells the same, by allowed moves only, and nobody changed it."""
        if not self.known:
            return
        query = sa.select(DECISION).order_by(DECISION.c.id)
        with self.desk.db.read() as connection:
            rows = connection.execute(query).mappings().all()
        told = [(r["edit_id"], r["kind"], r["actor"], r["state_before"], r["state_after"], r["revision"]) for r in rows]
        assert told == [(m.edit, m.kind, m.by, m.before.state, m.after, m.before.revision) for m in self.made]
        keys = [row["idempotency_key"] for row in rows if row["idempotency_key"]]
        assert len(set(keys)) == len(keys)
        self._check_moves()
        found = audit.verify(self.desk)
        assert (found.breaks, found.decisions) == ((), len(self.made))

    def _check_moves(self) -> None:
        at: dict[int, EditState] = {}
        for event in reversed(reading.latest_events(self.desk.db, kind="edit.", limit=100_000)):
            if event.edit_id is None or event.kind == "edit.decided":
                continue
            new = EditState(event.kind.removeprefix("edit."))
            if (old := event.data.get("from")) is not None:
                assert at.get(event.edit_id, EditState(old)) == old
                assert new in MOVES[EditState(old)]
            at[event.edit_id] = new
        assert at == {edit.id: edit.state for edit in self.known.values() if edit.id in at}

    # The model.

    def _may(self, who: Person, edit: Known, kind: DecisionKind, screen: Screen) -> bool:
        if not who.may(Role.REVIEWER) or screen.revision not in (None, edit.revision) or edit.state not in CAN[kind]:
            return False
        if edit.lease is not None and edit.lease.by != who.name and edit.lease.until > self.clock():
            return False
        if edit.escalated_by is not None and (not who.may(Role.APPROVER) or edit.escalated_by == who.name):
            return False
        if kind is _K.ACCEPT:
            is_named = screen.output_id is not None or len(edit.outputs) == 1
            return bool(edit.outputs) and is_named and who.name not in edit.approvals
        if kind is _K.REPROMPT:
            return edit.round < MOST_ROUNDS or who.may(Role.APPROVER)
        return kind is not _K.ESCALATE or edit.escalated_by is None

    def _apply(self, who: Person, edit: Known, kind: DecisionKind, screen: Screen) -> None:
        after = replace(edit, revision=edit.revision + 1, changed_at=self.clock(), lease=None)
        match kind:
            case _K.ACCEPT:
                output = screen.output_id or edit.outputs[0]
                is_other = edit.escalated_by is None and any(each != output for each in edit.approved)
                if is_other and not who.may(Role.APPROVER):
                    after = replace(after, escalated_by=who.name)
                else:
                    approvals, approved = (*edit.approvals, who.name), (*edit.approved, output)
                    is_enough = is_other or edit.escalated_by is not None or len(approvals) >= self.needed
                    after = replace(after, approvals=approvals, approved=approved, escalated_by=None)
                    if is_enough:
                        after = replace(after, state=_S.APPROVED, accepted=output)
            case _K.REJECT if edit.approvals and edit.escalated_by is None and not who.may(Role.APPROVER):
                after = replace(after, escalated_by=who.name)
            case _K.REJECT:
                after = replace(after, state=_S.REJECTED)
            case _K.ESCALATE:
                after = replace(after, escalated_by=who.name)
            case _K.SEND_AGAIN:
                after = replace(after, state=_S.QUEUED, approvals=(), approved=(), escalated_by=None)
            case _K.REPROMPT:
                after = replace(after, state=_S.SUPERSEDED, approvals=(), approved=(), escalated_by=None)
                self._ask_again(who, edit)
        self.known[edit.id] = after
        self.made.append(Made(edit.id, kind, who.name, edit, after.state, screen.idempotency_key))
        self.sent.append(Sent(who, edit.id, kind, screen))

    def _ask_again(self, who: Person, edit: Known) -> None:
        number = max(self.known) + 1
        self.known[number] = Known(
            *(number, edit.asset, edit.round + 1, _S.QUEUED, 0, (), None, who.name),
            is_asked_for=True,
            changed_at=self.clock(),
            parent=edit.id,
        )

    def _undo(self, who: Person, edit: Known, *, even_exported: bool) -> None:
        last = self._last_standing(edit)

        def undo() -> EditState:
            return review.undo(self.desk, edit.id, by=who, even_exported=even_exported)

        if not self._may_undo(who, edit, last, even_exported=even_exported):
            self._is_refused(undo)
            return
        is_policys = last is None
        before = edit if last is None else last.before
        new = _S.IN_REVIEW if is_policys else before.state
        assert undo() is new
        if last is not None and last.kind is _K.REPROMPT:
            following = max(each.id for each in self.known.values() if each.parent == edit.id)
            self._set(self.known[following], state=_S.CANCELLED, revision=self.known[following].revision + 1)
        again = replace(
            edit,
            state=new,
            revision=edit.revision + 1,
            changed_at=self.clock(),
            lease=None,
            approvals=() if is_policys else before.approvals,
            approved=() if is_policys else before.approved,
            escalated_by=None if is_policys else before.escalated_by,
            accepted=None,
            is_exported=False,
        )
        assert is_policys or again.seen_by_all() == before.seen_by_all()
        self.known[edit.id] = again
        self.made.append(Made(edit.id, _K.UNDO, who.name, edit, new, None))

    def _last_standing(self, edit: Known) -> Made | None:
        """The last decision that nobody took back; None if there is none, or the policy has approved the edit since."""
        standing: list[Made] = []
        for made in self.made:
            if made.edit == edit.id and made.kind is not _K.UNDO:
                standing.append(made)
            elif made.edit == edit.id and standing:
                standing.pop()
        if not standing or (edit.state is _S.APPROVED and standing[-1].kind is not _K.ACCEPT):
            return None
        return standing[-1]

    def _may_undo(self, who: Person, edit: Known, last: Made | None, *, even_exported: bool) -> bool:
        if not who.may(Role.APPROVER if even_exported else Role.REVIEWER) or (edit.is_exported and not even_exported):
            return False
        if last is None:
            return edit.state is _S.APPROVED and who.may(Role.APPROVER)
        if edit.state is not last.after:
            return False
        if last.kind is _K.REPROMPT:
            following = max(each.id for each in self.known.values() if each.parent == edit.id)
            if self.known[following].state is not _S.QUEUED:
                return False
        own = [made for made in self.made if made.by == who.name and made.kind is not _K.UNDO][-10:]
        return who.may(Role.APPROVER) or any(made is last for made in own)

    def _waiting_for(self, who: Person) -> list[Known]:
        """What waits for this person, in its order."""
        found = [edit for edit in self.known.values() if edit.lease is None and self._waits_for(edit, who)]
        own = [edit for edit in found if edit.is_asked_for and edit.asked_by == who.name]
        others = sorted((edit for edit in found if edit not in own), key=lambda edit: (not edit.is_asked_for, edit.id))
        return own + others

    def _waits_for(self, edit: Known, who: Person, *, is_reserved: bool = True) -> bool:
        if edit.state not in TO_LOOK_AT or who.name in edit.approvals:
            return False
        if edit.escalated_by is not None:
            return who.may(Role.APPROVER) and edit.escalated_by != who.name
        is_new = edit.changed_at > self.clock() - RESERVED
        is_result = edit.is_asked_for and edit.asked_by not in (who.name, *edit.approvals)
        return not (is_reserved and is_result and is_new)

    # Between the two.

    def _decide(self, who: Person, edit: Known, kind: DecisionKind, screen: Screen) -> None:
        if not self._may(who, edit, kind, screen):
            self._is_refused(lambda: self._call(who, edit.id, kind, screen))
            return
        self._apply(who, edit, kind, screen)
        assert self._call(who, edit.id, kind, screen) is self.known[edit.id].state

    def _call(self, who: Person, edit_id: int, kind: DecisionKind, screen: Screen) -> EditState:
        return deciding_lists.decide(self.desk, _decision(kind, edit_id, screen), by=who)

    def _is_refused(self, call: Callable[[], object], *kinds: type[PicturedeskError]) -> None:
        with pytest.raises(kinds or (Conflict, Forbidden, UsageError)):
            call()

    def _screen(self, edit: Known, who: Person, revision: int | None, output: int | None) -> Screen:
        self.names += 1
        return Screen(
            revision=revision,
            output_id=None if output is None or not edit.outputs else edit.outputs[output],
            claim=edit.lease.token if edit.lease and edit.lease.by == who.name else None,
            shown_ms=900,
            idempotency_key=f"decision {self.names}",
        )

    def _edit(self, which: int) -> Known:
        """One of those that can still change, if there are any."""
        alive = [edit for edit in self.known.values() if edit.state not in OVER]
        return alive[which % len(alive)]

    def _set(self, edit: Known, **changes: Any) -> None:
        self.known[edit.id] = replace(edit, **changes)

    def _rows(self) -> list[Any]:
        with self.desk.db.read() as connection:
            read = sa.select(EDIT, exported_at().label("exported_at")).order_by(EDIT.c.id)
            return list(connection.execute(read).mappings())


def _known(desk: Desk, row: Any) -> Known:
    edit = reading.edit(desk.db, row["id"])
    return Known(
        id=edit.id,
        asset=edit.asset.id,
        round=edit.round,
        state=edit.state,
        revision=edit.revision,
        outputs=tuple(output.id for output in edit.outputs),
        accepted=edit.accepted_output_id,
        asked_by=edit.asked_by,
        is_asked_for=edit.priority == loading.REPROMPT_PRIORITY,
        changed_at=edit.updated_at,
        parent=edit.parent_id,
    )


def _decision(kind: DecisionKind, edit_id: int, screen: Screen) -> Decision:
    return Decision(kind.value, edit_id, reason="other", prompt="make it teal", screen=screen)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    held = Clock()
    for module in (claims, deciding, moves, loading):
        monkeypatch.setattr(module, "now", held)
    return held


def _kept(desk: Desk, folder: Path) -> Callable[[], None]:
    """Keep the desk's database as it is now; gives what puts it back."""
    desk.db.close()
    if desk.db.is_shared:
        server, name = postgres.server(), sa.make_url(desk.db.url).database
        server.execute(f"CREATE DATABASE {name}_kept TEMPLATE {name}")

        def make_anew() -> None:
            desk.db.close()
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {name} TEMPLATE {name}_kept")

        return make_anew
    kept = shutil.copyfile(desk.root / "desk.db", folder / "kept.db")

    def copy() -> None:
        desk.db.close()
        for name in ("desk.db-wal", "desk.db-shm"):
            (desk.root / name).unlink(missing_ok=True)
        shutil.copyfile(kept, desk.root / "desk.db")

    return copy


def check(folder: Path, clock: Clock, approvals: int, *, examples: int, steps: int, is_random: bool) -> None:
    """Play so many games of so many steps."""
    root = folder / "desk"
    new_desk(root).close()
    (root / "policy.toml").write_text(DEFAULT_FILE.replace("approvals = 1", f"approvals = {approvals}"))
    desk = build_desk(root)
    add_doubtful(desk)
    put_back = _kept(desk, folder)
    begun = clock.moment

    class Game(Reviews):
        def __init__(self) -> None:
            clock.moment = begun
            super().__init__(desk, put_back, clock, approvals)

    run_state_machine_as_test(
        Game,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not is_random,
            database=None,
            phases=(Phase.generate, Phase.shrink) if is_random else (Phase.generate,),  # to shrink takes minutes
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    desk.close()


@pytest.mark.parametrize("approvals", [1, 2])
def test_whatever_several_people_do_the_desk_keeps_its_rules(tmp_path: Path, clock: Clock, approvals: int) -> None:
    check(tmp_path, clock, approvals, examples=15, steps=40, is_random=False)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("approvals", [1, 2])
def test_whatever_several_people_do_for_long_the_desk_keeps_its_rules(
    tmp_path: Path, clock: Clock, approvals: int, each_database: None
) -> None:
    check(tmp_path, clock, approvals, examples=400, steps=100, is_random=True)
