"""Measuring the detectors on labelled pictures, with their real weights."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline import evaluation_plot
from pipeline.detectors.evaluate import Evaluation, evaluate, look
from pipeline.detectors.faces import FaceDetector
from pipeline.detectors.suite import SuiteOptions, frozen_tables, load_suite
from pipeline.errors import UsageError
from pipeline.labels import read_labels
from pipeline.suites import evaluate_labels
from tests.commands import run_command

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def options(weights_cache: Path) -> SuiteOptions:
    return SuiteOptions(cache_dir=str(weights_cache))


def lettered(text: str, *, grey: int = 30, size: int = 64) -> Image.Image:
    image = Image.new("RGB", (640, 400), (225, 228, 224))
    ImageDraw.Draw(image).text((60, 140), text, fill=(grey, grey, grey), font=ImageFont.load_default(size=size))
    return image


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two brands, small print, a text so faint that nobody reads it, nothing, and a file that is not there."""
    folder = tmp_path_factory.mktemp("labelled")
    pictures = {
        "a": lettered("Heineken"),
        "b": lettered("Please keep this door closed", size=22),
        "c": lettered(""),
        "d": lettered("Nokia"),
    }
    for name, picture in {**pictures, "e": lettered("Winter Sale", grey=224)}.items():
        picture.save(folder / f"{name}.png")
    rows = ["a.png,n,y,y", "b.png,n,y,n", "c.png,n,n,a", "d.png,a,y,y", "e.png,n,y,n", "gone.png,y,y,y"]
    (folder / "labels.csv").write_text("\n".join(["file,face,text,logo", *rows]))
    return folder


@pytest.fixture(scope="module")
def measured(labelled: Path, options: SuiteOptions) -> Evaluation:
    return evaluate(read_labels(labelled), options, workers=1)


def test_every_kind_is_counted_by_picture(measured: Evaluation) -> None:
    report = measured.as_json()
    assert report["kinds"]["text"]["counts"] == {"hit": 3, "missed": 1, "false_alarm": 0, "quiet": 1}
    assert report["kinds"]["text"]["recall"] == 0.75
    assert report["kinds"]["logo"]["counts"] == {"hit": 2, "missed": 0, "false_alarm": 0, "quiet": 2}
    assert report["kinds"]["face"]["counts"] == {"hit": 0, "missed": 0, "false_alarm": 0, "quiet": 4}
    assert report["kinds"]["face"]["fpr"] == 0
    assert report["kinds"]["face"]["average_precision"] is None
    assert report["pictures"] == 5
    assert list(report["failed"]) == ["gone.png"]
    assert json.loads(json.dumps(report))["kinds"]["text"]["threshold"] == 0.48


def test_the_curve_is_of_all_thresholds_and_the_figures_of_those_in_use(
    labelled: Path, options: SuiteOptions, measured: Evaluation
) -> None:
    strict = SuiteOptions(options.cache_dir, tables=frozen_tables({"text": {"flag": 1.0}, "logos": {"marks": False}}))
    report = evaluate(read_labels(labelled), strict, workers=1)
    assert report.kinds["text"].in_use.counts["hit"] == 0
    assert report.kinds["text"].threshold == 1
    assert report.kinds["text"].curve == measured.kinds["text"].curve
    assert report.kinds["logo"].in_use.counts["hit"] == 0, "a name is read in text that counts, as on a desk"


def test_what_counts_with_lowered_thresholds_is_what_counts(
    labelled: Path, photographs: Path, options: SuiteOptions
) -> None:
    """A detector finds at its threshold what it finds at a lower one, less what is below."""
    for path in sorted([*labelled.glob("*.png"), *photographs.glob("*.png")]):
        with Image.open(path) as image:
            detections = load_suite(options).scan(image.convert("RGB")).detections
        found = look(path, options)
        assert found.flagged == {detection.kind for detection in detections}
        for kind in found.flagged:
            assert found.best[kind] == max(each.score for each in detections if each.kind is kind)


def test_the_worst_are_listed_with_their_scores(measured: Evaluation) -> None:
    report = measured.as_json(worst=3)
    assert [file for file, _ in report["missed"]["text"]] == ["e.png"]
    assert report["missed"]["logo"] == report["false_alarms"]["face"] == []
    assert "missed" not in measured.as_json()


