"""A recipe's text: checked at each change, saved as the desk's own, taken away."""

import streamlit as st

from pipeline import own_recipes
from pipeline.desk import Desk
from pipeline.desk_files import MISSING
from pipeline.errors import RecipeError
from pipeline.own_recipes import RecipeText
from pipeline.people import Person
from pipeline.recipes import Recipe, parse_recipe
from review_app.settings import notices


def show(desk: Desk, person: Person, chosen: RecipeText) -> None:
    """The editor.

    Args:
        desk: The desk.
        person: An admin.
        chosen: The recipe to begin with; one without a file is new.
    """
    st.subheader("Its text", divider="gray")
    if not chosen.is_own:
        st.text("Saved with changes, it becomes a recipe of this desk, and takes the place of the built-in one.")
    key = f"recipe_text_{chosen.file}_{chosen.stamp[:8]}"
    st.html(f"<style>.st-key-{_class(key)} textarea {{ font-family: ui-monospace, monospace; }}</style>")
    text = st.text_area("TOML", chosen.text, key=key, height=380, label_visibility="collapsed") or ""
    recipe = _checked(text)
    file, seen = (chosen.file or None, chosen.stamp) if chosen.is_own else (None, MISSING)

    def save() -> None:
        notices.carry_out(
            lambda: own_recipes.save(desk, st.session_state[key], file=file, seen=seen, by=person),
            "The recipe is saved. Batches that are loaded from now on can use it.",
        )

    with st.container(horizontal=True):
        st.button(
            "Save" if chosen.is_own else "Save as this desk's own",
            icon=":material/save:",
            type="primary",
            disabled=recipe is None,
            on_click=save,
        )
        if chosen.is_own and chosen.file:
            _remove(desk, person, chosen)


def _checked(text: str) -> Recipe | None:
    try:
        return parse_recipe(text)
    except RecipeError as exc:
        st.error("This is no recipe yet.")
        st.text(str(exc))
        return None


def _remove(desk: Desk, person: Person, chosen: RecipeText) -> None:
    def remove() -> None:
        notices.carry_out(
            lambda: own_recipes.remove(desk, chosen.file, seen=chosen.stamp, by=person), "The recipe is removed."
        )

    with st.popover("Remove", icon=":material/delete:"):
        st.text("Edits that it asked for stay, but its rules for their review no longer hold.")
        st.button("Remove this recipe", type="primary", on_click=remove)


def _class(key: str) -> str:
    """As Streamlit names an element of that key."""
    return "".join(each if each.isalnum() or each in "_-" else "-" for each in key)
