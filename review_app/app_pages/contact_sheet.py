"""The contact sheet: many alike edits at once; the sidebar says which, and the component shows and decides them."""

import streamlit as st

from pipeline.states import Role
from review_app import viewing, workspace
from review_app.filtering import chosen_filter

desk = workspace.desk()
person = workspace.person()

if not person.may(Role.REVIEWER):
    st.title("Contact sheet")
    st.text(f"Here reviewers decide on many edits at once; you are a {person.role}. Search shows every edit.")
    st.stop()

# The component fills the window; it needs neither a title above it nor room below.
st.html("<style>.stMainBlockContainer { padding: 1.2rem 1.5rem 0; }</style>")
ticket = workspace.session_ticket()
viewing.mount(
    viewing.SHEET,
    ticket=ticket.text,
    expires_at=ticket.expires_at,
    filters=chosen_filter(desk, person),
    reasons=desk.reject_reasons,
    desk=workspace.desk_name(),
    person=person.name,
)
