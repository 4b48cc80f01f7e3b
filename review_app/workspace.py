"""The desk that this process shows, and who is here."""

import os
from pathlib import Path

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person, local_person
from review_app import tickets

DESK_VARIABLE = "PICTUREDESK_DESK"


@st.cache_resource(max_entries=4)
def open_desk(root: str) -> Desk:
    """The desk in this folder, opened once per process."""
    return Desk.open(Path(root))


def desk() -> Desk:
    """The desk of this process."""
    return open_desk(os.environ[DESK_VARIABLE])


def person() -> Person:
    """Who is here: on this machine, the user of the operating system."""
    return local_person()


def picture_url(sha256: str) -> str:
    """Where the browser finds a picture, byte for byte."""
    return f"/api/v1/pictures/{sha256}?ticket={_ticket(sha256)}"


def preview_url(sha256: str) -> str:
    """Where the browser finds a small WebP of a picture; never to decide by."""
    return f"{picture_url(sha256)}&side=160"


def download_url(name: str) -> str:
    """Where the browser finds a prepared export."""
    return f"/api/v1/exports/{name}.zip?ticket={_ticket(f'export/{name}')}"


def _ticket(name: str) -> str:
    return tickets.issue(tickets.read_key(desk().root), name)
