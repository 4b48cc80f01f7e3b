"""The HTTP routes beside the pages: what the viewer and other programs call, pictures, downloads."""

from starlette.routing import BaseRoute

from pipeline.desk import Desk
from pipeline.direct_reads import DirectReads
from pipeline.health_routes import timed
from review_app import tickets
from review_app.routes.gateway import gateway_routes
from review_app.routes.help_desks import help_desk_routes
from review_app.routes.pictures import EXPORTS, picture_routes
from review_app.routes.reviewing import review_routes
from review_app.routes.v1 import v1_routes
from review_app.routes.v1.admission import Admission

__all__ = ["EXPORTS", "routes"]


def routes(desk: Desk, direct: DirectReads | None = None) -> list[BaseRoute]:
    """The routes of a desk.

    Args:
        desk: The desk.
        direct: Links into its bucket; by its settings if None.
    """
    key = tickets.read_key(desk.root)
    pictures = picture_routes(desk, key, direct or DirectReads(desk))
    admission = Admission(desk, key)
    programs = [*v1_routes(desk, admission), *gateway_routes(desk, key, admission)]
    return timed([*review_routes(desk, key), *pictures, *help_desk_routes(desk), *programs])
