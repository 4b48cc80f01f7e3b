"""The script that Streamlit runs for every page: the frame round it."""

from pathlib import Path
from typing import NoReturn

import streamlit as st

from pipeline.errors import DatabaseAway, PicturedeskError, Unauthorized
from pipeline.health import database_answers
from pipeline.people import Person
from review_app import workspace

_SIDEBAR_WIDTH = 250
_TRY_AGAIN = "3s"

st.set_page_config(page_title="Picturedesk", page_icon="🖼️", layout="wide", initial_sidebar_state=_SIDEBAR_WIDTH)
st.logo(Path(__file__).with_name("logo.svg"), size="large")
# Streamlit writes what is chosen in the accent, which on dark ground is too dark to be read.
st.html("""<style>
.stMainBlockContainer { padding: 2.2rem 2.5rem 2rem; }
button[data-variant][data-selected]:not([data-disabled]) { color: inherit; }
</style>""")


def who() -> Person:
    """Who is here; whoever is not signed in gets no further."""
    try:
        return workspace.person()
    except Unauthorized as exc:
        st.title("Picturedesk")
        st.text(str(exc))
        if not workspace.desk().settings.sign_in.oidc:
            st.text("The proxy in front of this page signs people in.")
        elif st.user.is_logged_in:
            st.button("Sign out", icon=":material/logout:", on_click=st.logout)
        else:
            st.button("Sign in", icon=":material/login:", type="primary", on_click=st.login)
        st.stop()


def away(exc: DatabaseAway) -> NoReturn:
    """Say that the database is away, and go on by itself once it answers."""
    st.title("The desk's database does not answer")
    st.text("Nothing is lost: what was decided and not confirmed yet is sent again. This page goes on by itself.")
    st.text(str(exc))

    @st.fragment(run_every=_TRY_AGAIN)
    def try_again() -> None:
        if database_answers(workspace.desk()):
            st.rerun()

    try_again()
    st.stop()


try:
    person = who()
except DatabaseAway as exc:
    away(exc)
page = st.navigation(
    [
        st.Page("app_pages/review_queue.py", title="Review", icon=":material/rule:", default=True),
        st.Page("app_pages/contact_sheet.py", title="Contact sheet", icon=":material/grid_view:", url_path="sheet"),
        st.Page("app_pages/search_page.py", title="Search", icon=":material/search:", url_path="search"),
        st.Page(
            "app_pages/asset_page.py", title="Asset", icon=":material/image:", url_path="asset", visibility="hidden"
        ),
        st.Page("app_pages/batch_list.py", title="Batches", icon=":material/stacks:", url_path="batches"),
        st.Page("app_pages/export_page.py", title="Export", icon=":material/download:", url_path="export"),
        st.Page("app_pages/cost_table.py", title="Costs", icon=":material/payments:", url_path="costs"),
        st.Page("app_pages/insights_page.py", title="Insights", icon=":material/insights:", url_path="insights"),
        st.Page("app_pages/audit_log.py", title="Audit log", icon=":material/history:", url_path="audit"),
        st.Page("app_pages/settings_page.py", title="Settings", icon=":material/settings:", url_path="settings"),
    ]
)
with st.sidebar:
    if person.is_alone:
        st.badge("local mode", icon=":material/person:", color="gray")
        st.text(f"deciding as {person.name}")
    else:
        st.text(f"{person.name}, {person.role}")
    if workspace.desk().settings.sign_in.oidc:
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
try:
    page.run()
except DatabaseAway as exc:
    away(exc)
except PicturedeskError as exc:
    st.error("This page cannot be shown.")
    st.text(str(exc))
