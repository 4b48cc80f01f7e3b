"""Who may do what: people with a role of their own, and machines' tokens."""

import streamlit as st

from pipeline import people
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app.settings import machine_tokens, notices

_ROLES = [role.value for role in Role]
_DOES = {
    Role.VIEWER: "looks",
    Role.REQUESTER: "starts, pauses and cancels batches, exports",
    Role.REVIEWER: "decides, and undoes own decisions",
    Role.APPROVER: "decides on what was escalated, undoes anybody's decision, changes budgets",
    Role.ADMIN: "changes everything on this page",
}


def show(desk: Desk, person: Person) -> None:
    """The section."""
    if desk.settings.sign_in.is_local:
        st.info(
            "Local mode: the page is served to this machine alone, nobody signs in, and you may do everything. Roles "
            "hold once people sign in: see `docs/sign-in.md`, and the table `[sign_in]` of `picturedesk.toml`."
        )
    if not person.may(Role.ADMIN):
        st.text("Only an admin sees who has which role.")
        return
    _people(desk, person)
    machine_tokens.show(desk, person)


def _people(desk: Desk, person: Person) -> None:
    st.subheader("People", divider="gray")
    found = people.listed(desk, by=person)
    if found:
        rows = [
            {"name": each.name, "role": each.role.value, "since": each.created_at.strftime("%Y-%m-%d")}
            for each in found
        ]
        st.dataframe(rows, hide_index=True, height="content" if len(rows) < 12 else 420)
    else:
        st.text("Nobody has a role of their own. Everybody has what their groups grant.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Who", placeholder="ada@example.com", key="person_name", width=320)
        role = st.selectbox("Role", _ROLES, index=_ROLES.index(Role.REVIEWER), key="person_role", width=180)
        st.button("Give the role", type="primary", on_click=lambda: _give(desk, person, name or "", Role(role)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [each.name for each in found]
        leaving = st.selectbox("Take the role away from", names, index=None, placeholder="nobody", width=320)
        removed = notices.click(
            lambda: people.remove(desk, leaving or "", by=person), "From now on they have what their groups grant."
        )
        st.button("Take it away", disabled=leaving is None, on_click=removed)
    with st.expander("What each role may do"):
        st.markdown("\n".join(f"- **{role}** {does}" for role, does in _DOES.items()))
        st.text("Each may do all that those before it may.")


def _give(desk: Desk, person: Person, name: str, role: Role) -> None:
    said = "The role is given, and holds from their next request on."
    if notices.carry_out(lambda: people.set_role(desk, name, role, by=person), said, people.canonical(name)):
        st.session_state["person_name"] = ""
