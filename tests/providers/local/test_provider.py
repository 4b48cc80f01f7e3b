"""The local provider as a whole: sentences in, pictures or clear refusals out."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.errors import EditRefused
from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.local import LocalProvider
from pipeline.providers.local.carry_out import make_edit
from pipeline.providers.local.operations import OPERATIONS
from pipeline.values import Detection, EditRequest, EditResult, Instruction, Kind, Level, PictureFile
from tests.pictures import kept


def product(size: tuple[int, int] = (240, 200)) -> Image.Image:
    """A blue box with shading on a light seamless ground."""
    columns, rows = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    ground = np.repeat((238 - 8 * rows)[..., None], 3, axis=2)
    inside = (abs(columns - 0.5) < 0.22) & (abs(rows - 0.52) < 0.26)
    item = np.stack([40 + 30 * columns, 80 + 40 * columns, 170 + 50 * columns], axis=-1)
    return Image.fromarray(np.where(inside[..., None], item, ground).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def edit(prompt: str, **options: Any) -> EditResult:
    source = options.pop("source", encoded(product()))
    return make_edit(EditRequest("edit 1", kept(source), Instruction(prompt), **options), "")


def opened(result: EditResult) -> Image.Image:
    return Image.open(io.BytesIO(result.outputs[0].data))


def logo() -> bytes:
    image = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    ImageDraw.Draw(image).rounded_rectangle((2, 2, 78, 38), 12, fill=(200, 20, 40, 255))
    return encoded(image)


SENTENCES = [
    "make it catalogue-ready at 256 px",
    "replace the background with a gradient from pink to orange",
    "change the background to studio",
    "replace the background with a winter scene",
    "remove the background",
    "blur the background",
    "crop to 4:5",
    "add 8% padding",
    "resize to 120x100",
    "extend to 16:9",
    "show it in red",
    "make it a pencil sketch",
    "make it an oil painting",
    "make it a watercolour",
    "make it pop art",
    "add caption 'New in' at the top",
    "add a red badge '-20%' in the top left",
    "make it a meme 'top' 'bottom'",
    "make it a poster 'Title' 'Subtitle'",
    "circle the area in the box 40,40,120,120 with note 'scratch'",
    "remove the object in the box 5,5,25,25",
    "rotate 90 degrees clockwise",
    "flip it horizontally",
    "make it warmer by 20%",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_becomes_a_picture_the_same_every_time(sentence: str) -> None:
    first, second = edit(sentence), edit(sentence)
    assert first.outputs[0].data == second.outputs[0].data
    assert first.outputs[0].data != encoded(product())
    assert first.notes["operations"]


def test_catalogue_work_is_square_white_and_centred() -> None:
    pixels = np.asarray(opened(edit("make it catalogue-ready at 256 px")).convert("RGB"))
    assert pixels.shape == (256, 256, 3)
    assert (pixels[0] == 255).all()
    rows, columns = np.nonzero(pixels.min(axis=2) < 120)
    assert abs(columns.mean() - 127.5) < 6
    assert abs(rows.mean() - 127.5) < 6


def test_a_cut_out_is_transparent_round_the_item() -> None:
    picture = opened(edit("remove the background"))
    assert picture.mode == "RGBA"
    alpha = np.asarray(picture.getchannel("A"))
    assert alpha[0, 0] == 0
    assert alpha[100, 120] == 255


def test_a_logo_stays_in_its_corner() -> None:
    result = edit("place the logo in the bottom right corner", references=(kept(logo()),))
    changed = np.asarray(opened(result)).astype(int) != np.asarray(product()).astype(int)
    rows, columns = np.nonzero(changed.any(axis=2))
    assert columns.min() > 120
    assert rows.min() > 100


def test_text_is_removed_where_the_detectors_found_it() -> None:
    image = Image.new("RGB", (300, 200), (200, 210, 205))
    ImageDraw.Draw(image).text((60, 80), "SALE", fill=(20, 20, 20), font_size=48)
    found = Detection(Kind.TEXT, (55, 75, 190, 140), 0.9, Level.SURE, "SALE", "text", "1")
    pixels = np.asarray(opened(edit("remove the text", source=encoded(image), detections=(found,))).convert("L"))
    assert pixels.min() > 170


def marks(*boxes: tuple[int, int, int, int]) -> PictureFile:
    """Outlines on a transparent ground, as a reviewer's marks are."""
    image = Image.new("RGBA", product().size, (0, 0, 0, 0))
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, outline=(255, 0, 0, 255), width=3)
    return kept(encoded(image))


def test_what_a_markup_points_at_is_ringed_each_mark_by_itself() -> None:
    left, right = (20, 20, 80, 80), (160, 100, 220, 160)
    pixels = np.asarray(opened(edit("circle the damage", markup=marks(left, right)))).astype(int)
    assert np.array_equal(edited_columns(pixels, right=False), edited_columns(ringed(left), right=False))
    assert np.array_equal(edited_columns(pixels, right=True), edited_columns(ringed(right), right=True))
    with pytest.raises(EditRefused, match="say where"):
        edit("circle the damage", markup=marks())
    request = EditRequest("edit 1", None, Instruction("make it warmer by 20%"), markup=marks())
    with pytest.raises(EditRefused, match="rings what a markup points at"):
        LocalProvider({}, Tools(WorkPool(1))).check(request)


def ringed(box: tuple[int, int, int, int]) -> NDArray[np.int_]:
    left, top, right, bottom = box
    prompt = f"circle the damage in the box {left},{top},{right + 1},{bottom + 1}"
    return np.asarray(opened(edit(prompt))).astype(int)


def edited_columns(pixels: NDArray[np.int_], *, right: bool) -> NDArray[np.bool_]:
    changed: NDArray[np.bool_] = (pixels != np.asarray(product())).any(axis=2)
    return changed[:, 120:] if right else changed[:, :120]


def test_variants_are_several_named_pictures() -> None:
    outputs = edit("make four variants").outputs
    assert len({output.name for output in outputs}) == 4
    assert len({output.data for output in outputs}) == 4


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("make it nicer", "not_understood"),
        ("make her smile", "needs_generative"),
        ("remove the text", "needs_region"),
        ("place the logo in the bottom right corner", "needs_reference"),
        ("replace the background with the reference image", "needs_reference"),
        ('[{"op": "crop"}]', "bad_operation"),
        ('[{"op": "explode"}]', "bad_operation"),
        ("rotate 180 degrees and rotate 180 degrees", "no_effect"),
        ("crop to 4:5 and remove the object in the box 5,5,25,25", "bad_operation"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_code(prompt: str, code: str) -> None:
    with pytest.raises(EditRefused) as caught:
        edit(prompt)
    assert caught.value.code == code


def test_a_cut_out_that_is_not_sure_refuses_instead_of_guessing() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 240, 3)).astype(np.uint8)
    with pytest.raises(EditRefused) as caught:
        edit("remove the background", source=encoded(Image.fromarray(noise)))
    assert caught.value.code == "needs_plain_background"


def test_a_size_of_another_shape_is_refused_and_one_of_its_shape_is_made() -> None:
    assert opened(edit("make it vintage", size="120x100")).size == (120, 100)
    with pytest.raises(EditRefused):
        edit("make it vintage", size="100x100")


def test_every_operation_is_carried_out_by_something() -> None:
    from pipeline.providers.local.carry_out import _STEPS

    assert {kind.op for kind in _STEPS} == set(OPERATIONS) - {"variants"}
