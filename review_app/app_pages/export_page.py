"""Export: what is approved, prepared and downloaded."""

import streamlit as st

from pipeline.errors import PicturedeskError
from pipeline.export import ExportSummary, export_approved, write_zip
from pipeline.export.names import safe_stem
from pipeline.export.profiles import NAMES as PROFILES
from pipeline.export.profiles import NEED_ADDRESS
from pipeline.export.progress import ExportProgress
from pipeline.plurals import number_of
from pipeline.states import EditState, Role
from pipeline.store import reading
from review_app import drawing, workspace
from review_app.api import EXPORTS

desk, person = workspace.desk(), workspace.person()


def count(batch_id: int | None, *states: EditState) -> int:
    """Edits of the chosen batch in these states."""
    return reading.count_edits(desk.db, reading.EditFilter(states=frozenset(states), batch_id=batch_id))


def show(batch_id: int | None, approved: int) -> None:
    """The first of what is approved."""
    wanted = reading.EditFilter(states=frozenset({EditState.APPROVED}), batch_id=batch_id)
    edits = reading.edits(desk.db, reading.edit_ids(desk.db, wanted, limit=200))
    rows = [
        {
            "batch": edit.asset.batch,
            "asset": edit.asset.title,
            "round": edit.round,
            "instruction": edit.instruction.prompt,
        }
        for edit in edits
    ]
    st.dataframe(rows, hide_index=True)
    if approved > len(edits):
        st.text(f"The first {len(edits)} of {approved:,}.")


def prepare(batch: str | None, approved: int, profiles: list[str], public_url: str, *, since_last: bool) -> None:
    """Write the export and its ZIP; so many edits are approved."""
    name = "all" if batch is None else f"{safe_stem(batch)}-{reading.batch_id(desk.db, batch)}"
    folder = desk.root / EXPORTS / name
    bar = st.progress(0.0)

    def show_progress(at: ExportProgress) -> None:
        bar.progress(min(1.0, at.done / (at.total or approved)), f"{at.done:,} pictures")

    try:
        with st.spinner("Writing pictures and lists"):
            summary = export_approved(
                desk,
                folder,
                batch=batch,
                by=person,
                profiles=profiles,
                public_url=public_url or None,
                since_last=since_last,
                on_progress=show_progress,
            )
            if summary.rows:
                write_zip(folder, folder.with_name(f"{folder.name}.zip"))
        st.session_state["prepared"] = (name, summary)
    except PicturedeskError as exc:
        st.error("The export was not written.")
        st.text(str(exc))
    bar.empty()


def show_prepared(name: str, summary: ExportSummary) -> None:
    """What was written, what was not, and what is to be taken back."""
    if summary.withdrawn:
        withdrawn = number_of(summary.withdrawn, "picture")
        where = "manifest.json names them" if summary.rows else "the next export that has something names them"
        st.text(f"Not approved any more, but in the last export: {withdrawn}; {where}.")
    if not summary.rows:
        st.text("Nothing was approved since the last export; nothing was written.")
        return
    pictures = number_of(summary.rows, "picture")
    st.text(f"{pictures}, {summary.bytes / 1e6:.1f} MB, with approved.csv, approved.jsonl and checksums.")
    if summary.left_out:
        left_out = number_of(summary.left_out, "time")
        st.text(f"Lists had to leave out products, {left_out}; left-out.csv says why.")
    if summary.unfit:
        unfit = number_of(summary.unfit, "file")
        st.text(f"Left out, since a destination would refuse it: {unfit}; files.csv says why.")
    st.html(drawing.download(workspace.download_url(name), "Download the ZIP"))


st.title("Export")
batch = st.selectbox("Batch", reading.batch_names(desk.db), index=None, placeholder="all")
batch_id = reading.batch_id(desk.db, batch) if batch else None
approved = count(batch_id, EditState.APPROVED)
left, middle, right = st.columns(3)
left.metric("approved", f"{approved:,}")
middle.metric("waiting for review", f"{count(batch_id, EditState.IN_REVIEW, EditState.REFUSED):,}")
right.metric("rejected", f"{count(batch_id, EditState.REJECTED):,}")

if not approved:
    st.text("Nothing is approved yet. Decide on the page Review first.")
    st.stop()
show(batch_id, approved)
if not person.may(Role.REQUESTER):
    st.text(f"You may look at what is approved. To export it takes a {Role.REQUESTER}: ask an admin for that role.")
    st.stop()
with st.expander("Lists for shops and archives", icon=":material/storefront:"):
    profiles = st.multiselect("Further lists", PROFILES, placeholder="none")
    public_url = st.text_input(
        "Where the pictures will be read from",
        value=desk.settings.public_url or "",
        placeholder="https://cdn.example.com/shop/{file}",
    )
    since_last = st.toggle("Only what was approved since the last export")
if not public_url and (fetching := [name for name in profiles if name in NEED_ADDRESS]):
    st.text(f"Say above where pictures will be read from: who reads these lists fetches them ({', '.join(fetching)}).")
if st.button("Prepare the export", type="primary", icon=":material/inventory_2:"):
    prepare(batch, approved, profiles, public_url, since_last=since_last)
if prepared := st.session_state.get("prepared"):
    show_prepared(*prepared)
