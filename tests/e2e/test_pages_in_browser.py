"""The pages beside the queue, in a real browser, with hostile text in every name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pipeline.desk import Desk
from tests.desks import HOSTILE, build_desk
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page
from tests.e2e.servers import ReviewServer

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.fixture
def screen(browser: Browser, desk: Desk) -> Iterator[ReviewScreen]:
    with ReviewServer(desk.root) as server:
        page = new_page(browser)
        yield ReviewScreen(page, server.url)
        page.context.close()


def test_the_queue_leads_to_the_assets_history_beside_it(screen: ReviewScreen) -> None:
    screen.open().skip_to(HOSTILE)
    with screen.page.expect_popup() as opened:
        screen.page.get_by_role("link", name="2, its history").click()
    asset = opened.value
    expect(asset.get_by_role("heading", name="Round 1")).to_be_visible(timeout=WAIT_MS)
    expect(asset.get_by_text(f"text introduced: {HOSTILE}, 0.87", exact=True)).to_be_visible()
    asset.wait_for_function("() => [...document.images].filter(each => each.naturalWidth === 320).length === 2")
    assert screen.title == HOSTILE
    assert screen.problems == []


def test_the_search_leads_to_the_asset_and_asks_no_other_host(screen: ReviewScreen) -> None:
    screen.page.goto(f"{screen.url}/search?state=in+review&flag=text")
    expect(screen.page.get_by_text("1 edit.", exact=True)).to_be_visible(timeout=WAIT_MS)
    table = screen.page.get_by_test_id("stDataFrame")
    expect(table.locator("canvas").first).to_be_visible(timeout=WAIT_MS)
    expect(table.locator("[role=gridcell]", has_text="autumn")).to_have_count(1, timeout=WAIT_MS)
    table.hover(position={"x": 300, "y": 64})  # the grid knows a link once the pointer has come to it
    table.hover(position={"x": 20, "y": 64})
    with screen.page.expect_popup(timeout=WAIT_MS) as opened:
        table.click(position={"x": 20, "y": 64})
    asset = opened.value
    asset.on("request", lambda request: screen.requests.append(request.url))
    asset.reload()
    assert asset.url == f"{screen.url}/asset?asset=2"
    expect(asset.get_by_text("Line 3 of the batch autumn")).to_be_visible(timeout=WAIT_MS)
    screen.page.goto(f"{screen.url}/audit")
    expect(screen.page.get_by_role("heading", name="Audit log")).to_be_visible(timeout=WAIT_MS)
    assert [url for url in screen.requests if not url.startswith((screen.url, "data:", "blob:"))] == []
