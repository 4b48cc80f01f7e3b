"""Signing in, in a real browser: at a provider of our own, and by a proxy's header."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from review_app.serving import SECRET_VARIABLE
from tests import processes
from tests.conftest import need
from tests.desks import build_desk

pytestmark = pytest.mark.browser

WAIT_MS = 30_000


@contextmanager
def served(root: Path, settings: str, port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """The page on a small desk with these settings; gives the address."""
    desk = build_desk(root)
    desk.close()
    path = root / "picturedesk.toml"
    path.write_text(f"{path.read_text('utf-8')}\n{settings}", "utf-8")
    url = f"http://localhost:{port}"
    arguments = ("--desk", str(root), "--no-browser", "--port", str(port))
    process = processes.start("review_app.app", *arguments, environment=environment)
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.join(WAIT_MS / 1000)


def _wait_for(url: str, process: ForkServerProcess) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.exitcode is None, "the page did not start"
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the page did not come up in a minute")


def test_somebody_signs_in_at_a_provider_and_out_again(browser: Browser, tmp_path: Path) -> None:
    need("authlib", "make test")
    from tests.fake_sign_in import CLIENT_SECRET, fake_provider, sign_in_settings

    port = processes.free_port()
    with fake_provider({"ada@example.com": {"groups": ["catalogue-leads"]}}) as provider:
        settings = sign_in_settings(provider, f"http://localhost:{port}")
        with served(tmp_path / "desk", settings, port, {SECRET_VARIABLE: CLIENT_SECRET}) as url:
            page = browser.new_context().new_page()
            page.goto(url)
            expect(page.get_by_text("nobody is signed in")).to_be_visible(timeout=WAIT_MS)
            assert page.get_by_text("waiting,").count() == 0
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_text("ada@example.com, approver")).to_be_visible(timeout=WAIT_MS)
            assert page.context.request.get(f"{url}/api/page/edits/1").status == 401  # with the page's cookies
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_text("nobody is signed in")).to_be_visible(timeout=WAIT_MS)
            page.context.close()


def test_a_proxy_says_who_is_there(browser: Browser, tmp_path: Path) -> None:
    settings = '[sign_in]\nproxy_header = "X-User"\nproxy_groups_header = "X-Groups"\nproxy_name = "desk.example.com"\n'
    settings += 'roles = {"leads" = "reviewer"}\ndefault_role = "viewer"\n'
    with served(tmp_path / "desk", settings, processes.free_port(), {}) as url:
        for headers, shown in (
            ({"X-User": "Ada@example.com", "X-Groups": "else, leads"}, "ada@example.com, reviewer"),
            ({"X-User": "ben@example.com"}, "ben@example.com, viewer"),
            ({}, "The proxy in front of this page signs people in."),
        ):
            context = browser.new_context(extra_http_headers=headers)
            page = context.new_page()
            page.goto(url)
            expect(page.get_by_text(shown)).to_be_visible(timeout=WAIT_MS)
            context.close()
