"""The buttons beside an edit. Each carries the revision that was drawn, and a name of its own for the decision."""

from collections.abc import Callable
from uuid import uuid4

import streamlit as st

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.records import EditRecord, OutputRecord
from pipeline.states import EditState
from review_app import workspace


def draw_panel(desk: Desk, edit: EditRecord) -> OutputRecord | None:
    """Draw the panel; gives the output that is to be shown and decided on."""
    mark = f"{edit.id}-{edit.revision}"
    st.subheader("Decide", anchor=False)
    st.text(edit.asset.title)
    output = _draw_choice(edit, mark)
    if output is not None and st.button(
        "Accept", key=f"accept-{mark}", type="primary", icon=":material/check:", width="stretch"
    ):
        _carry_out(
            edit,
            lambda key: review.accept(
                desk,
                edit.id,
                actor=workspace.actor(),
                revision=edit.revision,
                output_id=output.id,
                idempotency_key=key,
            ),
        )
    _draw_reject(desk, edit, mark)
    _draw_reprompt(desk, edit, mark)
    if st.button("Skip", key=f"skip-{mark}", icon=":material/skip_next:", width="stretch"):
        st.session_state["skipped"].append(edit.id)
        st.rerun()
    return output


def _draw_choice(edit: EditRecord, mark: str) -> OutputRecord | None:
    if len(edit.outputs) < 2:
        return edit.outputs[0] if edit.outputs else None
    # A radio button reads its options as Markdown, and a provider wrote these names; a select box does not.
    return st.selectbox(
        "Output",
        edit.outputs,
        key=f"output-{mark}",
        format_func=lambda each: each.name or f"output {each.position + 1}",
    )


def _draw_reject(desk: Desk, edit: EditRecord, mark: str) -> None:
    with st.form(f"reject-form-{mark}"):
        reason = st.selectbox("Reason to reject", review.reject_reasons(desk, edit), key=f"reason-{mark}")
        note = st.text_input("Note", key=f"note-{mark}", placeholder="optional")
        if st.form_submit_button("Reject", icon=":material/close:", width="stretch"):
            _carry_out(
                edit,
                lambda key: review.reject(
                    desk,
                    edit.id,
                    actor=workspace.actor(),
                    reason=reason,
                    note=note,
                    revision=edit.revision,
                    idempotency_key=key,
                ),
            )


def _draw_reprompt(desk: Desk, edit: EditRecord, mark: str) -> None:
    with st.expander("Re-prompt", icon=":material/edit:", expanded=edit.state is EditState.REFUSED):
        prompt = st.text_area("New instruction", edit.instruction.prompt, key=f"prompt-{mark}", height=100)
        start = "source"
        if edit.outputs:
            choices = ["source", "first output" if len(edit.outputs) > 1 else "output"]
            start = st.radio("Start from", choices, key=f"start-{mark}", horizontal=True)
        if st.button("Send as a new round", key=f"reprompt-{mark}", width="stretch"):
            _carry_out(
                edit,
                lambda key: review.reprompt(
                    desk,
                    edit.id,
                    actor=workspace.actor(),
                    prompt=prompt,
                    on_output=start != "source",
                    revision=edit.revision,
                    idempotency_key=key,
                ),
            )


def _carry_out(edit: EditRecord, decide: Callable[[str], EditState]) -> None:
    """Decide once, however often the click arrives, and show the next edit."""
    keys: dict[str, str] = st.session_state.setdefault("decision_keys", {})
    key = keys.setdefault(f"{edit.id}-{edit.revision}", uuid4().hex)
    try:
        decide(key)
        st.session_state["last_decided"] = edit.id
    except PicturedeskError as exc:
        st.session_state["notice"] = str(exc)
    keys.clear()
    st.rerun()
