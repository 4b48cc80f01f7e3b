"""Hostile text in every field, on every page: it is shown as it is, runs nothing and calls nobody. And the pictures
that the browser shows are the stored bytes, whatever their kind."""

import hashlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.desk import Desk
from pipeline.records import EditRecord
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.values import PictureFacts
from tests.e2e.review_screen import WAIT_MS, ReviewScreen
from tests.e2e.servers import ReviewServer
from tests.e2e.watched import Watched
from tests.hostile_desk import ELSEWHERE, ME, hostile, hostile_desk
from tests.navigation import NamedPage, pages

pytestmark = pytest.mark.browser

ADDRESS = {"asset_page": "asset?asset={asset}"}
"""Where a page shows nothing without more in its address."""

SHOWN = (
    *("batch", "asset", "variant", "sku", "prompt", "source", "model", "size", "quality", "label", "before", "remark"),
    *("output", "request", "error", "reason", "note", "person", "reviewer"),
)
"""Fields that some page shows, in full and letter by letter."""

ALL_TEXT = """
() => {
  const found = [];
  const walk = (node) => {
    for (const each of node.querySelectorAll("*")) {
      if (each.shadowRoot) walk(each.shadowRoot);
      if ("value" in each && typeof each.value === "string") found.push(each.value);
      if (each.tagName !== "STYLE" && each.tagName !== "SCRIPT")
        found.push([...each.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join(""));
    }
  };
  walk(document);
  return found.join("\\n");
}
"""

LINKS = """
() => {
  const found = [];
  const walk = (node) => {
    for (const each of node.querySelectorAll("*")) {
      if (each.shadowRoot) walk(each.shadowRoot);
      for (const name of ["href", "src", "action", "formaction", "srcset", "poster", "data", "ping", "background"])
        if (each.hasAttribute(name)) found.push(each.getAttribute(name));
    }
  };
  walk(document);
  return found;
}
"""

DIGEST = """
async (image) => {
  await image.decode();
  const bytes = await (await fetch(image.currentSrc, { cache: "force-cache" })).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((each) => each.toString(16).padStart(2, "0")).join("");
}
"""


def look_at(page: Page) -> str:
    """All the text of the page, on which nothing ran, and from which nothing leads away."""
    assert page.evaluate("() => window.__ran ?? null") is None
    links = [link.lower().strip() for link in page.evaluate(LINKS)]
    assert [link for link in links if ELSEWHERE in urlsplit(link).netloc or link.startswith("javascript:")] == []
    text: str = page.evaluate(ALL_TEXT)
    return text


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = hostile_desk(tmp_path_factory.mktemp("hostile") / "desk")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def server(desk: Desk) -> Iterator[ReviewServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PICTUREDESK_ACTOR", ME.name)
        with ReviewServer(desk.root) as started:
            yield started


def opened(page: Page, url: str, named: NamedPage, asset: int = 3) -> None:
    page.goto(f"{url}/{ADDRESS.get(named.name, named.path).format(asset=asset)}")
    if named.path == "":
        ReviewScreen(page, url).wait_until_armed()
    else:
        expect(page.get_by_role("heading", name=named.title, exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0, timeout=WAIT_MS)
    page.wait_for_timeout(300)


def test_hostile_text_on_every_page_is_only_text(browser: Browser, server: ReviewServer, desk: Desk) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1600}, color_scheme="light")
    watched = Watched(context, server.url)
    page = context.new_page()
    assets = {edit.id: edit.asset.id for edit in reading.each_edit(desk.db, reading.EditFilter())}
    texts = []
    for named in pages():
        for asset in assets.values() if named.name in ADDRESS else [0]:
            opened(page, server.url, named, asset)
            texts += [look_at(page) for _ in _poked(page, named)]
            assert watched.problems == [], named
    context.close()
    everything = "\n".join(texts)
    assert [field for field in SHOWN if hostile(field) not in everything] == []


def _poked(page: Page, named: NamedPage) -> Iterator[None]:
    """Whatever draws more text: lists that open, tables that roll, panels of the screen, the next edits."""
    yield
    for box in page.get_by_role("combobox").all():
        box.click()
        yield
        page.keyboard.press("Escape")
    closed = page.locator("details:not([open]) > summary").locator("visible=true")
    while closed.count():
        closed.first.click()
    for table in page.get_by_test_id("stDataFrame").locator("visible=true").all():
        table.hover()
        page.mouse.wheel(20_000, 0)
        page.wait_for_timeout(200)
        yield
    if named.path == "":
        page.locator(".desk").focus()
        for keys in (("n", "e"), ("Escape", "r"), ("Escape", "5", "1", "ArrowRight", "n"), ("ArrowRight", "n")):
            for key in keys:
                page.keyboard.press(key)
            yield


def test_the_bytes_that_the_browser_shows_hash_to_what_is_stored(
    browser: Browser, server: ReviewServer, desk: Desk
) -> None:
    """PNG, WebP and JPEG, as the browser itself has them, on the screen and on the page of the asset."""
    edits = {edit.id: edit for edit in reading.each_edit(desk.db, reading.EditFilter())}
    waiting = [edit for edit in edits.values() if edit.state is EditState.IN_REVIEW]
    page = browser.new_page()
    screen = ReviewScreen(page, server.url).open()
    kinds = set()
    for edit in waiting:
        screen.skip_to(edit.asset.title)
        kinds |= {
            _check(desk, facts, screen.page.locator(f'.stage img[src*="{facts.sha256}"]')) for facts in _pair(edit)
        }
    for edit in edits.values():
        page.goto(f"{server.url}/asset?asset={edit.asset.id}")
        kinds |= {
            _check(desk, facts, page.locator(f'.pd-frame img[src*="{facts.sha256}"]').first) for facts in _pair(edit)
        }
    assert kinds == {"image/png", "image/webp", "image/jpeg"}
    page.close()


def _pair(edit: EditRecord) -> list[PictureFacts]:
    return [facts for facts in (edit.asset.source, *(each.picture for each in edit.outputs[:1])) if facts is not None]


def _check(desk: Desk, facts: PictureFacts, image: Locator) -> str:
    """Whether an image of the page is the file, byte for byte; gives its kind."""
    expect(image).to_be_visible(timeout=WAIT_MS)
    stored = desk.blobs.path(facts.sha256, facts.media_type).read_bytes()
    assert image.evaluate(DIGEST) == hashlib.sha256(stored).hexdigest() == facts.sha256
    return facts.media_type
