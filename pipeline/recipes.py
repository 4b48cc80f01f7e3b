"""Recipes: named prompt templates with parameters, hints for the provider, and rules for the review.

A recipe is one TOML file. Its prompt is for any provider; its operations, if it has any, say the same to a provider
that takes typed ones. ``{name}`` stands for a parameter; nothing else is special, and a value is never read again.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.errors import RecipeError
from pipeline.values import Instruction, Operation

FOLDER = "recipes"
"""Of a desk's own recipes."""

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}|[a-z][a-z ]*")
_SIZE = re.compile(r"([1-9]\d{1,4})(?:x([1-9]\d{1,4}))?")
"""One of a parameter's sizes; between two of them stands ``to``."""

_TOP = frozenset(
    {"name", "title", "description", "prompt", "operations", "parameters", "provider", "review", "destinations"}
)
_PROVIDER = frozenset({"provider", "ai_model", "size", "quality"})
_REVIEW = frozenset({"always", "reject_reasons", "may_change"})
_PARAMETER = frozenset({"type", "default", "required", "choices", "description", "from_destination"})
_FROM_DESTINATION = ("size", "margin", "ground")


class ParameterType(StrEnum):
    """How a parameter's text is read."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    COLOUR = "colour"
    SIZE = "size"
    BOX = "box"
    CHOICE = "choice"


class MayChange(StrEnum):
    """Which part of the source an edit by a recipe may change; a change elsewhere is flagged.

    A row's mask says it too, whatever the recipe says.
    """

    EVERYTHING = "everything"
    BACKGROUND = "background"
    """What lies behind the item; told only where that is plain."""
    BOXES = "boxes"
    """The boxes that its operations name."""
    NOTHING = "nothing"
    """The picture stays; only its frame may grow or shrink."""


EXPECTED = {
    ParameterType.TEXT: "text",
    ParameterType.INTEGER: "a whole number",
    ParameterType.NUMBER: "a number",
    ParameterType.COLOUR: "a colour such as #f4f4f4 or white",
    ParameterType.SIZE: "a number of pixels for a square, or WIDTHxHEIGHT, or two of them such as 1000 to 2000",
    ParameterType.BOX: "left, top, right, bottom in pixels, or all four as fractions of the picture",
    ParameterType.CHOICE: "one of its choices",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a recipe leaves open.

    Attributes:
        name: As in the template and as the manifest's column.
        type: How its text is read.
        required: Whether a row must give it.
        default: What stands for it otherwise.
        choices: What it may be, for a choice.
        description: In one sentence.
        from_destination: Which number of the picture's destination stands for it, where it has one and nobody gives the
            parameter: ``size``, ``margin``, ``ground``, or "" for none.
    """

    name: str
    type: ParameterType
    required: bool
    default: str
    choices: tuple[str, ...]
    description: str
    from_destination: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named way to ask for an edit.

    Attributes:
        name: Lower-case words joined by hyphens.
        title: As a person reads it.
        description: What it is for, and what it needs.
        prompt: The template.
        operations: The same as typed operations; may be empty.
        parameters: What it leaves open.
        provider: Hints: provider, ai_model, size, quality.
        always_reviewed: Whether a person must see every result.
        reject_reasons: Its own reasons to reject, besides the desk's.
        may_change: Which part of the source it may change.
        destinations: Where its pictures go, besides those that a row or a batch says; by the names of packs.
    """

    name: str
    title: str
    description: str
    prompt: str
    operations: tuple[Operation, ...]
    parameters: tuple[Parameter, ...]
    provider: Mapping[str, str]
    always_reviewed: bool
    reject_reasons: tuple[str, ...]
    may_change: MayChange = MayChange.EVERYTHING
    destinations: tuple[str, ...] = ()

    def fill(self, given: Mapping[str, str], *, numbers: Mapping[str, str] | None = None) -> Instruction:
        """The instruction for these parameters; empty ones count as not given.

        Args:
            given: The parameters.
            numbers: What the picture's destination asks for, as `Pack.numbers` names it.

        Raises:
            RecipeError: Names every parameter that is missing, unknown or wrong.
        """
        given = {name: value.strip() for name, value in given.items() if value.strip()}
        known = {parameter.name: parameter for parameter in self.parameters}
        problems = [f"unknown parameter {name!r}" for name in given if name not in known]
        texts, values = {}, {}
        for parameter in self.parameters:
            usual = (numbers or {}).get(parameter.from_destination, parameter.default)
            text = given.get(parameter.name, usual)
            if not text and parameter.required:
                problems.append(f"parameter {parameter.name!r} is missing; give {_expected(parameter)}")
                continue
            try:
                value = values[parameter.name] = _read(parameter, text)
                texts[parameter.name] = str(value) if value and parameter.type is ParameterType.SIZE else text
            except ValueError:
                problems.append(f"parameter {parameter.name!r}: found {text!r}; expected {_expected(parameter)}")
        if problems:
            raise RecipeError(f"recipe {self.name}: {'; '.join(problems)}")
        operations = tuple(_filled(operation, values) for operation in self.operations)
        return Instruction(_substituted(self.prompt, texts), operations, self.name, given)


def builtin_folder() -> Path:
    """Where the recipes are that come with the desk."""
    return Path(__file__).parent / "builtin_recipes"


def load_recipes(folders: Sequence[Path]) -> dict[str, Recipe]:
    """All recipes by name; those of a later folder take the place of earlier ones.

    Raises:
        RecipeError: A file cannot be read as a recipe, or two in a folder have one name.
    """
    known: dict[str, Recipe] = {}
    for folder in folders:
        of_folder: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            recipe = read_recipe(path)
            if recipe.name in of_folder:
                raise RecipeError(f"{path}: {of_folder[recipe.name].name} has the name {recipe.name!r} too; change one")
            of_folder[recipe.name] = path
            known[recipe.name] = recipe
    return known


def read_recipe(path: Path) -> Recipe:
    """The recipe in this file.

    Raises:
        RecipeError: Says where, what was found and what was expected.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (UnicodeDecodeError, OSError) as exc:
        raise RecipeError(f"{path}: {exc}; mend the file or take it away") from exc
    return parse_recipe(text, str(path))


