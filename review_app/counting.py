"""Pages that count what changed since the last time: they open at once, and the rest follows second by second."""

import time

import streamlit as st

COUNT_S = 0.4
"""So long a page counts before it is drawn."""


def go_on(uncounted: int) -> None:
    """Say how much is still to be counted, if anything, and run the page again soon."""
    if uncounted:
        st.session_state["counted_at"] = time.monotonic()
        _wait(uncounted)


@st.fragment(run_every=1)
def _wait(uncounted: int) -> None:
    st.info("The figures are still growing: not everything is counted yet.", icon=":material/hourglass_top:")
    st.text(f"At most {uncounted:,} edits are left.")
    if time.monotonic() - st.session_state["counted_at"] > COUNT_S:
        st.rerun()
