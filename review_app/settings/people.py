"""Who may do what: people with a role of their own, and machines' tokens."""

from collections.abc import Callable

import streamlit as st

from pipeline import people
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app.settings import machine_tokens, notices

_NAME, _ROLE = "person_name", "person_role"
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
        st.text_input("Who", placeholder="ada@example.com", key=_NAME, width=320)
        st.selectbox("Role", _ROLES, index=_ROLES.index(Role.REVIEWER), key=_ROLE, width=180)
        st.button("Give the role", type="primary", on_click=_give, args=[desk, person])
        st.button("Take their role away", on_click=_take, args=[desk, person])
    with st.expander("What each role may do"):
        st.dataframe([{"role": role.value, "may": does} for role, does in _DOES.items()], hide_index=True)
        st.text("Each may do all that those before it may.")


def _give(desk: Desk, person: Person) -> None:
    name, role = st.session_state[_NAME], Role(st.session_state[_ROLE])
    said = "The role is given, and holds from their next request on."
    _carry_out(lambda: people.set_role(desk, name, role, by=person), said, name)


def _take(desk: Desk, person: Person) -> None:
    name = st.session_state[_NAME]
    said = "The role is taken away: from now on they have what their groups grant."
    _carry_out(lambda: people.remove(desk, name, by=person), said, name)


def _carry_out(what: Callable[[], None], said: str, name: str) -> None:
    if notices.carry_out(what, said, people.canonical(name)):
        st.session_state[_NAME] = ""
