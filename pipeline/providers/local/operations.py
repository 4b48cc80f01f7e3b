"""The typed operations: what the local provider can do, whichever way it was asked.

A sentence is only another way to write these (see `grammar`). Nothing here loads a picture library, so that a whole
manifest can be checked quickly.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar

from pipeline.providers.local.colours import COLOURS, read_colour
from pipeline.providers.local.refusals import refusal

MAX_VARIANTS = 8
"""Eight is what a reviewer takes in at one glance; more is another batch."""

MAX_SIDE_PX = 12_000
MAX_TEXT_LENGTH = 200
MAX_OPERATIONS = 20
MAX_BOXES = 16

STYLES = (
    "pencil",
    "coloured-pencil",
    "illustration",
    "oil",
    "watercolour",
    "cinematic",
    "editorial",
    "vintage",
    "black-and-white",
    "duotone",
    "pop-art",
)
SEASONS = ("winter", "christmas", "autumn", "spring", "summer")
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
PLACES = (*CORNERS, "top", "bottom", "left", "right", "centre")
ADJUSTMENTS = ("brightness", "contrast", "saturation", "warmth", "sharpness", "levels")

FourNumbers = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the upright source, or in fractions of it when all four are at most 1."""

EightNumbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a parameter's JSON value is read.

    Attributes:
        expects: What it must be, in words; also what the documentation says.
        read: Gives the typed value, or raises ValueError or TypeError.
    """

    expects: str
    read: Callable[[Any], Any]


def _number(low: float, high: float) -> Reading:
    def read(value: Any) -> float:  # noqa: ANN401 - JSON
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError
        return float(value)

    return Reading(f"a number from {low:g} to {high:g}", read)


def _whole(low: int, high: int) -> Reading:
    def read(value: Any) -> int:  # noqa: ANN401 - JSON
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Reading(f"a whole number from {low} to {high}", read)


def _one_of(words: Sequence[str]) -> Reading:
    def read(value: Any) -> str:  # noqa: ANN401 - JSON
        if value not in words:
            raise ValueError
        return str(value)

    return Reading("one of " + ", ".join(words), read)


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        raise ValueError
    return value


def _some_text(value: Any) -> str:  # noqa: ANN401 - JSON
    if not _text(value).strip():
        raise ValueError
    return str(value)


def _colour(value: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(value, str):
        raise TypeError
    return read_colour(value)


def _ratio(value: Any) -> tuple[float, float]:  # noqa: ANN401 - JSON
    width, height = (float(part) for part in (value.split(":") if isinstance(value, str) else value))
    if not (width > 0 and height > 0 and 0.1 <= width / height <= 10):
        raise ValueError
    return width, height


def _frame(value: Any) -> str:  # noqa: ANN401 - JSON
    """``WIDTHxHEIGHT``, or a smallest and a largest of one shape with ``to`` between; of a whole number, a square."""
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int):
        return _frame(f"{value}x{value}")
    frames = [tuple(map(int, frame.split("x"))) for frame in value.split(" to ")]
    if len(frames) > 2 or not all(len(frame) == 2 and min(frame) >= 64 and max(frame) <= 5000 for frame in frames):
        raise ValueError
    (width, height), (most_w, most_h) = frames[0], frames[-1]
    if width > most_w or height > most_h or abs(width * most_h / (height * most_w) - 1) > 0.01:
        raise ValueError
    return " to ".join(f"{frame[0]}x{frame[1]}" for frame in frames)


def _numbers(value: Any, count: int) -> tuple[float, ...]:  # noqa: ANN401 - JSON
    if isinstance(value, str) or len(value) != count or any(isinstance(one, bool | str) for one in value):
        raise ValueError
    numbers = tuple(float(one) for one in value)
    if not all(math.isfinite(one) and one >= 0 for one in numbers):
        raise ValueError
    return numbers


def _box(value: Any) -> FourNumbers:  # noqa: ANN401 - JSON
    left, top, right, bottom = _numbers(value, 4)
    if right <= left or bottom <= top:
        raise ValueError
    return left, top, right, bottom


def _boxes(value: Any) -> tuple[FourNumbers, ...]:  # noqa: ANN401 - JSON
    boxes = tuple(_box(one) for one in value)
    if len(boxes) > MAX_BOXES:
        raise ValueError
    return boxes


def _notes(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    if isinstance(value, str) or len(value) > MAX_BOXES:
        raise ValueError
    return tuple(_text(one) for one in value)


def _optional(reading: Reading) -> Reading:
    return Reading(f"{reading.expects}, or null", lambda value: None if value is None else reading.read(value))


TEXT = Reading(f"text of at most {MAX_TEXT_LENGTH} characters", _text)
SOME_TEXT = Reading(f"text of 1 to {MAX_TEXT_LENGTH} characters", _some_text)
COLOUR = Reading("#rrggbb or a colour's name", _colour)
FRAME = Reading(
    "a whole number for a square, or WIDTHxHEIGHT, each from 64 to 5000; or a smallest and a largest, such as "
    "1000x1000 to 2000x2000: the item is not enlarged for more than the smallest",
    _frame,
)
RATIO = Reading('a ratio such as "4:5", between 1:10 and 10:1', _ratio)
BOX = _optional(Reading("[left, top, right, bottom] of the source, in pixels or all in fractions", _box))
BOXES = Reading(f"a list of at most {MAX_BOXES} boxes", _boxes)
NOTES = Reading(f"a list of at most {MAX_BOXES} texts", _notes)
QUAD = _optional(
    Reading(
        "[x, y] of top left, top right, bottom right, bottom left as eight numbers", lambda value: _numbers(value, 8)
    )
)
REFERENCE = _whole(1, 16)


def _required(reading: Reading) -> Any:  # noqa: ANN401 - a dataclass field, which mypy reads as the value
    return field(metadata={"reading": reading})


def _given(default: object, reading: Reading) -> Any:  # noqa: ANN401
    return field(default=default, metadata={"reading": reading})


@dataclass(frozen=True)
class Op:
    """One typed operation.

    Attributes:
        op: Its name in JSON.
        moves_pixels: Whether boxes of the source no longer fit the picture after it.
    """

    op: ClassVar[str] = ""
    moves_pixels: ClassVar[bool] = False


@dataclass(frozen=True)
class Background(Op):
    """Put the item on another background."""

    op: ClassVar[str] = "background"
    fill: str = _given("colour", _one_of(("colour", "gradient", "studio", "season", "reference")))
    colour: str = _given(COLOURS["white"], COLOUR)
    second: str = _given(COLOURS["light grey"], COLOUR)
    angle: float = _given(90.0, _number(0, 360))
    season: str = _given("winter", _one_of(SEASONS))
    reference: int = _given(1, REFERENCE)
    shadow: str = _given("soft", _one_of(("soft", "natural", "none")))
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class BlurBackground(Op):
    """Blur what is behind the item."""

    op: ClassVar[str] = "blur_background"
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class Cutout(Op):
    """Make the background transparent."""

    op: ClassVar[str] = "cutout"
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class Catalogue(Op):
    """Centre the item on a square, or another frame, of one colour, as marketplaces ask for."""

    op: ClassVar[str] = "catalogue"
    moves_pixels: ClassVar[bool] = True
    size: str = _given("1024x1024", FRAME)
    margin: float = _given(0.08, _number(0, 0.4))
    colour: str = _given(COLOURS["white"], COLOUR)
    shadow: str = _given("natural", _one_of(("natural", "soft", "none")))
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class Crop(Op):
    """Crop to a ratio without cutting the item."""

    op: ClassVar[str] = "crop"
    moves_pixels: ClassVar[bool] = True
    ratio: tuple[float, float] = _required(RATIO)


@dataclass(frozen=True)
class Pad(Op):
    """Add a margin on every side."""

    op: ClassVar[str] = "pad"
    moves_pixels: ClassVar[bool] = True
    margin: float = _required(_number(0.01, 1))
    colour: str | None = _given(None, _optional(COLOUR))


@dataclass(frozen=True)
class Extend(Op):
    """Grow the canvas to a ratio and fill what is new."""

    op: ClassVar[str] = "extend"
    moves_pixels: ClassVar[bool] = True
    ratio: tuple[float, float] = _required(RATIO)
    mode: str = _given("auto", _one_of(("auto", "plain", "texture", "blur", "mirror")))


@dataclass(frozen=True)
class Resize(Op):
    """Change the number of pixels; the ratio must stay within 1 %."""

    op: ClassVar[str] = "resize"
    moves_pixels: ClassVar[bool] = True
    width: int = _required(_whole(16, MAX_SIDE_PX))
    height: int = _required(_whole(16, MAX_SIDE_PX))


@dataclass(frozen=True)
class RemoveText(Op):
    """Remove lettering in a box, or all that the text detector found."""

    op: ClassVar[str] = "remove_text"
    where: str = _given("anywhere", _one_of(("anywhere", *PLACES)))
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class Cleanup(Op):
    """Remove what is in the box or the mask, and continue the ground over it."""

    op: ClassVar[str] = "cleanup"
    boxes: tuple[FourNumbers, ...] = _given((), BOXES)


@dataclass(frozen=True)
class Recolour(Op):
    """Give the item another colour; its prints and shading stay."""

    op: ClassVar[str] = "recolour"
    colour: str = _required(COLOUR)
    source_colour: str | None = _given(None, _optional(COLOUR))
    box: FourNumbers | None = _given(None, BOX)


@dataclass(frozen=True)
class Style(Op):
    """Draw or grade the whole picture in a style."""

    op: ClassVar[str] = "style"
    style: str = _required(_one_of(STYLES))


@dataclass(frozen=True)
class GradeLike(Op):
    """Take over the colours of a reference picture."""

    op: ClassVar[str] = "grade_like"
    reference: int = _given(1, REFERENCE)
    strength: float = _given(0.5, _number(0.05, 1))


@dataclass(frozen=True)
class Caption(Op):
    """Write a line or two across the top or bottom."""

    op: ClassVar[str] = "caption"
    text: str = _required(SOME_TEXT)
    position: str = _given("bottom", _one_of(("top", "bottom")))


@dataclass(frozen=True)
class Badge(Op):
    """Put a short text on a coloured pill or burst in a corner."""

    op: ClassVar[str] = "badge"
    text: str = _required(SOME_TEXT)
    position: str = _given("top-right", _one_of(CORNERS))
    colour: str = _given("#d61e30", COLOUR)
    shape: str = _given("pill", _one_of(("pill", "burst")))


@dataclass(frozen=True)
class Meme(Op):
    """Write outlined capitals at the top and the bottom."""

    op: ClassVar[str] = "meme"
    top: str = _given("", TEXT)
    bottom: str = _given("", TEXT)


@dataclass(frozen=True)
class Poster(Op):
    """Frame the picture on paper with a title under it."""

    op: ClassVar[str] = "poster"
    moves_pixels: ClassVar[bool] = True
    title: str = _required(SOME_TEXT)
    subtitle: str = _given("", TEXT)
    colour: str = _given("#f6f0e4", COLOUR)


@dataclass(frozen=True)
class Logo(Op):
    """Stamp a reference picture on the picture, or lay it onto the item."""

    op: ClassVar[str] = "logo"
    position: str = _given("bottom-right", _one_of((*PLACES, "item")))
    reference: int = _given(1, REFERENCE)
    scale: float = _given(0.18, _number(0.02, 0.9))
    opacity: float = _given(0.92, _number(0.05, 1))
    quad: EightNumbers | None = _given(None, QUAD)


@dataclass(frozen=True)
class Annotate(Op):
    """Ring each box and write a note beside it, with an arrow."""

    op: ClassVar[str] = "annotate"
    boxes: tuple[FourNumbers, ...] = _given((), BOXES)
    notes: tuple[str, ...] = _given((), NOTES)
    shape: str = _given("ellipse", _one_of(("ellipse", "rectangle")))
    colour: str = _given("#e2202c", COLOUR)


@dataclass(frozen=True)
class Insert(Op):
    """Put the item of a reference picture into a box of this one."""

    op: ClassVar[str] = "insert"
    reference: int = _given(1, REFERENCE)
    box: FourNumbers | None = _given(None, BOX)
    harmonise: float = _given(0.5, _number(0, 1))


@dataclass(frozen=True)
class Variants(Op):
    """Make several named versions: crops and looks."""

    op: ClassVar[str] = "variants"
    moves_pixels: ClassVar[bool] = True
    n: int = _given(4, _whole(2, MAX_VARIANTS))


@dataclass(frozen=True)
class Rotate(Op):
    """Turn the picture clockwise by quarter turns."""

    op: ClassVar[str] = "rotate"
    moves_pixels: ClassVar[bool] = True
    degrees: int = _required(
        Reading(
            "90, 180, 270 or -90, clockwise",
            lambda value: {90: 90, 180: 180, 270: 270, -90: 270, -180: 180, -270: 90}[value],
        )
    )


@dataclass(frozen=True)
class Flip(Op):
    """Mirror the picture."""

    op: ClassVar[str] = "flip"
    moves_pixels: ClassVar[bool] = True
    direction: str = _given("horizontal", _one_of(("horizontal", "vertical")))


@dataclass(frozen=True)
class Adjust(Op):
    """Change brightness, contrast, saturation, warmth or sharpness, or stretch the levels."""

    op: ClassVar[str] = "adjust"
    what: str = _required(_one_of(ADJUSTMENTS))
    percent: float = _given(15.0, _number(-90, 200))


OPERATIONS: dict[str, type[Op]] = {kind.op: kind for kind in Op.__subclasses__()}
"""Every operation by its name, in the order of this file."""


def parse_operations(items: Sequence[Mapping[str, Any]]) -> tuple[Op, ...]:
    """The typed operations of JSON objects such as ``{"op": "crop", "ratio": "4:5"}``.

    Raises:
        EditRefused: ``bad_operation``, naming what is understood.
    """
    if not 1 <= len(items) <= MAX_OPERATIONS:
        raise refusal("bad_operation", f"found {len(items)} operations; give 1 to {MAX_OPERATIONS}")
    operations = tuple(_parse(item, place) for place, item in enumerate(items, start=1))
    if sum(isinstance(operation, Variants) for operation in operations) > 1:
        raise refusal("bad_operation", "variants stands twice; write it once, with the number you want")
    return operations


def parse_json(text: str) -> tuple[Op, ...]:
    """The operations of a JSON text: one object, a list of them, or ``{"ops": [...]}``.

    Raises:
        EditRefused: ``bad_operation``.
    """
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise refusal("bad_operation", f"the operations are no JSON: {exc}; write a sentence or a JSON list") from exc
    items = value.get("ops", [value]) if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise refusal("bad_operation", f"ops is a {type(items).__name__}; give a list of operations")
    return parse_operations(items)


def to_json(operation: Op) -> dict[str, Any]:
    """The operation as a JSON object that `parse_operations` reads back, every parameter written out."""
    return {
        "op": operation.op,
        **{one.name: _plain(one.name, getattr(operation, one.name)) for one in fields(operation)},
    }


def parameters(kind: type[Op]) -> dict[str, Reading]:
    """What each parameter of an operation expects."""
    return {one.name: _reading(one) for one in fields(kind)}


def _parse(item: Mapping[str, Any], place: int) -> Op:
    if not isinstance(item, Mapping):
        raise refusal("bad_operation", f"operation {place} is a {type(item).__name__}; write an object with op")
    name = item.get("op")
    kind = OPERATIONS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise refusal("bad_operation", f"operation {place}: unknown op {name!r}; understood: {', '.join(OPERATIONS)}")
    readings = parameters(kind)
    values = {}
    for parameter, value in item.items():
        if parameter == "op":
            continue
        if parameter not in readings:
            known = ", ".join(readings)
            raise refusal("bad_operation", f"operation {place} ({name}): unknown {parameter!r}; understood: {known}")
        values[parameter] = _read(readings[parameter], value, where=f"operation {place} ({name}): {parameter}")
    try:
        return kind(**values)
    except TypeError as exc:
        needed = ", ".join(one.name for one in fields(kind) if one.default is MISSING and one.name not in values)
        raise refusal("bad_operation", f"operation {place} ({name}) needs {needed}") from exc


def _read(reading: Reading, value: Any, *, where: str) -> Any:  # noqa: ANN401 - JSON in, a typed value out
    try:
        return reading.read(value)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as exc:
        raise refusal("bad_operation", f"{where} is {value!r:.80}; expected {reading.expects}") from exc


def _reading(one: Field[Any]) -> Reading:
    reading = one.metadata["reading"]
    assert isinstance(reading, Reading)
    return reading


def _plain(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if name == "ratio":
        return ":".join(f"{side:g}" for side in value)
    if isinstance(value, tuple):
        return [_plain("", one) for one in value]
    return value
