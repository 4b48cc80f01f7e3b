"""Costs: what was paid, for what, and what an approved picture cost."""

import streamlit as st

from pipeline.costs import dollars, summarise
from review_app import workspace

summary = summarise(workspace.desk())
st.title("Costs")
left, middle, right = st.columns(3)
left.metric("paid", dollars(summary.total_microusd))
middle.metric("approved pictures", summary.approved)
each = summary.per_approved_usd
right.metric("for each approved picture", "–" if each is None else dollars(round(each * 1e6)))
if summary.at_risk_microusd:
    st.warning("Some answers were lost and may have been billed.")
    st.text(f"Up to {dollars(summary.at_risk_microusd)} more.")
if summary.rows:
    st.dataframe(
        [
            {
                "batch": row.batch,
                "provider": row.provider,
                "ai_model": row.ai_model or "",
                "requests": row.requests,
                "approved": row.approved,
                "cost": dollars(row.cost_microusd),
                "answers lost": row.lost_requests,
            }
            for row in summary.rows
        ],
        hide_index=True,
    )
else:
    st.text("Nothing was sent yet.")