def test_time_and_memory_are_of_a_process_that_only_looks(labelled: Path, options: SuiteOptions) -> None:
    """400 MB that this process holds are not in its figure."""
    ballast = bytearray(os.urandom(1 << 20)) * 400
    timing = evaluate(read_labels(labelled), options, workers=1).timing
    assert len(ballast) == 400 << 20
    assert timing is not None
    assert 60 < timing.peak_rss_mb < 400
    assert 0 < timing.cpu_ms["median"] <= timing.cpu_ms["p90"]
    assert timing.wall_ms["median"] > 0


def test_what_cannot_be_looked_at_is_left_out_with_its_reason(labelled: Path, options: SuiteOptions) -> None:
    gone = [picture for picture in read_labels(labelled) if picture.name == "gone.png"]
    with pytest.raises(UsageError, match=r"none of the pictures can be looked at; gone.png: cannot be read"):
        evaluate(gone, options, workers=1)


def test_a_detector_that_fails_leaves_its_picture_out(
    labelled: Path, options: SuiteOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(FaceDetector, "detect", fail)
    assert look(labelled / "a.png", options).failure == "faces failed: out of memory"


def test_an_interrupt_keeps_what_was_measured(labelled: Path, options: SuiteOptions) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 6
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    report = evaluate(read_labels(labelled), options, workers=1, on_progress=interrupt).as_json()
    assert report["interrupted"]
    assert 1 <= report["pictures"] < 5
    assert report["cpu_ms"] == {}


def test_the_command_measures_folders_and_draws(tmp_path: Path, weights_cache: Path) -> None:
    for folder, text in (("text+logo", "Heineken"), ("text", "Summer Offer"), ("none", "")):
        (tmp_path / "set" / folder).mkdir(parents=True)
        lettered(text).save(tmp_path / "set" / folder / "a.png")
    report = command(tmp_path, str(tmp_path / "set"), "--plot", str(tmp_path / "flags.svg"), "--worst", "2", "--json")
    found = json.loads(report)
    assert {kind: each["recall"] for kind, each in found["kinds"].items()} == {"face": 0, "text": 1, "logo": 1}
    assert len(found["kinds"]["text"]["curve"]) >= 20
    assert found["missed"] == {"face": [], "text": [], "logo": []}
    drawing = (tmp_path / "flags.svg").read_text("utf-8")
    assert drawing.startswith("<?xml")
    printed = command(tmp_path, str(tmp_path / "set"))
    assert "3 pictures; one of 1024 x 1024 takes" in printed
    assert "text" in printed


def command(desk: Path, *arguments: str, expect: int = 0) -> str:
    done = run_command("--desk", str(desk / "no-desk"), "evaluate-flags", *arguments)
    assert done.exit_code == expect, done.stderr
    return done.stdout if expect == 0 else done.stderr


def test_the_command_takes_labels_or_decisions(tmp_path: Path) -> None:
    assert "name labelled pictures, or give --decisions" in command(tmp_path, expect=2)
    assert "name labelled pictures, or give --decisions" in command(tmp_path, "x", "--decisions", expect=2)
    assert "go with labelled pictures" in command(tmp_path, "--decisions", "--worst", "3", expect=2)
    assert "--keep goes with --decisions" in command(tmp_path, "x", "--keep", "90", expect=2)


@pytest.mark.parametrize(
    ("name", "message"),
    [("plot.pdf", "found '.pdf'; expected a name in .png or .svg"), ("gone/plot.png", "there is no folder")],
)
def test_a_plot_that_cannot_be_drawn_is_refused_before_measuring(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate_labels(tmp_path, tmp_path, plot=tmp_path / name)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'picturedesk\[plot\]'"):
        evaluation_plot.check(tmp_path / "plot.png")


def test_a_report_in_which_nothing_was_found_is_drawn(tmp_path: Path) -> None:
    empty: dict[str, Any] = {"kinds": {"face": {"curve": []}, "text": {"curve": []}, "logo": {"curve": []}}}
    evaluation_plot.draw(empty, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 1000
