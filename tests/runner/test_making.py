"""Making a batch, with real files, a real database and a provider whose answers are written down."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import review
from pipeline.errors import EditFailed, EditRefused, UsageError
from pipeline.intake import take_in
from pipeline.people import local_person
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.values import EditResult, OutputPicture
from tests.fakes import ScriptedProvider, inverted
from tests.runner.desks import edits, make_desk, run, states

ADA = local_person("ada")


def test_a_batch_is_made_booked_and_routed(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    outcome = run(desk)
    assert (outcome.progress.done, outcome.progress.cost_microusd) == (2, 80_000)
    first, second = edits(desk)
    assert {first.state, second.state} <= {EditState.APPROVED, EditState.IN_REVIEW}
    assert first.outputs[0].picture.size_wh == (64, 48)
    assert first.asset.source_facts["file_name"] == "0.png"
    assert reading.batches(desk.db)[0].cost_microusd == 80_000


def test_running_again_sends_nothing(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    run(desk)
    assert ScriptedProvider.sent == ["one"]


def test_a_broken_picture_fails_its_row_alone(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    (tmp_path / "shop" / "0.png").write_bytes(b"no picture")
    run(desk)
    bad, good = edits(desk)
    assert (bad.state, bad.error_code) == (EditState.FAILED, "not_a_picture")
    assert good.state in (EditState.APPROVED, EditState.IN_REVIEW)
    assert ScriptedProvider.sent == ["two"]


def test_a_refusal_goes_to_a_person_with_its_code(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditRefused("moderation", "blocked at input: violence")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.error_code, edit.error) == (EditState.REFUSED, "moderation", "blocked at input: violence")


def test_a_failure_is_not_sent_again(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditFailed("invalid_image_file", "no")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.FAILED], ["one"])


def test_steps_are_made_one_on_the_other(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    (tmp_path / "shop" / "steps.csv").write_text("asset_id,source,steps\ntwice,0.png,first => second\n")
    take_in(desk, tmp_path / "shop" / "steps.csv", actor="ada")
    run(desk)
    first, second = edits(desk)[1:]
    assert (first.state, second.parent_id) == (EditState.SUPERSEDED, first.id)
    assert second.input_sha256 == first.outputs[0].picture.sha256
    with Image.open(desk.blobs.path(second.outputs[0].picture.sha256, "image/png")) as twice_inverted:
        assert twice_inverted.convert("RGB").getpixel((0, 0)) == (0, 90, 160)


def test_a_broken_answer_is_booked_and_fails_the_edit(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditResult((OutputPicture(b"junk", "image/png"),), cost_microusd=40_000)]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.error_code, edit.cost_microusd) == (EditState.FAILED, "bad_output", 40_000)


def test_an_unforeseen_error_goes_to_its_edit_and_the_others_are_made(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditResult(())]
    desk = make_desk(tmp_path, "one", "two")
    run(desk)
    bad, good = edits(desk)
    assert bad.state is EditState.FAILED
    assert good.state in (EditState.APPROVED, EditState.IN_REVIEW)


def test_several_outputs_go_to_a_person(tmp_path: Path) -> None:
    def two(request: Any) -> EditResult:
        return EditResult((*inverted(request).outputs, OutputPicture(request.source.read(), "image/png")))

    ScriptedProvider.script["one"] = [two]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, len(edit.outputs)) == (EditState.IN_REVIEW, 2)


def test_half_written_pictures_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    left = desk.root / "pictures" / "ab" / "cd" / ".tmp-xyz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    being_written = left.with_name(".tmp-abc")
    being_written.write_bytes(b"half")
    os.utime(left, (0, 0))
    run(desk)
    assert not left.exists()
    assert being_written.exists()


@pytest.mark.parametrize("takes_mask", [True, False])
def test_what_was_asked_for_in_a_region_changes_nothing_outside_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_mask: bool
) -> None:
    """Whether the provider is told the region, or draws the whole picture."""
    monkeypatch.setattr(ScriptedProvider, "takes_mask", takes_mask)
    seen: list[bool] = []

    def told(request: Any) -> EditResult:
        seen.append(request.mask is not None)
        return inverted(request)

    ScriptedProvider.script["brighter here"] = [told]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (before,) = edits(desk)
    review.undo(desk, before.id, by=ADA)
    review.reprompt(desk, before.id, by=ADA, prompt="brighter here", mask=_white_box((64, 48), (0, 0, 32, 48)))
    run(desk)
    assert seen == [takes_mask]
    output = edits(desk)[-1].outputs[0]
    with Image.open(desk.blobs.path(output.picture.sha256, "image/png")) as picture:
        assert picture.getpixel((60, 20)) == (0, 90, 160)
        assert picture.getpixel((10, 20)) == (255, 165, 95)
    assert desk.blobs.has(output.notes["composited_from"], "image/png")


def test_the_round_after_a_region_is_on_the_whole_picture_again(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    (before,) = edits(desk)
    review.undo(desk, before.id, by=ADA)
    review.reprompt(desk, before.id, by=ADA, prompt="here", mask=_white_box((64, 48), (0, 0, 32, 48)))
    run(desk)
    second = edits(desk)[-1]
    if second.state is EditState.APPROVED:
        review.undo(desk, second.id, by=ADA)
    review.reprompt(desk, second.id, by=ADA, prompt="all of it")
    third = edits(desk)[-1]
    assert (third.mask, third.keeps_outside) == (None, False)


def test_a_region_of_another_size_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    (before,) = edits(desk)
    review.undo(desk, before.id, by=ADA)
    with pytest.raises(UsageError, match="the mask is 10x10"):
        review.reprompt(desk, before.id, by=ADA, prompt="here", mask=_white_box((10, 10), (0, 0, 5, 5)))


def _white_box(size_wh: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    drawn = Image.new("L", size_wh)
    drawn.paste(255, box)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_policy_whose_sample_is_bad_approves_no_more(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, *"abcdefghijkl")
    (desk.root / "policy.toml").write_text("sample_share = 0.5\nmost_bad = 0.05\n")
    run(desk)
    sample = [edit for edit in edits(desk) if edit.route["is_sample"]]
    assert 3 <= len(sample) <= 9
    for edit in sample:
        review.reject(desk, edit.id, by=local_person("ada"), reason="other")
    (tmp_path / "shop" / "more.csv").write_text(
        "asset_id,source,prompt\n" + "".join(f"later-{n},{n}.png,z{n}\n" for n in range(12))
    )
    take_in(desk, tmp_path / "shop" / "more.csv", actor="ada")
    run(desk)
    later = edits(desk)[12:]
    assert {edit.state for edit in later} == {EditState.IN_REVIEW}
    assert any("the policy stopped approving" in edit.route["reasons"][0] for edit in later)
