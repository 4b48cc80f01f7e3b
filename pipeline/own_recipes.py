"""The desk's own recipes as texts: listed even if they are broken, changed, added and taken away."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.desk import Desk
from pipeline.desk_files import MISSING, change_file, stamp_of
from pipeline.errors import Conflict, RecipeError
from pipeline.people import Person
from pipeline.recipes import FOLDER, Recipe, builtin_folder, parse_recipe

EXAMPLE = """\
name = "sale-badge"
title = "A sale badge"
description = "A red badge in the top right corner."
prompt = "Add a red badge that says {text} in the top right corner. Change nothing else."

[[operations]]                     # the same for the local provider; may be left out
op = "badge"
text = "{text}"

[parameters.text]
type = "text"                      # text, integer, number, colour, box, choice
required = true
description = "What the badge says."

[review]
always = true                      # a person must see every result
reject_reasons = ["misspelled"]    # besides the desk's own
"""


@dataclass(frozen=True, slots=True)
class RecipeText:
    """A recipe as it is written.

    Attributes:
        file: The file's name.
        text: TOML; what is no UTF-8 in it is replaced.
        stamp: Of the file, for changing it.
        recipe: What it says; None if it cannot be read as a recipe.
        problem: Why it cannot.
        is_own: Whether it is the desk's; the others come with the program.
    """

    file: str
    text: str
    stamp: str
    recipe: Recipe | None
    problem: str
    is_own: bool

    @property
    def name(self) -> str:
        """The recipe's, or else the file's."""
        return self.recipe.name if self.recipe else Path(self.file).stem


def recipe_texts(desk: Desk) -> list[RecipeText]:
    """All recipes by name, the desk's own first; a built-in one whose place an own one takes is not there."""
    own = [_text(path, is_own=True) for path in sorted((desk.root / FOLDER).glob("*.toml"))]
    taken = {each.name for each in own}
    others = [_text(path, is_own=False) for path in sorted(builtin_folder().glob("*.toml"))]
    return [*sorted(own, key=lambda each: each.name), *(each for each in others if each.name not in taken)]


def save(desk: Desk, text: str, *, file: str | None, seen: str, by: Person) -> Recipe:
    """Write a recipe of the desk.

    Args:
        desk: The desk.
        text: TOML.
        file: The file's name, as `recipe_texts` gives it; None for a new recipe, whose file has its name.
        seen: The stamp of the file when the person read it; empty for a new one.
        by: Who writes it.

    Raises:
        Forbidden: The person is no admin.
        RecipeError: The text is no recipe, or there is no such file of the desk's.
        Conflict: Another recipe has the name, or somebody changed the file meanwhile.
    """
    recipe = parse_recipe(text)
    known = {each.file: each for each in recipe_texts(desk) if each.is_own}
    if file is not None and file not in known:
        raise RecipeError(f"{file}: this desk has no such recipe of its own any more")
    if any(each.name == recipe.name for each in known.values() if each.file != file):
        raise Conflict(f"name: this desk has a recipe {recipe.name!r} already; change that one, or choose another name")
    _change(desk, file or f"{recipe.name}.toml", text.encode(), seen=seen, by=by, name=recipe.name)
    return recipe


def remove(desk: Desk, file: str, *, seen: str, by: Person) -> None:
    """Take a recipe of the desk away; a built-in one of the same name holds again.

    Args:
        desk: The desk.
        file: The file's name, as `recipe_texts` gives it.
        seen: The stamp of the file when the person read it.
        by: Who takes it away.

    Raises:
        Forbidden: The person is no admin.
        RecipeError: There is no such file of the desk's.
        Conflict: Somebody changed the file meanwhile.
    """
    found = next((each for each in recipe_texts(desk) if each.is_own and each.file == file), None)
    if found is None:
        raise RecipeError(f"{file}: this desk has no such recipe of its own any more")
    _change(desk, file, None, seen=seen, by=by, name=found.name)


def _change(desk: Desk, file: str, data: bytes | None, *, seen: str, by: Person, name: str) -> None:
    kind = "recipe.removed" if data is None else "recipe.added" if seen == MISSING else "recipe.changed"
    path = desk.root / FOLDER / file
    change_file(desk, path, data, seen=seen, by=by, what="change recipes", kind=kind, told={"recipe": name})


def _text(path: Path, *, is_own: bool) -> RecipeText:
    stamp = stamp_of(path)
    text = path.read_bytes().decode("utf-8", "replace")
    try:
        recipe, problem = parse_recipe(text), ""
    except RecipeError as exc:
        recipe, problem = None, str(exc)
    return RecipeText(path.name, text, stamp, recipe, problem, is_own)
