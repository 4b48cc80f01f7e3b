"""Long tables, a thousand lines at a time: the page keeps behind which id it goes on, as long as its filter stays."""

import streamlit as st

ROWS = 1_000
"""Lines at once."""


def begin_before(wanted: object) -> int | None:
    """Before which id the lines begin; None for the newest.

    Args:
        wanted: The page's filter: another one begins at the newest again.
    """
    of, before = st.session_state.get("turned_to", (None, None))
    return before if of == wanted else None


def turn_buttons(wanted: object, last_id: int | None) -> None:
    """The buttons below the table, where there is anything to turn to.

    Args:
        wanted: The page's filter.
        last_id: The id of the last line if there may be more behind it; None if there are none.
    """
    with st.container(horizontal=True):
        if begin_before(wanted) is not None:
            st.button("Newest", icon=":material/first_page:", on_click=_turn, args=[wanted, None])
        if last_id is not None:
            st.button("Older", icon=":material/chevron_right:", on_click=_turn, args=[wanted, last_id])


def _turn(wanted: object, before: int | None) -> None:
    st.session_state["turned_to"] = (wanted, before)
