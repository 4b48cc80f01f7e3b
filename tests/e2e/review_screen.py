"""The review screen as a person has it before them: what is shown, and keys."""

import re
from typing import Any

from playwright.sync_api import Browser, Page, expect

WAIT_MS = 30_000


class ReviewScreen:
    """The component on a page of the browser; Playwright looks into its shadow root by itself.

    Args:
        page: The page.
        url: Where the desk is.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self) -> "ReviewScreen":
        """Go there, and wait until keys decide."""
        self.page.goto(self.url)
        self.wait_until_armed()
        return self

    @property
    def title(self) -> str:
        """Of the edit that is shown."""
        return self.page.locator(".desk h1").inner_text()

    def wait_until_armed(self) -> None:
        """Both pictures are on the screen."""
        expect(self.page.locator(".desk")).to_have_attribute("data-armed", re.compile("/"), timeout=WAIT_MS)

    def wait_for(self, title: str) -> None:
        """Until this edit is shown and can be decided."""
        expect(self.page.locator(".desk h1")).to_have_text(title, timeout=WAIT_MS)
        self.wait_until_armed()

    def press(self, *keys: str) -> None:
        """One key after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def skip_to(self, title: str) -> None:
        """Look at the edits in hand until this one is shown."""
        for _ in range(8):
            if self.title == title:
                self.wait_until_armed()
                return
            self.press("ArrowRight")
        raise AssertionError(f"{title} is not in hand")

    def draw_a_box(self, side: str = "output") -> None:
        """Mark the middle of the output, or of the source, by hand."""
        self.press("m")
        box = self.page.locator(f".pane[data-side={side}]").bounding_box()
        assert box is not None
        middle_x, middle_y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(middle_x - 50, middle_y - 40)
        self.page.mouse.down()
        self.page.mouse.move(middle_x + 50, middle_y + 40, steps=4)
        self.page.mouse.up()

    def wait_until_all_is_sent(self) -> None:
        """Nothing is left in the browser's storage."""
        self.page.wait_for_function(
            "() => !Object.keys(localStorage).some(name => name.startsWith('picturedesk.outbox.'))", timeout=WAIT_MS
        )

    def banner(self) -> Any:
        """What the screen says of what went wrong."""
        return self.page.locator(".banner").first


def new_page(browser: Browser, *, width: int = 1280, height: int = 800, **more: Any) -> Page:
    """A page in a browser profile of its own."""
    return browser.new_context(viewport={"width": width, "height": height}, **more).new_page()
