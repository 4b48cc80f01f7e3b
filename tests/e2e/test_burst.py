"""Two hundred keys at 25 a second, while the server is killed and started again and the network is off for 10 s."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, Route

from pipeline import review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.store import reading
from pipeline.values import PictureFacts
from tests.bench.large_desk import draw_picture
from tests.desks import build_desk
from tests.e2e.review_screen import ReviewScreen, new_page
from tests.e2e.servers import ReviewServer
from tests.many_edits import add_copies

pytestmark = [pytest.mark.browser, pytest.mark.soak]

KEYS = 200
A_SECOND = 25
OFFLINE_S = 10.0
AFTERWARDS = 50
"""Keys once all is well again."""

HAT = 1
DRAWN = 16


@dataclass(frozen=True)
class Trouble:
    """At which key what happens."""

    killed_at: int
    started_at: int
    offline_at: int


TROUBLES = {
    "the server first, then the network": Trouble(killed_at=60, started_at=70, offline_at=150),
    "the server comes back without a network": Trouble(killed_at=100, started_at=110, offline_at=60),
    "the server goes when the network has gone and comes back later": Trouble(
        killed_at=30, started_at=KEYS + 1, offline_at=25
    ),
}

WITNESS = """
(() => {
  const seen = (window.__seen = { frames: [], keys: 0, put: [] });
  const isInSight = (image) => {
    const box = image.getBoundingClientRect();
    const isThere = image.complete && image.naturalWidth > 0 && image.checkVisibility({ opacityProperty: true });
    return isThere && box.width > 100 && box.left >= 0 && box.left < innerWidth && box.top < innerHeight;
  };
  const shown = () => {
    const host = [...document.querySelectorAll("*")].find((each) => each.shadowRoot?.querySelector(".desk"));
    const images = host ? [...host.shadowRoot.querySelectorAll(".stage img")] : [];
    const isThere = images.length === 2 && images.every(isInSight);
    return isThere ? images.map((image) => image.src.match(/pictures\\/([0-9a-f]{64})/)[1]) : null;
  };
  const watch = () => {
    seen.frames.push(shown());
    if (seen.frames.length > 2) seen.frames.shift();
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  window.addEventListener("keydown", (event) => {
    if (event.key !== "a") return;
    seen.keys += 1;
    seen.last = [...seen.frames];
  }, true);
  const setItem = Storage.prototype.setItem;
  Storage.prototype.setItem = function (name, text) {
    if (name.startsWith("picturedesk.outbox.")) {
      const entry = JSON.parse(text);
      if (!entry.isTried) seen.put.push({ edit: entry.edit, key: entry.key, frames: seen.last });
    }
    return setItem.call(this, name, text);
  };
})();
"""
"""Notes for each decision what the last two frames that began before its key had on the screen: that another frame has
begun says that the one before it was painted."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Pairs of 1024 x 1024, no picture of which is another's."""
    opened = build_desk(tmp_path / "desk")
    for other in (2, 3, 4, 6):
        review.reject(opened, other, by=local_person("ada"), reason="other")
    drawn = [draw_picture(number) for number in range(DRAWN)]
    count = KEYS + AFTERWARDS + 20
    pictures = [_numbered(drawn[number % DRAWN], number) for number in range(2 * count)]
    add_copies(opened, HAT, count, [_put(opened, data) for data in pictures])
    review.reject(opened, HAT, by=local_person("ada"), reason="other")
    yield opened
    opened.close()


def _numbered(jpeg: bytes, number: int) -> bytes:
    """The same picture in bytes of its own: with the number as the file's comment."""
    return jpeg[:2] + b"\xff\xfe\x00\x0a" + f"{number:08d}".encode() + jpeg[2:]


def _put(desk: Desk, data: bytes) -> PictureFacts:
    return PictureFacts(desk.blobs.put(data, "image/jpeg"), "image/jpeg", (1024, 1024), len(data))


@pytest.mark.parametrize("name", TROUBLES)
def test_no_decision_is_lost_made_twice_or_made_unseen(browser: Browser, desk: Desk, name: str) -> None:
    with ReviewServer(desk.root) as server:
        page = new_page(browser, width=1600, height=900)
        page.add_init_script(WITNESS)
        screen = ReviewScreen(page, server.url).open()
        took_s = _press_through_trouble(page, server, TROUBLES[name])
        screen.wait_until_all_is_sent()
        before = len(_witnessed(page)["put"])
        screen.wait_until_armed()
        _press(page, AFTERWARDS)
        screen.wait_until_all_is_sent()
        seen = _witnessed(page)
        page.context.close()
    made = _accepted(desk)
    print(f"{name}: {KEYS} keys in {took_s:.1f} s, {before} decisions; then {len(made) - before} of {AFTERWARDS}")  # noqa: T201
    assert seen["keys"] == KEYS + AFTERWARDS
    assert took_s < 1.1 * KEYS / A_SECOND
    assert sorted((each["edit"], each["key"]) for each in seen["put"]) == sorted(made), "lost, or made by nobody"
    assert len({edit for edit, _ in made}) == len(made), "made twice"
    assert _unseen(desk, seen["put"]) == []
    assert min(TROUBLES[name].killed_at, TROUBLES[name].offline_at) // 3 <= before < len(made)


def test_the_witness_tells_what_was_decided_unseen(browser: Browser, desk: Desk) -> None:
    """Where the screen takes keys before the pictures are there, as it never does, the check above finds it."""
    page = new_page(browser, width=1600, height=900)
    page.add_init_script(WITNESS)

    def without_gate(route: Route) -> None:
        source = route.fetch().text()
        assert "return this.since !== null;" in source
        route.fulfill(
            body=source.replace("return this.since !== null;", "return this.mark !== null;"),
            content_type="text/javascript",
        )

    page.route("**/viewer/*/queue.js", without_gate)
    with ReviewServer(desk.root) as server:
        screen = ReviewScreen(page, server.url).open()
        _press(page, 60, a_second=1000)  # faster than frames
        screen.wait_until_all_is_sent()
        put = _witnessed(page)["put"]
        page.context.close()
    assert len(put) > 4
    assert _unseen(desk, put)


def _press_through_trouble(page: Page, server: ReviewServer, trouble: Trouble) -> float:
    """How long the keys took, in seconds. The network comes back 10 s after it went; at last the server is up, too."""
    begun = time.monotonic()
    offline_at = 0.0
    for number in range(KEYS):
        if number == trouble.killed_at:
            server.kill()
        if number == trouble.started_at:
            server.start(wait=False)
        if number == trouble.offline_at:
            page.context.set_offline(True)
            offline_at = time.monotonic()
        time.sleep(max(0.0, begun + number / A_SECOND - time.monotonic()))
        page.keyboard.press("a")
    took_s = time.monotonic() - begun
    page.wait_for_timeout(1000 * max(0.0, offline_at + OFFLINE_S - time.monotonic()))
    page.context.set_offline(False)
    if trouble.started_at > KEYS:
        server.start(wait=False)
    server.wait()
    return took_s


def _press(page: Page, count: int, *, a_second: int = A_SECOND) -> None:
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number / a_second - time.monotonic()))
        page.keyboard.press("a")


def _witnessed(page: Page) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(page.evaluate("() => JSON.stringify(window.__seen)"))
    return seen


def _accepted(desk: Desk) -> list[tuple[int, str]]:
    query = "SELECT edit_id, idempotency_key FROM decision WHERE kind = 'accept'"
    with desk.db.read() as connection:
        return [(row.edit_id, row.idempotency_key) for row in connection.execute(sa.text(query))]


def _unseen(desk: Desk, put: list[dict[str, Any]]) -> list[int]:
    """Edits that were decided although a frame with both their pictures had not been painted before the key."""
    edits = {edit.id: edit for edit in reading.edits(desk.db, [each["edit"] for each in put])}
    found = []
    for each in put:
        edit = edits[each["edit"]]
        assert edit.asset.source is not None
        pair = [edit.asset.source.sha256, edit.outputs[0].picture.sha256]
        if each["frames"] != [pair, pair]:
            found.append(edit.id)
    return found
