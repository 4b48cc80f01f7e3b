"""The buttons beside an edit. Each carries the revision that was drawn, and a name of its own for the decision.

They act in callbacks, which run before the page reads the queue again: a click on an edit that somebody else has
decided meanwhile is refused and said so, where a button's return value would be lost with the button.
"""

from collections.abc import Callable
from uuid import uuid4

import streamlit as st

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.records import EditRecord, OutputRecord
from pipeline.review import Screen
from pipeline.states import EditState
from review_app import workspace


def draw_panel(desk: Desk, edit: EditRecord) -> OutputRecord | None:
    """Draw the panel; gives the output that is to be shown and decided on."""
    mark = f"{edit.id}-{edit.revision}"
    st.subheader("Decide", anchor=False)
    st.text(edit.asset.title)
    output = _draw_choice(edit, mark)
    if output is not None:
        st.button(
            "Accept",
            key=f"accept-{mark}",
            type="primary",
            icon=":material/check:",
            width="stretch",
            on_click=_accept,
            args=(desk, edit),
            kwargs={"output_id": output.id, "key": uuid4().hex},
        )
    if edit.state is EditState.IN_DOUBT:
        st.button(
            "Send again",
            key=f"again-{mark}",
            type="primary",
            icon=":material/send:",
            width="stretch",
            help="It may be paid a second time.",
            on_click=_send_again,
            args=(desk, edit),
            kwargs={"key": uuid4().hex},
        )
    _draw_reject(desk, edit, mark)
    _draw_reprompt(desk, edit, mark, output)
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
        st.selectbox("Reason to reject", review.reject_reasons(desk, edit), key=f"reason-{mark}")
        st.text_input("Note", key=f"note-{mark}", placeholder="optional")
        st.form_submit_button(
            "Reject",
            icon=":material/close:",
            width="stretch",
            on_click=_reject,
            args=(desk, edit),
            kwargs={"mark": mark, "key": uuid4().hex},
        )


def _draw_reprompt(desk: Desk, edit: EditRecord, mark: str, output: OutputRecord | None) -> None:
    with st.expander("Re-prompt", icon=":material/edit:", expanded=edit.state is EditState.REFUSED):
        st.text_area("New instruction", edit.instruction.prompt, key=f"prompt-{mark}", height=100)
        if output is not None:
            st.radio("Start from", ["source", "output"], key=f"start-{mark}", horizontal=True)
        st.button(
            "Send as a new round",
            key=f"reprompt-{mark}",
            width="stretch",
            on_click=_reprompt,
            args=(desk, edit),
            kwargs={"mark": mark, "key": uuid4().hex, "output_id": output.id if output else None},
        )


def _accept(desk: Desk, edit: EditRecord, *, output_id: int, key: str) -> None:
    _carry_out(
        edit,
        lambda: review.accept(
            desk,
            edit.id,
            by=workspace.person(),
            screen=Screen(revision=edit.revision, output_id=output_id, idempotency_key=key),
        ),
    )


def _send_again(desk: Desk, edit: EditRecord, *, key: str) -> None:
    _carry_out(
        edit,
        lambda: review.send_again(
            desk, edit.id, by=workspace.person(), screen=Screen(revision=edit.revision, idempotency_key=key)
        ),
    )


def _reject(desk: Desk, edit: EditRecord, *, mark: str, key: str) -> None:
    _carry_out(
        edit,
        lambda: review.reject(
            desk,
            edit.id,
            by=workspace.person(),
            reason=st.session_state[f"reason-{mark}"],
            note=st.session_state[f"note-{mark}"],
            screen=Screen(revision=edit.revision, idempotency_key=key),
        ),
    )


def _reprompt(desk: Desk, edit: EditRecord, *, mark: str, key: str, output_id: int | None) -> None:
    _carry_out(
        edit,
        lambda: review.reprompt(
            desk,
            edit.id,
            by=workspace.person(),
            prompt=st.session_state[f"prompt-{mark}"],
            on_output=st.session_state.get(f"start-{mark}", "source") != "source",
            screen=Screen(revision=edit.revision, output_id=output_id, idempotency_key=key),
        ),
    )


def _carry_out(edit: EditRecord, decide: Callable[[], EditState]) -> None:
    """Decide, or keep what the reviewer must be told."""
    try:
        decide()
    except PicturedeskError as exc:
        st.session_state["notice"] = str(exc)
    else:
        st.session_state["last_decided"] = edit.id
