"""One raw HTML page before our own routes, no Streamlit: ``python -m tests.bench.raw_page DESK PORT``.

It fetches ahead, shows the next pair at once and posts behind; it has nothing else of the review page: no flags, no
outbox, no undo. ``/?width=&height=`` is the size of each picture on the screen.
"""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pipeline.desk import Desk
from pipeline.states import Role
from review_app.api import routes
from review_app.viewing import AHEAD
from tests.review_app.calling import ticket


def app(desk: Desk) -> Starlette:
    """The page and the routes."""
    text = Path(__file__).with_suffix(".html").read_text("utf-8")

    async def page(request: Request) -> Response:
        size = {name.upper(): str(float(request.query_params[name])) for name in ("width", "height")}
        bearer = ticket(desk, Role.REVIEWER, name="raw@example.com")
        filled = text
        for name, value in {**size, "TICKET": bearer, "AHEAD": str(AHEAD)}.items():
            filled = filled.replace(name, value)
        return HTMLResponse(filled)

    return Starlette(routes=[Route("/", page), *routes(desk)])


if __name__ == "__main__":
    uvicorn.run(app(Desk.open(Path(sys.argv[1]))), port=int(sys.argv[2]), access_log=False, log_level="warning")
