"""What changed though nobody asked."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from pipeline import drawn_edits
from pipeline.detectors.changes.registration import register
from pipeline.detectors.changes.unasked import unasked_changes
from pipeline.detectors.picture import Picture
from pipeline.values import AskedArea, Box, Detection

BOX = (320, 330, 420, 430)


def changed(source: Image.Image, output: Image.Image, asked: AskedArea) -> list[Detection]:
    registration = register(Picture(source), Picture(output))
    assert registration is not None
    return unasked_changes(Picture(source), Picture(output), registration, asked)


def repainted(scene: Image.Image, box: tuple[int, int, int, int] = BOX) -> Image.Image:
    output = scene.copy()
    ImageDraw.Draw(output).ellipse(box, fill=(30, 120, 60))
    return output


def masked(scene: Image.Image, box: tuple[int, int, int, int]) -> bytes:
    mask = Image.new("RGBA", scene.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


@pytest.mark.parametrize("name", ["re-encode", "brightness", "resize", "crop", "extend"])
def test_light_frame_and_encoding_are_no_change(scene: Image.Image, name: str) -> None:
    random = np.random.default_rng(4)
    edits = {
        "re-encode": drawn_edits.re_encode(scene, random),
        "brightness": drawn_edits.brighten(scene, random),
        "resize": drawn_edits.resize(scene, random),
        "crop": drawn_edits.crop(scene, [(250, 200, 550, 600)], random),
        "extend": drawn_edits.extend(scene, random),
    }
    assert changed(scene, edits[name].output, AskedArea()) == []


def test_a_region_is_told_with_its_place_and_its_share(scene: Image.Image) -> None:
    (found,) = changed(scene, repainted(scene), AskedArea())
    assert middle(found.xyxy) == pytest.approx((370, 380), abs=12)
    share = float(found.label.removeprefix("unasked_change: ").split("%")[0])
    assert share == pytest.approx(100 * np.pi * 50 * 50 / 768**2, abs=0.5)


def test_what_was_asked_for_is_no_change(scene: Image.Image) -> None:
    output = repainted(scene)
    assert changed(scene, output, AskedArea(boxes=(BOX,))) == []
    assert changed(scene, output, AskedArea(mask=masked(scene, BOX))) == []
    assert changed(scene, output, AskedArea(boxes=((20, 20, 120, 120),)))
    assert changed(scene, output, AskedArea(mask=masked(scene, (20, 20, 120, 120))))


def test_two_regions_are_two_places_to_look_at(scene: Image.Image) -> None:
    output = repainted(repainted(scene), (520, 520, 600, 600))
    places = [middle(found.xyxy) for found in changed(scene, output, AskedArea())]
    assert len(places) == 2
    assert places[0] == pytest.approx((370, 380), abs=12)
    assert places[1] == pytest.approx((560, 560), abs=12)


def test_the_place_is_right_in_another_frame(scene: Image.Image) -> None:
    output = ImageEnhance.Brightness(repainted(scene).crop((100, 80, 700, 740))).enhance(1.1)
    (found,) = changed(scene, output, AskedArea())
    assert middle(found.xyxy) == pytest.approx((270, 300), abs=12)


def test_behind_an_item_the_ground_may_change_and_the_item_may_not() -> None:
    plain = Image.new("RGB", (600, 600), (238, 238, 236))
    pen = ImageDraw.Draw(plain)
    for row in range(8):
        for column in range(6):
            shade = (60 + 22 * row, 40 + 30 * column, 190 - 12 * row * (column % 2))
            left, top = 180 + 40 * column, 140 + 40 * row
            pen.rectangle((left, top, left + 36, top + 36), fill=shade)
    item = Image.new("L", plain.size, 0)
    ImageDraw.Draw(item).rectangle((180, 140, 418, 458), fill=255)
    ground = Image.linear_gradient("L").resize(plain.size).convert("RGB")
    output = Image.composite(plain, ground, item)
    asked = AskedArea(ground=True)
    assert changed(plain, output, asked) == []
    assert changed(plain, repainted(output, (260, 220, 340, 300)), asked)


def test_where_no_ground_can_be_told_nothing_is_said(scene: Image.Image) -> None:
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 255, (24, 24, 3)).astype(np.uint8)).resize((480, 480))
    assert changed(noisy, repainted(noisy, (100, 100, 300, 300)), AskedArea(ground=True)) == []
