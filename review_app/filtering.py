"""The sidebar that says which edits a reviewer wants to see, the same on each page that shows a queue."""

from collections.abc import Sequence

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.store import reading
from pipeline.values import Change, Kind


def chosen_filter(desk: Desk, person: Person) -> dict[str, str | None]:
    """What the sidebar selects, as the route for claims takes it; it stays when one goes from page to page."""
    with st.sidebar:
        st.subheader("Show", divider="gray")
        batch = _choice("Batch", "batch", [each.name for each in reading.batches(desk.db)])
        kind = _choice("Flag", "kind", list(Kind))
        change = _choice("What the edit did to it", "change", list(Change))
        recipe = _choice("Recipe", "recipe", reading.recipes_in_use(desk.db))
        is_mine = st.toggle("Only what I asked for", key="filter_mine", persist_state="session")
    asked_by = person.name if is_mine else None
    return {"batch": batch, "kind": kind, "change": change, "recipe": recipe, "asked_by": asked_by}


def _choice(label: str, name: str, values: Sequence[str]) -> str | None:
    # An empty choice instead of None, beside which Streamlit would offer to clear what is clear.
    options = ["", *values]
    chosen = st.selectbox(label, options, format_func=_or_all, key=f"filter_{name}", persist_state="session")
    return chosen or None


def _or_all(value: str) -> str:
    return value or "all"
