"""What decisions say about flags, on a real desk and by hand."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import review
from pipeline.desk import Desk
from pipeline.flag_outcomes import Replay, flag_outcomes, last_verdict, propose, replay
from pipeline.looking import case_of
from pipeline.people import local_person
from pipeline.records import EditRecord
from pipeline.routing import route
from pipeline.states import DecisionKind
from pipeline.store import reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.values import Box, Change, Detection, Flag, Instruction, Kind, Level, ManifestRow
from tests.attempts import begin, finish
from tests.desks import load_rows, put_picture
from tests.test_cli import picturedesk

ADA = local_person("ada")


WHOLE: Box = (0, 0, 320, 240)


def flag(
    kind: Kind, score: float = 0.9, *, change: Change = Change.INTRODUCED, detector: str = "", xyxy: Box = WHOLE
) -> Flag:
    name = detector or {Kind.FACE: "faces", Kind.LOGO: "logos"}.get(kind, "text")
    level = Level.SURE if score >= 0.7 else Level.FLAG
    return Flag(Detection(kind, xyxy, score, level, "", name, "1"), change)


@dataclass(frozen=True)
class Made:
    """An edit to be put on the desk: its flags, and what a person does with it."""

    flags: Sequence[Flag] = ()
    decide: Callable[[Desk, int], object] | None = None


def accept(desk: Desk, edit_id: int) -> None:
    review.accept(desk, edit_id, by=ADA)


def rejected(reason: str) -> Callable[[Desk, int], object]:
    return lambda desk, edit_id: review.reject(desk, edit_id, by=ADA, reason=reason)


def reprompt(desk: Desk, edit_id: int) -> None:
    review.reprompt(desk, edit_id, by=ADA, prompt="with less of it")


def undo(desk: Desk, edit_id: int) -> None:
    review.undo(desk, edit_id, by=ADA)


def in_turn(*steps: Callable[[Desk, int], object]) -> Callable[[Desk, int], object]:
    return lambda desk, edit_id: [step(desk, edit_id) for step in steps]


def fill(desk: Desk, made: Iterable[Made]) -> list[EditRecord]:
    """Put edits on the desk, routed by its policy and decided on."""
    wanted = list(made)
    rows = [
        ManifestRow(number, f"item-{number}", "", f"/pictures/{number}.png", (Instruction("make it red"),))
        for number in range(2, len(wanted) + 2)
    ]
    load_rows(desk.db, rows)
    picture = put_picture(desk, "navy")
    ids = reading.edit_ids(desk.db, reading.EditFilter())
    with desk.db.group():
        attempts = [begin(desk.db, edit_id) for edit_id in ids]
        for attempt in attempts:
            finish(desk.db, attempt, [StoredOutput(picture, "", {}, ())])
    with_outputs = reading.edits(desk.db, ids)
    with desk.db.group():
        for edit, each in zip(with_outputs, wanted, strict=True):
            found = route(case_of(edit, each.flags, {}), desk.policy)
            (output,) = edit.outputs
            flags = {output.id: each.flags}
            running.route_edit(desk.db, edit.id, found, flags, owner="runner", best_output_id=output.id)
    for edit, each in zip(with_outputs, wanted, strict=True):
        if each.decide is not None:
            each.decide(desk, edit.id)
    return reading.edits(desk.db, ids)


def texts(reason: str = "garbled text") -> list[Made]:
    """A hundred texts with scores .50, .50, .51, .51 to .99, and of each pair from .70 on, the first rejected."""
    return [
        Made([flag(Kind.TEXT, (50 + n // 2) / 100)], rejected(reason) if n >= 40 and n % 2 == 0 else accept)
        for n in range(100)
    ]


def in_sample(edits: Iterable[EditRecord], desk: Desk) -> int:
    return sum(route(case_of(edit, [], {}), desk.policy).is_sample for edit in edits)


def test_a_threshold_keeps_the_rejected_and_spares_the_queue(desk: Desk) -> None:
    """The lowest rejected score is .70, and 40 texts that were accepted are below it."""
    (desk.root / "policy.toml").write_text("sample_share = 0.5")
    edits = fill(desk, [*texts(), *[Made() for _ in range(20)]])
    found = flag_outcomes(desk)["thresholds"]["text"]
    assert (found["in_use"], found["proposed"], found["refused"]) == (0.48, 0.7, None)
    assert (found["reviewed"], found["rejected"], found["rejected_naming_it"]) == (100, 30, 30)
    assert (found["queue"], found["spared"], found["load_change"], found["routed"]) == (100, 40, -0.4, 120)
    assert found["sampled_of_spared"] == in_sample(edits[:40], desk) > 0
    assert found["kept"] == 1
    assert found["kept_on_other_half"] == 29 / 30, (
        "chosen on .71, .73 to .99, it is .71, and the .70 of the others goes"
    )
    assert found["settings"] == "[detector_options.text]\nflag = 0.70"


def test_who_keeps_less_spares_more(desk: Desk) -> None:
    fill(desk, texts())
    found = flag_outcomes(desk, keep=0.9)["thresholds"]["text"]
    assert (found["proposed"], found["kept"], found["spared"]) == (0.73, 0.9, 46)


def test_no_number_is_made_of_noise(desk: Desk) -> None:
    fill(desk, texts()[51:])
    found = flag_outcomes(desk)["thresholds"]
    assert "proposed" not in found["text"]
    assert found["text"]["refused"] == (
        "49 reviewed edits have its flags, and 24 of them were rejected for them or for no reason named; "
        "at least 50 and 10 are needed"
    )
    assert found["faces"]["refused"].startswith("0 reviewed edits have its flags")


def test_what_was_rejected_for_something_else_says_nothing_of_this_flag(desk: Desk) -> None:
    fill(desk, texts("logo"))
    found = flag_outcomes(desk)["thresholds"]["text"]
    assert (found["reviewed"], found["rejected"]) == (100, 0)
    assert "at least 50 and 10 are needed" in found["refused"]


def test_a_reason_that_names_no_kind_counts_and_a_reprompt_does(desk: Desk) -> None:
    made = texts("wrong edit")
    fill(desk, [Made(each.flags, reprompt) if n == 40 else each for n, each in enumerate(made)])
    report = flag_outcomes(desk)
    found = report["thresholds"]["text"]
    assert (found["rejected"], found["rejected_naming_it"], found["proposed"]) == (30, 0, 0.7)
    assert report["reasons"] == {"wrong edit": 29, "re-prompt": 1}
    assert report["routed"] == 100, "the next round waits to be made"


def test_a_policy_that_reviews_everything_is_spared_nothing(desk: Desk) -> None:
    (desk.root / "policy.toml").write_text("review_everything = true")
    fill(desk, texts())
    assert "no higher threshold would spare" in flag_outcomes(desk)["thresholds"]["text"]["refused"]


def test_each_sort_of_flag_is_held_against_the_edits_without_it(desk: Desk) -> None:
    made = [
        *[Made([flag(Kind.FACE)], rejected("face")) for _ in range(4)],
        *[Made([flag(Kind.FACE)], accept) for _ in range(4)],
        *[Made([flag(Kind.TEXT, 0.6)], accept) for _ in range(7)],
        Made([flag(Kind.TEXT, 0.6), flag(Kind.TEXT, 0.5)], reprompt),
        Made([flag(Kind.TEXT, 0.6)]),
    ]
    fill(desk, made)
    report = flag_outcomes(desk)
    assert (report["routed"], report["reviewed"], report["rejected"]) == (17, 16, 5)
    face, text = report["flags"]
    assert (face["kind"], face["change"], face["level"]) == ("face", "introduced", "sure")
    assert (face["reviewed"], face["rejected"], face["rate"]) == (8, 4, 0.5)
    assert (face["without"]["reviewed"], face["without"]["rejected"]) == (8, 1)
    assert face["lift"] == 4
    assert face["reasons"] == {"face": 4}
    assert (text["level"], text["reviewed"], text["rejected"], text["lift"]) == ("flag", 8, 1, 0.25)


@pytest.mark.parametrize(
    ("steps", "stands"),
    [
        ([accept], DecisionKind.ACCEPT),
        ([accept, undo], None),
        ([rejected("face"), undo, accept], DecisionKind.ACCEPT),
        ([reprompt, undo, rejected("face")], DecisionKind.REJECT),
        ([rejected("face"), reprompt], DecisionKind.REPROMPT),
        ([rejected("face"), reprompt, undo], DecisionKind.REJECT),
    ],
)
def test_the_last_decision_that_was_not_taken_back_stands(
    desk: Desk, steps: list[Callable[[Desk, int], object]], stands: DecisionKind | None
) -> None:
    fill(desk, [Made([flag(Kind.FACE)], in_turn(*steps))])
    ((_, decisions),) = reading.each_routed(desk.db)
    verdict = last_verdict(decisions)
    assert (verdict.kind if verdict else None) is stands


def test_what_the_policy_approved_and_somebody_rejected_after_all_counts(desk: Desk) -> None:
    (desk.root / "policy.toml").write_text("sample_share = 0")
    fill(desk, [Made([], in_turn(undo, rejected("logo"))), Made()])
    report = flag_outcomes(desk)
    assert (report["reviewed"], report["rejected"], report["samples"]["approved_unseen"]) == (1, 1, 1)
    assert report["samples"]["reviewed"] == 0, "nobody drew it"


def test_samples_tell_what_the_policy_lets_through(desk: Desk) -> None:
    """Of about 20 that were drawn, the first is bad; the interval is carried over to those that nobody saw."""
    (desk.root / "policy.toml").write_text("sample_share = 0.5")
    edits = fill(desk, [Made() for _ in range(40)])
    drawn = [edit.id for edit in edits if edit.route["is_sample"]]
    rejected("artefacts")(desk, drawn[0])
    for edit_id in drawn[1:]:
        accept(desk, edit_id)
    samples = flag_outcomes(desk)["samples"]
    assert (samples["reviewed"], samples["rejected"]) == (len(drawn), 1)
    assert samples["approved_unseen"] == 40 - len(drawn)
    low, high = samples["rate_interval"]
    assert samples["bad_among_them"] == (low * (40 - len(drawn)), high * (40 - len(drawn)))
    assert 0 < low < 1 / len(drawn) < high < 1


@pytest.fixture
def edit(desk: Desk) -> EditRecord:
    """An edit on a desk whose policy draws no samples."""
    (desk.root / "policy.toml").write_text("sample_share = 0")
    (made,) = fill(desk, [Made([flag(Kind.TEXT, 0.5)])])
    return made


def test_an_edit_stays_where_another_flag_sends_it(desk: Desk, edit: EditRecord) -> None:
    texts_only = [flag(Kind.TEXT, 0.5), flag(Kind.TEXT, 0.8)]
    found = replay(desk, edit, texts_only, "text", None)
    assert (found.scores, found.reviewed) == ((0.5, 0.8), (True, True, False))
    assert [found.is_reviewed(threshold) for threshold in (0.47, 0.5, 0.51, 0.8, 0.81)] == [*[True] * 4, False]
    assert replay(desk, edit, [*texts_only, flag(Kind.FACE, 0.6)], "text", None).reviewed == (True, True, True)


def test_a_brands_name_goes_with_the_text_that_it_was_read_in(desk: Desk, edit: EditRecord) -> None:
    read = [flag(Kind.TEXT, 0.5), flag(Kind.LOGO, 1.0)]
    assert replay(desk, edit, read, "text", None).reviewed == (True, False)
    seen = [flag(Kind.TEXT, 0.5), flag(Kind.LOGO, 1.0, xyxy=(5, 5, 90, 90))]
    assert replay(desk, edit, seen, "text", None).reviewed == (True, True)


def test_a_detector_that_failed_is_no_score(desk: Desk, edit: EditRecord) -> None:
    failed = [flag(Kind.TEXT, 0.5), flag(Kind.DETECTOR, 1.0, detector="text")]
    found = replay(desk, edit, failed, "text", None)
    assert (found.scores, found.reviewed) == ((0.5,), (True, True))


def replays(version: str, scores: Iterable[float], *, is_rejected: bool) -> list[Replay]:
    return [
        Replay(version, (score,), (True, False), (False, False), is_rejected, may_be_blamed=True, is_blamed=True)
        for score in scores
    ]


def test_scores_of_an_older_version_are_of_another_scale() -> None:
    """The older ones would have forbidden any higher threshold; they are left out of the queue as well."""
    older = replays("1", [0.48] * 30, is_rejected=True)
    newer = [*replays("2", [0.6] * 40, is_rejected=False), *replays("2", [0.9] * 20, is_rejected=True)]

    def proposed(each: list[Replay]) -> dict[str, Any]:
        return propose(each, detector="text", in_use=0.5, queue=90, routed=200, keep=0.98)

    found = proposed([*older, *newer])
    assert (found["proposed"], found["of_older_versions"]) == (0.61, 30)
    assert (found["queue"], found["spared"], found["routed"]) == (60, 40, 170)
    assert proposed([*newer, *replays("1", [0.48] * 30, is_rejected=True)])["of_older_versions"] == 60


def test_the_command_proposes_and_changes_nothing(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "desk", create=True)
    fill(desk, texts())
    desk.close()
    before = (desk.root / "picturedesk.toml").read_bytes()
    printed = picturedesk(desk.root, "evaluate-flags", "--decisions")
    assert "reviewed edits: 100 of 100; rejected or re-prompted: 30, 30.0% (21.9%-39.6%)" in printed
    assert "text: 0.48 could be 0.70: of 30 rejected edits 100.0% would still be reviewed" in printed
    assert "and the queue would be 40 of 100 edits shorter (-40.0%)" in printed
    assert "[detector_options.text]\nflag = 0.70\n" in printed
    assert "samples: none was decided, so nobody knows what the policy lets through" in printed
    report = json.loads(picturedesk(desk.root, "evaluate-flags", "--decisions", "--keep", "90", "--json"))
    assert report["thresholds"]["text"]["proposed"] == 0.73
    assert (desk.root / "picturedesk.toml").read_bytes() == before


def test_a_desk_without_decisions_says_so(tmp_path: Path) -> None:
    Desk.open(tmp_path / "desk", create=True).close()
    printed = picturedesk(tmp_path / "desk", "evaluate-flags", "--decisions")
    assert "reviewed edits: 0 of 0" in printed
    assert "text: no threshold is proposed: 0 reviewed edits have its flags" in printed
