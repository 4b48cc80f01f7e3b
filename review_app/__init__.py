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
drawing.py     pictures with their flags, as HTML
viewing.py     mounts the component that compares and decides, and serves its modules
viewer/        that component: plain JavaScript, CSS and HTML
settings/      the sections of the page Settings
app_pages/     the pages: read, draw, call one function
"""
