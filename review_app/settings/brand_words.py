"""The brand kit's names: found where they are written."""

import streamlit as st

from pipeline import kit_files
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app.settings import notices


def show(desk: Desk, person: Person) -> None:
    """The part of the section Brand kit."""
    st.subheader("Names to read", divider="gray")
    words = kit_files.words(desk)
    if not person.may(Role.ADMIN):
        st.code(words.text or "none", language=None)
        return
    st.text(
        "One in each line. Behind two spaces may stand: exact (no slip of a letter), alone (nothing else beside it)."
    )
    key = f"words_{words.stamp[:8]}"
    st.text_area("words.txt", words.text, key=key, height=180)

    save = notices.click(
        lambda: kit_files.save_words(desk, st.session_state[key], seen=words.stamp, by=person), "The names are saved."
    )
    st.button("Save the names", icon=":material/save:", on_click=save)
