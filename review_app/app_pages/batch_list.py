"""Batches: how far they are and what may be done with them, what went wrong, and how to start one."""

import streamlit as st

from pipeline import batches
from pipeline.money import dollars
from pipeline.store import batching, reading
from review_app import batch_cards, batch_start, help_desk_list, paging, workspace

MOVING_S, RESTING_S = 2.0, 15.0  # between two looks at the batches under way

AT_ONCE = 10

desk, person = workspace.desk(), workspace.person()


def show_progress() -> None:
    """The batches under way, drawn again by themselves; below, those at rest."""
    before = paging.begin_before("batches")
    under_way = batches.under_way(desk)
    seen = {status.batch.id for status in under_way}
    is_moving = any(status.is_moving for status in under_way)

    @st.fragment(run_every=MOVING_S if is_moving else RESTING_S)
    def live() -> None:
        found = batches.under_way(desk)
        if {each.batch.id for each in found} != seen or any(each.is_moving for each in found) != is_moving:
            st.rerun()
        batch_cards.said_problem()
        for status in found:
            batch_cards.card(desk, status, person)

    live()
    found = batches.listed(desk, before=before, limit=AT_ONCE + len(seen))
    at_rest = [status for status in found if status.batch.id not in seen]
    if at_rest and seen:
        st.subheader("At rest", divider="gray")
    for status in at_rest[:AT_ONCE]:
        batch_cards.card(desk, status, person)
    if not found and not seen:
        st.text("There is no batch yet. Start one here, or with: picturedesk run MANIFEST")
    paging.turn_buttons("batches", at_rest[AT_ONCE - 1].batch.id if len(at_rest) >= AT_ONCE else None)


def show_problems() -> None:
    """Edits that brought no picture, newest first, each with the way to its asset."""
    name = st.selectbox("Batch", reading.batch_names(desk.db), index=None, placeholder="any")
    wanted = ("problems", name)
    batch_id = reading.batch_id(desk.db, name) if name else None
    before = paging.begin_before(wanted)
    lines = list(batching.problems(desk.db, batch_id=batch_id, before=before, limit=paging.ROWS))
    if not lines:
        st.text("Every edit brought a picture, or waits for its turn.")
    else:
        st.dataframe(
            [
                {
                    "open": f"asset?edit={line.edit_id}",
                    "asset": line.asset,
                    "batch": line.batch,
                    "state": line.state.value.replace("_", " "),
                    "why": line.why,
                    "may have cost": ""
                    if line.doubtful_microusd is None
                    else f"up to {dollars(line.doubtful_microusd)}",
                }
                for line in lines
            ],
            column_config={
                "open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40),
                "why": st.column_config.TextColumn(width="large"),
            },
            hide_index=True,
            height=560 if len(lines) > 15 else "content",
        )
    paging.turn_buttons(wanted, lines[-1].edit_id if len(lines) == paging.ROWS else None)


st.title("Batches")
view = st.segmented_control(
    "View",
    ["Progress", "Start a batch", "What went wrong", "Tickets"]
    if desk.settings.tickets
    else ["Progress", "Start a batch", "What went wrong"],
    default="Progress",
    required=True,
    label_visibility="collapsed",
    key="view",
    bind="query-params",
)
if view == "Start a batch":
    batch_start.show(desk, person, done="Progress")
elif view == "What went wrong":
    show_problems()
elif view == "Tickets":
    help_desk_list.show(desk, person)
else:
    show_progress()
