"""Every route that the application has, read from the application itself, and every page: who gets in, and who not.

A new route needs a row here: one that asks for a session in ``CALLS`` of test_access.py, one that asks for a ticket in
its address in ``THINGS``, one that is open to anyone in ``OPEN``, with the reason why it may be. The operations of
``/api/v1`` and the gateway's are walked, one and all, by tests/http_api/test_access.py.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.routing import Match, Route
from starlette.testclient import TestClient
from streamlit.runtime.runtime import Runtime
from streamlit.testing.v1 import AppTest

from pipeline import people
from pipeline.desk import Desk
from pipeline.states import Role
from pipeline.store import reading
from review_app import tickets, viewing
from review_app.api import EXPORTS
from review_app.app import create_app
from review_app.routes.v1 import OPERATIONS
from review_app.tickets import LIFETIME_S
from tests.desks import BATCH, HOSTILE
from tests.http_api.test_access import GATEWAY
from tests.navigation import APP, NamedPage, pages
from tests.review_app.calling import ADMIN, ticket, token
from tests.review_app.conftest import WAIT_S
from tests.review_app.test_access import CALLS

HAT, MUG = 1, 2

OPEN = {
    "/healthz": "says that the process answers",
    "/readyz": "says which part of the desk is broken, in words that tell no address, path or name",
    "/api/v1/openapi.json": "describes the program, the same on every desk",
    "/api/v1/{rest:path}": "says that nothing is there",
    "/v1/{rest:path}": "says that nothing is there",
    "/metrics": "with a machine's token, or from this machine where nobody signs in: see tests/operations",
    "/tickets/{name:str}": "takes messages that a help desk has signed, or that bring its secret: see tests/tickets",
    "/viewer/{version:str}/{name:str}": "the program of the screen, the same on every desk",
    "/_stcore/health": "Streamlit's own: says that it answers",
    "/_stcore/metrics": "Streamlit's own: counts of its caches and sessions",
    "/_stcore/host-config": "Streamlit's own: settings of its front end",
    "/media/{file_id:path}": "Streamlit's own: no page puts a picture or an export there",
    "/component/{path:path}": "Streamlit's own: files of components that are installed",
    "/_stcore/bidi-components/{path:path}": "Streamlit's own: files of components that are installed",
    "/_stcore/upload_file/{session_id}/{file_id}": "Streamlit's own: takes a file from a session that is open",
    "/auth/login": "Streamlit's own: leads to the provider",
    "/auth/logout": "Streamlit's own: ends one's own session",
    "/oauth2callback": "Streamlit's own: comes back from the provider with a code",
    "/_stcore/agent/interact": "Streamlit's own, switched off",
    "/_stcore/agent/openapi.json": "Streamlit's own, switched off",
    "/_stcore/agent/mcp": "Streamlit's own, switched off",
}

V1 = {f"/api/v1{operation.path}" for operation in OPERATIONS} | set(GATEWAY)

Thing = tuple[str, str]
"""An address, and what its ticket is for."""

THINGS: dict[str, Callable[[str], Thing]] = {
    "a picture": lambda sha256: (f"/api/page/pictures/{sha256}", sha256),
    "a thumbnail": lambda sha256: (f"/api/page/pictures/{sha256}?side=160", sha256),
    "a preview": lambda sha256: (f"/api/page/pictures/{sha256}?side=640", sha256),
    "an export": lambda _: ("/api/page/exports/all.zip", "export/all"),
}

NOT_OPENED: dict[str, tuple[int, Callable[[Desk, str], str | None]]] = {
    "nothing": (401, lambda desk, name: None),
    "an empty one": (403, lambda desk, name: ""),
    "a dot": (403, lambda desk, name: "."),
    "a later end": (403, lambda desk, name: _changed(_good(desk, name), later_by=1)),
    "a cut signature": (403, lambda desk, name: _good(desk, name)[:-1]),
    "another signature": (403, lambda desk, name: _good(desk, name).partition(".")[0] + ".é"),
    "an end in other digits": (403, lambda desk, name: "٣.x"),
    "an endless end": (403, lambda desk, name: f"{'9' * 5000}.x"),
    "one that is over": (403, lambda desk, name: _good(desk, name, now=time.time() - 2 * LIFETIME_S)),
    "one of long ago": (403, lambda desk, name: _good(desk, name, now=0)),
    "another picture's": (403, lambda desk, name: _good(desk, "0" * 64)),
    "an export's of that name": (403, lambda desk, name: _good(desk, f"export/{name}")),
    "another desk's": (403, lambda desk, name: tickets.issue(b"\0" * 32, name)),
    "a session's": (403, lambda desk, name: ticket(desk, Role.ADMIN)),
    "a revoked token": (403, lambda desk, name: token(desk, Role.ADMIN, is_revoked=True)),
    "a machine's token": (403, lambda desk, name: token(desk, Role.VIEWER)),
}


def _good(desk: Desk, name: str, *, now: float | None = None) -> str:
    return tickets.issue(tickets.read_key(desk.root), name, now=now)


def _changed(good: str, *, later_by: int) -> str:
    end, _, signature = good.partition(".")
    return f"{int(end) + later_by}.{signature}"


@pytest.fixture
def client(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The whole application, as it is served."""
    monkeypatch.setattr(Runtime, "_instance", None)  # Streamlit makes one in a process, and never lets go of it
    (small_desk.root / EXPORTS).mkdir()
    (small_desk.root / EXPORTS / "all.zip").write_bytes(b"PK zip")
    with TestClient(create_app(small_desk.root), base_url="http://localhost:8501") as opened:
        yield opened


