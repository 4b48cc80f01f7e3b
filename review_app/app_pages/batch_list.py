"""Batches: how they stand, and a form that starts one."""

import streamlit as st

from pipeline.errors import ManifestError, PicturedeskError
from pipeline.money import dollars
from pipeline.states import EditState, Role
from pipeline.store import reading
from pipeline.uploads import start_batch
from review_app import workspace

desk = workspace.desk()
st.title("Batches")

found = reading.batches(desk.db)
if found:
    shown = (
        *(EditState.QUEUED, EditState.IN_REVIEW, EditState.APPROVED, EditState.REJECTED, EditState.REFUSED),
        *(EditState.FAILED, EditState.IN_DOUBT),
    )
    st.dataframe(
        [
            {
                "batch": batch.name,
                **{state.value.replace("_", " "): batch.counts.get(state, 0) for state in shown},
                "cost": dollars(batch.cost_microusd, batch.unpriced),
                "loaded": batch.created_at.strftime("%Y-%m-%d %H:%M UTC"),
            }
            for batch in found
        ],
        hide_index=True,
    )
else:
    st.text("There is no batch yet. Start one here, or with: picturedesk run MANIFEST")

went_wrong = reading.EditFilter(states=frozenset({EditState.FAILED, EditState.REFUSED, EditState.IN_DOUBT}))
if reading.count_edits(desk.db, went_wrong):
    with st.expander("What went wrong", expanded=True):
        ids = reading.edit_ids(desk.db, went_wrong, limit=200)
        st.dataframe(
            [
                {
                    "batch": edit.asset.batch,
                    "asset": edit.asset.title,
                    "state": edit.state.value,
                    "why": edit.error or "",
                }
                for edit in reading.edits(desk.db, ids)
            ],
            hide_index=True,
        )

st.subheader("Start a batch", divider="gray")
if not workspace.person().may(Role.REQUESTER):
    st.text("To start one takes a requester: ask an admin.")
    st.stop()
with st.form("start", clear_on_submit=True):
    name = st.text_input("Name", placeholder="autumn-hats")
    files = st.file_uploader("Pictures", accept_multiple_files=True)
    recipe = st.selectbox(
        "Recipe",
        [None, *(each.name for each in desk.recipes.values() if not any(p.required for p in each.parameters))],
        format_func=lambda value: "none: use the instruction below" if value is None else value,
    )
    prompt = st.text_area("Instruction", placeholder="replace the background with white", height=80)
    if st.form_submit_button("Start", type="primary"):
        try:
            intake = start_batch(
                desk,
                name,
                [(file.name, file.getvalue()) for file in files],
                prompt=None if recipe else prompt.strip() or None,
                recipe=recipe,
                actor=workspace.person().name,
            )
        except ManifestError as exc:
            st.error("Nothing was started.")
            st.text("\n".join(f"{problem.found}; expected {problem.expected}" for problem in exc.problems))
        except PicturedeskError as exc:
            st.error("Nothing was started.")
            st.text(str(exc))
        else:
            st.success("The batch is queued.")
            st.text(f"{intake.loaded.added} edits in {intake.batch}; those that need a person come to Review.")
