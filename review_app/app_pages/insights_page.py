"""Insights: what is accepted and at which cost, and what stands behind rejections. Its filters stand in the address."""

from typing import Any

import streamlit as st

from pipeline import insights
from pipeline.insights import Wanted
from pipeline.states import Role
from pipeline.store import reading
from pipeline.store.insights import By
from review_app import counting, insight_sections, workspace

desk, person = workspace.desk(), workspace.person()


def chosen() -> tuple[Wanted, By]:
    """What the fields above say, and what is held against each other."""
    batch, recipe, provider = st.columns(3)
    since, until, by = st.columns(3)
    known = sorted({desk.settings.provider, *desk.settings.providers})
    wanted = Wanted(
        batch=batch.selectbox("Batch", reading.batch_names(desk.db), **_any("batch")),
        since=since.date_input("From (UTC)", value=None, key="since", bind="query-params"),
        until=until.date_input("To (UTC)", value=None, key="until", bind="query-params"),
        recipe=recipe.selectbox("Recipe", sorted(desk.recipes), accept_new_options=True, **_any("recipe")),
        provider=provider.selectbox("Provider", known, accept_new_options=True, **_any("provider")),
    )
    ways = [way.value for way in By]
    return wanted, By(by.selectbox("Compare", ways, key="by", bind="query-params"))


def _any(name: str) -> dict[str, Any]:
    return {"index": None, "placeholder": "any", "key": name, "bind": "query-params"}


def show(wanted: Wanted, per: By) -> None:
    """All of it, or why there is nothing."""
    found = insights.look(desk, wanted, by=person, per=per, most_s=counting.COUNT_S)
    counting.go_on(found.uncounted)
    if not found.decided and not found.uncounted:
        show_nothing(wanted)
        return
    insight_sections.headline(found)
    st.subheader("What is accepted, and what it costs", divider="gray")
    insight_sections.acceptance(found, per)
    st.subheader("What stands behind rejections", divider="gray")
    insight_sections.behind(found)
    st.subheader("Over time", divider="gray")
    unit = st.segmented_control(
        "unit",
        ["day", "week"],
        default="day",
        required=True,
        label_visibility="collapsed",
        key="unit",
        bind="query-params",
    )
    insight_sections.over_time(found, "week" if unit == "week" else "day")
    st.subheader("Rounds and waiting", divider="gray")
    insight_sections.rounds_and_waiting(found)
    st.subheader("Pace and agreement", divider="gray")
    insight_sections.people(found, is_personal=person.may(Role.APPROVER))


def show_nothing(wanted: Wanted) -> None:
    """What to do instead."""
    if wanted == Wanted():
        st.text("Nobody has decided on a picture yet. What is accepted, at which cost and why not is told here then.")
        st.page_link("app_pages/review_queue.py", label="Decide on the page Review", icon=":material/rule:")
    else:
        st.text("Nobody has decided on anything there. Empty a field above, or take a longer period.")


st.title("Insights")
show(*chosen())
