"""The review screen of a desk in a bucket: pictures come from there, and their pixels are compared all the same."""

import re
from pathlib import Path

import pytest
import tomli_w
from playwright.sync_api import Browser, expect

from tests.buckets import endpoint, new_bucket, options
from tests.desks import build_desk
from tests.e2e.review_screen import ReviewScreen, new_page
from tests.e2e.servers import ReviewServer

pytestmark = pytest.mark.browser


def test_pictures_come_from_the_bucket_and_from_here_where_that_cannot_be(tmp_path: Path, browser: Browser) -> None:
    """First as it should be; then the browser cannot reach the bucket, and nobody notices."""
    root = tmp_path / "desk"
    root.mkdir()
    settings = {"blobs": new_bucket(), "blobs_options": options(), "presigned": True}
    (root / "picturedesk.toml").write_text(tomli_w.dumps(settings))
    build_desk(root).close()
    with ReviewServer(root) as server:
        page = new_page(browser)
        screen = ReviewScreen(page, server.url).open()
        assert [url for url in screen.requests if url.startswith(endpoint())]
        assert not [url for url in screen.requests if "here=1" in url]
        screen.press("c")
        expect(page.locator(".frame.region")).to_have_count(2)
        screen.press("5")
        page.wait_for_function(_HEAT)
        assert screen.problems == []
        page.goto("about:blank")  # who leaves gives back what was in hand
        page.context.close()
        page = new_page(browser)
        page.route(re.compile(r"/pictures/\w+\?ticket=[^&]+$"), lambda route: route.abort())
        screen = ReviewScreen(page, server.url).open()
        assert [url for url in screen.requests if "here=1" in url]
        page.context.close()


_HEAT = """() => {
  const seek = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
    each.matches(".pane canvas:not(.mask)") ? [each] : each.shadowRoot ? seek(each.shadowRoot) : []);
  const canvas = seek(document)[0];
  if (!canvas?.width) return false;
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((each) => each);
}"""
