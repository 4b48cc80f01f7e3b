"""A customer's photograph, from the help desk's message to its answer: the page's own server, a worker, a browser."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from PIL import Image, ImageChops
from playwright.sync_api import Browser, expect

from tests import processes
from tests.desks import drawn_picture, new_desk
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page
from tests.e2e.servers import ReviewServer
from tests.fake_help_desks import KEY, SECRET, USER, FakeZendesk, sent, served

pytestmark = pytest.mark.browser

PHOTO = drawn_picture("navy")
WAIT_S = 30


def test_a_ticket_with_a_photo_is_ringed_where_the_reviewer_points_and_answered(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENDESK_API_TOKEN", KEY)
    monkeypatch.setenv("ZENDESK_WEBHOOK_SECRET", SECRET)
    zendesk, root = FakeZendesk(), tmp_path / "desk"
    with served(zendesk):
        _make_desk(root, zendesk)
        zendesk.add_ticket(4711, PHOTO)
        with ReviewServer(root) as server:
            worker = processes.start("pipeline.cli", "--desk", str(root), "worker")
            try:
                assert sent(f"{server.url}/tickets/support", zendesk.message(4711, invocation="1")).status_code == 202
                assert sent(f"{server.url}/tickets/support", zendesk.message(4711, invocation="1")).status_code == 202
                _review(ReviewScreen(new_page(browser), server.url))
                _wait(lambda: len(zendesk.comments[4711]) == 2)
            finally:
                worker.terminate()
                worker.join(WAIT_S)
    _check_answer(zendesk)


def _make_desk(root: Path, zendesk: FakeZendesk) -> None:
    root.mkdir()
    table = {
        "kind": "zendesk",
        "address": zendesk.url,
        "user": USER,
        "attachment_hosts": ["localhost"],
        "settle_s": 0,
        "parameters": {"note": "Crack"},
        "comment": "We marked it.",
        "public": True,
        "on_approval": {"fields": {"360003": "tier-2"}, "tags": ["damage-marked"]},
    }
    settings = {"detectors": [], "workers": 1, "allow_private_sources": True, "tickets": {"support": table}}
    (root / "picturedesk.toml").write_text(tomli_w.dumps(settings))
    new_desk(root).close()


def _review(screen: ReviewScreen) -> None:
    """Nobody said where the damage is, so a person points at it, and accepts what is drawn there."""
    page = screen.page
    screen.page.goto(screen.url)
    expect(page.locator(".desk h1")).to_contain_text("4711", timeout=WAIT_MS)
    expect(page.get_by_text("must be told where")).to_be_visible(timeout=WAIT_MS)
    screen.wait_until_armed()
    screen.draw_a_box("source")
    screen.press("e")
    expect(page.get_by_label("Instruction")).to_have_value("Circle the damage with note 'Crack'")
    expect(page.get_by_role("radio", name="point at this")).to_be_checked(timeout=WAIT_MS)
    page.get_by_role("button", name="Ask for it").click()
    expect(page.locator(".desk[data-armed*='/']")).to_be_visible(timeout=WAIT_MS)
    screen.press("a")
    screen.wait_until_all_is_sent()
    assert screen.problems == []


def _wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def _check_answer(zendesk: FakeZendesk) -> None:
    """One comment, which the customer sees, with the ringed photograph; and the field that escalates."""
    _, comment = zendesk.comments[4711]
    assert comment["public"] is True
    assert comment["body"].startswith("We marked it.\n\nPD-")
    (attachment,) = comment["attachments"]
    with Image.open(io.BytesIO(PHOTO)) as before, Image.open(io.BytesIO(zendesk.files[attachment["id"]][2])) as after:
        changed = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
        red = [color for _, color in after.convert("RGB").getcolors(2**24) or [] if color == (226, 32, 44)]
    assert changed is not None
    assert red, "nothing was drawn in the ring's red"
    assert {"id": 360003, "value": "tier-2"} in zendesk.tickets[4711]["custom_fields"]
    assert "damage-marked" in zendesk.tickets[4711]["tags"]
