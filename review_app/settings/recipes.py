"""Recipes: what each says and takes; the desk's own are written here."""

import json

import streamlit as st

from pipeline import own_recipes
from pipeline.desk import Desk
from pipeline.desk_files import MISSING
from pipeline.own_recipes import EXAMPLE, RecipeText
from pipeline.people import Person
from pipeline.recipes import Recipe
from pipeline.states import Role
from review_app.settings import recipe_editor

_NEW = RecipeText("", EXAMPLE, MISSING, None, "", is_own=True)


def show(desk: Desk, person: Person) -> None:
    """The section."""
    known = own_recipes.recipe_texts(desk)
    is_admin = person.may(Role.ADMIN)
    list_column, one_column = st.columns([1, 2], gap="large")
    with list_column:
        chosen = _choose(known, may_add=is_admin)
        st.dataframe(
            [
                {
                    "recipe": each.name,
                    "whose": ("this desk's" if each.is_own else "built in") if each.recipe else "cannot be read",
                }
                for each in known
            ],
            hide_index=True,
            height="content",
        )
    with one_column:
        if chosen.problem:
            st.error("This file cannot be read as a recipe; until it is mended, nothing is loaded or routed.")
        if chosen.recipe is not None:
            _details(chosen.recipe)
        if is_admin:
            recipe_editor.show(desk, person, chosen)
        else:
            st.code(chosen.text, language=None)


def _choose(known: list[RecipeText], *, may_add: bool) -> RecipeText:
    options = [*(each.file for each in known), *([_NEW.file] if may_add else [])]
    by_file = {each.file: each for each in known}
    # A broken file's name may be anything, and options are read as Markdown.
    names = {each.file: each.name if each.recipe else f"file {number}" for number, each in enumerate(known, start=1)}
    names[_NEW.file] = "write a new one"
    file = st.selectbox("Recipe", options, format_func=lambda each: names[each], key="recipe_file")
    return by_file.get(file or "", _NEW)


def _details(recipe: Recipe) -> None:
    st.subheader("What it says", divider="gray")
    st.text(" ".join(f"{recipe.title}. {recipe.description}".split()))
    st.code(recipe.prompt, language=None, wrap_lines=True)
    if recipe.parameters:
        st.dataframe(
            [
                {
                    "parameter": each.name,
                    "type": ", ".join(each.choices) or each.type.value,
                    "default": "required" if each.required else each.default,
                    "what it is": each.description,
                }
                for each in recipe.parameters
            ],
            hide_index=True,
        )
    if recipe.operations:
        st.text("The same as steps of the local provider:")
        st.code(
            "\n".join(json.dumps(each, ensure_ascii=False) for each in recipe.operations),
            language=None,
            wrap_lines=True,
        )
    facts = [f"May change: {recipe.may_change}.", "Every result is reviewed." if recipe.always_reviewed else ""]
    facts.append(f"Own reasons to reject: {', '.join(recipe.reject_reasons)}." if recipe.reject_reasons else "")
    facts += [f"{name}: {value}." for name, value in recipe.provider.items()]
    st.text(" ".join(filter(None, facts)))
