"""What a policy would have done to past edits, as the section on the policy shows it."""

import html
from typing import Any

import streamlit as st

from pipeline import policy_trial
from pipeline.desk import Desk
from pipeline.errors import PolicyError
from pipeline.people import Person
from pipeline.policy_trial import Trial
from pipeline.routing import Policy
from pipeline.states import EditState
from pipeline.store import reading

CHOICES = (1_000, 10_000, 100_000, 1_000_000)

_KEPT = "policy_trial"
_HEADLINE = "<h3 style='margin:0;padding:0;font-size:1.25rem;line-height:1.35'>{}</h3>"
_WORDS = {EditState.SUPERSEDED: "asked for again"}
_MOST_ROWS, _MOST_EDITS = 200, 50


def show(desk: Desk, person: Person, text: str, policy: Policy, *, last: int, wants_trial: bool) -> None:
    """Carry the trial out if it is wanted; show the last one as long as it is of these two policies.

    Args:
        desk: The desk.
        person: Who asks.
        text: The policy to try.
        policy: What it says.
        last: On so many edits.
        wants_trial: Whether to try it now.
    """
    try:
        of = (policy.hash, desk.policy.hash, last)
    except PolicyError:
        st.text(
            "The policy in force cannot be read as one: there is nothing to hold this one against until it is saved."
        )
        return
    if wants_trial:
        st.session_state[_KEPT] = (of, _tried(desk, person, text, last))
    known = st.session_state.get(_KEPT)
    if known is not None and known[0] == of:
        with st.container(border=True):
            _result(desk, known[1])


def _tried(desk: Desk, person: Person, text: str, last: int) -> Trial:
    bar = st.progress(0.0, "Past edits are routed again")

    def progress(done: int) -> None:
        bar.progress(min(1.0, done / last), f"Past edits are routed again: {done:,}")

    found = policy_trial.try_text(desk, text, by=person, last=last, on_progress=progress)
    bar.empty()
    return found


def _result(desk: Desk, found: Trial) -> None:
    st.html(_HEADLINE.format(html.escape(policy_trial.sentence(found))))
    if said := policy_trial.time_sentence(found):
        st.text(said)
    if not found.edits:
        return
    before, after = found.before, found.after
    people, policy, sample, looks = st.columns(4)
    people.metric("come to people", **_change(before.coming, after.coming))
    policy.metric("approved by the policy", **_change(found.edits - before.coming, found.edits - after.coming))
    sample.metric("of these, drawn as a sample", **_change(round(before.sampled), round(after.sampled)))
    looks.metric("looks in all", **_change(round(before.looks), round(after.looks)))
    if found.more.decided:
        st.text(
            f"Of the {found.more.edits:,} more, people have decided on {found.more.decided:,} already, and did not "
            f"accept {found.more.bad:,} of them."
        )
    if found.fewer.edits or found.more.edits:
        _parts(found)
    if found.missed:
        _missed(desk, found)


def _change(before: int, after: int) -> dict[str, Any]:
    return {"value": f"{after:,}", "delta": f"{after - before:+,}" if after != before else None, "delta_color": "off"}


def _parts(found: Trial) -> None:
    group = st.segmented_control("By", ["batch", "recipe"], default="batch", required=True)
    parts = [part for part in found.parts["recipe" if group == "recipe" else "batch"] if part.fewer or part.more]
    st.dataframe(
        [
            {
                group: part.name or "none",
                "edits": part.edits,
                "came": part.coming_before,
                "would come": part.coming_after,
                "fewer": part.fewer,
                "of them not accepted": part.fewer_bad,
                "more": part.more,
            }
            for part in parts[:_MOST_ROWS]
        ],
        hide_index=True,
        height="content" if len(parts) < 12 else 420,
    )


def _missed(desk: Desk, found: Trial) -> None:
    """The edits that nobody would have looked at, and that people did not accept."""
    st.text("Look at them: no longer seen, and not accepted by people.")
    ids = found.missed[:_MOST_EDITS]
    reasons = {each.edit_id: each.reason for each in reading.decisions(desk.db, ids) if each.reason}
    st.dataframe(
        [
            {
                "open": f"asset?edit={edit.id}",
                "asset": edit.asset.title,
                "batch": edit.asset.batch,
                "what people decided": _WORDS.get(edit.state, edit.state.value),
                "reason": reasons.get(edit.id, ""),
            }
            for edit in reading.edits(desk.db, ids)
        ],
        column_config={"open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40)},
        hide_index=True,
    )
