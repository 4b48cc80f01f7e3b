"""Machines' tokens: made and shown once, listed, taken back."""

from datetime import timedelta

import streamlit as st

from pipeline import tokens
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store.access import TokenRecord
from review_app.settings import notices

_ROLES = [role.value for role in Role]
_LIVES = {"for good": None, "30 days": 30, "90 days": 90, "a year": 365}
_MADE = "token_made"


def show(desk: Desk, person: Person) -> None:
    """The part of the section People."""
    st.subheader("Machine tokens", divider="gray")
    st.text("A token lets a program call the HTTP routes. It is shown once; the desk keeps its hash only.")
    if (made := st.session_state.pop(_MADE, None)) is not None:
        st.success("Keep this token now: it is not shown again.")
        st.code(made, language=None)
    found = tokens.listed(desk, by=person)
    if found:
        rows = [_row(each) for each in reversed(found)]
        st.dataframe(rows, hide_index=True, height="content" if len(rows) < 12 else 420)
    _maker(desk, person)
    _revoker(desk, person, [each.id for each in found if each.is_valid])


def _row(token: TokenRecord) -> dict[str, object]:
    return {
        "number": token.id,
        "name": token.name,
        "role": token.role.value,
        "made by": token.created_by,
        "made": token.created_at.strftime("%Y-%m-%d"),
        "ends": token.expires_at.strftime("%Y-%m-%d") if token.expires_at else "never",
        "state": "valid" if token.is_valid else "revoked" if token.revoked_at else "over",
    }


def _maker(desk: Desk, person: Person) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Which machine", placeholder="nightly-import", key="token_name", width=320)
        role = st.selectbox("May do what a", _ROLES, index=_ROLES.index(Role.REQUESTER), key="token_role", width=180)
        days = _LIVES[st.selectbox("Holds", list(_LIVES), index=2, width=140)]

        def make() -> None:
            lifetime = None if days is None else timedelta(days=days)
            try:
                made, _ = tokens.make(desk, name=name or "", role=Role(role), by=person, lifetime=lifetime)
            except PicturedeskError as exc:
                notices.failed(str(exc))
            else:
                st.session_state.update({_MADE: made, "token_name": ""})

        st.button("Make a token", type="primary", on_click=make)


def _revoker(desk: Desk, person: Person, valid: list[int]) -> None:
    if not valid:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox("Take back number", valid, index=None, placeholder="none", width=320)
        revoke = notices.click(lambda: tokens.revoke(desk, number or 0, by=person), "The token opens nothing any more.")
        st.button("Revoke it", disabled=number is None, on_click=revoke)
