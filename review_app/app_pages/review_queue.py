"""The queue: the sidebar says which edits, and the component shows and decides them."""

import streamlit as st

from review_app import viewing, workspace
from review_app.filtering import chosen_filter

desk = workspace.desk()
person = workspace.person()

# The component fills the window; it needs neither a title above it nor room below.
st.html("<style>.stMainBlockContainer { padding: 1.2rem 1.5rem 0; }</style>")
ticket = workspace.session_ticket()
viewing.mount(
    viewing.VIEWER,
    ticket=ticket.text,
    expires_at=ticket.expires_at,
    filters=chosen_filter(desk, person),
    reasons=desk.reject_reasons,
    desk=workspace.desk_name(),
    person=person.name,
)
