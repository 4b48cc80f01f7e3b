"""The components that compare and decide: their files, and how a page mounts them.

Their modules are served as they are, under a path that changes with them; Streamlit gets only the few lines that load
the first. There is no build.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.claiming import MOST
from review_app import workspace


@dataclass(frozen=True, slots=True)
class Component:
    """A component.

    Attributes:
        name: Of its first module and its markup.
        styles: Its style sheets, in order.
        ahead: Edits that a reviewer holds at once.
    """

    name: str
    styles: tuple[str, ...]
    ahead: int


AHEAD = 6
"""Edits that a reviewer holds at once, with their pictures decoded."""

VIEWER = Component("viewer", ("viewer.css",), ahead=AHEAD)
"""One pair after the other."""

SHEET = Component("sheet", ("viewer.css", "sheet.css"), ahead=MOST)
"""Many at once, small."""

_FOLDER = Path(__file__).with_name("viewer")

_LOADER = """
export default function (component) {
  const data = JSON.parse(new TextDecoder().decode(component.data));
  let isGone = false;
  let takeDown = () => {};
  import(new URL(data.module, document.baseURI).href).then(({ mount }) => {
    if (!isGone) takeDown = mount({ ...component, data });
  });
  return () => {
    isGone = true;
    takeDown();
  };
}
"""


def routes() -> list[BaseRoute]:
    """Where the browser finds the component's modules; they hold nothing that is secret."""
    return [Route("/viewer/{version:str}/{name:str}", _module)]


def module_url(component: Component = VIEWER) -> str:
    """Where the browser finds a component's first module, from the page."""
    return f"viewer/{_version()}/{component.name}.js"


def mount(component: Component, filters: Mapping[str, str | None]) -> None:
    """Draw a component on the page, for who is here; it fills the window.

    Args:
        component: Which one.
        filters: Which edits to claim.

    Raises:
        Unauthorized: Nobody who may be is here.
    """
    # It needs neither a title above it nor room below.
    st.html("<style>.stMainBlockContainer { padding: 1.2rem 1.5rem 0; }</style>")
    ticket = workspace.session_ticket()
    data = {
        "module": module_url(component),
        "api": "/api/page",
        "ahead": component.ahead,
        "ticket": ticket.text,
        "expires_at": ticket.expires_at,
        "filter": dict(filters),
        "reasons": list(workspace.desk().reject_reasons),
        "desk": workspace.desk_name(),
        "person": workspace.person().name,
    }
    # As bytes: for anything else Streamlit imports pandas and pyarrow, 75 to 95 MB (our measurement, 2026-11-21).
    draw = st.components.v2.component(
        f"picturedesk_{component.name}",
        html=(_FOLDER / f"{component.name}.html").read_text("utf-8"),
        css="\n".join((_FOLDER / name).read_text("utf-8") for name in component.styles),
        js=_LOADER,
    )
    draw(key=component.name, data=json.dumps(data).encode(), height="content", on_ticket_wanted_change=_run_again)


def _run_again() -> None:
    """A component's ticket has ended; the page, which runs again by this, hands it another."""


async def _module(request: Request) -> Response:
    path = _FOLDER / request.path_params["name"]
    if request.path_params["version"] != _version() or path not in _modules():
        return JSONResponse({"error": "there is no such module; reload the page", "code": "not_found"}, 404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type="text/javascript", headers=headers)


@cache
def _modules() -> tuple[Path, ...]:
    return tuple(sorted(_FOLDER.glob("*.js")))


@cache
def _version() -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in _modules())).hexdigest()[:16]
