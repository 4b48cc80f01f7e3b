"""What an edit did to what was found, as a reviewer reads it; with the real detectors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from pipeline import drawn_edits
from pipeline.detectors.changes import Look, compare
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import Suite, SuiteOptions, load_suite
from pipeline.flag_lines import flag_line
from pipeline.values import Change, Detection, Flag, Kind, Level

pytestmark = pytest.mark.models

Drawing = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def suite(weights_cache: Path) -> Suite:
    return load_suite(SuiteOptions(cache_dir=str(weights_cache), detectors=("faces", "text")))


def written(image: Image.Image, word: str, at: tuple[int, int] = (60, 30)) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text(at, word, fill=(30, 30, 60), font=ImageFont.load_default(size=56))
    return image


def flags_of(suite: Suite, source: Image.Image, output: Image.Image) -> list[Flag]:
    before, after = Picture(source), Picture(output)
    looks = Look(before, suite.look(before).detections), Look(after, suite.look(after).detections)
    return compare(*looks, reader=suite.reader)


def changes(suite: Suite, source: Image.Image, output: Image.Image) -> list[str]:
    return [flag_line(flag) for flag in flags_of(suite, source, output) if flag.change is not Change.KEPT]


def darker(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(0.7)


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((500, 500), Image.Resampling.LANCZOS)


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((20, 10, 700, 720)).resize((900, 940), Image.Resampling.LANCZOS)


def extended(image: Image.Image) -> Image.Image:
    wider = Image.new("RGB", (1100, 900), (240, 238, 236))
    wider.paste(image, (200, 80))
    return wider


@pytest.mark.parametrize("edit", [darker, smaller, cropped, extended])
def test_an_edit_that_leaves_everything_alone_changes_nothing(suite: Suite, scene: Image.Image, edit: Drawing) -> None:
    source = written(scene, "MARKET HALL")
    flags = flags_of(suite, source, edit(source))
    assert {flag.change for flag in flags} == {Change.KEPT}
    assert any(flag.detection.label.replace(" ", "") == "MARKETHALL" for flag in flags)


def test_one_letter_is_seen_and_told(suite: Suite, scene: Image.Image) -> None:
    assert changes(suite, written(scene, "SALE"), written(scene, "SAIE")) == ["text SALE became SAIE"]


def test_one_letter_in_a_long_line_is_seen(suite: Suite, scene: Image.Image) -> None:
    (line,) = changes(suite, written(scene, "WINTER MARKET"), written(scene, "WINTER MARNET"))
    assert line.startswith("text WINTER")
    assert line.endswith("MARNET")


def test_text_that_came_and_text_that_went(suite: Suite, scene: Image.Image) -> None:
    plain, lettered = scene, written(scene, "Fresh")
    (came,) = changes(suite, plain, lettered)
    (went,) = changes(suite, lettered, plain)
    assert came.startswith("text introduced: Fresh, 0.")
    assert went == "text lost: Fresh"


def test_text_that_was_moved_is_kept(suite: Suite, scene: Image.Image) -> None:
    flags = flags_of(suite, written(scene, "Fresh", (40, 20)), written(scene, "Fresh", (480, 690)))
    moved = [flag for flag in flags if flag.detection.label == "Fresh"]
    assert [(flag.change, flag.remark) for flag in moved] == [(Change.KEPT, "moved")]


def test_text_outside_a_new_frame_is_lost_and_said_so(suite: Suite, scene: Image.Image) -> None:
    source = written(scene, "Fresh")
    assert changes(suite, source, source.crop((0, 110, 768, 768))) == ["text lost: Fresh (outside the frame)"]


def test_text_in_an_added_part_is_introduced(suite: Suite, scene: Image.Image) -> None:
    (line,) = changes(suite, scene, written(extended(scene), "Fresh", (20, 10)))
    assert line.startswith("text introduced: Fresh")
    assert line.endswith("(in the added part)")


def test_another_picture_cannot_be_compared_and_goes_to_a_person(suite: Suite, scene: Image.Image) -> None:
    flags = flags_of(suite, written(scene, "Fresh"), Image.effect_noise((500, 700), 60).convert("RGB"))
    first = flags[0]
    assert (first.detection.kind, first.change) == (Kind.QUALITY, Change.INTRODUCED)
    assert first.detection.label.startswith("cannot_compare: ")
    assert "text lost: Fresh" in map(flag_line, flags)


def test_a_mirrored_output_is_said_once_and_each_of_its_texts_is_altered(suite: Suite, scene: Image.Image) -> None:
    source = written(scene, "Fresh")
    mirrored, *texts = changes(suite, source, source.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert mirrored == "mirrored: the output shows its source the wrong way round"
    assert "text Fresh altered (mirrored)" in texts
    assert all(line.endswith(" altered (mirrored)") for line in texts)


def test_a_mirrored_output_whose_text_is_readable_keeps_it(suite: Suite, scene: Image.Image) -> None:
    output = written(scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "Fresh", (566, 30))
    flags = flags_of(suite, written(scene, "Fresh"), output)
    assert flags[0].detection.label.startswith("mirrored: ")
    assert [flag.change for flag in flags if flag.detection.label == "Fresh"] == [Change.KEPT]


def face(xyxy: tuple[float, float, float, float]) -> Detection:
    return Detection(Kind.FACE, xyxy, 0.9, Level.SURE, "", "faces", "1")


def logo(xyxy: tuple[float, float, float, float], label: str = "Oskelby") -> Detection:
    return Detection(Kind.LOGO, xyxy, 0.93, Level.SURE, label, "logos", "1")


BOX = (300.0, 300.0, 460.0, 460.0)


def fate(source: Image.Image, output: Image.Image, before: list[Detection], after: list[Detection]) -> list[str]:
    """What is said of findings that are given, so that only the pictures' look decides."""
    flags = compare(Look(Picture(source), before), Look(Picture(output), after), reader=None)
    return [flag_line(flag) for flag in flags]


