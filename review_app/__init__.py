"""The review page: one process, one port, for pages, pictures and downloads.

app.py         what runs: Streamlit with our own routes and headers
serving.py     who can reach it, and what must be set before anybody can
navigation.py  the script that Streamlit runs for every page
workspace.py   the desk, and who is here
sign_in.py     who signed in, and what their groups grant
tickets.py     short-lived permission to fetch a picture, or to call the routes
callers.py     who calls a route
api.py         all HTTP routes; routes/ has them by what they are for
payloads.py    what the routes say of edits and pictures
filtering.py   the sidebar that says which edits a page shows
counting.py    pages that open before all is counted
drawing.py     pictures with their flags, as HTML
viewing.py     mounts the components that compare and decide, and serves their modules
viewer/        these components: plain JavaScript, CSS and HTML; viewer.js is the screen, sheet.js the contact sheet
batch_start.py, batch_cards.py       what the page Batches shows
insight_sections.py, charts.py       what the page Insights shows
asset_facts.py                       what the page Asset tells
paging.py      long tables, a thousand lines at a time
settings/      the sections of the page Settings
app_pages/     the pages: read, draw, call one function
"""
