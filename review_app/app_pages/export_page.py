"""Export: what is approved, prepared and downloaded."""

import streamlit as st

from pipeline.errors import PicturedeskError
from pipeline.export import export_approved, write_zip
from pipeline.export.names import safe_stem
from pipeline.states import EditState, Role
from pipeline.store import reading
from review_app import drawing, workspace
from review_app.api import EXPORTS

desk = workspace.desk()
person = workspace.person()
st.title("Export")

batch = st.selectbox(
    "Batch",
    [None, *(each.name for each in reading.batches(desk.db))],
    format_func=lambda value: "all" if value is None else value,
)
batch_id = reading.batch_named(desk.db, batch).id if batch else None


def count(*states: EditState) -> int:
    """Edits of the chosen batch in these states."""
    return reading.count_edits(desk.db, reading.EditFilter(states=frozenset(states), batch_id=batch_id))


approved, waiting = count(EditState.APPROVED), count(EditState.IN_REVIEW, EditState.REFUSED)
left, middle, right = st.columns(3)
left.metric("approved", approved)
middle.metric("waiting for review", waiting)
right.metric("rejected", count(EditState.REJECTED))

if not approved:
    st.text("Nothing is approved yet. Decide on the page Review first.")
    st.stop()

ids = reading.edit_ids(
    desk.db, reading.EditFilter(states=frozenset({EditState.APPROVED}), batch_id=batch_id), limit=200
)
st.dataframe(
    [
        {
            "batch": edit.asset.batch,
            "asset": edit.asset.title,
            "round": edit.round,
            "instruction": edit.instruction.prompt,
        }
        for edit in reading.edits(desk.db, ids)
    ],
    hide_index=True,
)
if approved > len(ids):
    st.text(f"The first {len(ids)} of {approved}.")
if not person.may(Role.REQUESTER):
    st.text("You may look at what is approved. To prepare an export takes a requester: ask an admin.")
    st.stop()
if st.button("Prepare the export", type="primary", icon=":material/inventory_2:"):
    name = safe_stem(batch or "all")
    folder = desk.root / EXPORTS / name
    try:
        with st.spinner("Writing pictures and lists"):
            summary = export_approved(desk, folder, batch=batch, by=person)
            write_zip(folder, folder.with_name(f"{folder.name}.zip"))
        st.session_state["prepared"] = (name, summary.rows, summary.bytes)
    except PicturedeskError as exc:
        st.error("The export was not written.")
        st.text(str(exc))
prepared = st.session_state.get("prepared")
if prepared:
    name, rows, size = prepared
    pictures = "1 picture" if rows == 1 else f"{rows} pictures"
    st.text(f"{pictures}, {size / 1e6:.1f} MB, with approved.csv, approved.jsonl and checksums.")
    st.html(drawing.download(workspace.download_url(name), "Download the ZIP"))
