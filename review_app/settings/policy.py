"""What a person must see: the policy as a text, the same by fields, a trial on past edits, and saving it."""

from typing import Any

import streamlit as st

from pipeline import policies
from pipeline.desk import Desk
from pipeline.errors import PolicyError
from pipeline.people import Person
from pipeline.policies import PolicyText
from pipeline.routing import Policy, parse_policy_text
from pipeline.states import Role
from review_app.settings import earlier_policies, notices, policy_fields, trial

_DRAFT, _LOADED, _TEXT = "policy_draft", "policy_loaded", "policy_text"
_HEIGHT_PX = 500
_CODE = "font-family: ui-monospace, monospace; font-size: .8rem; white-space: pre; overflow-x: auto;"


def show(desk: Desk, person: Person) -> None:
    """The section."""
    found = policies.in_force(desk)
    if not person.may(Role.ADMIN):
        st.text("This decides which edits people look at, and which are approved by themselves.")
        st.code(policies.without_seed(found.text), language=None)
        earlier_policies.show(desk)
        return
    loaded = _begin(found)
    if loaded.stamp != found.stamp:
        st.warning("Somebody changed the policy since you began. Saving yours needs theirs to be read first.")
        st.button("Drop mine, show theirs", on_click=_load, args=[found])
    text_column, fields_column = st.columns([3, 2], gap="medium")
    with text_column:
        _editor()
        policy = _checked(st.session_state[_DRAFT])
    with fields_column:
        policy_fields.show(policy, _put)
    _buttons(desk, person, loaded, policy)
    earlier_policies.show(desk, _set_draft)


def _begin(found: PolicyText) -> PolicyText:
    """What the draft was begun from; without changes of one's own, the file as it is now."""
    loaded: PolicyText | None = st.session_state.get(_LOADED)
    if loaded is None or st.session_state[_DRAFT] == loaded.text:
        _load(found)
    return st.session_state[_LOADED]  # type: ignore[no-any-return]


def _load(found: PolicyText) -> None:
    st.session_state[_LOADED], st.session_state[_DRAFT] = found, found.text


def _editor() -> None:
    st.html(f"<style>.st-key-{_TEXT} textarea {{ {_CODE} }}</style>")
    st.session_state[_TEXT] = st.session_state[_DRAFT]
    st.text_area("policy.toml", key=_TEXT, height=_HEIGHT_PX, on_change=_take_text)


def _take_text() -> None:
    _set_draft(st.session_state[_TEXT] or "")


def _set_draft(text: str) -> None:
    st.session_state[_DRAFT] = text


def _put(key: str, value: Any) -> None:  # noqa: ANN401 - a TOML value
    """Another value of a key, in the text."""
    _set_draft(policies.with_key(st.session_state[_DRAFT], key, value))


def _checked(text: str) -> Policy | None:
    try:
        return parse_policy_text(text)
    except PolicyError as exc:
        st.error("This is no policy yet.")
        st.text(str(exc))
        return None


def _buttons(desk: Desk, person: Person, loaded: PolicyText, policy: Policy | None) -> None:
    is_changed = st.session_state[_DRAFT] != loaded.text

    def save() -> None:
        if notices.carry_out(
            lambda: policies.save(desk, st.session_state[_DRAFT], seen=loaded.stamp, by=person),
            "The policy is in force. Edits that are routed from now on go by it, and so do decisions.",
        ):
            _load(policies.in_force(desk))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        last = st.selectbox("On the newest", trial.CHOICES, format_func="{:,} decided edits".format, index=1, width=220)
        wants_trial = st.button("Try it on past edits", icon=":material/science:", disabled=policy is None)
        st.button("Save", icon=":material/save:", type="primary", disabled=policy is None, on_click=save)
        st.button("Drop changes", disabled=not is_changed, on_click=_load, args=[loaded])
    if policy is not None:
        trial.show(desk, person, st.session_state[_DRAFT], policy, last=last, wants_trial=wants_trial)
