"""People and machines that call the routes of the small desk."""

import time
from typing import Any

from starlette.testclient import TestClient

from pipeline import tokens
from pipeline.desk import Desk
from pipeline.people import Person, local_person
from pipeline.states import Role
from review_app import tickets
from review_app.tickets import Session

ADMIN = Person("root@example.com", Role.ADMIN)


def ticket(desk: Desk, role: Role, *, name: str | None = None, now: float | None = None) -> str:
    """A session's ticket for somebody whose groups grant this role; ``viewer@example.com`` and so on."""
    session = Session(name or f"{role}@example.com", role, int(now or time.time()))
    return tickets.issue_session(tickets.read_key(desk.root), session, now=now).text


def local_ticket(desk: Desk) -> str:
    """The ticket of somebody who is alone on this machine."""
    person = local_person("ada")
    session = Session(person.name, person.role, int(time.time()), is_alone=True)
    return tickets.issue_session(tickets.read_key(desk.root), session).text


def token(desk: Desk, role: Role, *, is_revoked: bool = False) -> str:
    """A machine's token."""
    text, kept = tokens.make(desk, name=f"{role}-machine", role=role, by=ADMIN)
    if is_revoked:
        tokens.revoke(desk, kept.id, by=ADMIN)
    return text


class Caller:
    """Somebody with a ticket or a token.

    Args:
        client: To the routes.
        bearer: The ticket or token; None to send none.
    """

    def __init__(self, client: TestClient, bearer: str | None) -> None:
        self._client = client
        self._headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}

    def post(self, path: str, **body: Any) -> Any:
        """The answer of ``POST /api/page/PATH``."""
        return self._client.post(f"/api/page/{path}", json=body, headers=self._headers)

    def get(self, path: str) -> Any:
        """The answer of ``GET /api/page/PATH``."""
        return self._client.get(f"/api/page/{path}", headers=self._headers)

    def claim(self, **body: Any) -> list[dict[str, Any]]:
        """Claims that were given."""
        answer = self.post("claims", **body)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["claims"]
        return found


def decision(claim: dict[str, Any], kind: str = "accept", **more: Any) -> dict[str, Any]:
    """The body of a decision on a claimed edit, as the viewer sends it."""
    edit = claim["edit"]
    said = {"edit": edit["id"], "revision": edit["revision"], "claim": claim["token"], "shown_ms": 900}
    if edit["outputs"]:
        said["output"] = edit["outputs"][0]["id"]
    return {"decision": kind, "key": f"{kind}-{edit['id']}-{edit['revision']}", **said, **more}
