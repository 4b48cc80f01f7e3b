"""Which sentences the local provider understands, what they become, and why it refuses others."""

import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local.grammar import FORMS, parse_sentence
from pipeline.providers.local.operations import parse_operations, to_json

UNDERSTOOD = [
    ("replace the background with white", ["background"]),
    ("Replace the background with a pure white background", ["background"]),
    ("put it on a light grey background", ["background"]),
    ("change background to #f4f4f4", ["background"]),
    ("replace the background with a gradient from pink to orange", ["background"]),
    ("replace the background with a winter scene", ["background"]),
    ("put the product in a christmas setting", ["background"]),
    ("remove the background", ["cutout"]),
    ("make the background transparent", ["cutout"]),
    ("blur the background", ["blur_background"]),
    ("replace the background with the reference image", ["background"]),
    ("make it catalogue-ready at 1024 px", ["catalogue"]),
    ("standardise to 2000 px", ["catalogue"]),
    ("crop to 4:5", ["crop"]),
    ("make it square", ["crop"]),
    ("add 8% padding", ["pad"]),
    ("resize to 1024x1024", ["resize"]),
    ("extend to 16:9", ["extend"]),
    ("extend the image to 9:16 with blur", ["extend"]),
    ("outpaint to 21:9", ["extend"]),
    ("remove the text in the top left", ["remove_text"]),
    ("remove the watermark", ["remove_text"]),
    ("remove all text", ["remove_text"]),
    ("remove the clutter in the box", ["cleanup"]),
    ("remove the object inside the mask", ["cleanup"]),
    ("show it in red", ["recolour"]),
    ("make the shirt navy", ["recolour"]),
    ("change the color of the sofa to forest green", ["recolour"]),
    ("make it a pencil sketch", ["style"]),
    ("turn the photo into an oil painting", ["style"]),
    ("make it cinematic", ["style"]),
    ("apply a vintage filter", ["style"]),
    ("turn it into a watercolor", ["style"]),
    ("make it look like a cartoon", ["style"]),
    ("make it black and white", ["style"]),
    ("give it an editorial look", ["style"]),
    ("add caption 'SALE'", ["caption"]),
    ('add text "Buy 1, get 1 free" at the top', ["caption"]),
    ("add a red badge 'NEW IN' in the top left", ["badge"]),
    ('make it a meme "one does not" "simply walk"', ["meme"]),
    ("place the logo in the bottom right corner", ["logo"]),
    ("put our logo on the shirt", ["logo"]),
    ("circle the damage with note 'cracked screen'", ["annotate"]),
    ("circle the scratch", ["annotate"]),
    ("place the second product into the box", ["insert"]),
    ("make four variants", ["variants"]),
    ("rotate 90 degrees clockwise", ["rotate"]),
    ("flip it horizontally", ["flip"]),
    ("make it brighter by 10%", ["adjust"]),
    ("match the colours of the reference image", ["grade_like"]),
    ("replace the background with white and add caption 'SALE, today only'", ["background", "caption"]),
    ('Remove the background, then crop to 1:1, and add a badge "-20%" at the top right', ["cutout", "crop", "badge"]),
    ("Please make it a pencil sketch.", ["style"]),
    ("make it square and extend to 16:9; add caption 'It’s here' at the bottom", ["crop", "extend", "caption"]),
]

REFUSED = [
    ("add a dog next to the sofa", "needs_generative"),
    ("make her smile", "needs_generative"),
    ("make it look like sunset", "needs_generative"),
    ("show the shoe from the side", "needs_generative"),
    ("place it on a marble table in a kitchen", "needs_generative"),
    ("make it look like Van Gogh", "needs_generative"),
    ("put the dress on a model", "needs_generative"),
    ("upscale 4x", "needs_generative"),
    ("make it pop", "not_understood"),
    ("improve this image", "not_understood"),
    ("make the bag leather", "needs_generative"),
    ("replace the background with a beach", "needs_generative"),
    ("remove the person on the left", "needs_region"),
    ("asdf", "not_understood"),
    ("", "not_understood"),
    ("make it pop and add caption 'x'", "not_understood"),
]


@pytest.mark.parametrize(("sentence", "names"), UNDERSTOOD)
def test_a_sentence_becomes_these_operations(sentence: str, names: list[str]) -> None:
    assert [operation.op for operation in parse_sentence(sentence)] == names


@pytest.mark.parametrize(("sentence", "code"), REFUSED)
def test_a_sentence_that_matches_no_form_is_refused_with_its_reason(sentence: str, code: str) -> None:
    with pytest.raises(EditRefused) as caught:
        parse_sentence(sentence)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize("example", [form.example for form in FORMS])
def test_every_shown_example_parses_and_its_json_reads_back_the_same(example: str) -> None:
    operations = parse_sentence(example)
    assert parse_operations([to_json(operation) for operation in operations]) == operations


def test_several_boxes_and_notes_keep_their_order() -> None:
    (ringed,) = parse_sentence("circle the damage in the boxes 1,2,30,40 and 5,6,70,80 with notes 'a' and 'b'")
    assert to_json(ringed)["boxes"] == [[1, 2, 30, 40], [5, 6, 70, 80]]
    assert to_json(ringed)["notes"] == ["a", "b"]


def test_what_stands_in_quotes_is_never_an_instruction() -> None:
    (caption,) = parse_sentence("add caption 'Don't crop, then remove the background'")
    assert to_json(caption)["text"] == "Don't crop, then remove the background"


@pytest.mark.parametrize(
    "item",
    [
        {"op": "sparkle"},
        {"op": "crop"},
        {"op": "crop", "ratio": "0:1"},
        {"op": "catalogue", "size": True},
        {"op": "catalogue", "colours": "white"},
        {"op": "cutout", "box": [10, 0, 5, 5]},
        {"op": "variants", "n": 9},
    ],
)
def test_an_unknown_operation_parameter_or_value_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(EditRefused) as caught:
        parse_operations([item])
    assert caught.value.code == "bad_operation"
