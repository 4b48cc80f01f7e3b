"""Policies that were in force, by the hash that routes and decisions name."""

from collections.abc import Callable

import streamlit as st

from pipeline import kept_policies
from pipeline.desk import Desk


def show(desk: Desk, put_into_editor: Callable[[str], None]) -> None:
    """The list, and one of them in full."""
    known = {each.hash: each for each in kept_policies.kept_policies(desk.root)}
    with st.expander(f"Policies that were in force ({len(known)})"):
        st.text("Every route and every decision names its policy by a hash.")
        chosen = st.selectbox(
            "Policy", list(known), format_func=lambda name: f"{name}, since {known[name].since:%Y-%m-%d %H:%M} UTC"
        )
        if chosen is not None:
            text = kept_policies.kept_policy_text(desk.root, chosen)
            st.code(text, language="toml")
            st.button("Put it into the editor", on_click=put_into_editor, args=[text])
