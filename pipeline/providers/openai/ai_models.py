"""What each of OpenAI's image models takes: a table as data, and a row's options held against it."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import EditRefused
from pipeline.values import EditRequest, PictureFile

FILE = Path(__file__).parent / "ai_models.toml"

IMAGE_MODELS = ("gpt-image", "dall-e", "chatgpt-image")
"""How names of image models begin."""

_SIZE = re.compile(r"(\d+)x(\d+)")
_STEP = 16
_MAX_EDGE = 3840
_PIXELS = (655_360, 8_294_400)
_MAX_RATIO = 3


@dataclass(frozen=True, slots=True)
class AiModel:
    """What one model takes.

    Attributes:
        name: As in a request.
        released: When it came.
        shutdown: When it goes, or went; None if no day is known.
        successor: What to use instead, or "".
        sizes: The sizes that it makes; None for any within the rules of the table's head.
        qualities: Its words for quality.
        backgrounds: Its words for the background.
        formats: File formats of an output.
        takes_fidelity: Whether ``input_fidelity`` may be sent.
        takes_markup: Whether it takes an overlay with marks.
        max_pictures: Source and references together.
        max_picture_mb: Largest of them, in megabytes.
        max_mask_mb: Largest mask, in megabytes.
        max_outputs: Largest ``n``.
        max_prompt: Longest instruction, in characters.
    """

    name: str
    released: date
    shutdown: date | None
    successor: str
    sizes: tuple[str, ...] | None
    qualities: tuple[str, ...]
    backgrounds: tuple[str, ...]
    formats: tuple[str, ...]
    takes_fidelity: bool
    takes_markup: bool
    max_pictures: int
    max_picture_mb: float
    max_mask_mb: float
    max_outputs: int
    max_prompt: int


@cache
def known_ai_models() -> Mapping[str, AiModel]:
    """The table, by name."""
    return read_ai_models(tomllib.loads(FILE.read_text("utf-8")))


def read_ai_models(data: Mapping[str, Any]) -> dict[str, AiModel]:
    """A table as `tomllib` gives it."""
    found = {}
    for entry in data["ai_model"]:
        values = {**data["defaults"], "shutdown": None, "successor": "", **entry}
        names, sizes = values.pop("names"), values.pop("sizes")
        lists: dict[str, Any] = {name: tuple(values.pop(name)) for name in ("qualities", "backgrounds", "formats")}
        for name in names:
            found[name] = AiModel(name=name, sizes=None if sizes == "free" else tuple(sizes), **lists, **values)
    return found


def living(on: date) -> list[str]:
    """Names of the models that answer on a day, the newest first."""
    models = sorted(known_ai_models().values(), key=lambda model: model.released, reverse=True)
    return [model.name for model in models if model.shutdown is None or on < model.shutdown]


def ai_model_named(name: str, *, on: date) -> AiModel:
    """The model of that name.

    Raises:
        EditRefused: There is none, or it is shut down; names what to use instead.
    """
    model = known_ai_models().get(name)
    if model is None:
        near = difflib.get_close_matches(name, living(on), 1, 0.4) or living(on)[:1]
        raise EditRefused(
            "unknown_ai_model", f"OpenAI has no image model {name!r}; did you mean {near[0]}?", column="ai_model"
        )
    if model.shutdown is not None and on >= model.shutdown:
        raise EditRefused(
            "retired_ai_model",
            f"OpenAI shut {name} down on {model.shutdown}; use {model.successor}",
            column="ai_model",
        )
    return model


def ai_model_problems(found: Mapping[str, str | None]) -> list[str]:
    """How the table differs from what the service says: names, each with its shutdown day as text, or None."""
    problems = []
    for name, model in known_ai_models().items():
        day = model.shutdown.isoformat() if model.shutdown else None
        if name in found and found[name] not in (None, day):
            problems.append(
                f"{name} is shut down on {found[name]}, and the table says {day or 'never'}; update Picturedesk"
            )
    for name in sorted(found):
        if name.startswith(IMAGE_MODELS) and name not in known_ai_models():
            problems.append(f"{name} is new, and not in the table; update Picturedesk to use it")
    return problems


def check_options(model: AiModel, request: EditRequest, *, size: str, quality: str) -> None:
    """Hold a row's options against the model's.

    Raises:
        EditRefused: One does not fit; says which column, and what fits.
    """
    check_size(model, size)
    _check_choice("quality", quality, model.qualities, model.name)
    if request.n > model.max_outputs:
        raise EditRefused("bad_n", f"n is {request.n}; {model.name} makes at most {model.max_outputs}", column="n")
    if 1 + len(request.references) > model.max_pictures:
        raise EditRefused(
            "too_many_pictures",
            f"{len(request.references)} references and the source; {model.name} takes {model.max_pictures} pictures",
            column="references",
        )
    if len(request.instruction.prompt) > model.max_prompt:
        raise EditRefused(
            "prompt_too_long",
            f"{len(request.instruction.prompt)} characters; {model.name} takes {model.max_prompt}",
            column="prompt",
        )
    if request.markup is not None and not model.takes_markup:
        raise EditRefused(
            "no_markup", f"{model.name} takes no markup; give a mask, or choose gpt-image-2.5-flare", column="markup"
        )
    if request.markup is not None and request.mask is not None:
        raise EditRefused("markup_and_mask", "a markup and a mask; OpenAI takes one of the two", column="markup")


def check_pictures(model: AiModel, request: EditRequest) -> None:
    """Hold the weight of pictures and mask against the model's limits.

    Raises:
        EditRefused: One is too heavy.
    """
    for picture in request.pictures:
        _check_weight("picture", picture, model.max_picture_mb, model.name)
    if request.mask is not None:
        _check_weight("mask", request.mask, model.max_mask_mb, model.name)


def check_size(model: AiModel, size: str) -> None:
    """Hold an output size against the model's.

    Raises:
        EditRefused: It does not fit.
    """
    if size == "auto":
        return
    if model.sizes is not None:
        _check_choice("size", size, ("auto", *model.sizes), model.name)
        return
    match = _SIZE.fullmatch(size)
    problem = "it is no WIDTHxHEIGHT" if match is None else _size_problem(int(match[1]), int(match[2]))
    if problem:
        raise EditRefused("bad_size", f"size {size} does not fit {model.name}: {problem}", column="size")


def size_wh(size: str) -> tuple[int, int]:
    """``WIDTHxHEIGHT`` as two numbers."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def _size_problem(width: int, height: int) -> str:
    if width % _STEP or height % _STEP:
        near = f"{_rounded(width)}x{_rounded(height)}"
        return f"width and height must be multiples of {_STEP}; the nearest is {near}"
    if max(width, height) > _MAX_EDGE:
        return f"an edge may have at most {_MAX_EDGE} pixels"
    if max(width, height) > _MAX_RATIO * min(width, height):
        return f"its shape must lie between 1:{_MAX_RATIO} and {_MAX_RATIO}:1"
    low, high = _PIXELS
    if not low <= width * height <= high:
        return f"it has {width * height:,} pixels, and must have {low:,} to {high:,}"
    return ""


def _check_weight(what: str, picture: PictureFile, limit_mb: float, name: str) -> None:
    found_mb = picture.facts.byte_count / 1e6
    if found_mb > limit_mb:
        raise EditRefused(
            f"{what}_too_large", f"the {what} has {found_mb:.1f} MB; {name} takes {limit_mb:g} MB: make it smaller"
        )


def _rounded(edge: int) -> int:
    return max(_STEP, round(edge / _STEP) * _STEP)


def _check_choice(column: str, found: str, choices: Sequence[str], name: str) -> None:
    if found not in choices:
        raise EditRefused(f"bad_{column}", f"{column} is {found!r}; {name} takes {', '.join(choices)}", column=column)
