"""Pages that count what changed since the last time: they open at once, and the rest follows while they are open."""

import time

import streamlit as st

from pipeline.insights import count_on
from review_app import workspace

COUNT_S = 0.4
"""So long a page counts before it is drawn, and again every second that it is open, until all is counted."""

_DRAW_S = 15
"""So often the page is drawn anew meanwhile: drawing takes longer than counting."""


def go_on(uncounted: int) -> None:
    """Say how much is still to be counted, if anything is, and count it."""
    if uncounted:
        st.session_state["drawn_at"] = time.monotonic()
        _count(uncounted)


@st.fragment(run_every=0.6)
def _count(uncounted: int) -> None:
    open_s = time.monotonic() - st.session_state["drawn_at"]
    left = count_on(workspace.desk(), most_s=COUNT_S) if open_s > COUNT_S else uncounted
    if not left or open_s > _DRAW_S:
        st.rerun()
    st.info("The figures are still growing: not everything is counted yet.", icon=":material/hourglass_top:")
    st.text(f"At most {left:,} edits are left.")
