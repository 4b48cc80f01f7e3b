"""``POST /tickets/NAME``: messages of help desks, kept before they are answered.

Who may send is said by the message's own signature or secret. The answer is 202 with the ticket's number, 401 for a
message that is not the help desk's, 404 where there is none of that name, 413 and 422 for what is no message.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.tickets.receiving import Receiver
from review_app.routes.answers import refusal

MOST_BYTES = 2**20
"""Of a message: it names a ticket, and the addresses of its pictures at most."""


def help_desk_routes(desk: Desk) -> list[BaseRoute]:
    """The routes of a desk's help desks.

    Args:
        desk: The desk.
    """
    receiver = Receiver(desk)

    async def receive(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                said = {"error": f"the message has more than {MOST_BYTES} bytes", "code": "too_large"}
                return JSONResponse(said, 413)
        name = request.path_params["name"]
        try:
            receipt = await run_in_threadpool(receiver.receive, name, request.headers, bytes(body))
        except PicturedeskError as exc:
            return refusal(exc)
        return JSONResponse({"ticket": receipt.ticket, "new": receipt.is_new}, 202)

    return [Route("/tickets/{name:str}", receive, methods=["POST"])]
