"""Every page as it is seen: light and dark, narrow and wide, on a desk that people have worked on.

What a look at it would find is checked: nothing is cut off, covered or too faint to read, and nothing went wrong. With
``PICTUREDESK_SCREENSHOTS=FOLDER`` the pictures are kept: ``make screenshots``.
"""

import io
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from pipeline.store import reading
from review_app.viewing import AHEAD
from tests.decided_desk import ADA, decided_desk
from tests.e2e.review_screen import WAIT_MS, ReviewScreen
from tests.e2e.servers import ReviewServer
from tests.e2e.watched import Watched
from tests.navigation import NamedPage, pages

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES = ((1280, 800), (1920, 1080))
KEPT_WIDTH = 1280
MOST_BYTES = 120_000
SETTLED_MS = 350
"""Tables and charts draw themselves on a canvas a little after their frame."""

LOOKS = 3

ADDRESS = {"asset_page": "?asset={asset}"}
"""Where a page shows nothing without more in its address."""

WITH_SECTIONS = {"batch_list", "settings_page"}
"""Pages whose first row of choices leads to parts of their own."""

REVIEW = {
    "wipe": ("2",),
    "ghost": ("4",),
    "heat": ("5",),
    "flag": ("1", "n"),
    "reject": ("f", "r"),
    "re-prompt": ("Escape", "k", "e"),
    "keys": ("Escape", "?"),
}
"""Keys that lead from one picture of the review screen to the next."""

LOOK = (Path(__file__).with_name("look.js")).read_text("utf-8")


@pytest.fixture(scope="module")
def folder() -> Path | None:
    """Where the pictures are kept; None if they are not."""
    named = os.environ.get("PICTUREDESK_SCREENSHOTS")
    if named is None:
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


class Shown:
    """One page of the browser, that goes from page to page of the desk.

    Args:
        page: The page.
        server: Of the desk.
        asset: One that was asked for again, and has a history.
    """

    def __init__(self, page: Page, server: ReviewServer, asset: int) -> None:
        self.page = page
        self.watched = Watched(page.context, server.url)
        self._url = server.url
        self._asset = asset
        page.goto(server.url)

    def go_to(self, named: NamedPage) -> None:
        """Open a page of the desk; in place, where a link leads there."""
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=named.title, exact=True)
        expect(self.page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=WAIT_MS)
        if named.name in ADDRESS or not link.count():
            self.page.goto(f"{self._url}/{named.path}{ADDRESS.get(named.name, '').format(asset=self._asset)}")
        else:
            link.click()
        if named.path == "":
            self._go_to_a_pair(ReviewScreen(self.page, self._url))
        else:
            name = None if named.name in ADDRESS else named.title
            heading = self.page.get_by_test_id("stMain").get_by_role("heading", level=1, name=name)
            expect(heading).to_be_visible(timeout=WAIT_MS)

    def _go_to_a_pair(self, screen: ReviewScreen) -> None:
        """Some of the edits in hand have no output, or no flag to go to."""
        for _ in range(AHEAD):
            screen.wait_until_armed()
            if self.page.locator(".stage img").count() == 2 and self.page.locator(".side .flag").count():
                return
            screen.press("ArrowRight")
        raise AssertionError("no edit in hand has two pictures and a flag")

    def turn(self, scheme: Scheme, size: tuple[int, int]) -> None:
        """Let the page be seen so, and wait until it is drawn."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)
        self.wait()

    def wait(self) -> None:
        """Until all is drawn."""
        expect(self.page.locator("[data-test-script-state=running]")).to_have_count(0, timeout=WAIT_MS)
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)
        self.page.wait_for_function("() => [...document.images].every((image) => image.complete)", timeout=WAIT_MS)
        self.page.wait_for_timeout(SETTLED_MS)

    def check(self) -> None:
        """Nothing is wrong to the eye, once what fades or slides has come to rest."""
        found: dict[str, Any] = self.page.evaluate(LOOK)
        for _ in range(LOOKS):
            if not found["problems"]:
                break
            self.wait()
            found = self.page.evaluate(LOOK)
        assert found["problems"] == []
        assert found["texts"] > 5
        assert self.watched.problems == []

    def keep(self, folder: Path | None, name: str) -> None:
        """Keep a picture of it."""
        if folder is None:
            return
        image = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        for quality in (80, 65, 50, 35):
            image.save(folder / f"{name}.webp", quality=quality, method=6)
            if (folder / f"{name}.webp").stat().st_size <= MOST_BYTES:
                return
        raise AssertionError(f"{name}.webp has more than {MOST_BYTES:,} bytes")


@pytest.fixture(scope="module")
def shown(browser: Browser, folder: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    desk = decided_desk(tmp_path_factory.mktemp("seen") / "desk", in_detail=folder is not None)
    again = next(edit for edit in reading.each_edit(desk.db, reading.EditFilter()) if edit.round == 2 and edit.outputs)
    desk.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PICTUREDESK_ACTOR", ADA.name)
        for name in ("OPENAI_API_KEY", "OPENOCTOPUS_API_KEY"):  # nothing is sent; the screen says who could be asked
            patch.setenv(name, "no key")
        with ReviewServer(desk.root) as server:
            context = browser.new_context(viewport={"width": KEPT_WIDTH, "height": 800})
            yield Shown(context.new_page(), server, again.asset.id)
            context.close()


@pytest.mark.parametrize("named", pages(), ids=str)
def test_a_page_looks_as_it_should(shown: Shown, named: NamedPage, folder: Path | None) -> None:
    shown.go_to(named)
    for scheme, size in product(SCHEMES, SIZES):
        shown.turn(scheme, size)
        shown.check()
        if size[0] == KEPT_WIDTH:
            shown.keep(folder, f"{named.path or 'review'}-{scheme}")


@pytest.mark.parametrize("named", [page for page in pages() if page.name in WITH_SECTIONS], ids=str)
def test_every_section_of_a_page_looks_as_it_should(shown: Shown, named: NamedPage, folder: Path | None) -> None:
    shown.go_to(named)
    sections = shown.page.get_by_role("radiogroup").first.get_by_role("radio")
    for number in range(1, sections.count()):
        sections.nth(number).click()
        shown.page.mouse.move(0, 0)
        name = sections.nth(number).inner_text().strip().lower().replace(" ", "-")
        for scheme in SCHEMES:
            shown.turn(scheme, SIZES[0])
            shown.check()
            shown.keep(folder, f"{named.path}-{name}-{scheme}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_review_screen_looks_as_it_should_whatever_is_open(
    shown: Shown, folder: Path | None, scheme: Scheme
) -> None:
    shown.go_to(pages()[0])
    shown.turn(scheme, SIZES[0])
    for name, keys in REVIEW.items():
        for key in keys:
            shown.page.keyboard.press(key)
        shown.wait()
        shown.check()
        shown.keep(folder, f"review-{name}-{scheme}")
    shown.page.keyboard.press("Escape")
    shown.page.keyboard.press("1")
