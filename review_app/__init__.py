"""The review page: one process, one port, for pages, pictures and downloads.

app.py         what runs: Streamlit with our own routes and headers
navigation.py  the script that Streamlit runs for every page
workspace.py   the desk, and who is here
tickets.py     short-lived permission to fetch a picture
api.py         pictures and downloads, byte for byte
drawing.py     pictures with their flags, as HTML
viewing.py     mounts the component that compares and decides, and serves its modules
viewer/        that component: plain JavaScript, CSS and HTML
app_pages/     the pages: read, draw, call one function
"""
