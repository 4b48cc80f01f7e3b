"""What a person decided on telling others that a picture was edited, and the form that records it."""

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.provenance.disclosing import MOST_CHARACTERS, decided, disclose
from pipeline.provenance.disclosure import DisclosureClass
from pipeline.records import EditRecord
from pipeline.states import Role
from review_app.settings import notices


def show(desk: Desk, person: Person, edit: EditRecord) -> None:
    """What holds for an edit, and the form for those who may decide."""
    notices.show()
    found = decided(desk, edit.id)
    if found is None:
        st.text("Nobody has decided on telling others that it was edited.")
    else:
        whose = f"the batch {edit.asset.batch}" if found.is_of_batch else f"round {edit.round}"
        who = f"{found.decided_by}, {found.decided_at:%Y-%m-%d %H:%M UTC}"
        st.text(f"{found.kind.value}, decided for {whose} by {who}:")
        st.code(found.why, language=None, wrap_lines=True)
    if not person.may(Role.APPROVER):
        return
    kind_key, why_key = f"disclosure_{edit.id}", f"disclosure_reason_{edit.id}"

    def record() -> None:
        chosen, why = st.session_state[kind_key], st.session_state[why_key]
        disclose(desk, edit.id, DisclosureClass(chosen), why, by=person)

    with st.form(f"disclosure_form_{edit.id}"):
        st.radio(
            f"What others are to be told of round {edit.round}",
            ["none", "machine-mark", "visible-label"],
            captions=[
                "Nothing need be told.",
                "What the file says to machines is enough.",
                "Whoever publishes it has to show a label.",
            ],
            key=kind_key,
        )
        st.text_input("Reason", key=why_key, max_chars=MOST_CHARACTERS)
        st.form_submit_button(
            "Record the decision",
            icon=":material/gavel:",
            on_click=notices.click(record, "The decision is recorded; exports carry it."),
        )
