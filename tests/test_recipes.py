"""Recipes."""

from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.providers.local.operations import parse_operations
from pipeline.recipes import Recipe, builtin_folder, load_recipes, read_recipe

BUILT_IN = load_recipes([builtin_folder()])

GOOD = """
name = "sale"
title = "A sale badge"
prompt = "Write {text} in {colour}"
[[operations]]
op = "badge"
text = "{text}"
colour = "{colour}"
[parameters.text]
required = true
[parameters.colour]
type = "colour"
default = "red"
"""


def recipe(tmp_path: Path, text: str = GOOD) -> Recipe:
    (tmp_path / "sale.toml").write_text(text)
    return read_recipe(tmp_path / "sale.toml")


def test_a_recipe_is_filled_as_text_and_as_operations(tmp_path: Path) -> None:
    filled = recipe(tmp_path).fill({"text": "-20%"})
    assert filled.prompt == "Write -20% in red"
    assert filled.operations == ({"op": "badge", "text": "-20%", "colour": "red"},)
    assert (filled.recipe, filled.parameters) == ("sale", {"text": "-20%"})


def test_braces_in_a_value_stay_text(tmp_path: Path) -> None:
    filled = recipe(tmp_path).fill({"text": "{colour} {0.__class__}"})
    assert filled.prompt == "Write {colour} {0.__class__} in red"


def test_all_wrong_parameters_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown parameter 'size'.*'text' is missing.*found '#12'"):
        recipe(tmp_path).fill({"size": "1", "colour": "#12"})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "sale"', 'name = "Sale!"', "name"),
        ('title = "A sale badge"', "", "title"),
        ("{text} in", "{txt} in", "txt"),
        ('type = "colour"', 'type = "color"', "one of"),
        ('default = "red"', 'default = "#1"', "default"),
        ("required = true", "needed = true", "needed"),
        ('name = "sale"', 'name = "sale', "sale.toml"),
        ('title = "A sale badge"', 'title = "A"\nprovider = 3', "provider: found 3; expected a table"),
        ('title = "A sale badge"', 'title = "A"\ndescription = 3', "description: found 3; expected text"),
        ("required = true", 'required = "yes"', r"parameters.text.required: found 'yes'; expected true or false"),
        ("required = true", "choices = 5", r"parameters.text.choices: found 5; expected a list"),
    ],
)
def test_a_wrong_recipe_says_where(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(tmp_path, GOOD.replace(before, after))


def test_a_desks_recipe_takes_the_place_of_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace('"sale"', '"outpaint"'))
    assert load_recipes([builtin_folder(), tmp_path])["outpaint"].title == "A sale badge"


def test_two_of_one_name_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text(GOOD)
    with pytest.raises(RecipeError, match=r"a\.toml has the name"):
        load_recipes([tmp_path])


def test_there_is_a_recipe_for_every_common_task() -> None:
    assert set(BUILT_IN) == {
        *("catalogue-standardise", "replace-background", "object-cleanup", "style-transfer", "creative-variants"),
        *("outpaint", "render-text", "logo-on-product", "damage-annotation", "variation", "ticket-damage"),
    }


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_recipe_is_understood_by_the_local_provider(name: str) -> None:
    """With its defaults, and something for what it needs."""
    needed = {p.name: "10, 10, 50, 50" if p.type == "box" else "Hello" for p in BUILT_IN[name].parameters if p.required}
    filled = BUILT_IN[name].fill(needed)
    assert parse_operations(filled.operations)
    assert "{" not in filled.prompt


def test_the_page_about_recipes_lists_the_built_in_ones() -> None:
    page = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text("utf-8")
    for recipe_ in BUILT_IN.values():
        assert f"| `{recipe_.name}` | {recipe_.title} |" in page
