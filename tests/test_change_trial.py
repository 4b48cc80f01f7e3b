"""Edits with a known effect, and whether the comparison says it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline import drawn_edits
from pipeline.change_trial import HARMLESS, try_changes
from pipeline.detectors.suite import SuiteOptions
from pipeline.drawn_edits import DrawnEdit
from pipeline.errors import UsageError
from tests.detectors.changes.conftest import opened

WORD = (60.0, 40.0, 420.0, 120.0)


def lettered(name: str) -> Image.Image:
    image = opened(name)
    ImageDraw.Draw(image).text((64, 40), "Morning Tea", fill=(20, 30, 60), font=ImageFont.load_default(size=60))
    return image


def changed_share(edit: DrawnEdit, box: tuple[float, float, float, float]) -> float:
    """Mean difference in grey levels within a box of two pictures of one size."""
    parts = [np.asarray(image.crop(box).convert("L"), np.float32) for image in (edit.source, edit.output)]
    return float(np.abs(parts[0] - parts[1]).mean())


def test_an_edit_changes_its_place_and_nothing_else() -> None:
    image = lettered("carton")
    random = np.random.default_rng(2)
    added = drawn_edits.add_text(image, [WORD], random)
    assert added is not None
    edits = [
        added,
        drawn_edits.remove("text removed", image, WORD),
        drawn_edits.garble_text(image, WORD, random),
        drawn_edits.blur_face(image, WORD, random),
        drawn_edits.swap_face(image, WORD, opened("lamp"), random),
        drawn_edits.warp("logo warped", image, WORD, random),
    ]
    for edit in edits:
        assert edit.place is not None
        assert changed_share(edit, edit.place) > 4, edit.name
        assert changed_share(edit, (60, 600, 700, 760)) < 3 or edit is added, edit.name


def test_a_crop_keeps_what_was_found_and_an_addition_keeps_away_from_it() -> None:
    image = lettered("carton")
    for seed in range(8):
        random = np.random.default_rng(seed)
        added = drawn_edits.add_text(image, [WORD], random)
        assert added is not None
        assert added.place is not None
        left, top, right, bottom = added.place
        assert right <= WORD[0] or left >= WORD[2] or bottom <= WORD[1] or top >= WORD[3]


def test_edits_are_the_same_on_every_run() -> None:
    image = lettered("carton")
    outputs = [drawn_edits.garble_text(image, WORD, np.random.default_rng(7)).output for _ in range(2)]
    assert outputs[0].tobytes() == outputs[1].tobytes()


@pytest.mark.models
def test_the_trial_counts_what_was_drawn_and_what_was_said(weights_cache: Path, tmp_path: Path) -> None:
    lettered("carton").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    told: list[tuple[int, int]] = []
    report = try_changes(
        [tmp_path / "a.png", tmp_path / "b.png"],
        SuiteOptions(cache_dir=str(weights_cache)),
        workers=1,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert report["pictures"] == 1
    assert list(report["failed"]) == ["b.png"]
    assert told[-1] == (3, 4)
    assert set(HARMLESS) < set(report["edits"])
    assert report["edits"]["text removed"] == {"is_harmless": False, "drawn": 1, "flagged": 1, "share": 1.0}
    real = [each for each in report["edits"].values() if not each["is_harmless"]]
    assert report["caught"] == sum(each["flagged"] for each in real) / sum(each["drawn"] for each in real)
    assert report["false_alarm"] == sum(report["edits"][name]["flagged"] for name in HARMLESS) / len(HARMLESS)
    wrong = sum(each["flagged"] == each["is_harmless"] for each in report["edits"].values() if each["drawn"] == 1)
    assert len(report["wrong"]) == wrong


@pytest.mark.models
def test_a_trial_without_a_picture_is_refused(weights_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"b\.png"):
        try_changes([tmp_path / "b.png"], SuiteOptions(cache_dir=str(weights_cache)), workers=1)
