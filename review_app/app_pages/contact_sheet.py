"""The contact sheet: many alike edits at once; the sidebar says which, and the component shows and decides them."""

import streamlit as st

from pipeline.states import Role
from review_app import viewing, workspace
from review_app.filtering import chosen_filter

person = workspace.person()

if not person.may(Role.REVIEWER):
    st.title("Contact sheet")
    st.text(f"Here reviewers decide on many edits at once; you are a {person.role}. Search shows every edit.")
    st.stop()

viewing.mount(viewing.SHEET, chosen_filter(workspace.desk(), person))
