"""What insights tell, against answers worked out by hand and against a plain count of the same rows."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline import insights, review
from pipeline.cli import app
from pipeline.desk import Desk
from pipeline.errors import Forbidden, NotFound, PicturedeskError
from pipeline.insight_tables import tables
from pipeline.insights import Acceptance, Cost, Share, Wanted
from pipeline.insights_screen import print_insights
from pipeline.people import Person, local_person
from pipeline.review import Screen
from pipeline.states import Role
from pipeline.store import Database, ledger, reading, running, tallies
from pipeline.store.chain import DECISION
from pipeline.store.insights import By
from pipeline.store.ledger import Caps, Sending, StoredOutput
from pipeline.store.moves import EDIT
from pipeline.store.running import FLAG
from pipeline.values import Change, Flag, Instruction, Kind, ManifestRow, Route
from tests.clock import Clock, set_clock
from tests.decided_desk import ADA, EDSGER, GRACE
from tests.desks import flag, load_rows, new_desk, put_picture

VIEWER = Person("vera@example.com", Role.VIEWER)
ALONE = local_person("ada")
MORNING = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
TEXT, LOGO = flag(Kind.TEXT, Change.INTRODUCED, label="SALE"), flag(Kind.LOGO, Change.KEPT, label="ACME")


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with set_clock(MORNING) as opened:
        yield opened


def load(desk: Desk, batch: str, recipe: str, provider: str, count: int) -> list[int]:
    """Queue so many edits; gives their ids."""
    step = Instruction(f"do {recipe}", recipe=recipe)
    names = [f"{batch}-{recipe}-{provider}-{number}" for number in range(count)]
    rows = [ManifestRow(2, name, "", f"/{name}.png", (step,), provider=provider) for name in names]
    load_rows(desk.db, rows, batch=batch)
    return [id_ for name in names for id_ in reading.edit_ids(desk.db, reading.EditFilter(asset_name=name))]


def make(
    desk: Desk, edit_id: int, flags: tuple[Flag, ...] = (), *, usd: float | None = 0, to_review: bool = True
) -> None:
    """Take an edit from queued to where the policy puts it."""
    edit = reading.edit(desk.db, edit_id)
    picture = put_picture(desk, "navy")
    running.save_source(desk.db, edit.asset.id, original_sha256=picture.sha256, source=picture, facts={})
    sending = Sending(
        edit.asset.batch_id, f"key-{edit_id}", f"pd-{edit_id}", {}, 0, f"{edit.provider}-model", is_fresh=True
    )
    attempt = ledger.begin(desk.db, edit_id, sending, owner="runner", caps=Caps())
    assert attempt is not None
    (output,) = ledger.finish(
        desk.db,
        attempt,
        owner="runner",
        outputs=[StoredOutput(picture, "", {}, ())],
        request_id="r",
        usage={},
        cost_microusd=None if usd is None else round(usd * 1e6),
    )
    route = Route(to_review, is_sample=False, reasons=("why",), policy_hash="p")
    running.route_edit(desk.db, edit_id, route, {output: flags}, owner="runner", best_output_id=output)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Desk]:
    """What `build_shop` builds; not to be changed."""
    desk = build_shop(tmp_path_factory.mktemp("shop"), clock)
    yield desk
    desk.close()


@pytest.fixture
def own_shop(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """The same, for this test alone."""
    desk = build_shop(tmp_path, clock)
    yield desk
    desk.close()


def build_shop(root: Path, clock: Clock) -> Desk:
    """Eight edits, decided on within 21 minutes:

    ====  ================  ========  ====================  ==================================================
    edit  recipe, provider  cost      flags                 what was said
    ====  ================  ========  ====================  ==================================================
    1     white, dear       0.20      text                  Grace rejects for "logo" at 9:01, shown 4.2 s
    2     white, dear       0.20      text                  Grace accepts at 9:02, takes it back, rejects "face"
    3     white, dear       0.20      text, text, logo      Grace asks again at 9:04: edit 9, which Ada accepts
    4     white, dear       0.20      logo                  Grace accepts at 9:05
    5     white, cheap      0.10                            Edsger accepts at 9:21
    6     white, cheap      0.10      logo                  Edsger escalates at 9:21, Ada rejects for "logo"
    7     white, cheap      0.10                            approved by the policy
    8     white, cheap      unknown                         waits
    ====  ================  ========  ====================  ==================================================
    """
    desk = Desk.open(root / "desk", create=True)
    clock.moment = MORNING
    dear, cheap = load(desk, "autumn", "white", "dear", 4), load(desk, "winter", "white", "cheap", 4)
    for edit_id, flags in zip(dear, [(TEXT,), (TEXT,), (TEXT, TEXT, LOGO), (LOGO,)], strict=True):
        make(desk, edit_id, flags, usd=0.2)
    for edit_id, flags in zip(cheap[:2], [(), (LOGO,)], strict=True):
        make(desk, edit_id, flags, usd=0.1)
    make(desk, cheap[2], usd=0.1, to_review=False)
    make(desk, cheap[3], usd=None)

    def at(minute: int, shown_ms: int = 4_200) -> Screen:
        clock.moment = MORNING.replace(minute=minute)
        return Screen(shown_ms=shown_ms)

    review.reject(desk, dear[0], by=GRACE, reason="logo", screen=at(1))
    review.accept(desk, dear[1], by=GRACE, screen=at(2))
    review.undo(desk, dear[1], by=GRACE)
    review.reject(desk, dear[1], by=GRACE, reason="face", screen=at(3))
    review.reprompt(desk, dear[2], by=GRACE, prompt="again", screen=at(4, 8_100))
    review.accept(desk, dear[3], by=GRACE, screen=at(5))
    make(desk, 9, usd=0.2)
    review.accept(desk, 9, by=ADA, screen=at(12, 30_000))
    review.accept(desk, cheap[0], by=EDSGER, screen=at(21))
    review.escalate(desk, cheap[1], by=EDSGER, screen=at(21))
    review.reject(desk, cheap[1], by=ADA, reason="logo", screen=at(21))
    return desk


def test_what_is_accepted_at_which_cost(shop: Desk) -> None:
    found = insights.look(shop, Wanted(), by=ALONE)
    assert found.acceptance == (
        Acceptance(("white", "dear"), accepted=2, rejected=2, asked_again=1),
        Acceptance(("white", "cheap"), accepted=1, rejected=1, asked_again=0),
    )
    assert found.costs == (
        Cost(("white", "cheap"), requests=4, unpriced=1, cost_microusd=300_000, approved=2, by_policy=1),
        Cost(("white", "dear"), requests=5, unpriced=0, cost_microusd=1_000_000, approved=2, by_policy=0),
    )
    assert found.costs[1].each_microusd == 500_000  # five rounds at 0.20 for two assets
    assert found.costs[0].each_microusd is None  # one price is not known
    assert found.rounds == ((1, 3), (2, 1))
    assert found.decided == 7
    assert (found.waiting.now, found.waiting.median_min) == (1, 5)
    models = insights.look(shop, Wanted(), by=ALONE, per=By.AI_MODEL)
    assert [each.names for each in models.acceptance] == [("dear-model",), ("cheap-model",)]
    prompts = insights.look(shop, Wanted(), by=ALONE, per=By.PROMPT)
    assert {each.names[0]: each.share.whole for each in prompts.acceptance} == {"do white": 6, "again": 1}


def test_what_stands_behind_rejections(shop: Desk) -> None:
    """Four of seven were turned down: edits 1, 2, 3 and 6."""
    found = insights.look(shop, Wanted(), by=ALONE)
    text, logo, nothing = found.behind
    assert (text.title, text.of_turned_down, text.of_accepted) == ("text introduced", Share(3, 4), Share(0, 3))
    assert text.turned_down == Share(3, 3)  # the two texts on edit 3 are one edit
    assert text.reasons == (("face", 1), ("logo", 1))
    assert (logo.title, logo.of_turned_down, logo.of_accepted) == ("logo kept", Share(2, 4), Share(1, 3))
    assert (nothing.title, nothing.of_turned_down, nothing.of_accepted) == ("nothing flagged", Share(0, 4), Share(2, 3))
    assert [(each.title, each.of_turned_down.part) for each in found.behind_labels] == [
        ("text SALE", 3),
        ("logo ACME", 2),
    ]
    assert found.reasons == (("logo", 2), ("face", 1))


def test_how_fast_and_how_alike_people_decide(shop: Desk) -> None:
    found = insights.look(shop, Wanted(), by=ADA)
    paces = {each.name: (each.decisions, each.undone, round(each.active_h * 60), each.shown_s) for each in found.people}
    assert paces == {
        ADA.name: (2, 0, 20, 4.0),  # 9:12 and 9:21; the median of 4.2 and 30 s is the lower, to half a second
        EDSGER.name: (2, 0, 10, 4.0),
        GRACE.name: (5, 1, 10, 4.0),
    }
    assert found.people[2].per_hour == pytest.approx(30)
    assert found.team is not None
    assert (found.team.decisions, found.team.undone, round(found.team.active_h * 60)) == (9, 1, 40)
    assert found.agreement.agreed == Share(0, 0)  # to escalate is no verdict


def test_who_is_overruled_disagreed(own_shop: Desk) -> None:
    review.undo(own_shop, 1, by=ADA)
    review.accept(own_shop, 1, by=ADA)
    found = insights.look(own_shop, Wanted(), by=ADA)
    assert [(each.people, each.agreed) for each in found.agreements] == [((ADA.name, GRACE.name), Share(0, 1))]


def test_only_approvers_see_who_is_how_fast(shop: Desk) -> None:
    """And of fewer than three people, others do not even see the sum."""
    found = insights.look(shop, Wanted(), by=VIEWER)
    assert found.people == ()
    assert found.agreements == ()
    assert found.team is not None
    assert found.team.name == ""
    text = json.dumps([insights.as_json(found), [table.as_csv() for table in tables(found, By.PLACE)]])
    assert "example.com" not in text
    assert insights.look(shop, Wanted(batch="autumn"), by=VIEWER).team is None
    assert insights.look(shop, Wanted(batch="autumn"), by=ADA).team is not None


def test_filters_and_wrong_names(shop: Desk) -> None:
    def decided(**wanted: Any) -> int:
        return insights.look(shop, Wanted(**wanted), by=ALONE).decided

    assert decided(batch="winter") == decided(provider="cheap") == 2
    assert decided(recipe="other") == decided(since=date(2026, 11, 17)) == decided(until=date(2026, 11, 15)) == 0
    assert decided(since=date(2026, 11, 16), until=date(2026, 11, 16)) == 7
    with pytest.raises(NotFound):
        decided(batch="spring")


def test_what_a_lead_reads_first(weeks: Desk) -> None:
    """The sentences are the tables' own figures."""
    found = insights.look(weeks, Wanted(), by=ALONE)
    liked = {each.names: each for each in found.acceptance}
    dear, cheap = liked["render-text", "openai"], liked["render-text", "openoctopus"]
    first, second, third = found.headline
    assert first.startswith(f"render-text at openai is accepted {dear.share} and costs $0.0")
    assert f"; at openoctopus it is accepted {cheap.share} and costs $0.0" in first
    told = {each.title: each for each in found.behind}
    worst = told[second.partition(" stands behind ")[0]]
    assert worst.name != "kept"
    assert second == (
        f"{worst.title} stands behind {worst.of_turned_down} of what was turned down; "
        f"{100 * (worst.of_accepted.value or 0):.0f} % of what was accepted has it, too."
    )
    assert third.startswith(f"{found.waiting.now} wait for a person, the oldest for")
    assert insights.look(weeks, Wanted(until=date(2026, 1, 1)), by=ALONE).headline == ()


