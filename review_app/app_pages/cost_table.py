"""Costs: what was paid, for what, what is left of the budgets, what is in doubt, what an approved asset cost."""

import streamlit as st

from pipeline.costs import Budget, CostOverview, CostSummary, overview, write_ledger
from pipeline.csv_lines import csv_line
from pipeline.errors import PicturedeskError
from pipeline.money import dollars
from pipeline.store.spending import CostBy, CostRow
from review_app import charts, counting, drawing, workspace
from review_app.api import EXPORTS

DAYS_DRAWN = 45
LEDGER = "picturedesk-ledger"

desk = workspace.desk()


def shown(row: CostRow, by: CostBy) -> dict[str, object]:
    """A row as the table shows it; amounts in US dollars."""
    is_known = row.approved and not row.unpriced
    return {
        by.value.replace("-", " "): row.name.replace("_", " ") if by is CostBy.OUTCOME else row.name or "–",
        "cost $": row.cost_microusd / 1e6,
        "approved": row.approved,
        "$ per approved asset": row.cost_microusd / 1e6 / row.approved if is_known else None,
        "requests": row.requests,
        "unpriced": row.unpriced,
        "in doubt": row.doubtful,
        "in doubt, at most $": row.doubtful_microusd / 1e6,
        "saved by reuse $": row.saved_microusd / 1e6,
        "text tokens in": row.tokens["text_in"],
        "image tokens in": row.tokens["image_in"],
        "cached tokens in": row.tokens["cached_text_in"] + row.tokens["cached_image_in"],
        "tokens out": row.tokens["text_out"] + row.tokens["image_out"],
    }


def show_sums(summary: CostSummary) -> None:
    """What all of it comes to, and what is not in the sum."""
    paid, approved, each, saved = st.columns(4)
    paid.metric("paid", dollars(summary.total_microusd, 0 if summary.total_microusd else summary.unpriced))
    approved.metric("approved assets", f"{summary.approved:,}")
    least = "≥ " if summary.unpriced else ""
    per_asset = dollars(round(summary.total_microusd / summary.approved)) if summary.approved else ""
    each.metric("per approved asset", f"{least}{per_asset}" if per_asset else "–")
    saved.metric("saved by reuse", dollars(summary.saved_microusd))
    if summary.doubtful:
        st.warning("Some answers were lost and may have been billed.", icon=":material/help:")
        most = f"up to {dollars(summary.doubtful_microusd)}" if summary.doubtful_microusd else "an unknown amount"
        st.text(f"Requests in doubt: {summary.doubtful:,}, {most} more. A bill ends the doubt: picturedesk settle BILL")
    if summary.unpriced:
        st.text(f"Requests without a known price, not in the sum: {summary.unpriced:,}.")


def show_budget(budget: Budget) -> None:
    """How much is left."""
    if budget.cap_microusd is None or budget.left_microusd is None:
        st.text(
            f"{budget.name}: {dollars(budget.spent_microusd)} paid; no cap is set (monthly_cap_usd in the settings)."
        )
        return
    taken = budget.cap_microusd - budget.left_microusd
    st.text(
        f"{budget.name}: {dollars(budget.spent_microusd)} of {dollars(budget.cap_microusd)} paid, "
        f"{dollars(budget.reserved_microusd)} set aside for answers that are out or lost, "
        f"{dollars(budget.left_microusd)} left"
    )
    st.progress(min(1.0, taken / budget.cap_microusd) if budget.cap_microusd else 1.0)


def show_days(found: CostOverview) -> None:
    """What each day cost, and the month so far against its cap."""
    days = found.days[-DAYS_DRAWN:]
    running: dict[str, float] = {}
    for day in found.days:
        before = sum(usd for name, usd in list(running.items())[-1:] if name[:7] == day.name[:7])
        running[day.name] = before + day.cost_microusd / 1e6
    cap = found.month.cap_microusd
    plot = charts.amounts_by_day(
        [(day.name, day.cost_microusd / 1e6) for day in days],
        y="US dollars",
        running=[(day.name, running[day.name]) for day in days],
        limit=None if cap is None else ("cap of a month", cap / 1e6),
    )
    st.markdown("**Paid by day (columns), and in its month so far (line)**")
    st.vega_lite_chart(plot, alt="Paid by day, and in the month so far")


def show_table(summary: CostSummary) -> None:
    """By what was chosen, and its file."""
    rows = [shown(row, summary.by) for row in summary.rows]
    if not rows:
        return
    config = {name: st.column_config.NumberColumn(format="$%.4f") for name in rows[0] if "$" in name}
    st.dataframe(
        rows, hide_index=True, column_config=config, placeholder="–", height=560 if len(rows) > 15 else "content"
    )
    st.download_button(
        "Download as CSV",
        "".join([csv_line(rows[0]), *(csv_line(row.values()) for row in rows)]),
        file_name="picturedesk-costs.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def show_ledger() -> None:
    """Every charge and every request in doubt, written to a file first: a desk may have a million."""
    st.text("Every charge and every request in doubt, one to the line, with its tokens and both sides' names for it.")
    if st.button("Prepare the ledger", icon=":material/receipt_long:"):
        try:
            with st.spinner("Writing the ledger"):
                write_ledger(desk, desk.root / EXPORTS / f"{LEDGER}.zip")
        except PicturedeskError as exc:
            st.error("The ledger was not written.")
            st.text(str(exc))
        else:
            st.html(drawing.download(workspace.download_url(LEDGER), "Download the ledger as CSV in a ZIP"))


st.title("Costs")
by = CostBy(st.session_state.get("cost_by") or CostBy.BATCH)
found = overview(desk, by_person=workspace.person(), by=by, most_s=counting.COUNT_S)
counting.go_on(found.uncounted)
if not found.summary.rows and not found.uncounted:
    st.text("Nothing was sent yet. Start a batch, and what it costs is told here.")
    st.page_link("app_pages/batch_list.py", label="Start one on the page Batches", icon=":material/stacks:")
    st.stop()
show_sums(found.summary)
st.subheader("Budgets", divider="gray")
for budget in (found.month, *found.budgets[:5]):
    show_budget(budget)
if found.summary.unpriced:
    st.text("Budgets count a request without a known price at the most that it can have cost.")
show_days(found)
st.subheader("Paid for what", divider="gray")
st.segmented_control(
    "by",
    ["batch", "recipe", "provider", "ai-model", "day", "outcome"],
    default="batch",
    required=True,
    label_visibility="collapsed",
    key="cost_by",
)
show_table(found.summary)
st.subheader("Ledger", divider="gray")
show_ledger()
