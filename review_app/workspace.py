"""The desk that this process shows, and who is here."""

import hashlib
import os
from pathlib import Path

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from review_app import sign_in, tickets
from review_app.callers import person_of
from review_app.payloads import Payloads
from review_app.tickets import SessionTicket

DESK_VARIABLE = "PICTUREDESK_DESK"


@st.cache_resource(max_entries=4)
def open_desk(root: str) -> Desk:
    """The desk in this folder, opened once per process."""
    return Desk.open(Path(root))


def desk() -> Desk:
    """The desk of this process."""
    return open_desk(os.environ[DESK_VARIABLE])


def desk_name() -> str:
    """A name under which the browser keeps what is this desk's; it does not tell where the desk is."""
    return hashlib.sha256(str(desk().root.resolve()).encode()).hexdigest()[:12]


def person() -> Person:
    """Who is here, with the role that they have by now.

    Raises:
        Unauthorized: Nobody who may be.
    """
    return person_of(desk(), sign_in.session(desk().settings.sign_in))


def session_ticket() -> SessionTicket:
    """What the component sends to the routes as ``Authorization: Bearer``, for who is here.

    Raises:
        Unauthorized: Nobody who may be.
    """
    opened = desk()
    return tickets.issue_session(tickets.read_key(opened.root), sign_in.session(opened.settings.sign_in))


def picture_url(sha256: str) -> str:
    """Where the browser finds a picture, byte for byte."""
    return _payloads().url(sha256)


def preview_url(sha256: str) -> str:
    """Where the browser finds a small WebP of a picture; never to decide by."""
    return _payloads().url(sha256, side=160)


def download_url(name: str) -> str:
    """Where the browser finds a prepared export."""
    return f"/api/page/exports/{name}.zip?ticket={_ticket(f'export/{name}')}"


def _payloads() -> Payloads:
    return Payloads(desk(), tickets.read_key(desk().root))


def _ticket(name: str) -> str:
    return tickets.issue(tickets.read_key(desk().root), name)
