"""The HTTP API for programs, under ``/api/v1``: parses, answers, and calls one function of `pipeline` each.

operations.py   every operation as data: where it is, what it takes, what it answers, who may
batches.py      batches and what is submitted to them
edits.py        edits, their pictures, decisions
exports.py      what is approved, as files
about.py        who asks, recipes, costs
admission.py    who asks, and how often
answering.py    one way for all of them to be called
reading.py      a request's body, within its limits
problems.py     what each error becomes
description.py  all of it as OpenAPI
"""

from starlette.routing import BaseRoute

from pipeline.desk import Desk
from review_app.routes.v1 import about, batches, edits, exports
from review_app.routes.v1.admission import Admission
from review_app.routes.v1.answering import Answering
from review_app.routes.v1.operations import Operation

__all__ = ["OPERATIONS", "v1_routes"]

OPERATIONS: tuple[Operation, ...] = (*batches.OPERATIONS, *edits.OPERATIONS, *exports.OPERATIONS, *about.OPERATIONS)


def v1_routes(desk: Desk, admission: Admission) -> list[BaseRoute]:
    """The routes of a desk.

    Args:
        desk: The desk.
        admission: Who may come in.
    """
    return Answering(desk, admission, OPERATIONS).routes()