def test_nothing_tells_a_sampled_edit_from_another(weeks: Desk, tmp_path: Path) -> None:
    told = insights.as_json(insights.look(weeks, Wanted(), by=ALONE))
    shutil.copytree(weeks.root, tmp_path / "copy")
    (tmp_path / "copy" / tallies.FILE_NAME).unlink()
    unmarked = Desk.open(tmp_path / "copy")
    with unmarked.db.write() as connection:
        is_sampled = EDIT.c.sampled_by.is_not(None)
        assert connection.execute(sa.update(EDIT).where(is_sampled).values(sampled_by=None)).rowcount > 10
        connection.execute(sa.update(EDIT).values(route={}))
    assert insights.as_json(insights.look(unmarked, Wanted(), by=ALONE)) == told
    unmarked.close()


def test_the_tables_print_and_hold_no_formula(weeks: Desk, own_shop: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    print_insights(insights.look(weeks, Wanted(), by=ALONE), By.PLACE)
    printed = capsys.readouterr().out
    assert "What stands behind rejections" in printed
    assert "≥" not in printed
    review.reprompt(own_shop, 8, by=GRACE, prompt="=HYPERLINK(1)")
    make(own_shop, 10)
    review.accept(own_shop, 10, by=ADA)
    found = insights.look(own_shop, Wanted(), by=ALONE, per=By.PROMPT)
    assert "\n'=HYPERLINK(1),1,100.0,20.7,100.0,1,0,0" in tables(found, By.PROMPT)[0].as_csv().replace("\r", "")


def test_the_command_tells_the_same_as_json(weeks: Desk) -> None:
    asked = ["insights", "--since", "2026-11-09", "--batch", "autumn-adverts", "--by", "provider", "--json"]
    done = CliRunner().invoke(app, ["--desk", str(weeks.root), *asked])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    wanted = Wanted(batch="autumn-adverts", since=date(2026, 11, 9))
    assert told == insights.as_json(insights.look(weeks, wanted, by=ALONE, per=By.PROVIDER))
    assert [each["names"] for each in told["acceptance"]] == [["openoctopus"], ["openai"]]


def test_kappa_is_cohens_and_is_told_of_enough_only() -> None:
    assert insights.kappa(20, 5, 10, 15) == pytest.approx(0.4)  # (0.7 - 0.5) / (1 - 0.5)
    assert insights.kappa(10, 2, 5, 7) is None  # 24 pictures
    assert insights.kappa(40, 2, 0, 2) is None  # the second turned two down


def test_weeks_begin_on_monday_and_medians_are_of_what_was_counted() -> None:
    days = [Cost((day,), 1, 0, 10, 2, 1) for day in ("2026-11-15", "2026-11-16", "2026-11-22")]
    assert insights.by_week(days) == (Cost(("2026-11-09",), 1, 0, 10, 2, 1), Cost(("2026-11-16",), 2, 0, 20, 4, 2))
    assert insights.quantile([(1, 2), (5, 1), (9, 1)], 0.5) == 1
    assert insights.quantile([(1, 1), (5, 1), (9, 1)], 0.5) == 5
    assert insights.quantile([], 0.5) is None


def test_what_takes_too_long_is_counted_next_time(weeks: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tallies, "CHUNK", 100)
    fresh = tallies.open_tallies(tmp_path)
    assert tallies.bring_up(weeks.db, fresh, most_s=0) == 300  # one chunk is counted even where no time is left
    assert tallies.bring_up(weeks.db, fresh, most_s=0) == 200
    assert tallies.bring_up(weeks.db, fresh) == 0
    with fresh.read() as connection:
        by_chunk = connection.execute(sa.select(tallies.SPENT.c.chunk).distinct()).scalars().all()
    assert sorted(by_chunk) == [0, 1, 2, 3]
    with fresh.write() as connection:  # as if an older copy of the desk had come back
        connection.execute(sa.update(tallies._STATE).values(last_event=10**9))
    assert tallies.bring_up(weeks.db, fresh, most_s=0) == 300
    fresh.close()


def test_a_page_does_not_wait_for_another_that_counts(
    weeks: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tallies, "CHUNK", 100)
    fresh = tallies.open_tallies(tmp_path)
    tallies.bring_up(weeks.db, fresh, most_s=0)
    with tallies._COUNTING:
        assert tallies.bring_up(weeks.db, fresh, most_s=0.01) == 300
    assert tallies.bring_up(weeks.db, fresh) == 0
    fresh.close()


def test_counts_of_another_form_are_made_anew(weeks: Desk, tmp_path: Path) -> None:
    before = tallies.open_tallies(tmp_path)
    tallies.bring_up(weeks.db, before)
    with before.write() as connection:
        connection.execute(sa.update(tallies._STATE).values(version="an earlier one"))
    before.close()
    after = tallies.open_tallies(tmp_path)
    with after.read() as connection:
        assert connection.execute(sa.select(tallies.WORDS)).first() is None
    after.close()


def test_who_has_no_role_sees_nothing(shop: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Person, "may", lambda *_: False)
    with pytest.raises(Forbidden):
        insights.look(shop, Wanted(), by=VIEWER)


Action = tuple[int, Person, str]
ACTIONS = st.tuples(
    st.integers(0, 5),
    st.sampled_from([ADA, GRACE, EDSGER]),
    st.sampled_from(["accept", "accept", "reject", "re-prompt", "escalate", "undo", "undo"]),
)


def test_another_process_that_read_earlier_does_not_overwrite_later_counts(
    own_shop: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has read, and writes only after a decision was made and counted."""
    slow = tallies.open_tallies(own_shop.root)
    writes: list[Database] = []
    real = Database.write

    def write(db: Database) -> Any:
        if db is slow:
            writes.append(db)
            if len(writes) == 2:  # the first noted what is to be counted
                review.reject(own_shop, 8, by=GRACE, reason="logo")
                monkeypatch.setattr(tallies, "_COUNTING", threading.Lock())  # another process has its own
                assert insights.look(own_shop, Wanted(), by=ALONE).decided == 8
        return real(db)

    monkeypatch.setattr(Database, "write", write)
    tallies.bring_up(own_shop.db, slow)
    assert len(writes) == 2
    assert insights.look(own_shop, Wanted(), by=ALONE).decided == 8
    slow.close()


ROUNDS = st.lists(st.lists(ACTIONS, min_size=3, max_size=12), min_size=2, max_size=3)
OPENED_EACH_TIME = [HealthCheck.function_scoped_fixture]


@settings(max_examples=5, suppress_health_check=OPENED_EACH_TIME)
@given(ROUNDS)
@example([[(0, ADA, "accept"), (0, GRACE, "accept"), (0, ADA, "undo")], [(0, ADA, "undo")]])
def test_the_counts_are_those_of_a_plain_count_whatever_was_decided_and_taken_back(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Action]]
) -> None:
    """Counted again and again in chunks of four, they are what one reads off the decisions one by one."""
    hold_against_a_plain_count(tmp_path_factory, rounds)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=300, derandomize=False, suppress_health_check=OPENED_EACH_TIME)
@given(ROUNDS)
def test_the_counts_are_those_of_a_plain_count_of_other_decisions_each_time(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Action]]
) -> None:
    hold_against_a_plain_count(tmp_path_factory, rounds)


def hold_against_a_plain_count(tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Action]]) -> None:
    desk = new_desk(tmp_path_factory.mktemp("property") / "desk")
    (desk.root / "policy.toml").write_text("approvals = 2\n")
    ids = load(desk, "autumn", "white", "local", 6)
    for number, edit_id in enumerate(ids):
        make(desk, edit_id, ((), (TEXT,), (TEXT, TEXT, LOGO))[number % 3], usd=0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "CHUNK", 4)
        for actions in rounds:
            for index, person, action in actions:
                act(desk, ids[index], person, action)
            found = insights.look(desk, Wanted(), by=ALONE)
            assert plain(found) == plainly_counted(desk)
    desk.close()


def act(desk: Desk, edit_id: int, person: Person, action: str) -> None:
    """Try it; what is not allowed now is left."""
    try:
        if action == "accept":
            review.accept(desk, edit_id, by=person)
        elif action == "reject":
            review.reject(desk, edit_id, by=person, reason="logo")
        elif action == "re-prompt":
            review.reprompt(desk, edit_id, by=person, prompt="again")
        elif action == "escalate":
            review.escalate(desk, edit_id, by=person)
        else:
            review.undo(desk, edit_id, by=person)
    except PicturedeskError:
        return


def plain(found: insights.Insights) -> dict[str, Any]:
    return {
        "words": [
            sum(getattr(each, name) for each in found.acceptance) for name in ("accepted", "rejected", "asked_again")
        ],
        "behind": {each.title: (each.of_turned_down.part, each.of_accepted.part) for each in found.behind},
        "people": {each.name: (each.decisions, each.undone) for each in found.people},
        "agreed": (found.agreement.agreed.part, found.agreement.agreed.whole),
    }


def plainly_counted(desk: Desk) -> dict[str, Any]:
    """The same, row by row."""
    with desk.db.read() as connection:
        decisions = connection.execute(sa.select(DECISION).order_by(DECISION.c.id)).all()
        flags = connection.execute(sa.select(FLAG)).all()
    words: Counter[str] = Counter()
    behind: dict[str, list[set[int]]] = {}
    people: dict[str, list[int]] = {}
    agreed = judged = 0
    for edit_id in {each.edit_id for each in decisions}:
        standing: list[Any] = []
        verdicts: list[tuple[str, bool]] = []
        for each in (one for one in decisions if one.edit_id == edit_id):
            if each.kind == "undo":
                taken = standing.pop()
                people[taken.actor][1] += 1
                if taken.actor == each.actor and taken.kind != "escalate":
                    index = max(i for i, verdict in enumerate(verdicts) if verdict[0] == each.actor)
                    verdicts.pop(index)
                continue
            people.setdefault(each.actor, [0, 0])[0] += 1
            standing.append(each)
            if each.kind != "escalate":
                verdicts.append((each.actor, each.kind == "accept"))
        last = dict(verdicts)
        names = list(last)
        for first in range(len(names)):
            for second in range(first + 1, len(names)):
                judged += 1
                agreed += last[names[first]] == last[names[second]]
        final = [one for one in standing if one.state_after in ("approved", "rejected", "superseded")]
        if not final:
            continue
        words[final[-1].kind] += 1
        titles = {f"{one.kind} {one.change}" for one in flags if one.output_id == final[-1].output_id}
        for title in titles or {"nothing flagged"}:
            behind.setdefault(title, [set(), set()])[final[-1].kind == "accept"].add(edit_id)
    return {
        "words": [words["accept"], words["reject"], words["re-prompt"]],
        "behind": {title: (len(down), len(up)) for title, (down, up) in behind.items()},
        "people": {name: tuple(counts) for name, counts in people.items()},
        "agreed": (agreed, judged),
    }
