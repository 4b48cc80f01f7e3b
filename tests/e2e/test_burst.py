"""Two hundred keys at 25 a second, while the server is killed and started again and the network fails for 10 s."""

import json
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from pipeline.desk import Desk
from pipeline.store import reading
from tests.desks import build_queue
from tests.e2e.review_screen import ReviewScreen, new_page
from tests.e2e.servers import ReviewServer

pytestmark = [pytest.mark.browser, pytest.mark.soak]

KEYS = 200
A_SECOND = 25
KILLED_AT, STARTED_AT = 60, 70
OFFLINE_AT, OFFLINE_S = 130, 10.0

WITNESS = """
(() => {
  const seen = (window.__seen = { frames: [], keys: [], put: [] });
  const shown = () => {
    const host = [...document.querySelectorAll("*")].find((each) => each.shadowRoot?.querySelector(".desk"));
    const images = host ? [...host.shadowRoot.querySelectorAll(".stage img")] : [];
    const isThere = images.length === 2 && images.every((image) => image.complete && image.naturalWidth > 0);
    return isThere ? images.map((image) => image.src.match(/pictures\\/([0-9a-f]{64})/)[1]) : null;
  };
  const watch = () => {
    seen.frames.push([performance.now(), shown()]);
    if (seen.frames.length > 4) seen.frames.shift();
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  window.addEventListener("keydown", (event) => {
    if (event.key === "a") seen.last = { at: performance.now(), frames: seen.frames.slice() };
  }, true);
  const setItem = Storage.prototype.setItem;
  Storage.prototype.setItem = function (name, text) {
    if (name.startsWith("picturedesk.outbox.")) {
      const entry = JSON.parse(text);
      if (!entry.isTried) seen.put.push({ edit: entry.edit, key: entry.key, ...seen.last });
    }
    return setItem.call(this, name, text);
  };
})();
"""
"""Notes for each decision which pictures the last frames before its key had on the screen."""


def test_no_decision_is_lost_made_twice_or_made_unseen(browser: Browser, tmp_path: Path) -> None:
    desk = build_queue(tmp_path / "desk", KEYS + 20)
    with ReviewServer(desk.root) as server:
        page = new_page(browser)
        page.add_init_script(WITNESS)
        screen = ReviewScreen(page, server.url).open()
        _press_through_trouble(page, server)
        screen.wait_until_all_is_sent()
        put = json.loads(page.evaluate("() => JSON.stringify(window.__seen.put)"))
        page.context.close()
    _check(desk, put)
    desk.close()


def _press_through_trouble(page: Page, server: ReviewServer) -> None:
    back_at = None
    begun = time.monotonic()
    for number in range(KEYS):
        if number == KILLED_AT:
            server.kill()
        if number == STARTED_AT:
            server.start(wait=False)
        if number == OFFLINE_AT:
            server.wait()
            page.wait_for_timeout(3000)
            page.context.set_offline(True)
            back_at = time.monotonic() + OFFLINE_S
            begun = time.monotonic() - number / A_SECOND
        time.sleep(max(0.0, begun + number / A_SECOND - time.monotonic()))
        page.keyboard.press("a")
    assert back_at is not None
    page.wait_for_timeout(1000 * max(0.0, back_at - time.monotonic()))
    page.context.set_offline(False)


def _check(desk: Desk, put: list[dict[str, object]]) -> None:
    query = "SELECT edit_id, idempotency_key FROM decision WHERE kind = 'accept'"
    with desk.db.read() as connection:
        made = [tuple(row) for row in connection.execute(sa.text(query))]
    assert sorted((each["edit"], each["key"]) for each in put) == sorted(made), "lost, or made by nobody"
    assert len({edit for edit, _ in made}) == len(made), "made twice"
    assert len(made) >= KILLED_AT // 2
    outputs = {edit.id: edit.outputs[0].picture.sha256 for edit in reading.edits(desk.db, [edit for edit, _ in made])}
    unseen = [each["edit"] for each in put if not _was_seen(each, outputs[each["edit"]])]  # type: ignore[index]
    assert unseen == []
    print(f"{len(made)} decisions of {KEYS} keys")  # noqa: T201


def _was_seen(decision: dict[str, object], output: str) -> bool:
    """Whether the frame before the key showed this output, beside its source."""
    frames = decision["frames"]
    assert isinstance(frames, list)
    shown = frames[-1][1]
    return shown is not None and shown[1] == output
