"""A batch on the page: its bar, its figures, and what may be done with it. Names go through `html.escape`."""

from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from pipeline import batches
from pipeline.batches import BatchStatus, Standing
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.money import dollars
from pipeline.people import Person
from pipeline.states import Role
from review_app import workspace

PARTS = (
    ("approved", "#2a9d6f", "approved"),
    ("rejected", "#8b6fd6", "rejected"),
    ("review", "#e0a33a", "to review"),
    ("problems", "#d9534f", "went wrong"),
    ("in_flight", "#3f8fd9", "being made"),
    ("queued", "rgba(128,128,128,0.38)", "queued"),
    ("cancelled", "rgba(128,128,128,0.18)", "cancelled"),
)
"""Of the bar: the figure, its colour on light and dark, and its word."""

COLOURS = {
    Standing.RUNNING: "#3f8fd9",
    Standing.WAITING: "#d9534f",
    Standing.PAUSED: "#e0a33a",
    Standing.STOPPED: "#d9534f",
    Standing.TO_REVIEW: "#e0a33a",
    Standing.FAILED: "#d9534f",
    Standing.DONE: "#2a9d6f",
}

STYLE = """
<style>
.pd-batch { font-size: 0.9rem; }
.pd-batch h3 { display: inline; margin: 0; padding: 0; font-size: 1.08rem; overflow-wrap: anywhere; }
.pd-batch .pd-top { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; }
.pd-batch .pd-is { padding: 1px 10px; border-radius: 99px; font-size: 0.82rem; border: 1px solid; white-space: nowrap; }
.pd-batch .pd-is::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px;
  border-radius: 50%; background: var(--pd-is); }
.pd-batch .pd-who { margin-left: auto; opacity: 0.7; font-size: 0.82rem; }
.pd-batch .pd-bar { display: flex; height: 12px; margin: 10px 0 8px; border-radius: 6px; overflow: hidden;
  background: rgba(128,128,128,0.12); }
.pd-batch .pd-bar i { display: block; min-width: 2px; }
.pd-batch .pd-line { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; }
.pd-batch .pd-line i { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 2px; }
.pd-batch .pd-money { margin-left: auto; display: flex; gap: 10px; align-items: center; }
.pd-batch .pd-money b { display: block; width: 110px; height: 6px; border-radius: 3px;
  background: rgba(128,128,128,0.25); }
.pd-batch .pd-money b i { display: block; height: 6px; margin: 0; border-radius: 3px; background: #2a9d6f; }
.pd-batch .pd-says { margin-top: 10px; padding: 8px 12px; border-left: 3px solid #d9534f; border-radius: 3px;
  background: rgba(217,83,79,0.1); overflow-wrap: anywhere; }
</style>
"""


def card(desk: Desk, status: BatchStatus, person: Person) -> None:
    """One batch in a frame, with the buttons that apply to it and to who is here."""
    with st.container(border=True):
        st.html(drawn(status))
        may_budget = person.may(Role.APPROVER) and (status.queued > 0 or status.in_flight > 0)
        if person.may(Role.REQUESTER) and (status.may_pause or status.may_resume or status.may_cancel or may_budget):
            with st.container(horizontal=True):
                _buttons(desk, status, may_budget=may_budget)


def drawn(status: BatchStatus) -> str:
    """The batch as HTML, without its buttons."""
    batch = status.batch
    by = f"{batch.created_by}, " if batch.created_by else ""
    goes = f"for {', '.join(batch.destinations)}; " if batch.destinations else ""
    who = f"{goes}started by {by}{batch.created_at:%Y-%m-%d %H:%M} UTC"
    colour = COLOURS.get(status.standing, "rgba(128,128,128,0.6)")
    badge = f'<span class="pd-is" style="--pd-is:{colour};border-color:{colour}">{escape(_standing(status))}</span>'
    return (
        f'{STYLE}<div class="pd-batch"><div class="pd-top"><h3>{escape(batch.name)}</h3>{badge}'
        f'<span class="pd-who">{escape(who)}</span></div>{_bar(status)}{_figures(status)}{_says(status)}</div>'
    )


def _standing(status: BatchStatus) -> str:
    if status.standing in (Standing.PAUSED, Standing.CANCELLED) and status.in_flight:
        return f"{status.standing}, {status.in_flight} still being made"
    return status.standing.value