def test_a_face_is_kept_blurred_altered_or_lost(scene: Image.Image) -> None:
    random = np.random.default_rng(1)
    other = scene.crop((300, 470, 460, 630))
    assert fate(scene, darker(scene), [face(BOX)], [face(BOX)]) == ["face kept, 0.90"]
    blurred = drawn_edits.blur_face(scene, BOX, random).output
    assert fate(scene, blurred, [face(BOX)], [face(BOX)])[0].endswith("(blurred)")
    swapped = drawn_edits.swap_face(scene, BOX, other.transpose(Image.Transpose.ROTATE_90), random).output
    assert fate(scene, swapped, [face(BOX)], [face(BOX)])[0].startswith("face altered, likeness ")
    assert fate(scene, drawn_edits.remove("face", scene, BOX).output, [face(BOX)], []) == ["face lost"]


def test_a_detector_that_wavers_raises_no_alarm(scene: Image.Image) -> None:
    assert fate(scene, darker(scene), [], [face(BOX)]) == ["face kept, 0.90"]
    assert fate(scene, darker(scene), [face(BOX)], []) == ["face kept, 0.90"]
    assert fate(scene, darker(scene), [logo(BOX)], []) == ["logo kept: Oskelby, 0.93"]


def test_a_logo_is_introduced_altered_or_lost(scene: Image.Image) -> None:
    random = np.random.default_rng(1)
    gone = drawn_edits.remove("logo", scene, BOX).output
    assert fate(gone, scene, [], [logo(BOX)]) == ["logo introduced: Oskelby, 0.93"]
    assert fate(scene, gone, [logo(BOX)], []) == ["logo lost: Oskelby"]
    warped = drawn_edits.warp("logo", scene, BOX, random).output
    assert fate(scene, warped, [logo(BOX)], [logo(BOX)])[0].startswith("logo Oskelby altered, likeness ")
    assert fate(scene, warped, [logo(BOX)], [logo(BOX, "Oskeby")]) == ["logo Oskelby became Oskeby"]


def test_a_mirror_that_was_asked_for_is_no_finding(scene: Image.Image) -> None:
    turned = Look(Picture(scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), [])
    source = Look(Picture(scene), [logo(BOX), logo((320, 480, 420, 560), "")])
    flags = [flag_line(flag) for flag in compare(source, turned, reader=None, may_mirror=True)]
    assert flags == ["logo Oskelby altered (mirrored)", "logo kept, 0.93"]
    assert len(compare(source, turned, reader=None)) == 3


def text(xyxy: tuple[float, float, float, float], label: str) -> Detection:
    return Detection(Kind.TEXT, xyxy, 0.99, Level.SURE, label, "text", "1")


def test_a_mark_without_a_name_says_no_text_again(scene: Image.Image) -> None:
    source = written(written(scene, "Oat", (60, 20)), "biscuits", (60, 90))
    lines = [text((56, 20, 170, 88), "Oat"), text((56, 92, 290, 156), "biscuits")]
    around = logo((50, 16, 296, 160), "")
    said = ["text introduced: Oat, 0.99", "text introduced: biscuits, 0.99"]
    assert fate(scene, source, [], [*lines, around]) == said
    assert fate(scene, source, [], [*lines, logo((50, 16, 296, 160))])[2:] == ["logo introduced: Oskelby, 0.93"]
    assert fate(scene, source, [], [*lines, logo((50, 16, 296, 360), "")])[2:] == ["logo introduced, 0.93"]
    assert fate(source, scene, [*lines, around], []) == ["text lost: Oat", "text lost: biscuits"]


def test_what_is_too_small_to_tell_is_kept(scene: Image.Image) -> None:
    tiny = scene.resize((192, 192), Image.Resampling.LANCZOS)
    assert fate(scene, tiny, [face((300, 300, 318, 318))], []) == ["face kept, 0.90"]


def test_a_failed_detector_is_always_said(scene: Image.Image) -> None:
    failed = Detection(Kind.DETECTOR, (0, 0, 768, 768), 1.0, Level.SURE, "text failed: why", "text", "1")
    assert fate(scene, scene, [], [failed]) == ["text failed: why"]
    assert fate(scene, scene, [failed], []) == ["text failed: why (on the source)"]


def test_a_likeness_and_the_old_place_stand_on_the_flag(scene: Image.Image) -> None:
    flag = compare(
        Look(Picture(scene), [face(BOX)]), Look(Picture(smaller(scene)), [face((195, 195, 300, 300))]), reader=None
    )[0]
    assert flag.change is Change.KEPT
    assert flag.source_xyxy == BOX
    assert flag.likeness is not None
    assert flag.likeness > 0.95


def test_blurring_everything_a_little_is_no_alarm(scene: Image.Image) -> None:
    soft = scene.filter(ImageFilter.GaussianBlur(0.6))
    assert fate(scene, soft, [face(BOX)], [face(BOX)]) == ["face kept, 0.90"]
