"""The sidebar that says which edits a reviewer wants to see, the same on each page that shows a queue."""

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.store import reading
from pipeline.values import Change, Kind


def chosen_filter(desk: Desk, person: Person) -> dict[str, str | None]:
    """What the sidebar selects, as the route for claims takes it; it stays when one goes from page to page."""
    # An empty choice instead of None, beside which Streamlit would offer to clear what is clear.
    with st.sidebar:
        st.subheader("Show", divider="gray")
        batch = st.selectbox(
            "Batch",
            ["", *(each.name for each in reading.batches(desk.db))],
            format_func=_or_all,
            key="filter_batch",
            persist_state="session",
        )
        kind = st.selectbox("Flag", ["", *Kind], format_func=_or_all, key="filter_kind", persist_state="session")
        change = st.selectbox(
            "What the edit did to it", ["", *Change], format_func=_or_all, key="filter_change", persist_state="session"
        )
        recipe = st.selectbox(
            "Recipe",
            ["", *reading.recipes_in_use(desk.db)],
            format_func=_or_all,
            key="filter_recipe",
            persist_state="session",
        )
        is_mine = st.toggle("Only what I asked for", key="filter_mine", persist_state="session")
    asked_by = person.name if is_mine else None
    chosen = {"batch": batch, "kind": kind, "change": change, "recipe": recipe, "asked_by": asked_by}
    return {name: value or None for name, value in chosen.items()}


def _or_all(value: str) -> str:
    return value or "all"
