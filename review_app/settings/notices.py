"""What came of a click, said once on the page that follows: untrusted words stand in it as plain text only.

What a click carries out reads its fields when it is clicked, from the session's state: a function that was made while
the page was drawn knows only what stood there before the last field was filled.
"""

from collections.abc import Callable

import streamlit as st

from pipeline.errors import PicturedeskError

_KEY = "settings_notice"


def done(headline: str, details: str = "") -> None:
    """Say on the next run that something was done.

    Args:
        headline: Our own words.
        details: Anything else, as plain text.
    """
    st.session_state[_KEY] = (True, headline, details)


def failed(why: str, headline: str = "Nothing was changed.") -> None:
    """Say on the next run that something was not done, and why, as plain text."""
    st.session_state[_KEY] = (False, headline, why)


def carry_out(what: Callable[[], object], headline: str, details: str = "") -> bool:
    """Do something, and say on the next run what came of it; whether it was done.

    Args:
        what: One function of the pipeline.
        headline: Our own words for what was done.
        details: Anything else, as plain text.
    """
    try:
        what()
    except PicturedeskError as exc:
        failed(str(exc))
        return False
    done(headline, details)
    return True


def click(what: Callable[[], object], headline: str) -> Callable[[], None]:
    """The same, for a button's ``on_click``; what is done reads its fields from the session's state."""

    def clicked() -> None:
        carry_out(what, headline)

    return clicked


def show() -> None:
    """What the last click came to."""
    if (found := st.session_state.pop(_KEY, None)) is None:
        return
    is_well, headline, details = found
    (st.success if is_well else st.error)(headline)
    if details:
        st.text(details)