def parse_recipe(text: str, name: str = "") -> Recipe:
    """The recipe in this text.

    Args:
        text: TOML.
        name: What a message begins with, such as the file's path.

    Raises:
        RecipeError: Says where, what was found and what was expected.
    """
    start = f"{name}: " if name else ""
    try:
        return _recipe(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        said = "tables within tables without end" if isinstance(exc, RecursionError) else str(exc)
        raise RecipeError(f"{start}{said}; mend it or take it away") from exc
    except (KeyError, TypeError, ValueError) as exc:
        raise RecipeError(f"{start}{exc.args[0] if exc.args else exc}") from exc


def _recipe(data: Mapping[str, Any]) -> Recipe:
    _refuse_unknown(data, _TOP, "recipe")
    name, title, prompt = (_text(data, key) for key in ("name", "title", "prompt"))
    if not NAME.fullmatch(name):
        raise ValueError(f"name: found {name!r}; expected lower-case words joined by hyphens")
    hints, review = _table(data, "provider"), _table(data, "review")
    _refuse_unknown(hints, _PROVIDER, "provider")
    _refuse_unknown(review, _REVIEW, "review")
    parameters = tuple(_parameter(key, value) for key, value in _table(data, "parameters").items())
    operations = tuple(_list(data, "operations", Mapping, "a list of tables, each begun by [[operations]]"))
    unknown = set(_places([prompt, *operations])) - {parameter.name for parameter in parameters}
    if unknown:
        raise ValueError(f"the template uses {', '.join(sorted(unknown))}, which [parameters] does not have")
    return Recipe(
        name=name,
        title=title,
        description=_words(data, "description").strip(),
        prompt=prompt.strip(),
        operations=operations,
        parameters=parameters,
        provider={key: str(value) for key, value in hints.items()},
        always_reviewed=_flag(review, "always", "review."),
        reject_reasons=tuple(_list(review, "reject_reasons", str, "a list of words in quotes", "review.")),
        may_change=_may_change(review.get("may_change", "everything")),
        destinations=tuple(_list(data, "destinations", str, "a list of names of destinations in quotes")),
    )


def _may_change(word: str) -> MayChange:
    try:
        return MayChange(word)
    except ValueError:
        raise ValueError(f"review.may_change: found {word!r}; expected one of: {', '.join(MayChange)}") from None


def _parameter(name: str, data: Any) -> Parameter:  # noqa: ANN401 - whatever stands there
    where = f"parameters.{name}"
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: found {data!r}; expected a table")
    _refuse_unknown(data, _PARAMETER, where)
    kinds = ", ".join(ParameterType)
    if data.get("type", "text") not in list(ParameterType):
        raise ValueError(f"{where}.type: found {data['type']!r}; expected one of: {kinds}")
    parameter = Parameter(
        name=name,
        type=ParameterType(data.get("type", "text")),
        required=_flag(data, "required", f"{where}."),
        default=str(data.get("default", "")),
        choices=tuple(map(str, _list(data, "choices", str | int | float, "a list", f"{where}."))),
        description=_words(data, "description", f"{where}."),
        from_destination=_words(data, "from_destination", f"{where}."),
    )
    if parameter.from_destination not in ("", *_FROM_DESTINATION):
        found, known = parameter.from_destination, ", ".join(_FROM_DESTINATION)
        raise ValueError(f"{where}.from_destination: found {found!r}; expected one of: {known}")
    if parameter.default:
        try:
            _read(parameter, parameter.default)
        except ValueError:
            message = f"{where}.default: found {parameter.default!r}; expected {_expected(parameter)}"
            raise ValueError(message) from None
    return parameter


def _expected(parameter: Parameter) -> str:
    if parameter.type is ParameterType.CHOICE:
        return f"one of: {', '.join(parameter.choices)}"
    return EXPECTED[parameter.type]


def _read(parameter: Parameter, text: str) -> Any:  # noqa: ANN401 - a JSON value
    if not text:
        return None
    match parameter.type:
        case ParameterType.INTEGER:
            return int(text)
        case ParameterType.NUMBER:
            return float(text)
        case ParameterType.BOX:
            return _read_box(text)
        case ParameterType.SIZE:
            return _read_size(text)
        case ParameterType.COLOUR if not _COLOUR.fullmatch(text):
            raise ValueError(text)
        case ParameterType.CHOICE if text not in parameter.choices:
            raise ValueError(text)
        case _:
            return text


def _read_box(text: str) -> list[float]:
    edges = [float(edge) for edge in re.split(r"[\s,;]+", text.strip().strip("[]").strip())]
    left, top, right, bottom = edges
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(text)
    return edges


def _read_size(text: str) -> str:
    parts = text.lower().replace("×", "x").replace(" ", "").split("to")
    found = [match for part in parts if (match := _SIZE.fullmatch(part))]
    if len(found) != len(parts) or len(parts) > 2:
        raise ValueError(text)
    return " to ".join(f"{match[1]}x{match[2] or match[1]}" for match in found)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """The template with every place filled: a place that stands alone takes the typed value."""
    if isinstance(template, str):
        alone = _PLACE.fullmatch(template)
        if alone:
            return values[alone[1]]
        return _substituted(template, {name: _as_text(value) for name, value in values.items()})
    if isinstance(template, Mapping):
        filled = {key: _filled(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [value for value in (_filled(item, values) for item in template) if value is not None]
    return template


def _as_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _substituted(template: str, texts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: texts[place[1]], template)


def _places(templates: Sequence[Any]) -> Iterator[str]:
    for template in templates:
        if isinstance(template, str):
            yield from _PLACE.findall(template)
        elif isinstance(template, Mapping):
            yield from _places(list(template.values()))
        elif isinstance(template, list):
            yield from _places(template)


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key}: found {value!r}; expected text")
    return value


def _words(data: Mapping[str, Any], key: str, where: str = "") -> str:
    found = data.get(key, "")
    if not isinstance(found, str):
        raise ValueError(f"{where}{key}: found {found!r}; expected text")
    return found


def _flag(data: Mapping[str, Any], key: str, where: str) -> bool:
    found = data.get(key, False)
    if not isinstance(found, bool):
        raise ValueError(f"{where}{key}: found {found!r}; expected true or false")
    return found


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"{key}: found {found!r}; expected a table")
    return found


def _list(data: Mapping[str, Any], key: str, kind: Any, expected: str, where: str = "") -> list[Any]:  # noqa: ANN401
    found = data.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, kind) for each in found):
        raise ValueError(f"{where}{key}: found {found!r}; expected {expected}")
    return found


def _refuse_unknown(data: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"{where}: found {', '.join(unknown)}; expected only {', '.join(sorted(known))}")
