"""Which part of its source an edit was asked to change."""

from pipeline.asked import asked_area, asks_for_frame, asks_to_mirror
from pipeline.recipes import builtin_folder, load_recipes
from pipeline.values import AskedArea, Instruction

RECIPES = load_recipes([builtin_folder()])
SIZE = (1000, 800)


def area(recipe: str | None, mask: bytes | None = None, **parameters: str) -> AskedArea | None:
    known = RECIPES[recipe] if recipe else None
    instruction = known.fill(parameters) if known else Instruction("make it red")
    return asked_area(instruction, known, mask=mask, source_wh=SIZE)


def test_a_sentence_alone_names_no_area() -> None:
    assert area(None) is None


def test_a_mask_names_it_whatever_the_recipe_says() -> None:
    assert area(None, b"png") == AskedArea(mask=b"png")
    assert area("style-transfer", b"png", style="oil") == AskedArea(mask=b"png")
    assert area("replace-background", b"png") == AskedArea(mask=b"png")


def test_a_recipe_that_works_on_a_box_names_it_in_pixels_of_the_source() -> None:
    assert area("object-cleanup", box="10,20,300,400") == AskedArea(boxes=((10, 20, 300, 400),))
    assert area("object-cleanup", box="0.1,0.25,0.5,1") == AskedArea(boxes=((100, 200, 500, 800),))


def test_behind_the_item_or_around_the_picture() -> None:
    assert area("replace-background") == AskedArea(ground=True)
    assert area("outpaint", ratio="16:9") == AskedArea()


def test_a_recipe_that_may_change_everything_names_nothing() -> None:
    assert area("style-transfer", style="oil") is None


def frame(recipe: str | None, *, done: object = None, size: str | None = None, **parameters: str) -> bool:
    known = RECIPES[recipe] if recipe else None
    instruction = known.fill(parameters) if known else Instruction("make it red")
    return asks_for_frame(instruction, known, done=done, size=size)


def test_another_frame_is_asked_for_by_a_size_an_operation_or_a_recipe() -> None:
    assert frame(None, size="1024x1024")
    assert frame(None, done=[{"op": "crop", "ratio": "1:1"}])
    assert frame("catalogue-standardise")
    assert frame("outpaint", ratio="16:9")


def test_no_frame_is_asked_for_by_a_sentence_or_a_style() -> None:
    assert not frame(None)
    assert not frame(None, size="auto", done=[{"op": "style", "style": "oil"}])
    assert not frame("style-transfer", style="oil")


def test_a_mirror_is_asked_for_by_an_operation_alone() -> None:
    assert asks_to_mirror(Instruction("mirror it"), done=[{"op": "flip", "direction": "horizontal"}])
    assert not asks_to_mirror(Instruction("mirror it"), done=None)
    assert not asks_to_mirror(Instruction("crop it"), done=[{"op": "crop", "ratio": "1:1"}])
