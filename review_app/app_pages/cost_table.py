"""Costs: what was paid, for what, what is in doubt, and what an approved asset cost."""

import streamlit as st

from pipeline.costs import ledger_csv, summarise
from pipeline.money import dollars
from pipeline.store.spending import CostBy, CostRow
from review_app import workspace


def shown(row: CostRow) -> dict[str, object]:
    """A row as the table shows it."""
    return {
        by.value: row.name or "–",
        "requests": row.requests,
        "approved": row.approved,
        "text tokens in": row.tokens["text_in"],
        "image tokens in": row.tokens["image_in"],
        "cached tokens in": row.tokens["cached_text_in"] + row.tokens["cached_image_in"],
        "tokens out": row.tokens["text_out"] + row.tokens["image_out"],
        "cost": dollars(row.cost_microusd, row.unpriced),
        "in doubt": dollars(row.doubtful_microusd) if row.doubtful else "",
        "saved by reuse": dollars(row.saved_microusd) if row.saved_microusd else "",
    }


desk = workspace.desk()
st.title("Costs")
chosen = st.segmented_control(
    "by", ["batch", "recipe", "provider", "ai-model", "day", "outcome"], default="batch", label_visibility="collapsed"
)
by = CostBy(chosen or "batch")
summary = summarise(desk, by=by)
paid, approved, each, saved = st.columns(4)
# A metric cuts long texts off; the line below tells what is not in the sum.
paid.metric("paid", dollars(summary.total_microusd, 0 if summary.total_microusd else summary.unpriced))
approved.metric("approved assets", summary.approved)
per_asset = summary.per_approved_usd
each.metric("for each, all rounds included", "–" if per_asset is None else dollars(round(per_asset * 1e6)))
saved.metric("saved by reuse", dollars(summary.saved_microusd))
if summary.doubtful:
    st.warning("Some answers were lost and may have been billed.")
    st.text(f"Requests in doubt: {summary.doubtful}, up to {dollars(summary.doubtful_microusd)} more.")
if summary.unpriced:
    st.text(f"Requests without a known price, not in the sum: {summary.unpriced}.")
if summary.rows:
    st.dataframe([shown(row) for row in summary.rows], hide_index=True)
    st.download_button(
        "Download the ledger as CSV",
        lambda: "".join(ledger_csv(desk)),
        file_name="picturedesk-ledger.csv",
        mime="text/csv",
    )
else:
    st.text("Nothing was sent yet.")
