"""Who is at the page: by a provider, by a proxy, or alone; and when the page is not served at all."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from streamlit.testing.v1 import AppTest

from pipeline import people
from pipeline.desk import Desk
from pipeline.errors import Unauthorized, UsageError
from pipeline.settings import SignIn, read_settings
from pipeline.states import Role
from review_app import app, serving, sign_in, tickets
from review_app.workspace import DESK_VARIABLE
from tests.conftest import need
from tests.navigation import APP
from tests.review_app.calling import ADMIN
from tests.review_app.conftest import WAIT_S

OIDC = {
    "client_id": "picturedesk",
    "server_metadata_url": "https://login.example.com/.well-known/openid-configuration",
    "redirect_uri": "https://desk.example.com/oauth2callback",
}
BY_OIDC = SignIn(oidc=OIDC)
BY_PROXY = SignIn(proxy_header="X-Forwarded-Email", proxy_name="desk.example.com")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serving.SECRET_VARIABLE, "a secret of the tests")


def add_settings(desk: Desk, text: str) -> None:
    path = desk.root / "picturedesk.toml"
    path.write_text(f"{path.read_text('utf-8')}\n{text}", "utf-8")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_no_sign_in(host: str) -> None:
    serving.check(SignIn(), host)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux alone tells a process what it has open")
def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    """A socket as Streamlit opens it; connections that it accepts are as it is."""
    open_before = sockets()
    with socket.socket(socket.AF_INET) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        serving.answer_at_once()
        with socket.create_connection(listening.getsockname()) as _, listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sockets() <= open_before, "others may have been closed meanwhile"


def sockets() -> Counter[str]:
    """How often this process has each of its sockets open."""
    names = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(path.readlink()))
    return Counter(name for name in names if name.startswith("socket:"))


def test_addresses_in_answers_are_those_that_others_use() -> None:
    assert serving.origin(SignIn()) is None
    assert [serving.origin(each) for each in (BY_OIDC, BY_PROXY)] == ["https://desk.example.com"] * 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "desk.example.com", ""])
def test_strangers_are_not_let_in_without_a_sign_in(host: str) -> None:
    with pytest.raises(UsageError, match=r"sign_in\.oidc.*docs/sign-in.md"):
        serving.check(SignIn(), host)


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_with_a_provider_any_address_is_served(host: str) -> None:
    serving.check(BY_OIDC, host)


@pytest.mark.parametrize(
    ("settings", "host", "says"),
    [
        (BY_OIDC, "127.0.0.1", serving.SECRET_VARIABLE),
        (SignIn(oidc={"client_id": "x"}), "0.0.0.0", "server_metadata_url, redirect_uri is missing"),
        (SignIn(oidc={**OIDC, "client_secret": "x"}), "0.0.0.0", "do not belong into a file"),
        (SignIn(oidc=OIDC, proxy_header="X-User"), "0.0.0.0", "one of them"),
        (SignIn(proxy_header="X-User"), "127.0.0.1", "proxy_name"),
        (BY_PROXY, "0.0.0.0", "proxy_addresses"),
        (BY_PROXY.model_copy(update={"proxy_addresses": ("10.0.0.300",)}), "0.0.0.0", "10.0.0.300"),
    ],
)
def test_a_sign_in_that_lets_strangers_in_or_nobody_is_refused(settings: SignIn, host: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        serving.check(settings, host)


def test_a_proxy_is_taken_at_its_word_from_where_it_calls() -> None:
    serving.check(BY_PROXY, "127.0.0.1")
    serving.check(BY_PROXY.model_copy(update={"proxy_addresses": ("10.0.0.0/24",)}), "0.0.0.0")


def test_the_command_refuses_to_start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DESK_VARIABLE, "set so that it is put back")
    for start in (app.serve, app.create_app):
        with pytest.raises(UsageError, match="nobody signs in on this desk"):
            start(desk.root, host="0.0.0.0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('roles = {"leads" = "king"}', "king"),
        ('default_role = "none"', "none"),
        ("colour = 1", "colour"),
    ],
)
def test_settings_that_make_no_sense_are_refused(desk: Desk, text: str, says: str) -> None:
    add_settings(desk, f"[sign_in]\n{text}")
    with pytest.raises(UsageError, match=says):
        read_settings(desk.root)


LEADS = SignIn(
    oidc=OIDC,
    allowed_domains=("Example.com",),
    roles={"catalogue-leads": Role.APPROVER, "catalogue": Role.REVIEWER, "it": Role.ADMIN},
    default_role=Role.VIEWER,
)


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ({"email": "Ada@Example.com"}, ("ada@example.com", Role.VIEWER)),
        ({"email": "ada@example.com", "groups": ["catalogue", "else"]}, ("ada@example.com", Role.REVIEWER)),
        ({"email": "ada@example.com", "groups": ["catalogue", "catalogue-leads"]}, ("ada@example.com", Role.APPROVER)),
        ({"email": "ada@example.com", "groups": "catalogue, it"}, ("ada@example.com", Role.ADMIN)),
        ({"email": "ada@example.com", "groups": {"it": 1}}, ("ada@example.com", Role.VIEWER)),
    ],
)
def test_groups_grant_a_role(user: dict[str, Any], found: tuple[str, Role]) -> None:
    assert sign_in.identity(LEADS, user) == found


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"email": ""},
        {"email": None},
        {"is_logged_in": False, "email": "ada@example.com"},
        {"email": "ada@example.org"},
        {"email": "ada@example.com.evil.org"},
        {"email": "ada"},
        {"email": "ada@example.com", "email_verified": False},
        {"email": "ada@example.com", "email_verified": "false"},
    ],
)
def test_whoever_is_not_signed_in_or_from_elsewhere_stays_outside(user: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        sign_in.identity(LEADS, user)


def test_without_a_default_role_a_stranger_has_none() -> None:
    nobody = LEADS.model_copy(update={"default_role": SignIn().default_role})
    assert sign_in.identity(nobody, {"email": "ada@example.com"}) == ("ada@example.com", None)


@pytest.mark.parametrize(("address", "arrives"), [("127.0.0.1", True), ("10.0.0.5", True), ("10.0.1.5", False)])
def test_a_header_that_names_somebody_counts_from_the_proxy_only(address: str, arrives: bool) -> None:
    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(dict(Request(scope).headers))(scope, receive, send)

    behind = serving.OnlyFromProxy(shown, {"X-Forwarded-Email": "email"}, ("10.0.0.0/24",))
    client = TestClient(behind, client=(address, 50_000))
    headers = client.get("/", headers={"x-forwarded-EMAIL": "root@example.com", "x-else": "y"}).json()
    assert ("x-forwarded-email" in headers, headers["x-else"]) == (arrives, "y")


def page(desk: Desk, user: dict[str, Any]) -> AppTest:
    opened = AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S)
    opened.user = user
    return opened.run()


def texts(opened: AppTest) -> str:
    return "\n".join(str(each.value) for each in (*opened.text, *opened.title, *opened.sidebar.text))


def test_the_page_shows_nothing_to_whoever_is_not_signed_in(small_desk: Desk) -> None:
    add_settings(small_desk, f"[sign_in]\noidc = {{{', '.join(f'{k} = {json.dumps(v)}' for k, v in OIDC.items())}}}")
    opened = page(small_desk, {"is_logged_in": False})
    assert not opened.exception
    assert "nobody is signed in" in texts(opened)
    assert [button.label for button in opened.button] == ["Sign in"]
    assert "hat" not in str(opened)


def test_the_page_says_who_is_signed_in_and_with_which_role(small_desk: Desk) -> None:
    add_settings(small_desk, '[sign_in]\nproxy_header = "X-User"\nproxy_name = "desk.example.com"')
    people.set_role(small_desk, "ada@example.com", Role.APPROVER, by=ADMIN)
    assert "ada@example.com, approver" in texts(page(small_desk, {"email": "Ada@example.com"}))
    assert "neither you nor a group of yours has a role" in texts(page(small_desk, {"email": "ben@example.com"}))
    assert "The proxy in front of this page signs people in." in texts(page(small_desk, {"email": None}))


@pytest.fixture
def provider() -> Iterator[str]:
    need("authlib", "make test")
    from tests.fake_sign_in import fake_provider

    with fake_provider({"ada@example.com": {"groups": ["catalogue-leads"], "name": "Ada"}}) as url:
        yield url


@pytest.mark.usefixtures("secret")
def test_a_provider_signs_somebody_in(desk: Desk, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole round: to the provider, back with a code, the cookie; then what the cookie says grants the role."""
    from streamlit import auth_util
    from streamlit.web.server.starlette import starlette_app_utils

    from tests.fake_sign_in import sign_in_settings

    monkeypatch.setenv(DESK_VARIABLE, "set so that it is put back")
    add_settings(desk, sign_in_settings(provider, "http://localhost:8501"))
    with TestClient(app.create_app(desk.root), base_url="http://localhost:8501", follow_redirects=False) as client:
        asked = client.get("/auth/login", params={"provider": auth_util.encode_provider_token("default")})
        place = asked.headers["location"]
        assert place.startswith(f"{provider}/authorize?")
        assert "code_challenge_method=S256" in place
        back = urlsplit(httpx.get(place).headers["location"])
        answer = client.get(f"{back.path}?{back.query}")
        (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("_streamlit_user=")]
        assert {"httponly", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
        key = serving.secrets(read_settings(desk.root).sign_in, tickets.read_key(desk.root))
        assert key is not None
        value = cookie.partition("=")[2].partition(";")[0].strip('"')
        said = starlette_app_utils.decode_signed_value(key["auth"]["cookie_secret"], "_streamlit_user", value)
        assert said is not None
        assert sign_in.identity(read_settings(desk.root).sign_in, json.loads(said)) == (
            "ada@example.com",
            Role.APPROVER,
        )
        assert client.get("/api/page/edits/1").status_code == 401  # the cookie opens the page, not the routes
        assert TestClient(client.app, base_url="http://evil.example:8501").get("/healthz").status_code == 400


def test_the_secret_is_in_no_file_of_the_desk(desk: Desk, secret: None) -> None:
    add_settings(desk, f"[sign_in]\noidc = {{{', '.join(f'{k} = {json.dumps(v)}' for k, v in OIDC.items())}}}")
    found = serving.secrets(read_settings(desk.root).sign_in, tickets.read_key(desk.root))
    assert found is not None
    written = b"".join(path.read_bytes() for path in Path(desk.root).rglob("*") if path.is_file())
    assert found["auth"]["client_secret"] == "a secret of the tests"
    assert b"a secret of the tests" not in written
    assert found["auth"]["cookie_secret"].encode() not in written
    assert len(found["auth"]["cookie_secret"]) == 64
