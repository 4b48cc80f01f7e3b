"""Audit log: what happened, newest first, and whether the history is as it was written."""

import json

import streamlit as st

from pipeline import audit
from pipeline.errors import PicturedeskError
from pipeline.store import chain
from review_app import paging, workspace

desk = workspace.desk()


def show_chain() -> None:
    """Where the chain ends, and the button that reads all of it."""
    end = chain.end(desk.db)
    st.text(f"{end.length:,} events, each chained to the one before it by its hash. This is the last one's:")
    st.code(end.hash, language=None)
    field, beside = st.columns([3, 1], vertical_alignment="bottom")
    noted = field.text_input("A hash noted before: the history up to it must be as it was then", placeholder="none")
    if not beside.button("Check the history", icon=":material/verified_user:", type="primary", width="stretch"):
        return
    try:
        with st.spinner("Every event and decision is read"):
            found = audit.verify_apart(desk, expected=(noted or "").strip() or None)
    except PicturedeskError as exc:
        st.error("The history was not checked.")
        st.text(str(exc))
        return
    if found.is_whole:
        st.success("The history is whole.")
    else:
        st.error("The history is not as it was written.")
    lines = [f"{found.events:,} events and {found.decisions:,} decisions were held against their hashes."]
    if found.holds_expected is not None:
        lines.append("The noted hash is in it." if found.holds_expected else "The noted hash is not in it.")
    st.text("\n".join([*lines, *found.breaks]))


def show_events() -> None:
    """The table, and what is in it."""
    kind_column, actor_column, edit_column = st.columns(3)
    kind = kind_column.text_input("Kind begins with", placeholder="edit.approved", key="kind", bind="query-params")
    actor = actor_column.text_input("Who", placeholder="anybody", key="actor", bind="query-params")
    edit_id = edit_column.number_input(
        "Edit", min_value=1, value=None, step=1, placeholder="any", key="edit", bind="query-params"
    )
    wanted = ((kind or "").strip() or None, (actor or "").strip() or None, edit_id)
    events = audit.latest(
        desk,
        kind=wanted[0],
        actor=wanted[1],
        edit_id=wanted[2],
        before=paging.begin_before(wanted),
        limit=paging.ROWS,
    )
    if not events:
        st.text("There is no such event.")
        return
    st.dataframe(
        [
            {
                "number": event.id,
                "when": event.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                "kind": event.kind,
                "who": event.actor,
                "edit": None if event.edit_id is None else f"asset?edit={event.edit_id}",
                "what": json.dumps(event.data, ensure_ascii=False) if event.data else "",
            }
            for event in events
        ],
        column_config={"edit": st.column_config.LinkColumn(display_text=r"edit=(\d+)$", width="small")},
        hide_index=True,
        height=520 if len(events) > 14 else "content",
    )
    paging.turn_buttons(wanted, events[-1].id if len(events) == paging.ROWS else None)


st.title("Audit log")
show_chain()
st.subheader("What happened", divider="gray")
show_events()
