"""Manifests: CSV, JSONL, or a folder of pictures. Everything that is wrong is said at once; nothing is repaired."""

import csv
import difflib
import hashlib
import io
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.destinations.packs import Pack
from pipeline.errors import ManifestError, RecipeError, RowProblem
from pipeline.recipes import Recipe
from pipeline.texts import mended_json
from pipeline.values import Instruction, ManifestRow

COLUMNS = {
    "asset_id": "your name for the thing to publish, of 200 characters at most; once for each variant",
    "sku": "stock-keeping unit; stands for asset_id if that is missing",
    "source": "path relative to the manifest, or https URL",
    "prompt": "what to do, in a sentence",
    "recipe": "name of a recipe, instead of a prompt; its parameters are columns of their own",
    "parameters": "a recipe's parameters as a JSON object, instead of columns",
    "steps": "several rounds, each on the output of the one before: prompts joined by ' => ', or a JSON list",
    "mask": "path of a mask: transparent, or white on black, where the picture is to be edited",
    "markup": "path of a transparent PNG with marks that point at what is meant, for an ai_model that takes one",
    "references": "further pictures, joined by '|' or as a JSON list; at most 16",
    "provider": "who makes the edit",
    "ai_model": "the provider's model",
    "size": "WIDTHxHEIGHT, or auto",
    "quality": "the provider's word for it",
    "n": "how many outputs to choose from, 1 to 10",
    "variant": "which of several versions of the asset",
    "destinations": "where the picture goes, such as amazon-main; several joined by '|'; the batch's if left empty",
}
"""Every column that means something, and what."""

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".mpo", ".jfif"}
)

MAX_REFERENCES = 16
MAX_OUTPUTS = 10
MAX_PROMPT = 32_000
"""What the OpenAI image endpoints take (openai 3.52.0, image_edit_params.py, read 2026-11-20)."""
MAX_ID = 200

_SIZE = re.compile(r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}")
_SHOWN = 80
_LOOKS_LIKE = 0.8


@dataclass(frozen=True, slots=True)
class ManifestReading:
    """What is in a manifest.

    Attributes:
        rows: The good rows.
        problems: Everything wrong with the others, in line order.
        name: The file's or folder's name.
        sha256: Of the file; of the list of names for a folder.
    """

    rows: tuple[ManifestRow, ...]
    problems: tuple[RowProblem, ...]
    name: str
    sha256: str


@dataclass(slots=True)
class _Reader:
    """What a row is read against, and what was found wrong so far."""

    root: Path
    recipes: Mapping[str, Recipe]
    default_prompt: str | None
    default_recipe: str | None
    allow_outside: bool
    is_known_provider: Callable[[str], bool]
    schemes: tuple[str, ...]
    packs: Mapping[str, Pack]
    default_destinations: tuple[str, ...]
    first_lines: dict[tuple[str, str], int] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    inside: str = field(init=False)
    """What the path of everything below the root begins with."""

    def __post_init__(self) -> None:
        self.inside = str(self.root / "_")[:-1]


class _BadCell(Exception):
    """One cell does not fit."""

    def __init__(self, column: str, found: object, expected: str) -> None:
        self.column, self.found, self.expected = column, _shown(found), expected
        super().__init__(expected)


def read_manifest(
    path: Path,
    *,
    recipes: Mapping[str, Recipe],
    default_prompt: str | None = None,
    default_recipe: str | None = None,
    allow_outside: bool = False,
    is_known_provider: Callable[[str], bool],
    allow_http: bool = False,
    packs: Mapping[str, Pack] | None = None,
    default_destinations: Sequence[str] = (),
) -> ManifestReading:
    """Read a CSV or JSONL file, or a folder of pictures.

    Args:
        path: The file or folder.
        recipes: The known recipes by name.
        default_prompt: For rows that have neither prompt, recipe nor steps.
        default_recipe: The same; only one of the two.
        allow_outside: Whether paths may leave the manifest's folder.
        is_known_provider: Whether a provider of that name can be chosen.
        allow_http: Whether a source may be a plain http URL, as inside a company's network.
        packs: The known destinations by name.
        default_destinations: Where pictures go whose row does not say it: their numbers fill its recipe.

    Raises:
        ManifestError: The file as a whole cannot be read.
    """
    if default_prompt and default_recipe:
        raise _whole("both a prompt and a recipe for all rows", "one of the two")
    root = path if path.is_dir() else path.parent
    schemes = ("https", "http") if allow_http else ("https",)
    reader = _Reader(
        root.resolve(),
        recipes,
        default_prompt,
        default_recipe,
        allow_outside,
        is_known_provider,
        schemes,
        packs or {},
        tuple(default_destinations),
    )
    if path.is_dir():
        raw, sha256 = _folder_rows(path, reader)
    else:
        data = _read_bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        raw = _jsonl_rows(data, reader) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(data, reader)
    rows = [row for line, cells in raw if (row := _row(line, cells, reader)) is not None]
    if not rows and not reader.problems:
        reader.problems.append(RowProblem(0, "", "no rows", "at least one row below the header"))
    problems = sorted(reader.problems, key=lambda problem: problem.line)
    return ManifestReading(tuple(rows), tuple(problems), path.name, sha256)


