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
_NAME, _ROLE, _LIFE, _NUMBER = "token_name", "token_role", "token_life", "token_number"


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
        st.text_input("Which machine", placeholder="nightly-import", key=_NAME, width=320)
        st.selectbox("May do what a", _ROLES, index=_ROLES.index(Role.REQUESTER), key=_ROLE, width=180)
        st.selectbox("Holds", list(_LIVES), index=2, key=_LIFE, width=140)
        st.button("Make a token", type="primary", on_click=_make, args=[desk, person])


def _make(desk: Desk, person: Person) -> None:
    name, role, days = st.session_state[_NAME], Role(st.session_state[_ROLE]), _LIVES[st.session_state[_LIFE]]
    lifetime = None if days is None else timedelta(days=days)
    try:
        made, _ = tokens.make(desk, name=name, role=role, by=person, lifetime=lifetime)
    except PicturedeskError as exc:
        notices.failed(str(exc))
    else:
        st.session_state.update({_MADE: made, _NAME: ""})


def _revoker(desk: Desk, person: Person, valid: list[int]) -> None:
    if not valid:
        return
    revoke = notices.click(
        lambda: tokens.revoke(desk, st.session_state[_NUMBER], by=person), "The token opens nothing any more."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox("Take back number", valid, index=None, placeholder="none", key=_NUMBER, width=320)
        st.button("Revoke it", disabled=number is None, on_click=revoke)
