"""The script that Streamlit runs for every page: the frame round it."""

import streamlit as st

from review_app import workspace

st.set_page_config(page_title="Picturedesk", page_icon="🖼️", layout="wide")
st.html("<style>.stMainBlockContainer { padding-top: 2.5rem; }</style>")

page = st.navigation(
    [
        st.Page("app_pages/review_queue.py", title="Review", icon=":material/rule:", default=True),
        st.Page("app_pages/batch_list.py", title="Batches", icon=":material/stacks:", url_path="batches"),
        st.Page("app_pages/export_page.py", title="Export", icon=":material/download:", url_path="export"),
        st.Page("app_pages/cost_table.py", title="Costs", icon=":material/payments:", url_path="costs"),
    ]
)
with st.sidebar:
    st.badge("local mode", icon=":material/person:", color="gray")
    st.text(f"deciding as {workspace.person().name}")
page.run()