@pytest.fixture
def sha256(small_desk: Desk) -> str:
    return reading.edit(small_desk.db, HAT).outputs[0].picture.sha256


def served(client: TestClient) -> list[Route]:
    """All routes of the application, Streamlit's as well; what no route takes gets the frame of the pages."""
    every = client.app._starlette_app.routes  # type: ignore[attr-defined]  # Streamlit shows them nowhere else
    return [route for route in every if isinstance(route, Route)]


def leads_to(route: Route, method: str, path: str) -> bool:
    scope = {"type": "http", "method": method, "path": path.partition("?")[0], "root_path": ""}
    return route.matches(scope)[0] is Match.FULL


def test_every_route_has_a_row_and_every_row_a_route(client: TestClient, sha256: str) -> None:
    rows = [(call.method, f"/api/page/{call.path}") for call in CALLS]
    rows += [("GET", thing(sha256)[0]) for thing in THINGS.values()]
    routes = served(client)
    without = {
        f"{method} {route.path}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
        if not (route.path in OPEN or route.path in V1)
        and not any(method == row[0] and leads_to(route, *row) for row in rows)
    }
    assert without == set()
    assert OPEN.keys() - {route.path for route in routes} == set()
    assert [row for row in rows if not any(leads_to(route, *row) for route in routes)] == []


def test_what_is_open_to_anyone_tells_nothing_of_the_desk(client: TestClient, small_desk: Desk, sha256: str) -> None:
    secrets = [HOSTILE, BATCH, "knife", sha256, str(small_desk.root), tickets.read_key(small_desk.root).hex()]
    module = f"/{viewing.module_url()}"
    for path in [*(path for path in OPEN if "{" not in path), module, "/media/x.png", "/component/x", "/search", "/"]:
        answer = client.get(path, follow_redirects=False)
        assert [secret for secret in secrets if secret in answer.text] == [], path
    for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp"):
        assert "does not serve the agent API" in client.post(path, json={}).text


