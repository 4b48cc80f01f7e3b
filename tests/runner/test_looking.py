"""Looking at pictures with a detector that costs money."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.intake import take_in
from pipeline.pool import WorkPool
from pipeline.values import Kind
from tests.fake_api.conftest import fake_api
from tests.fake_api.running import RunningFake
from tests.runner.desks import edits, make_desk, run

__all__ = ["fake_api"]


@pytest.fixture(autouse=True)
def workers_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process has the environment of its start."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: WorkPool(1))


def watched_desk(tmp_path: Path, fake: RunningFake, *prompts: str) -> Desk:
    """A desk whose pictures a vision model looks at."""
    options = {"base_url": f"{fake.url}/v1", "ai_model": "any-eyes"}
    return make_desk(tmp_path, *prompts, detectors=("vision",), detector_options={"vision": options})


def test_a_picture_is_asked_about_once(tmp_path: Path, fake_api: RunningFake) -> None:
    """Two sources and two outputs; another batch that comes to the same pictures asks nothing."""
    desk = watched_desk(tmp_path, fake_api, "one", "two")
    run(desk)
    assert fake_api.ledger()["billed"] == 4
    with (tmp_path / "shop" / "again.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["asset_id", "source", "prompt"], ["a", "0.png", "three"], ["b", "1.png", "four"]])
    take_in(desk, tmp_path / "shop" / "again.csv", actor="ada")
    run(desk)
    assert len(edits(desk)) == 4
    assert fake_api.ledger()["billed"] == 4


def test_variants_of_one_source_that_are_made_at_once_ask_about_it_once(tmp_path: Path, fake_api: RunningFake) -> None:
    """The scripted provider gives them all the same output, too: two pictures, besides the desk's first two."""
    desk = watched_desk(tmp_path, fake_api, "one")
    Image.new("RGB", (64, 48), "olive").save(tmp_path / "shop" / "one.png")
    with (tmp_path / "shop" / "variants.csv").open("w", newline="") as file:
        rows = [["a", variant, "one.png", f"in {variant}"] for variant in ("red", "blue", "green")]
        csv.writer(file).writerows([["asset_id", "variant", "source", "prompt"], *rows])
    take_in(desk, tmp_path / "shop" / "variants.csv", actor="ada")
    run(desk)
    assert len(edits(desk)) == 4
    assert fake_api.ledger()["billed"] == 4


def test_another_detectors_option_asks_about_nothing_again(tmp_path: Path, fake_api: RunningFake) -> None:
    """One source and one output, looked at by two detectors."""
    eyes = {"base_url": f"{fake_api.url}/v1", "ai_model": "any-eyes"}
    desk = make_desk(tmp_path, "one", detectors=("vision", "logos"), detector_options=tables(eyes, flag=0.5))
    run(desk)
    for number, (options, billed) in enumerate(
        [(tables(eyes, flag=0.9), 2), (tables({**eyes, "flag": 0.9}, flag=0.9), 4)], start=2
    ):
        desk = Desk.open(desk.root, provider="scripted", detectors=("vision", "logos"), detector_options=options)
        manifest = tmp_path / "shop" / f"again{number}.csv"
        manifest.write_text(f"asset_id,source,prompt\na,0.png,round {number}\n")
        take_in(desk, manifest, actor="ada")
        run(desk)
        assert len(edits(desk)) == number
        assert fake_api.ledger()["billed"] == billed


def tables(vision: Mapping[str, object], *, flag: float) -> dict[str, Mapping[str, object]]:
    return {"vision": vision, "logos": {"marks": False, "flag": flag}}


def test_a_picture_that_got_no_answer_goes_to_a_person_and_is_asked_about_again(
    tmp_path: Path, fake_api: RunningFake
) -> None:
    fake_api.set(drop_unbilled=1.0)
    desk = watched_desk(tmp_path, fake_api, "one")
    run(desk)
    (edit,) = edits(desk)
    assert edit.state == "in_review"
    (failed,) = (each.detection for each in edit.outputs[0].flags if each.detection.kind is Kind.DETECTOR)
    assert failed.label.startswith("vision failed: 127.0.0.1 gave no answer")
    fake_api.set(drop_unbilled=0.0)
    with (tmp_path / "shop" / "again.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["asset_id", "source", "prompt"], ["a", "0.png", "two"]])
    take_in(desk, tmp_path / "shop" / "again.csv", actor="ada")
    run(desk)
    assert fake_api.ledger()["billed"] == 2
