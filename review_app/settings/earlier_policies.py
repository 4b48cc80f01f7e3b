"""Policies that were in force, by the hash that routes and decisions name."""

from collections.abc import Callable

import streamlit as st

from pipeline import kept_policies, policies
from pipeline.desk import Desk


def show(desk: Desk, put_into_editor: Callable[[str], None] | None = None) -> None:
    """The list, and one of them in full.

    Args:
        desk: The desk.
        put_into_editor: What an admin may do with one; without it, nobody learns how samples are drawn.
    """
    known = {each.hash: each for each in kept_policies.kept_policies(desk.root)}
    with st.expander("Policies that were in force"):
        st.text("Every route and every decision names its policy by a hash.")
        chosen = st.selectbox(
            "Policy", list(known), format_func=lambda name: f"{name}, since {known[name].since:%Y-%m-%d %H:%M} UTC"
        )
        if chosen is not None:
            text = kept_policies.kept_policy_text(desk.root, chosen)
            st.code(text if put_into_editor else policies.without_seed(text), language="toml")
            if put_into_editor:
                st.button("Put it into the editor", on_click=put_into_editor, args=[text])
