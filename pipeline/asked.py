"""Which part of its source an edit was asked to change, as far as its mask or its recipe names one."""

from collections.abc import Iterator
from typing import Any

from pipeline.recipes import MayChange, Recipe
from pipeline.values import AskedArea, Box, Instruction

_OF_THE_FRAME = frozenset({"catalogue", "crop", "extend", "flip", "pad", "poster", "resize", "rotate", "variants"})


def asked_area(
    instruction: Instruction, recipe: Recipe | None, *, mask: bytes | None, source_wh: tuple[int, int]
) -> AskedArea | None:
    """The part that may change; None if nothing says so, and everything may.

    Args:
        instruction: What was asked for, its operations' boxes in pixels or in fractions of the source.
        recipe: The recipe that it came from, if any.
        mask: PNG of the source's size, alpha 0 = edit here, or None.
        source_wh: Width and height of the source.
    """
    may_change = recipe.may_change if recipe else MayChange.EVERYTHING
    boxes = tuple(_in_pixels(box, source_wh) for box in _boxes(instruction))
    match may_change:
        case MayChange.NOTHING:
            return AskedArea(mask=mask)
        case MayChange.BACKGROUND:
            return AskedArea(mask=mask, ground=mask is None)
        case MayChange.BOXES if boxes:
            return AskedArea(boxes=boxes, mask=mask)
        case _:
            return None if mask is None else AskedArea(mask=mask)


def asks_for_frame(instruction: Instruction, recipe: Recipe | None, *, done: Any, size: str | None) -> bool:  # noqa: ANN401
    """Whether the edit was asked for another size or shape than its source's.

    Args:
        instruction: What was asked for.
        recipe: The recipe that it came from, if any.
        done: The operations that a provider says a sentence became, or None.
        size: As the request named it.
    """
    is_framed = any(name in _OF_THE_FRAME for name in _operations(instruction, done))
    return is_framed or size not in (None, "auto") or (recipe is not None and recipe.may_change is MayChange.NOTHING)


def asks_to_mirror(instruction: Instruction, *, done: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether the edit was asked, by an operation, to turn its source the wrong way round.

    Args:
        instruction: What was asked for.
        done: The operations that a provider says a sentence became, or None.
    """
    return "flip" in _operations(instruction, done)


def _operations(instruction: Instruction, done: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return [operation.get("op") for operation in (*instruction.operations, *(done or ()))]


def _boxes(instruction: Instruction) -> Iterator[Any]:
    for operation in instruction.operations:
        yield from operation.get("boxes") or ([operation["box"]] if operation.get("box") else [])


def _in_pixels(edges: Any, source_wh: tuple[int, int]) -> Box:  # noqa: ANN401 - JSON
    left, top, right, bottom = map(float, edges)
    width, height = source_wh if right <= 1 and bottom <= 1 else (1, 1)
    return left * width, top * height, right * width, bottom * height
