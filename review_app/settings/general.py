"""The rest: reasons to reject, and what this process goes by."""

import streamlit as st

from pipeline import settings_file
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app.settings import notices


def show(desk: Desk, person: Person) -> None:
    """The section."""
    _reasons(desk, person)
    st.subheader("picturedesk.toml", divider="gray")
    st.text(
        "What differs from the defaults; what is named like a secret is not shown. To change it, edit this file\n"
        "in the desk's folder and start picturedesk review again."
    )
    found = settings_file.settings_in_use(desk)
    rows = [{"setting": each.name, "value": each.value} for each in found if not each.is_default]
    if rows:
        st.dataframe(rows, hide_index=True, height="content")
    else:
        st.text("Everything is as it comes.")
    with st.expander("All settings"):
        every = [{"setting": each.name, "value": each.value} for each in found]
        st.dataframe(every, hide_index=True, height="content")


def _reasons(desk: Desk, person: Person) -> None:
    st.subheader("Reasons to reject", divider="gray")
    reasons = desk.reject_reasons
    if not person.may(Role.ADMIN):
        st.code("\n".join(reasons), language=None)
        return
    st.text("What reviewers choose from, by the keys 1 to 9 in this order; a recipe may have further ones of its own.")
    key = f"reasons_{hash(reasons)}"
    st.text_area("One in each line", "\n".join(reasons), key=key, height=220, width=560)

    save = notices.click(
        lambda: settings_file.save_reject_reasons(desk, st.session_state[key].splitlines(), seen=reasons, by=person),
        "The reasons are saved, and offered with the next edit.",
    )
    st.button("Save the reasons", icon=":material/save:", type="primary", on_click=save)
