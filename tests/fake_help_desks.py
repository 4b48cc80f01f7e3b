"""Help desks that speak their vendors' published APIs over HTTP, and keep what they are told.

Zendesk: https://developer.zendesk.com/api-reference/ticketing/tickets/ (tickets, comments, attachments: pages by
cursor, uploads whose token a comment takes once, attachments that lead on to another host, which refuses whoever brings
the key). Freshdesk: https://developers.freshdesk.com/api/ (notes, replies, conversations, fields).
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

USER, KEY, SECRET = "agent@example.com", "a key of the tests", "a secret of the tests"

Json = dict[str, Any]


@dataclass
class FakeHelpDesk:
    """What all have in common.

    Attributes:
        tickets: By number, as the API gives them.
        comments: By ticket.
        files: By attachment: name, media type and bytes.
        faults: Answers of the next requests instead of what they ask for: a status, and its headers.
        loses: The next request by each of these methods is carried out, and answered 500 all the same.
        asked: Method and path of every request.
    """

    tickets: dict[int, Json] = field(default_factory=dict)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    files: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    loses: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    elsewhere: str = ""

    def add_ticket(self, number: int, *photos: bytes, public: bool = True, **fields: Any) -> None:
        """A customer writes, with these photographs."""
        self.tickets.setdefault(number, {"id": number, **self._new_ticket(fields)})
        self.comments.setdefault(number, []).append(
            self._comment("The chair came like this.", public, [self._file(each) for each in photos])
        )

    def _file(self, data: bytes, name: str = "IMG_1.png", media_type: str = "image/png") -> int:
        number = 9000 + len(self.files)
        self.files[number] = name, media_type, data
        return number

    def _new_ticket(self, fields: Json) -> Json:
        raise NotImplementedError

    def _comment(self, body: str, public: bool, files: list[int]) -> Json:
        raise NotImplementedError

    def routes(self) -> list[Route]:
        """Of the vendor's API."""
        raise NotImplementedError

    def is_let_in(self, request: Request) -> bool:
        """Whether the request brings the key."""
        raise NotImplementedError

    def app(self) -> Starlette:
        """The vendor's host, and the other one that files are at."""
        return Starlette(routes=[Route("/elsewhere/{file:int}", self._stored), *self.routes()])

    def route(self, path: str, handler: Any, method: str = "GET") -> Route:
        """A route that takes the key, may be told to fail, and may lose its answer."""

        async def endpoint(request: Request) -> Response:
            self.asked.append(f"{method} {request.url.path}")
            if not self.is_let_in(request):
                return JSONResponse({"error": "Couldn't authenticate you"}, 401)
            if self.faults:
                status, headers = self.faults.pop(0)
                return JSONResponse({"description": "not now"}, status, headers=headers)
            answer: Response = await handler(request)
            if method in self.loses and answer.status_code < 400:
                self.loses.discard(method)
                return JSONResponse({"error": "InternalError"}, 500)
            return answer

        return Route(path, endpoint, methods=[method])

    async def _stored(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return Response("a key that is not ours", 403)
        _, media_type, data = self.files[request.path_params["file"]]
        return Response(data, media_type=media_type)


def _basic(request: Request) -> str:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(sent).decode() if scheme == "Basic" else ""


class FakeZendesk(FakeHelpDesk):
    """Zendesk Support."""

    uploads: dict[str, int]

    def is_let_in(self, request: Request) -> bool:
        return _basic(request) == f"{USER}/token:{KEY}"

    def routes(self) -> list[Route]:
        self.uploads = {}
        return [
            self.route("/api/v2/tickets/{number:int}.json", self._show),
            self.route("/api/v2/tickets/{number:int}.json", self._update, "PUT"),
            self.route("/api/v2/tickets/{number:int}/comments.json", self._list),
            self.route("/api/v2/uploads.json", self._upload, "POST"),
            self.route("/attachments/token/{file:int}/", self._attachment),
        ]

    def message(self, number: int, *, invocation: str, at: datetime | None = None) -> dict[str, Any]:
        """What a trigger's webhook sends, as httpx takes it."""
        return self.signed(json.dumps({"ticket_id": str(number)}).encode(), invocation=invocation, at=at)

    def signed(self, body: bytes, *, invocation: str, at: datetime | None = None) -> dict[str, Any]:
        """Any message, with Zendesk's headers."""
        stamp = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest()
        headers = {
            "X-Zendesk-Account-Id": "123456",
            "X-Zendesk-Webhook-Id": "01F1KRFQ6BG29CNWFR60NK5FNY",
            "X-Zendesk-Webhook-Invocation-Id": invocation,
            "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "Content-Type": "application/json",
        }
        return {"content": body, "headers": headers}

    def _new_ticket(self, fields: Json) -> Json:
        custom = [{"id": int(name.removeprefix("f")), "value": value} for name, value in fields.items()]
        return {"status": "open", "priority": None, "tags": ["photo"], "custom_fields": custom}

    def _comment(self, body: str, public: bool, files: list[int]) -> Json:
        return {"id": time.time_ns(), "body": body, "public": public, "attachments": list(map(self._described, files))}

    def _described(self, number: int) -> Json:
        name, media_type, data = self.files[number]
        url = f"{self.url}/attachments/token/{number}/?name={name}"
        return {
            "id": number,
            "file_name": name,
            "content_url": url,
            "content_type": media_type,
            "size": len(data),
            "inline": False,
            "malware_scan_result": "malware_not_found",
        }

    async def _show(self, request: Request) -> Response:
        ticket = self.tickets.get(request.path_params["number"])
        if ticket is None:
            return JSONResponse({"error": "RecordNotFound", "description": "Not found"}, 404)
        return JSONResponse({"ticket": ticket})

    async def _list(self, request: Request) -> Response:
        """Pages of two, whatever size is asked for."""
        assert request.query_params["page[size]"]
        begin = int(request.query_params.get("page[after]", 0))
        comments = self.comments[request.path_params["number"]]
        following = f"{self.url}{request.url.path}?page[size]=2&page[after]={begin + 2}"
        meta = {"has_more": begin + 2 < len(comments), "after_cursor": str(begin + 2)}
        return JSONResponse(
            {"comments": comments[begin : begin + 2], "meta": meta, "links": {"prev": None, "next": following}}
        )

    async def _upload(self, request: Request) -> Response:
        name = request.query_params["filename"]
        number = self._file(await request.body(), name, request.headers["content-type"])
        token = hashlib.sha256(f"{number}".encode()).hexdigest()[:15]
        self.uploads[token] = number
        described = self._described(number)
        return JSONResponse({"upload": {"token": token, "attachment": described, "attachments": [described]}}, 201)

    async def _update(self, request: Request) -> Response:
        number = request.path_params["number"]
        change = (await request.json())["ticket"]
        ticket = self.tickets[number]
        comment = change.pop("comment", None)
        if comment is not None:
            if not set(comment["uploads"]) <= self.uploads.keys():
                return JSONResponse({"error": "RecordInvalid", "description": "unknown upload token"}, 422)
            files = [self.uploads.pop(token) for token in comment["uploads"]]
            self.comments[number].append(self._comment(comment["body"], comment["public"], files))
        custom = {each["id"]: each for each in ticket["custom_fields"]}
        custom |= {each["id"]: each for each in change.pop("custom_fields", [])}
        ticket["custom_fields"] = list(custom.values())
        ticket["tags"] += [tag for tag in change.pop("additional_tags", []) if tag not in ticket["tags"]]
        ticket |= change
        return JSONResponse({"ticket": ticket, "audit": {"id": time.time_ns()}})

    async def _attachment(self, request: Request) -> Response:
        return RedirectResponse(f"{self.elsewhere}/elsewhere/{request.path_params['file']}", 302)


class FakeFreshdesk(FakeHelpDesk):
    """Freshdesk."""

    def is_let_in(self, request: Request) -> bool:
        return _basic(request) == f"{KEY}:X"

    def routes(self) -> list[Route]:
        return [
            self.route("/api/v2/tickets/{number:int}", self._show),
            self.route("/api/v2/tickets/{number:int}", self._update, "PUT"),
            self.route("/api/v2/tickets/{number:int}/conversations", self._list),
            self.route("/api/v2/tickets/{number:int}/notes", self._note, "POST"),
            self.route("/api/v2/tickets/{number:int}/reply", self._reply, "POST"),
        ]

    def message(self, number: int) -> dict[str, Any]:
        """What an automation's webhook sends, as httpx takes it."""
        simple = {"freshdesk_webhook": {"ticket_id": number, "ticket_subject": "Broken chair"}}
        return {"json": simple, "headers": {"X-Picturedesk-Secret": SECRET}}

    def _new_ticket(self, fields: Json) -> Json:
        return {"status": 2, "priority": 1, "tags": ["photo"], "custom_fields": fields, "attachments": []}

    def _comment(self, body: str, public: bool, files: list[int]) -> Json:
        described = [
            {
                "id": number,
                "name": self.files[number][0],
                "content_type": self.files[number][1],
                "size": len(self.files[number][2]),
                "attachment_url": f"{self.elsewhere}/elsewhere/{number}",
            }
            for number in files
        ]
        return {"id": time.time_ns(), "body": body, "body_text": body, "private": not public, "attachments": described}

    async def _show(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number not in self.tickets:
            return Response(status_code=404)
        assert request.query_params["include"] == "conversations"
        return JSONResponse({**self.tickets[number], "conversations": self.comments[number][:10]})

    async def _list(self, request: Request) -> Response:
        page, size = (int(request.query_params[name]) for name in ("page", "per_page"))
        return JSONResponse(self.comments[request.path_params["number"]][(page - 1) * size : page * size])

    async def _note(self, request: Request) -> Response:
        return await self._say(request, public=False)

    async def _reply(self, request: Request) -> Response:
        return await self._say(request, public=True)

    async def _say(self, request: Request, *, public: bool) -> Response:
        if request.headers["content-type"] == "application/json":
            body, files = (await request.json())["body"], []
        else:
            form = await request.form()
            body = str(form["body"])
            assert public or form["private"] == "true"
            uploads: list[Any] = form.getlist("attachments[]")
            files = [self._file(await each.read(), each.filename, each.content_type) for each in uploads]
        comment = self._comment(body, public, files)
        self.comments[request.path_params["number"]].append(comment)
        return JSONResponse(comment, 201)

    async def _update(self, request: Request) -> Response:
        ticket, change = self.tickets[request.path_params["number"]], await request.json()
        ticket["custom_fields"] |= change.pop("custom_fields", {})
        ticket |= change
        return JSONResponse(ticket)


class FakeOwnDesk(FakeHelpDesk):
    """Somebody's own help desk, which is sent answers; the same name twice is one answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[Json, list[tuple[str | None, bytes]]]] = {}

    def is_let_in(self, request: Request) -> bool:
        return True

    def routes(self) -> list[Route]:
        return [self.route("/answers", self._take, "POST")]

    def message(self, number: int, *photos: bytes, name: str = "msg_1", **fields: str) -> dict[str, Any]:
        """A signed message, as httpx takes it."""
        pictures = [{"url": f"{self.elsewhere}/elsewhere/{self._file(each)}"} for each in photos]
        body = json.dumps({"ticket_id": number, "pictures": pictures, "fields": fields}).encode()
        return {"content": body, "headers": self.signed(name, str(int(time.time())), body)}

    def signed(self, name: str, stamp: str, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks."""
        digest = hmac.new(SECRET.encode(), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(digest).decode()}"
        return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}

    async def _take(self, request: Request) -> Response:
        sent, body = request.headers, await request.body()
        good = self.signed(sent["webhook-id"], sent["webhook-timestamp"], body)
        if sent["webhook-signature"] != good["webhook-signature"]:
            return Response(status_code=401)
        form = await request.form()
        uploads: list[Any] = form.getlist("picture")
        pictures = [(each.filename, await each.read()) for each in uploads]
        self.answers.setdefault(sent["webhook-id"], (json.loads(str(form["answer"])), pictures))
        return Response(status_code=204)


@contextmanager
def served(*fakes: FakeHelpDesk) -> Iterator[None]:
    """Serve them on free ports of this machine; files are at another name of it."""
    running = []
    for fake in fakes:
        config = uvicorn.Config(fake.app(), port=0, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((fake, server, thread))
    try:
        for fake, server, thread in running:
            end = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < end, "the help desk did not start"
                thread.join(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            fake.url, fake.elsewhere = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        yield
    finally:
        for _, server, thread in running:
            server.should_exit = True
            thread.join()


def sent(url: str, message: dict[str, Any]) -> httpx.Response:
    """What a desk answers to a message."""
    return httpx.post(url, **message)
