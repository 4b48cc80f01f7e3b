"""The queue: the sidebar says which edits, and the component shows and decides them."""

import hashlib

import streamlit as st

from pipeline.store import reading
from pipeline.values import Change, Kind
from review_app import viewing, workspace

desk = workspace.desk()
person = workspace.person()


def chosen_filter() -> dict[str, str | None]:
    """What the sidebar selects, as the route for claims takes it."""
    with st.sidebar:
        st.subheader("Show", divider="gray")
        batch = st.selectbox("Batch", [None, *(each.name for each in reading.batches(desk.db))], format_func=_or_all)
        kind = st.selectbox("Flag", [None, *Kind], format_func=_or_all)
        change = st.selectbox("What the edit did to it", [None, *Change], format_func=_or_all)
        recipe = st.selectbox("Recipe", [None, *reading.recipes_in_use(desk.db)], format_func=_or_all)
        is_mine = st.toggle("Only what I asked for")
    asked_by = person.name if is_mine else None
    return {"batch": batch, "kind": kind, "change": change, "recipe": recipe, "asked_by": asked_by}


def _or_all(value: str | None) -> str:
    return "all" if value is None else str(value)


# The component fills the window; it needs neither a title above it nor room below.
st.html("<style>.stMainBlockContainer { padding: 1.2rem 1.5rem 0; }</style>")
ticket = workspace.session_ticket()
viewing.mount(
    ticket=ticket.text,
    expires_at=ticket.expires_at,
    filters=chosen_filter(),
    reasons=desk.reject_reasons,
    desk=hashlib.sha256(str(desk.root.resolve()).encode()).hexdigest()[:12],
    person=person.name,
)
