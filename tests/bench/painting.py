"""From the key to the next pair on the screen: the review page, a raw HTML page and a plain Streamlit page, in turn.

One browser, one desk of 100,000 edits, each pair of pictures shown once. The clock starts when the page hears the key,
before anything else on it does, and ends two frames after both pictures of the next edit are loaded and decoded.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import psutil
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from pipeline.desk import Desk
from review_app.viewing import AHEAD
from tests.bench.large_desk import build_large_desk, draw_picture
from tests.bench.measures import NotHere
from tests.bench.reviewing import served
from tests.e2e.conftest import CHROMIUM_ARGUMENTS, chromium

_VIEWPORT: ViewportSize = {"width": 1600, "height": 900}
_THINK_MS = 250
_SETTLE_MS = 1000
"""Before a page's turn: what the page before it still does is over by then."""

_ROUNDS = 12
_KEYS = 10
"""In each turn of the review page and of the raw one."""

_PLAIN_KEYS = 4
_FIRST = 5
"""Keys that are not counted, on each page."""

_PAIRS = _FIRST * 3 + _ROUNDS * (2 * _KEYS + _PLAIN_KEYS) + 3 * AHEAD
_DRAWN = 40

_CLOCK = """
(() => {
  let stage = null;
  const place = () => {
    if (!stage?.isConnected) {
      const inside = [...document.querySelectorAll("*")].map((each) => each.shadowRoot?.querySelector(".stage"));
      stage = inside.find(Boolean) ?? null;
    }
    return stage ?? document.body;
  };
  const pair = () => [...place().querySelectorAll("img")];
  const frame = () => new Promise(requestAnimationFrame);
  const next = async (before) => {
    for (;;) {
      await frame();
      const now = pair();
      const isNext = (image) => image.complete && image.naturalWidth > 0 && !before.includes(image.src);
      if (now.length === 2 && now.every(isNext)) return now;
    }
  };
  addEventListener("keydown", () => {
    const pressed = performance.now();
    const before = pair().map((image) => image.src);
    const painted = async () => {
      await Promise.all((await next(before)).map((image) => image.decode()));
      await frame();
      await frame();
      return performance.now() - pressed;
    };
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the next pair did not come")), 15000));
    window.painted = Promise.race([painted(), late]);
  }, true);
})();
"""


@dataclass
class Painted:
    """What was measured on one page.

    Attributes:
        times_ms: From each key to the next pair on the screen.
        cpu_s: The server's processor time for them.
    """

    times_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def p95_ms(self) -> float:
        """Of these times."""
        return statistics.quantiles(self.times_ms, n=20)[-1]

    def __str__(self) -> str:
        median = statistics.median(self.times_ms)
        cpu_ms = 1000 * self.cpu_s / len(self.times_ms)
        return f"n {len(self.times_ms)}, median {median:.0f} ms, p95 {self.p95_ms:.0f} ms, server {cpu_ms:.1f} ms CPU"


@dataclass(frozen=True)
class _Turn:
    """A page, and what takes its keys.

    Attributes:
        armed: Selects something that is there when a key decides.
    """

    page: Page
    process: psutil.Process
    armed: str
    keys: int
    painted: Painted

    def take(self, keys: int) -> list[float]:
        """Press so many keys, each when the page would take it."""
        self.page.bring_to_front()
        self.page.wait_for_timeout(_SETTLE_MS)
        return [self._press() for _ in range(keys)]

    def _press(self) -> float:
        self.page.wait_for_timeout(_THINK_MS)
        self.page.wait_for_selector(self.armed)
        self.page.keyboard.press("a")
        return float(self.page.evaluate("() => window.painted"))


@cache
def painted() -> dict[str, Painted]:
    """The pages ``ours``, ``raw`` and ``plain``.

    Raises:
        NotHere: There is no Chromium.
    """
    path = chromium(as_people_have_it=True)
    if path is None:
        raise NotHere("Chromium is missing; run: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        desk = build_large_desk(Path(name) / "desk", _pictures())
        stack.callback(desk.close)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        stack.callback(browser.close)
        turns = _open(stack, browser, desk)
        _take_turns(turns)
        _check(desk, sum(_FIRST + len(turn.painted.times_ms) for turn in turns.values()))
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    for page, turn in turns.items():
        sys.stdout.write(f"key to painted, {page}: {turn.painted}; load {load}\n")
    return {page: turn.painted for page, turn in turns.items()}


def _pictures() -> Iterator[bytes]:
    """Pictures that no page has seen before: few are drawn, and each copy gets a comment of its own."""
    drawn = [draw_picture(number) for number in range(_DRAWN)]
    for number in range(2 * _PAIRS):
        start, rest = drawn[number % _DRAWN][:2], drawn[number % _DRAWN][2:]
        comment = f"{number:08}".encode()
        yield start + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + rest


def _open(stack: ExitStack, browser: Browser, desk: Desk) -> dict[str, _Turn]:
    root, bench = str(desk.root), Path(__file__).parent
    quiet = [
        "--server.address=127.0.0.1",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
    ]
    commands = {
        "ours": ["-m", "review_app.app", "--desk", root, "--no-browser", "--port"],
        "raw": ["-m", "tests.bench.raw_page", root],
        "plain": ["-m", "streamlit", "run", str(bench / "plain_page.py"), root, *quiet, "--server.port"],
    }
    servers = {name: stack.enter_context(served(command)) for name, command in commands.items()}

    def turn(name: str, *, armed: str, keys: int, query: str = "") -> _Turn:
        url, process = servers[name]
        _wait(f"{url}/{query}")
        page = browser.new_context(viewport=_VIEWPORT).new_page()
        page.add_init_script(_CLOCK)
        page.goto(f"{url}/{query}")
        page.wait_for_selector(armed)
        return _Turn(page, process, armed, keys, Painted())

    ours = turn("ours", armed=".desk[data-armed*='/']", keys=_KEYS)
    box = ours.page.locator(".stage img").first.bounding_box()
    assert box is not None
    query = f"?width={box['width']}&height={box['height']}"
    return {
        "ours": ours,
        "raw": turn("raw", armed="main[data-armed]", keys=_KEYS, query=query),
        "plain": turn(
            "plain", armed=".stApp[data-test-script-state='notRunning']:has(.stButton button)", keys=_PLAIN_KEYS
        ),
    }


def _take_turns(turns: dict[str, _Turn]) -> None:
    order = list(turns.values())
    for turn in order:
        turn.take(_FIRST)
    for _ in range(_ROUNDS):
        for turn in order:
            before = turn.process.cpu_times()
            turn.painted.times_ms += turn.take(turn.keys)
            after = turn.process.cpu_times()
            turn.painted.cpu_s += after.user + after.system - before.user - before.system
        order = [*order[1:], order[0]]


def _check(desk: Desk, keys: int) -> None:
    """Each key was a decision, and each decision was written."""
    query = sa.text("SELECT count(*) FROM decision WHERE kind = 'accept'")
    end = time.monotonic() + 30
    while True:
        with desk.db.read() as connection:
            decisions = connection.execute(query).scalar_one()
        if decisions == keys:
            return
        if time.monotonic() > end:
            sys.exit(f"key_to_painted: {keys} keys made {decisions} decisions")
        time.sleep(0.2)


def _wait(url: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    sys.exit(f"{url} did not start")
