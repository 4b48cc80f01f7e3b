"""The queue: one edit at a time, source beside output, and a decision."""

import streamlit as st

from pipeline import claiming, review
from pipeline.claiming import QueueFilter
from pipeline.errors import Conflict, PicturedeskError
from pipeline.flag_lines import flag_line
from pipeline.money import dollars
from pipeline.records import EditRecord, OutputRecord
from pipeline.states import AttemptState, EditState
from pipeline.store import reading
from pipeline.values import Change, Kind
from review_app import drawing, workspace
from review_app.app_pages.decision_panel import draw_panel

desk = workspace.desk()


def chosen_filter() -> QueueFilter:
    """What the sidebar selects."""
    with st.sidebar:
        st.subheader("Show", divider="gray")
        batch = st.selectbox("Batch", [None, *(each.name for each in reading.batches(desk.db))], format_func=_or_all)
        kind = st.selectbox("Flag", [None, *Kind], format_func=_or_all)
        recipe = st.selectbox("Recipe", [None, *reading.recipes_in_use(desk.db)], format_func=_or_all)
    return QueueFilter(batch=batch, kind=kind, recipe=recipe)


def _or_all(value: str | None) -> str:
    return "all" if value is None else str(value)


def next_edit(wanted: QueueFilter) -> EditRecord | None:
    """The first waiting edit that was not skipped; the skipped ones come round again at the end."""
    skipped: list[int] = st.session_state.setdefault("skipped", [])
    after = 0
    while found := claiming.queue(desk, wanted, after=after, limit=50):
        for edit in found:
            if edit.id not in skipped:
                return edit
        after = found[-1].id
    if skipped:
        skipped.clear()
        return next(iter(claiming.queue(desk, wanted, limit=1)), None)
    return None


def draw_notice() -> None:
    """What happened to the last decision."""
    notice = st.session_state.pop("notice", None)
    if notice:
        with st.container(border=True):
            st.text(notice)


def draw_edit(edit: EditRecord) -> None:
    """Pictures, flags and facts on the left, the decision on the right."""
    pictures, decision = st.columns([3, 1], gap="medium")
    with decision:
        output = draw_panel(desk, edit)
        draw_undo()
    with pictures:
        source = edit.asset.source
        st.html(
            drawing.pair(
                (workspace.picture_url(source.sha256), source) if source else None,
                (workspace.picture_url(output.picture.sha256), output.picture) if output else None,
                output.flags if output else (),
            )
        )
        if edit.state is EditState.IN_DOUBT:
            st.warning("The answer was lost: this edit may have been made and billed.")
            st.text(f"{_doubt(edit)} Settle it by the provider's bill with picturedesk settle, or decide here.")
        elif edit.error:
            st.error("The provider made no picture.")
        if edit.error:
            st.code(edit.error, language=None, wrap_lines=True)
        draw_facts(edit, output)


def _doubt(edit: EditRecord) -> str:
    lost = [each for each in reading.attempts(desk.db, edit.id) if each.state is AttemptState.LOST]
    most = sum(attempt.reserved_microusd for attempt in lost)
    cost = f"up to {dollars(most)}" if most else "an unknown amount"
    return f"Requests without an answer: {len(lost)}, {cost}."


def draw_facts(edit: EditRecord, output: OutputRecord | None) -> None:
    """What was asked, what was found, and what happened before."""
    st.code(edit.instruction.prompt, language=None, wrap_lines=True)
    if output and output.flags:
        rows = [
            {"flag": flag_line(flag), "level": flag.detection.level.value}
            for flag in sorted(output.flags, key=lambda flag: flag.change is Change.KEPT)
        ]
        wide = {"flag": st.column_config.TextColumn(width="large")}
        st.dataframe(rows, hide_index=True, height="content", column_config=wide)
    facts = {
        "recipe": edit.instruction.recipe or "",
        "provider": edit.provider,
        "round": str(edit.round),
        "cost": dollars(edit.cost_microusd, edit.unpriced),
    }
    st.text("   ".join(f"{name}: {value}" for name, value in facts.items() if value))
    # A sampled edit must look like any other, or the sample tells nothing.
    reasons = ["review"] if edit.route.get("is_sample") else edit.route.get("reasons", [])
    if reasons:
        with st.expander("Why this is here"):
            for reason in reasons:
                st.text(reason)
    draw_history(edit)


def draw_history(edit: EditRecord) -> None:
    """The rounds before this one, with what was decided on them."""
    rounds, decisions = review.history(desk, edit)
    if len(rounds) < 2 and not decisions:
        return
    with st.expander(f"History: {len(rounds)} rounds"):
        st.html(drawing.strip([workspace.preview_url(o.picture.sha256) for each in rounds for o in each.outputs]))
        titles = {each.id: each for each in rounds}
        st.dataframe(
            [
                {
                    "round": each.round,
                    "state": each.state.value,
                    "asked by": each.asked_by,
                    "prompt": each.instruction.prompt,
                }
                for each in rounds
            ],
            hide_index=True,
        )
        if decisions:
            st.dataframe(
                [
                    {
                        "round": titles[each.edit_id].round,
                        "decision": each.kind.value,
                        "by": each.actor,
                        "at": each.created_at.strftime("%Y-%m-%d %H:%M UTC"),
                        "reason": each.reason,
                        "note": each.note,
                    }
                    for each in decisions
                ],
                hide_index=True,
            )


def draw_end(decided: int) -> None:
    """Nothing waits."""
    st.subheader("Nothing waits for a decision")
    st.text(f"{decided} edits are decided. What is approved can be exported.")
    st.page_link("app_pages/export_page.py", label="Go to the export", icon=":material/download:")
    draw_undo()


def draw_undo() -> None:
    """One step back."""
    last = st.session_state.get("last_decided")
    if last and st.button("Undo the last decision", icon=":material/undo:", width="stretch"):
        try:
            state = review.undo(desk, last, by=workspace.person())
            st.session_state["notice"] = f"Edit {last} is {state.value.replace('_', ' ')} again."
        except Conflict as exc:
            st.session_state["notice"] = str(exc)
        st.session_state["last_decided"] = None
        st.rerun()


wanted = chosen_filter()
try:
    done = claiming.progress(desk, wanted)
    edit = next_edit(wanted)
except PicturedeskError as exc:
    st.error("The queue cannot be read.")
    st.text(str(exc))
    st.stop()
head, bar = st.columns([3, 1], gap="medium", vertical_alignment="bottom")
with head:
    st.title("Review")
with bar:
    total = done.waiting + done.decided
    st.progress(done.decided / total if total else 1.0, text=f"{done.waiting} waiting, {done.decided} decided")
draw_notice()
if edit is None:
    draw_end(done.decided)
else:
    draw_edit(edit)
still = reading.count_edits(desk.db, reading.EditFilter(states=frozenset({EditState.QUEUED, EditState.SENDING})))
if still:
    st.text(f"{still} edits are being made; they come when they are ready.")
    st.button("Look again", icon=":material/refresh:")
