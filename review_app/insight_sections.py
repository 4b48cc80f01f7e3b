"""What the page Insights shows: plots, each with the table behind it."""

from typing import Literal

import streamlit as st

from pipeline import insight_tables as told
from pipeline import insights
from pipeline.insight_tables import InsightTable
from pipeline.insights import Acceptance, Insights, span
from pipeline.money import dollars
from pipeline.store.insights import By
from review_app import charts
from review_app.charts import Estimate, Plot

MOST_DRAWN = 14

Unit = Literal["day", "week"]


def headline(found: Insights) -> None:
    """What matters most, and four figures."""
    with st.container(border=True, key="headline"):
        st.html("<style>.st-key-headline [data-testid=stText] { font-size: 1.12rem; line-height: 1.5; }</style>")
        too_few = f"Recipes are compared here from {insights.ENOUGH} decisions on pictures of one at one provider on."
        st.text("\n".join(found.headline) or too_few)
    accepted = insights.Share(sum(day.accepted for day in found.acceptance_by_day), found.decided)
    spent, approved, unpriced = (
        sum(getattr(day, name) for day in found.costs_by_day) for name in ("cost_microusd", "approved", "unpriced")
    )
    median, least = found.waiting.median_min, "≥ " if unpriced else ""
    first, second, third, fourth = st.columns(4)
    first.metric("decided on by people", f"{found.decided:,}")
    second.metric("accepted, 95 % interval", str(accepted))
    third.metric("per approved asset", f"{least}{dollars(round(spent / approved))}" if approved else "–")
    fourth.metric("median wait", "–" if median is None else span(median))
    if unpriced:
        st.text(f"Requests without a known price, not in the sum: {unpriced:,}.")


def acceptance(found: Insights, per: By) -> None:
    """What is liked, and what it costs."""
    liked = [each for each in found.acceptance if each.share.whole][:MOST_DRAWN]
    prices = {each.names: each.each_microusd for each in found.costs}
    left, right = st.columns(2)
    with left:
        st.markdown("**Accepted of what people decided on, with 95 % interval**")
        _draw(charts.intervals(_estimates(liked), x="accepted (%)"), alt="Share accepted, with interval")
    with right:
        st.markdown("**Paid for each approved asset, rejected rounds included**")
        priced = [(_name(each), price / 1e6) for each in liked if (price := prices.get(each.names)) is not None]
        if priced:
            _draw(charts.bars(priced, x="US dollars for each approved asset", style="$,.3f"), alt="Cost per asset")
        else:
            st.text("There is none whose price is known.")
    figures(told.acceptance(found, per), is_open=True)


def behind(found: Insights) -> None:
    """What was flagged where people said no."""
    left, right = st.columns(2)
    with left:
        st.markdown("**Pictures with this flag, among those turned down and among those accepted**")
        rows = [
            (each.title, 100 * (each.of_turned_down.value or 0), 100 * (each.of_accepted.value or 0))
            for each in found.behind[:MOST_DRAWN]
        ]
        _draw(
            charts.compared(rows, names=("turned down", "accepted"), x="with the flag (%)"),
            alt="Flags behind rejections",
        )
    with right:
        st.markdown("**Reasons given for rejections**")
        given = [(name or "none", float(number)) for name, number in found.reasons[:MOST_DRAWN]]
        if given:
            _draw(charts.bars(given, x="rejected pictures", colour=charts.BAD), alt="Reasons for rejections")
        else:
            st.text("Nothing was rejected.")
    figures(told.behind(found.behind, "change"), is_open=True)
    labels, detectors = told.behind(found.behind_labels, "label"), told.behind(found.behind_detectors, "detector")
    with st.expander("By label, by detector, and the reasons", icon=":material/table:"):
        for table in (labels, detectors, told.reasons(found)):
            if table.rows:
                st.text(table.title)
                figures(table, is_open=True)


def over_time(found: Insights, unit: Unit) -> None:
    """Day by day, or week by week."""
    costs = found.costs_by_day if unit == "day" else insights.by_week(found.costs_by_day)
    left, right = st.columns(2)
    with left:
        st.markdown("**Accepted, day by day, with 95 % interval**")
        days = _estimates([each for each in found.acceptance_by_day if each.share.whole])
        _draw(charts.shares_by_day(days, y="accepted (%)"), alt="Share accepted by day")
        figures(told.by_day(found))
    with right:
        st.markdown("**Paid for each approved asset**")
        priced = [(each.names[0], each.each_microusd / 1e6) for each in costs if each.each_microusd is not None]
        drawn = charts.amounts_by_day(priced, y="US dollars for each", style="$,.3f")
        _draw(drawn, alt="Cost of an approved asset over time")
        figures(told.costs_over_time(f"costs-by-{unit}", unit, costs))


def rounds_and_waiting(found: Insights) -> None:
    """How often, and how long."""
    left, right = st.columns(2)
    with left:
        st.markdown("**Rounds until an asset was approved**")
        rows = [(f"round {number}", float(approved)) for number, approved in found.rounds]
        _draw(charts.bars(rows, x="approved assets"), alt="Rounds until approved")
        figures(told.rounds(found))
    with right:
        st.markdown("**Time from the provider's answer to the first decision**")
        table = told.waiting(found)
        rows = [(str(row["waited"]), float(row["first decisions"] or 0)) for row in table.rows]
        _draw(charts.bars(rows, x="first decisions"), alt="Time until the first decision")
        figures(table)


def people(found: Insights, *, is_personal: bool) -> None:
    """How fast and how alike.

    Args:
        found: As this person may see it.
        is_personal: Whether this person sees others one by one.
    """
    if found.team is None:
        st.text(f"How fast people decide is told as a sum once {insights.ENOUGH_PEOPLE} people have decided there.")
    else:
        figures(told.pace(found), is_open=True)
        st.text("An active hour is six times ten minutes in which the person decided on something.")
    table = told.agreement(found)
    if table.rows:
        figures(table, is_open=True)
        st.text(
            "Judged by two: second approvals, what was escalated after a verdict, and what somebody overruled. The\n"
            "second person mostly sees what the first accepted. Cohen's kappa is told where two people have judged\n"
            f"{insights.ENOUGH_PAIRS} pictures and each has said both words five times."
        )
    if not is_personal:
        st.text("Who decided how fast, and who agrees with whom, is told to approvers only.")


def figures(table: InsightTable, *, is_open: bool = False) -> None:
    """The table behind a plot, and its file."""
    if not table.rows:
        return
    with st.container() if is_open else st.expander("The figures", icon=":material/table:"):
        config = {
            column: st.column_config.NumberColumn(format="$%.4f" if "$" in column else "%.1f")
            for column in table.rows[0]
            if "%" in column or "$" in column
        }
        st.dataframe(list(table.rows), hide_index=True, column_config=config, placeholder="–")
        st.download_button(
            "Download as CSV",
            table.as_csv(),
            file_name=f"picturedesk-{table.name}.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
            key=f"csv-{table.name}",
        )


def _draw(plot: Plot, *, alt: str) -> None:
    st.vega_lite_chart(plot, alt=alt)


def _name(each: Acceptance) -> str:
    return " · ".join(each.names) or "–"


def _estimates(found: list[Acceptance]) -> list[Estimate]:
    return [
        (_name(each), 100 * (each.share.value or 0), 100 * each.share.interval[0], 100 * each.share.interval[1])
        for each in found
    ]