def _bar(status: BatchStatus) -> str:
    total = max(1, status.total)
    parts = [(getattr(status, name), colour, word) for name, colour, word in PARTS]
    segments = "".join(
        f'<i style="width:{100 * count / total:.2f}%;background:{colour}" title="{count:,} {word}"></i>'
        for count, colour, word in parts
        if count
    )
    label = ", ".join(f"{count:,} {word}" for count, _, word in parts if count) or "empty"
    return f'<div class="pd-bar" role="img" aria-label="{escape(label)}">{segments}</div>'


def _figures(status: BatchStatus) -> str:
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{getattr(status, name):,} {word}</span>'
        for name, colour, word in PARTS
        if getattr(status, name)
    )
    pace = ""
    if status.is_moving and status.per_minute is not None:
        pace = f"<span>{status.per_minute:,.0f} a minute{_left(status.minutes_left)}</span>"
    return f'<div class="pd-line">{legend}{pace}{_money(status)}</div>'


def _left(minutes: float | None) -> str:
    if minutes is None:
        return ""
    if minutes < 1:
        return ", less than a minute left"
    hours = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} min"
    return f", about {hours} left"


def _money(status: BatchStatus) -> str:
    words = f"{dollars(status.spent_microusd)} spent"
    if status.reserved_microusd:
        words += f", up to {dollars(status.reserved_microusd)} open"
    if status.budget_microusd is None:
        return f'<span class="pd-money">{words}</span>'
    share = min(100.0, 100 * status.spent_microusd / status.budget_microusd) if status.budget_microusd else 100.0
    return (
        f'<span class="pd-money">{words} of {dollars(status.budget_microusd)}'
        f'<b title="{share:.0f} % of the budget"><i style="width:{share:.1f}%"></i></b></span>'
    )


def _says(status: BatchStatus) -> str:
    """Why it does not go on, and what helps."""
    if status.standing is Standing.WAITING:
        said = "Nobody is making what is queued. Start the runner with: picturedesk review, or picturedesk run"
    elif status.standing is Standing.STOPPED and status.batch.stopped is not None:
        message = status.batch.stopped["message"]
        if status.batch.stopped["code"] == "budget_reached":
            message = message.partition(";")[0]  # then come the words for the command line
        said = f"{_sentence(message)} {status.what_to_do}"
    else:
        return ""
    return f'<div class="pd-says" role="status">{escape(said)}</div>'


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _buttons(desk: Desk, status: BatchStatus, *, may_budget: bool) -> None:
    number, name = status.batch.id, status.batch.name
    if status.may_pause:
        args = [batches.pause, desk, name]
        st.button("Pause", icon=":material/pause:", key=f"pause-{number}", on_click=_do, args=args)
    if status.may_resume:
        is_stopped = status.standing is Standing.STOPPED
        args = [batches.resume, desk, name]
        key = f"resume-{number}"
        st.button(
            "Try again" if is_stopped else "Resume", icon=":material/play_arrow:", key=key, on_click=_do, args=args
        )
    if status.may_cancel:
        with st.popover("Cancel", icon=":material/close:", key=f"cancel-{number}"):
            st.text(
                f"{status.queued:,} queued edits are not made. What is being made comes home, and is paid.\n"
                "It can be resumed later."
            )
            args = [batches.cancel, desk, name]
            st.button("Cancel the batch", type="primary", key=f"cancel-it-{number}", on_click=_do, args=args)
    if may_budget:
        with st.popover("Budget", icon=":material/payments:", key=f"budget-{number}"):
            _budget_form(desk, status)


def _budget_form(desk: Desk, status: BatchStatus) -> None:
    number = status.batch.id
    with st.form(f"budget-form-{number}", border=False):
        known = status.budget_microusd
        usd = st.number_input(
            "US dollars, all its runs together",
            min_value=0.0,
            value=None if known is None else known / 1e6,
            step=1.0,
            key=f"usd-{number}",
        )
        if st.form_submit_button("Set the budget", type="primary") and usd is not None:
            _do(batches.set_budget, desk, status.batch.name, usd)
            st.rerun()


def _do(act: Callable[..., Any], desk: Desk, name: str, *more: object) -> None:
    """Carry out what was clicked, by who is here by now; what went wrong is said above the batches."""
    try:
        act(desk, name, *more, by=workspace.person())
        st.session_state.pop("batch_problem", None)
    except PicturedeskError as exc:
        st.session_state["batch_problem"] = str(exc)


def said_problem() -> None:
    """What went wrong with the last click, if anything did."""
    if (message := st.session_state.get("batch_problem")) is not None:
        st.error("Nothing was changed.", icon=":material/error:")
        st.text(message)
