"""The HTTP routes beside the pages: what the viewer and other programs call, pictures, downloads."""

from starlette.routing import BaseRoute

from pipeline.desk import Desk
from pipeline.health_routes import timed
from review_app import tickets
from review_app.routes.pictures import EXPORTS, picture_routes
from review_app.routes.reviewing import review_routes

__all__ = ["EXPORTS", "routes"]


def routes(desk: Desk) -> list[BaseRoute]:
    """The routes of a desk."""
    key = tickets.read_key(desk.root)
    return timed([*review_routes(desk, key), *picture_routes(desk, key)])