def test_a_file_from_nowhere_is_not_taken(client: TestClient) -> None:
    answer = client.put("/_stcore/upload_file/no-session/a-file", files={"file": ("x.png", b"x")})
    assert answer.status_code in (400, 401, 403)


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_comes_to_whoever_has_its_ticket_and_to_nobody_else(
    client: TestClient, small_desk: Desk, sha256: str, name: str
) -> None:
    path, of = THINGS[name](sha256)
    admin = {"Authorization": f"Bearer {ticket(small_desk, Role.ADMIN)}", "Cookie": f"ticket={_good(small_desk, of)}"}
    for sent, (status, make) in NOT_OPENED.items():
        given = make(small_desk, of)
        for headers in ({}, admin):
            answer = client.get(path, params=_with(path, given), headers=headers)
            assert (answer.status_code, sent) == (status, sent)
            assert set(answer.json()) == {"error", "code"}
    assert client.get(path, params=_with(path, _good(small_desk, of))).status_code == 200


def _with(path: str, given: str | None) -> dict[str, str]:
    """The address's own parameters and the ticket: httpx takes them either from there or from here."""
    own = dict(parse_qsl(urlsplit(path).query))
    return own if given is None else {**own, "ticket": given}


# The pages.


@pytest.fixture
def proxied(small_desk: Desk) -> Desk:
    """A desk that people sign in to, where whoever has no role of their own may look."""
    settings = small_desk.root / "picturedesk.toml"
    text = '[sign_in]\nproxy_header = "X-User"\nproxy_name = "desk.example.com"\ndefault_role = "viewer"\n'
    settings.write_text(f"{settings.read_text('utf-8')}\n{text}", "utf-8")
    return small_desk


def opened(named: NamedPage, user: dict[str, Any]) -> AppTest:
    page = AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S)
    page.user = user
    page.run()
    if named.path:
        page.switch_page(f"app_pages/{named.name}.py")
        page.query_params["asset"] = str(MUG)
        page.run()
    return page


def shown(page: AppTest) -> str:
    return "\n".join(str(element.proto) for block in (page.main, page.sidebar) for element in block)


@pytest.mark.parametrize("named", pages(), ids=str)
def test_a_viewer_opens_every_page_and_is_offered_no_button_that_fails(proxied: Desk, named: NamedPage) -> None:
    before = reading.latest_events(proxied.db, limit=1000)
    labels = [button.label for button in opened(named, {"email": "vic@example.com"}).button]
    for label in labels:
        page = opened(named, {"email": "vic@example.com"})
        button = next(each for each in page.button if each.label == label)
        if not button.disabled:
            button.click().run()
        assert not page.exception, label
        assert [each.value for each in page.error] == [], label
    page = opened(named, {"email": "vic@example.com"})
    assert not page.exception
    assert "vic@example.com, viewer" in [each.value for each in page.sidebar.text]
    assert reading.latest_events(proxied.db, limit=1000) == before


@pytest.mark.parametrize("named", pages(), ids=str)
@pytest.mark.parametrize("user", [{}, {"email": "mallory@example.com"}], ids=["nobody", "somebody without a role"])
def test_whoever_may_not_come_in_sees_nothing_of_the_desk(
    proxied: Desk, named: NamedPage, user: dict[str, str]
) -> None:
    settings = proxied.root / "picturedesk.toml"
    settings.write_text(settings.read_text("utf-8").replace('default_role = "viewer"', ""), "utf-8")
    if user:
        settings.write_text(settings.read_text("utf-8") + 'allowed_domains = ["example.org"]\n', "utf-8")
    page = opened(named, user)
    assert not page.exception
    text = shown(page)
    assert [each for each in (BATCH, "knife", "203.0.113.9", "waiting", "edit") if each in text] == []
    assert [button.label for button in page.button] == []


def test_a_role_that_was_given_shows_on_the_next_page(proxied: Desk) -> None:
    people.set_role(proxied, "vic@example.com", Role.REVIEWER, by=ADMIN)
    page = opened(pages()[0], {"email": "vic@example.com"})
    assert "vic@example.com, reviewer" in [each.value for each in page.sidebar.text]
