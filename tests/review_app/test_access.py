"""Who may call which route: every route, with every kind of ticket, tampered and expired ones as well."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline import people
from pipeline.desk import Desk
from pipeline.errors import Unauthorized
from pipeline.people import Person
from pipeline.states import EditState, Role
from pipeline.store import reading
from review_app import tickets
from review_app.api import routes
from review_app.tickets import DAY_S, SESSION_S, Session
from tests.review_app.calling import ADMIN, local_ticket, ticket, token

PICTURE_TICKET = "0" * 64


@dataclass(frozen=True)
class Call:
    """A request that changes nothing if it is refused, and the least role that may make it."""

    method: str
    path: str
    body: Any
    least: Role


HAT = {"edit": 1, "decision": "accept", "revision": 0, "key": "a key of ours"}

CALLS = [
    Call("POST", "session", {}, Role.VIEWER),
    Call("POST", "claims", {"count": 1}, Role.REVIEWER),
    Call("POST", "claims", {"count": 0}, Role.REVIEWER),
    Call("POST", "claims/release", {"tokens": ["0" * 16]}, Role.REVIEWER),
    Call("POST", "estimate", {"edit": 1, "prompt": "make it green"}, Role.REVIEWER),
    Call("POST", "decisions", HAT, Role.REVIEWER),
    Call("POST", "decisions/bulk", {"decisions": [HAT]}, Role.REVIEWER),
    Call("POST", "decisions/bulk", {"decisions": []}, Role.REVIEWER),
    Call("POST", "undo", {}, Role.REVIEWER),
    Call("POST", "undo", {"edit": 5}, Role.REVIEWER),
    Call("POST", "undo/bulk", {"edits": [5], "key": "a key of ours"}, Role.REVIEWER),
    Call("GET", "edits/1", None, Role.VIEWER),
]

NOT_LET_IN: dict[str, Callable[[Desk], str | None]] = {
    "nothing": lambda desk: None,
    "an empty bearer": lambda desk: "Bearer ",
    "another scheme": lambda desk: f"Basic {ticket(desk, Role.ADMIN)}",
    "no scheme": lambda desk: ticket(desk, Role.ADMIN),
    "a changed signature": lambda desk: f"Bearer {ticket(desk, Role.ADMIN)[:-1]}x",
    "a cut signature": lambda desk: f"Bearer {ticket(desk, Role.ADMIN)[:-1]}",
    "a changed name": lambda desk: f"Bearer {_exchanged(ticket(desk, Role.ADMIN), ticket(desk, Role.VIEWER))}",
    "two tickets": lambda desk: f"Bearer {ticket(desk, Role.ADMIN)}.{ticket(desk, Role.ADMIN)}",
    "an expired ticket": lambda desk: f"Bearer {ticket(desk, Role.ADMIN, now=time.time() - SESSION_S - 1)}",
    "another desk's key": lambda desk: f"Bearer {_of_another_desk()}",
    "a picture's ticket": lambda desk: f"Bearer {tickets.issue(tickets.read_key(desk.root), PICTURE_TICKET)}",
    "an unknown token": lambda desk: "Bearer pd_" + "A" * 43,
    "a revoked token": lambda desk: f"Bearer {token(desk, Role.ADMIN, is_revoked=True)}",
    "garbage": lambda desk: "Bearer ...",
    "a long one": lambda desk: "Bearer " + "A" * 5_000,
}


def _exchanged(signature_of: str, text_of: str) -> str:
    return f"{text_of.partition('.')[0]}.{signature_of.partition('.')[2]}"


def _of_another_desk() -> str:
    return tickets.issue_session(b"\0" * 32, Session(ADMIN.name, Role.ADMIN, int(time.time()))).text


@pytest.fixture
def client(small_desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(small_desk))) as opened:
        yield opened


def send(client: TestClient, call: Call, authorization: str | None, **more: Any) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.request(call.method, f"/api/page/{call.path}", json=call.body, headers=headers, **more)


def name_of(call: Call) -> str:
    return f"{call.path} {call.body or ''}"


@pytest.mark.parametrize("call", CALLS, ids=name_of)
@pytest.mark.parametrize("sent", NOT_LET_IN)
def test_whoever_does_not_say_who_they_are_is_not_let_in(
    client: TestClient, small_desk: Desk, call: Call, sent: str
) -> None:
    answer = send(client, call, NOT_LET_IN[sent](small_desk))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert set(answer.json()) == {"error", "code"}
    assert answer.headers["www-authenticate"] == "Bearer"
    assert is_untouched(small_desk)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_a_role_opens_what_it_may_and_nothing_else(
    client: TestClient, small_desk: Desk, call: Call, role: Role
) -> None:
    """What is let in gets an answer of the work itself: 200, or that this decision fits no edit as it is."""
    answer = send(client, call, f"Bearer {ticket(small_desk, role)}")
    if Person("x", role).may(call.least):
        assert answer.status_code in (200, 404, 409)
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert f"{role}@example.com is a {role}" in answer.json()["error"]
        assert is_untouched(small_desk)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_a_machine_may_what_its_token_says_but_has_no_session(
    client: TestClient, small_desk: Desk, call: Call, role: Role
) -> None:
    answer = send(client, call, f"Bearer {token(small_desk, role)}")
    if Person("x", role).may(call.least) and call.path != "session":
        assert answer.status_code in (200, 404, 409)
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert is_untouched(small_desk)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_a_cookie_opens_nothing(client: TestClient, small_desk: Desk, call: Call) -> None:
    client.cookies.set("Authorization", f"Bearer {ticket(small_desk, Role.ADMIN)}")
    client.cookies.set("_streamlit_user", ticket(small_desk, Role.ADMIN))
    answer = send(client, call, None)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_role_that_was_taken_away_is_gone_at_once(client: TestClient, small_desk: Desk) -> None:
    sent = f"Bearer {ticket(small_desk, Role.ADMIN, name='ada@example.com')}"
    assert send(client, CALLS[1], sent).status_code == 200
    people.set_role(small_desk, "ada@example.com", Role.VIEWER, by=ADMIN)
    assert send(client, CALLS[1], sent).status_code == 403
    assert send(client, CALLS[0], sent).json()["role"] == "viewer"


def test_whoever_has_neither_role_nor_group_stays_outside(client: TestClient, small_desk: Desk) -> None:
    session = Session("stranger@example.com", None, int(time.time()))
    sent = tickets.issue_session(tickets.read_key(small_desk.root), session).text
    answer = send(client, CALLS[-1], f"Bearer {sent}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_ticket_is_renewed_while_it_holds_and_for_a_day(client: TestClient, small_desk: Desk) -> None:
    sent = ticket(small_desk, Role.REVIEWER)
    answer = send(client, CALLS[0], f"Bearer {sent}").json()
    assert (answer["name"], answer["role"]) == ("reviewer@example.com", "reviewer")
    assert SESSION_S - 60 < answer["expires_at"] - time.time() <= SESSION_S
    assert send(client, CALLS[1], f"Bearer {answer['ticket']}").status_code == 200
    key, long_ago = tickets.read_key(small_desk.root), int(time.time()) - DAY_S + 60
    late = tickets.issue_session(key, Session("ada@example.com", Role.REVIEWER, long_ago))
    assert late.expires_at == long_ago + DAY_S
    assert send(client, CALLS[0], f"Bearer {late.text}").json()["expires_at"] == late.expires_at
    over = Session("ada@example.com", Role.REVIEWER, int(time.time()) - DAY_S)
    with pytest.raises(Unauthorized):
        tickets.issue_session(key, over)


def test_who_was_alone_is_nobody_once_the_desk_has_a_sign_in(small_desk: Desk) -> None:
    sent = f"Bearer {local_ticket(small_desk)}"
    settings = small_desk.root / "picturedesk.toml"
    settings.write_text(settings.read_text("utf-8") + '\n[sign_in]\nproxy_header = "X-User"\n', "utf-8")
    for desk, status in ((small_desk, 200), (Desk.open(small_desk.root), 401)):
        with TestClient(Starlette(routes=routes(desk))) as client:
            assert send(client, CALLS[-1], sent).status_code == status


def test_nothing_in_the_body_makes_somebody_an_approver(client: TestClient, small_desk: Desk) -> None:
    sent = f"Bearer {ticket(small_desk, Role.VIEWER)}"
    for more in ({"role": "admin"}, {"by": "root"}, {"name": "root", "is_alone": True}):
        call = Call("POST", "decisions", {**HAT, **more}, Role.REVIEWER)
        assert send(client, call, sent).status_code in (403, 422)
    assert is_untouched(small_desk)


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"edit": 1e400}', b"[" * 100_000])
def test_what_is_no_json_is_refused(client: TestClient, small_desk: Desk, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {ticket(small_desk, Role.REVIEWER)}"}
    answer = client.post("/api/page/decisions", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")


def test_a_body_without_end_is_cut_off(client: TestClient, small_desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {ticket(small_desk, Role.REVIEWER)}"}
    answer = client.post("/api/page/decisions", content=b" " * (17 * 2**20), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")


def is_untouched(desk: Desk) -> bool:
    """Whether nobody claimed or decided on anything."""
    edits = reading.edits(desk.db, reading.edit_ids(desk.db, reading.EditFilter()))
    states = [edit.state for edit in edits]
    review, approved = EditState.IN_REVIEW, EditState.APPROVED
    return (
        states == [review, review, review, review, approved, EditState.REFUSED]
        and all(edit.claimed_by is None for edit in edits)
        and not reading.decisions(desk.db, [edit.id for edit in edits])
    )
