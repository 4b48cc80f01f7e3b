"""The contact sheet as a person has it before them."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.review_screen import WAIT_MS


class ContactSheet:
    """The component on a page of the browser; Playwright looks into its shadow root by itself.

    Args:
        page: The page.
        url: Where the desk is.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", self._note)
        page.on("request", self._note_request)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self) -> "ContactSheet":
        """Go there, and wait until the first rows are seen."""
        self.page.goto(f"{self.url}/sheet")
        expect(self.status(self.cells.first)).not_to_have_text("not seen yet", timeout=WAIT_MS)
        return self

    def leave(self) -> None:
        """As somebody does who goes elsewhere: the claims are given back."""
        self.page.goto("about:blank")
        self.page.context.close()

    @property
    def cells(self) -> Locator:
        """All edits on the sheet."""
        return self.page.locator(".cell")

    def cell(self, title: str) -> Locator:
        """The edit of that title."""
        return self.cells.filter(has=self.page.locator(".name").get_by_text(title, exact=True))

    def title(self, cell: Locator) -> str:
        """Of the edit there, once it has come."""
        name = cell.locator(".name")
        expect(name).not_to_be_empty()
        return name.inner_text()

    def status(self, cell: Locator) -> Locator:
        """What became of an edit, in words."""
        return cell.locator(".status span")

    def wait_until_seen(self, *titles: str) -> None:
        """These were painted, so that they can be decided."""
        for title in titles:
            expect(self.status(self.cell(title))).not_to_have_text("not seen yet", timeout=WAIT_MS)

    def drag(self, first: Locator, last: Locator) -> None:
        """Draw a rectangle from one edit to another."""
        start, end = first.bounding_box(), last.bounding_box()
        assert start is not None
        assert end is not None
        mouse = self.page.mouse
        mouse.move(start["x"] + 20, start["y"] + 20)
        mouse.down()
        mouse.move(start["x"] + 40, start["y"] + 40)
        mouse.move(end["x"] + 40, end["y"] + 40)
        mouse.up()

    def press(self, *keys: str) -> None:
        """One key after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def titles(self, selector: str) -> list[str]:
        """Titles of the edits that this selects."""
        return self.page.locator(f".cell{selector} .name").all_text_contents()

    def banner(self) -> Locator:
        """What the sheet says of what was done."""
        return self.page.locator(".banner").first

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _note(self, message: Any) -> None:
        # Streamlit looks for itself below the page's address first, and at the root when it is not there.
        if message.type == "error" and "_stcore" not in message.location["url"]:
            self.problems.append(message.text)
