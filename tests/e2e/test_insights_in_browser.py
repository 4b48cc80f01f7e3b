"""Insights and Costs in a real browser, behind a proxy that says who somebody is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.desk import Desk
from tests.decided_desk import ADA
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page
from tests.e2e.servers import ReviewServer

pytestmark = pytest.mark.browser

PROXY = '[sign_in]\nproxy_header = "X-User"\nproxy_name = "desk.example.com"\ndefault_role = "viewer"\n'
PLOT = "[data-testid=stVegaLiteChart] svg.marks"


@pytest.fixture(scope="module")
def url(weeks: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A copy of three weeks' desk, served."""
    root = tmp_path_factory.mktemp("served") / "desk"
    shutil.copytree(weeks.root, root)
    settings = root / "picturedesk.toml"
    settings.write_text(f"{settings.read_text('utf-8')}\n{PROXY}", "utf-8")
    with ReviewServer(root) as server:
        yield server.url


def opened(browser: Browser, url: str, name: str) -> ReviewScreen:
    """The queue, as this person has it."""
    page = new_page(browser, extra_http_headers={"X-User": name})
    screen = ReviewScreen(page, url)
    page.goto(url)
    expect(page.get_by_role("link", name="Insights")).to_be_visible(timeout=WAIT_MS)
    return screen


def wait_for_plots(page: Page, count: int) -> None:
    """Until so many are drawn, with marks that take up room."""
    expect(page.locator(PLOT)).to_have_count(count, timeout=WAIT_MS)
    drawn = """(css) => [...document.querySelectorAll(css)].every(plot =>
        [...plot.querySelectorAll("[role='graphics-symbol']")].some(mark => mark.getBoundingClientRect().width > 2))"""
    page.wait_for_function(drawn, arg=PLOT, timeout=WAIT_MS)


def cell(page: Page, text: str) -> Locator:
    """Cells of tables: drawn on a canvas, and told to screen readers beside it."""
    return page.locator("[role=gridcell]", has_text=text)


def test_plots_are_drawn_from_here_alone_and_tables_downloaded(browser: Browser, url: str, tmp_path: Path) -> None:
    screen = opened(browser, url, ADA.name)
    page = screen.page
    page.get_by_role("link", name="Insights").click()
    expect(page.get_by_text("render-text at openai is accepted")).to_be_visible(timeout=WAIT_MS)
    wait_for_plots(page, 8)
    expect(cell(page, "grace@example.com").first).to_be_attached(timeout=WAIT_MS)
    with page.expect_download() as download:
        page.locator(".st-key-csv-acceptance").get_by_role("button").click()  # a page's buttons appear in any order
    download.value.save_as(tmp_path / "file.csv")
    assert (tmp_path / "file.csv").read_text().startswith("recipe,provider,decided on,accepted %,")
    page.get_by_role("link", name="Costs").click()
    expect(page.get_by_text("left", exact=False).first).to_be_visible(timeout=WAIT_MS)
    wait_for_plots(page, 1)
    assert screen.problems == []
    assert [each for each in screen.requests if not each.startswith((url, "data:", "blob:"))] == []
    page.context.close()


def test_a_viewer_sees_no_persons_pace(browser: Browser, url: str) -> None:
    page = opened(browser, url, "vera@example.com").page
    page.get_by_role("link", name="Insights").click()
    expect(page.get_by_text("is told to approvers only")).to_be_visible(timeout=WAIT_MS)
    expect(cell(page, "all together")).to_have_count(2, timeout=WAIT_MS)
    assert cell(page, "@example.com").count() == 0
    page.context.close()