# Files into cells.


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _whole(f"{path} ({exc.strerror})", "a CSV or JSONL file, or a folder of pictures") from exc


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise ManifestError(
            [RowProblem(line, "", "bytes that are not UTF-8", "a file saved as UTF-8 (in Excel: CSV UTF-8)")]
        ) from exc
    if "\0" in text:
        raise _whole("zero bytes", "a text file saved as UTF-8")
    return text


def _csv_rows(data: bytes, reader: _Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    text = _decoded(data)
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(lines, None)
    except csv.Error as exc:
        raise _whole(f"a header that is no CSV ({exc})", "column names, separated by commas") from exc
    if not header or not any(name.strip() for name in header):
        raise _whole("no header", f"a first line with column names, such as {', '.join(list(COLUMNS)[:4])}")
    names = _column_names([name.strip() for name in header])
    return _cells(lines, names, reader)


def _cells(lines: Any, names: Sequence[str], reader: _Reader) -> Iterator[tuple[int, dict[str, Any]]]:  # noqa: ANN401
    line = lines.line_num + 1
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as exc:
            reader.problems.append(RowProblem(line, "", f"broken CSV ({exc})", "quotes that open and close"))
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            if len(cells) > len(names):
                expected = f"{len(names)} cells, as the header has; quote cells that hold the separator"
                reader.problems.append(RowProblem(line, "", f"{len(cells)} cells", expected))
            else:
                yield line, dict(zip(names, cells, strict=False))
        line = lines.line_num + 1


def _jsonl_rows(data: bytes, reader: _Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(_decoded(data).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            value = read_json(text)
        except (ValueError, RecursionError) as exc:
            reader.problems.append(RowProblem(line, "", f"no JSON ({_shown(exc)})", "one JSON object"))
            continue
        if not isinstance(value, dict):
            reader.problems.append(RowProblem(line, "", _shown(value), "one JSON object"))
            continue
        try:
            names = _column_names(list(value))
        except ManifestError as exc:
            problem = exc.problems[0]
            reader.problems.append(RowProblem(line, problem.column, problem.found, problem.expected))
            continue
        yield line, dict(zip(names, value.values(), strict=True))


def _folder_rows(folder: Path, reader: _Reader) -> tuple[Iterator[tuple[int, dict[str, Any]]], str]:
    if not (reader.default_prompt or reader.default_recipe):
        raise _whole("a folder and no instruction", "an instruction for its pictures with --prompt or --recipe")
    names = sorted((path.relative_to(folder) for path in folder.rglob("*") if _is_picture(path, folder)), key=_natural)
    sha256 = hashlib.sha256("\n".join(name.as_posix() for name in names).encode("utf-8", "replace")).hexdigest()
    stems = [name.with_suffix("").as_posix() for name in names]
    counts = Counter(stems)
    ids = [stem if counts[stem] == 1 else name.as_posix() for name, stem in zip(names, stems, strict=True)]
    paths = (f"./{name.as_posix()}" for name in names)  # a cell loses a blank in front
    cells = ({"asset_id": asset_id, "source": path} for asset_id, path in zip(ids, paths, strict=True))
    return enumerate(cells, start=1), sha256


def _is_picture(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in PICTURE_SUFFIXES and not is_hidden and path.is_file()


def _natural(name: Path) -> list[tuple[int, str]]:
    """Orders photo-9 before photo-10."""
    parts = re.split(r"(\d+)", name.as_posix().casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


@lru_cache(maxsize=1_000)
def plain_column(written: str) -> str:
    """A column's name in small letters with underscores, however it is written: ``Alt Text`` is alt_text."""
    return re.sub(r"[\s-]+", "_", written.strip().lower())


def _column_names(header: Sequence[str]) -> list[str]:
    """Known columns by their own names, whatever their case and hyphens; the others as they are written."""
    names, problems = [], []
    for written in header:
        known = plain_column(written)
        name = known if known in COLUMNS else written
        if name in names and written:
            problems.append(RowProblem(1, written, "a column that stands twice", "every column once"))
        near = difflib.get_close_matches(known, COLUMNS, 1, _LOOKS_LIKE)
        if name not in COLUMNS and near and len(known) > 3:
            problems.append(RowProblem(1, written, f"column {written!r}", f"{near[0]!r}; or a name less like it"))
        names.append(name)
    if problems:
        raise ManifestError(problems)
    return names


# Cells into rows.


def _row(line: int, cells: Mapping[str, Any], reader: _Reader) -> ManifestRow | None:
    """The row, or None after every problem of its cells was noted."""
    before = len(reader.problems)
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in _WITHOUT and name not in cells:
            values[name] = _WITHOUT[name]
            continue
        try:
            values[name] = read(cells, reader)
        except _BadCell as bad:
            reader.problems.append(RowProblem(line, bad.column, bad.found, bad.expected))
    _note_duplicate(line, values, reader)
    if len(reader.problems) > before:
        return None
    values["destinations"] = _with_recipes(values["destinations"], values["steps"], reader)
    used = {parameter.name for recipe in _recipes_of(cells, reader) for parameter in recipe.parameters}
    extra = {name: _text(value) for name, value in cells.items() if name and name not in COLUMNS and name not in used}
    return ManifestRow(line=line, extra=extra, **values)


def _note_duplicate(line: int, values: Mapping[str, Any], reader: _Reader) -> None:
    if "asset_id" not in values or "variant" not in values:
        return
    key = values["asset_id"], values["variant"]
    first = reader.first_lines.setdefault(key, line)
    if first != line:
        found = f"{_shown(key[0])}, which line {first} has already"
        reader.problems.append(RowProblem(line, "asset_id", found, "every asset once, or another variant"))


def _asset_id(cells: Mapping[str, Any], _: _Reader) -> str:
    value = _cell(cells, "asset_id") or _cell(cells, "sku")
    if not value:
        raise _BadCell("asset_id", "nothing", "a name that no other row has; or a sku")
    return _name("asset_id", value)


def _variant(cells: Mapping[str, Any], _: _Reader) -> str:
    return _name("variant", _cell(cells, "variant"))


def _sku(cells: Mapping[str, Any], _: _Reader) -> str:
    return _name("sku", _cell(cells, "sku"))


def _name(column: str, value: str) -> str:
    if len(value) > MAX_ID:
        raise _BadCell(column, value, f"at most {MAX_ID} characters")
    if not value.isprintable():
        raise _BadCell(column, ascii(value), "printable characters only")
    return value


def _source(cells: Mapping[str, Any], reader: _Reader) -> str:
    value = _cell(cells, "source")
    if not value:
        raise _BadCell("source", "nothing", COLUMNS["source"])
    return _place("source", value, reader)


def _mask(cells: Mapping[str, Any], reader: _Reader) -> str | None:
    return _overlay("mask", cells, reader)


def _markup(cells: Mapping[str, Any], reader: _Reader) -> str | None:
    return _overlay("markup", cells, reader)


def _overlay(column: str, cells: Mapping[str, Any], reader: _Reader) -> str | None:
    value = _cell(cells, column)
    if not value:
        return None
    if "://" in value:
        raise _BadCell(column, value, "a path relative to the manifest")
    return _place(column, value, reader)


def _references(cells: Mapping[str, Any], reader: _Reader) -> tuple[str, ...]:
    value = cells.get("references")
    listed = value if isinstance(value, list) else _json_list("references", _cell(cells, "references"), "|")
    places = tuple(_place("references", _text(item).strip(), reader) for item in listed)
    if len(places) > MAX_REFERENCES:
        raise _BadCell("references", f"{len(places)} pictures", f"at most {MAX_REFERENCES}")
    return places


def _place(column: str, value: str, reader: _Reader) -> str:
    """An https URL as it is, or the absolute path of a file that is there."""
    if "://" in value:
        try:
            parts = urlsplit(value)
            is_good = parts.scheme in reader.schemes and bool(parts.hostname) and value.isprintable()
        except ValueError:
            is_good = False
        if not is_good:
            raise _BadCell(column, value, "a path, or a URL that begins with https://")
        return value
    plain = _plain_file(value, reader)
    if plain is not None:
        return plain
    try:
        path = (reader.root / value).resolve()
        is_inside = path.is_relative_to(reader.root)
        is_file, exists = path.is_file(), path.exists()
    except (OSError, ValueError, RuntimeError) as exc:
        raise _BadCell(column, value, "the path of a file") from exc
    if not is_inside and not reader.allow_outside:
        raise _BadCell(
            column, value, "a path inside the manifest's folder; picturedesk run --allow-outside takes others"
        )
    if not is_file:
        raise _BadCell(column, value, "a file, not a folder" if exists else "a file that is there; check the path")
    return str(path)


def _plain_file(value: str, reader: _Reader) -> str | None:
    """The absolute path of a file inside the root that is no link; None if more has to be asked.

    Each folder's links are followed once: of 100,000 rows, 6 us for each instead of 75 (our measurement, 2026-11-21).
    """
    folder, name = os.path.split(os.path.join(reader.inside, value))  # noqa: PTH118 - see above
    if name in ("", ".", ".."):
        return None
    if folder not in reader.folders:
        reader.folders[folder] = os.path.realpath(folder)
    path = os.path.join(reader.folders[folder], name)  # noqa: PTH118
    if not path.startswith(reader.inside):
        return None
    try:
        return path if stat.S_ISREG(os.lstat(path).st_mode) else None
    except (OSError, ValueError):
        return None


def _steps(cells: Mapping[str, Any], reader: _Reader) -> tuple[Instruction, ...]:
    prompt, recipe = _cell(cells, "prompt"), _cell(cells, "recipe")
    steps = cells.get("steps") if isinstance(cells.get("steps"), list) else _cell(cells, "steps")
    given = [name for name, value in (("prompt", prompt), ("recipe", recipe), ("steps", steps)) if value]
    if "steps" in given:
        if len(given) > 1:
            raise _BadCell("steps", f"steps and {given[0]}", "one of the two; put the first round into steps")
        listed = steps if isinstance(steps, list) else _json_list("steps", str(steps), " => ")
        return tuple(_step(step, cells, reader) for step in listed)
    if "prompt" in given and "recipe" in given:
        raise _BadCell("recipe", f"{recipe} and a prompt", "a recipe or a prompt")
    if not given:
        prompt, recipe = reader.default_prompt or "", reader.default_recipe or ""
    if recipe:
        return (_from_recipe(recipe, _parameters(cells, recipe, reader), cells, reader, column="recipe"),)
    return (Instruction(_prompt(prompt, "prompt")),)


def _step(step: object, cells: Mapping[str, Any], reader: _Reader) -> Instruction:
    if isinstance(step, str):
        return Instruction(_prompt(step, "steps"))
    if isinstance(step, dict) and isinstance(step.get("recipe"), str):
        parameters = {key: _text(value) for key, value in (step.get("parameters") or {}).items()}
        return _from_recipe(step["recipe"], parameters, cells, reader, column="steps")
    if isinstance(step, dict) and isinstance(step.get("prompt"), str):
        return Instruction(_prompt(step["prompt"], "steps"))
    raise _BadCell("steps", step, 'a prompt, or {"recipe": ..., "parameters": {...}}')


def _prompt(text: str, column: str) -> str:
    if not text.strip():
        raise _BadCell(column, "nothing", "a prompt, a recipe or steps; or one for all rows with --prompt or --recipe")
    if len(text) > MAX_PROMPT:
        raise _BadCell(column, text, f"at most {MAX_PROMPT:,} characters")
    return text.strip()


def _from_recipe(
    name: str, parameters: Mapping[str, str], cells: Mapping[str, Any], reader: _Reader, *, column: str
) -> Instruction:
    recipe = reader.recipes.get(name)
    if recipe is None:
        raise _BadCell(column, name, f"one of the recipes: {', '.join(sorted(reader.recipes))}")
    if unknown := [each for each in recipe.destinations if each not in reader.packs]:
        raise _BadCell(column, f"{name}, which goes to {unknown[0]}", _one_of_packs(reader))
    goes = (*recipe.destinations, *(_destination_names(cells) or reader.default_destinations))
    pack = reader.packs.get(goes[0]) if goes else None  # a row's own that nobody knows is said of its column
    try:
        return recipe.fill(parameters, numbers=pack.numbers if pack else None)
    except RecipeError as exc:
        raise _BadCell(column, name, str(exc)) from exc


def _destinations(cells: Mapping[str, Any], reader: _Reader) -> tuple[str, ...]:
    names = _destination_names(cells)
    if unknown := [name for name in names if name not in reader.packs]:
        raise _BadCell("destinations", unknown[0], _one_of_packs(reader))
    return names


def _with_recipes(own: tuple[str, ...], steps: Sequence[Instruction], reader: _Reader) -> tuple[str, ...]:
    """A row's destinations with those of its recipes, which come first and stay when a round is asked for in words."""
    of_recipes = [name for step in steps if step.recipe for name in reader.recipes[step.recipe].destinations]
    return tuple(dict.fromkeys((*of_recipes, *(own or reader.default_destinations)))) if of_recipes else own


def _destination_names(cells: Mapping[str, Any]) -> tuple[str, ...]:
    value = cells.get("destinations")
    listed = value if isinstance(value, list) else _json_list("destinations", _cell(cells, "destinations"), "|")
    return tuple(dict.fromkeys(_text(each).strip() for each in listed))


def _one_of_packs(reader: _Reader) -> str:
    return f"one of the destinations: {', '.join(sorted(reader.packs))}"


def _parameters(cells: Mapping[str, Any], name: str, reader: _Reader) -> dict[str, str]:
    """A recipe's parameters: its columns, and whatever the column ``parameters`` says over them."""
    recipe = reader.recipes.get(name)
    known = [parameter.name for parameter in recipe.parameters] if recipe else []
    by_column = {column: _cell(cells, column) for column in known if column in cells and column not in COLUMNS}
    value = cells.get("parameters")
    if isinstance(value, str) and value.strip():
        try:
            value = read_json(value)
        except ValueError as exc:
            raise _BadCell("parameters", value, "a JSON object") from exc
    if value and not isinstance(value, dict):
        raise _BadCell("parameters", value, "a JSON object")
    return {**by_column, **{str(key): _text(item) for key, item in (value or {}).items()}}


def _recipes_of(cells: Mapping[str, Any], reader: _Reader) -> list[Recipe]:
    name = _cell(cells, "recipe") or reader.default_recipe
    return [reader.recipes[name]] if name and name in reader.recipes else []


def _provider(cells: Mapping[str, Any], reader: _Reader) -> str | None:
    name = _cell(cells, "provider")
    if name and not reader.is_known_provider(name):
        raise _BadCell("provider", name, "a provider that is installed; the desk's default if left empty")
    return name or None


def _ai_model(cells: Mapping[str, Any], _: _Reader) -> str | None:
    return _cell(cells, "ai_model") or None


def _size(cells: Mapping[str, Any], _: _Reader) -> str | None:
    value = _cell(cells, "size").lower().replace("×", "x").replace(" ", "")
    if value and not _SIZE.fullmatch(value):
        raise _BadCell("size", value, COLUMNS["size"])
    return value or None


def _quality(cells: Mapping[str, Any], _: _Reader) -> str | None:
    return _cell(cells, "quality") or None


def _n(cells: Mapping[str, Any], _: _Reader) -> int:
    value = _cell(cells, "n") or "1"
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_OUTPUTS:
        raise _BadCell("n", value, f"a whole number from 1 to {MAX_OUTPUTS}")
    return int(value)


_READERS: dict[str, Callable[[Mapping[str, Any], _Reader], Any]] = {
    "asset_id": _asset_id,
    "variant": _variant,
    "sku": _sku,
    "source": _source,
    "steps": _steps,
    "mask": _mask,
    "markup": _markup,
    "references": _references,
    "provider": _provider,
    "ai_model": _ai_model,
    "size": _size,
    "quality": _quality,
    "n": _n,
    "destinations": _destinations,
}

_WITHOUT: dict[str, Any] = {
    **dict.fromkeys(("variant", "sku"), ""),
    **dict.fromkeys(("mask", "markup", "provider", "ai_model", "size", "quality")),
    "references": (),
    "n": 1,
    "destinations": (),
}
"""What a manifest's rows have for a column that it has not."""


def _cell(cells: Mapping[str, Any], column: str) -> str:
    return _text(cells.get(column)).strip()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _json_list(column: str, text: str, separator: str) -> list[Any]:
    if not text.startswith("["):
        return [part.strip() for part in text.split(separator) if part.strip()]
    try:
        value = read_json(text)
    except ValueError as exc:
        raise _BadCell(column, text, f"a JSON list, or parts joined by {separator!r}") from exc
    return list(value)


def read_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """A JSON value that can be stored.

    Raises:
        ValueError: It is no JSON, or one of its strings has NUL or half a surrogate pair, which no database keeps.
    """
    value = json.loads(text)
    if "\\u" in text and mended_json(value) != value:
        raise ValueError("a text with NUL, or with half a character")
    return value


def _shown(value: object) -> str:
    text = " ".join(str(value).split())
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _whole(found: str, expected: str) -> ManifestError:
    return ManifestError([RowProblem(0, "", found, expected)])
