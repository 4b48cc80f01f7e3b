"""The sidebar that says which edits a reviewer wants to see, the same on each page that shows a queue."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.store import reading
from pipeline.values import Change, Kind

# Without labels above them, all of them are in sight on a small screen.
_KEPT: dict[str, Any] = {"persist_state": "session", "label_visibility": "collapsed"}


def chosen_filter(desk: Desk, person: Person) -> dict[str, str | None]:
    """What the sidebar selects, as the route for claims takes it; it stays when one goes from page to page."""
    # An empty choice instead of None, beside which Streamlit would offer to clear what is clear.
    with st.sidebar:
        st.subheader("Show", divider="gray")
        batches = reading.batch_names(desk.db)
        recipes = reading.recipes_in_use(desk.db)
        batch = st.selectbox("Batch", ["", *batches], key="filter_batch", format_func=_or("all batches"), **_KEPT)
        kind = st.selectbox("Flag", ["", *Kind], key="filter_kind", format_func=_or("any flag"), **_KEPT)
        change = st.selectbox("Change", ["", *Change], key="filter_change", format_func=_or("any change"), **_KEPT)
        recipe = st.selectbox("Recipe", ["", *recipes], key="filter_recipe", format_func=_or("all recipes"), **_KEPT)
        is_mine = st.toggle("Only what I asked for", key="filter_mine", persist_state="session")
    asked_by = person.name if is_mine else None
    chosen = {"batch": batch, "kind": kind, "change": change, "recipe": recipe, "asked_by": asked_by}
    return {name: value or None for name, value in chosen.items()}


def _or(words: str) -> Callable[[str], str]:
    return lambda value: value or words
