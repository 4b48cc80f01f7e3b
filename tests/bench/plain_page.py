"""The page that one writes first with Streamlit: two pictures and a button, run again for each decision.

``streamlit run tests/bench/plain_page.py DESK``. It calls the same functions as the review page, in its own process.
"""

import sys
from pathlib import Path

import streamlit as st

from pipeline import claiming, review
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.review import Screen
from pipeline.states import Role

_PERSON = Person("plain@example.com", Role.REVIEWER)


@st.cache_resource(max_entries=1)
def _open_desk(root: str) -> Desk:
    return Desk.open(Path(root))


def _accept(desk: Desk) -> None:
    claimed = st.session_state.pop("claimed")
    review.accept(desk, claimed.edit.id, by=_PERSON, screen=Screen(claim=claimed.claim.token))


def _show(desk: Desk) -> None:
    if "claimed" not in st.session_state:
        (st.session_state.claimed,) = claiming.claim(desk, by=_PERSON)
    edit = st.session_state.claimed.edit
    st.text(edit.title)
    for column, facts in zip(st.columns(2), (edit.asset.source, edit.outputs[0].picture), strict=True):
        column.image(str(desk.blobs.path(facts.sha256, facts.media_type)))
    st.button("Accept", shortcut="a", on_click=_accept, args=(desk,))


st.set_page_config(layout="wide")
_show(_open_desk(sys.argv[1]))
