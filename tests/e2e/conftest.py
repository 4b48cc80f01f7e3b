"""A real browser on a real server on loopback."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from pipeline.drawn_products import PRODUCTS
from tests import processes
from tests.conftest import REQUIRE_ALL
from tests.e2e.review_screen import WAIT_MS
from tests.products import product

CHROMIUM_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium(*, as_people_have_it: bool = False) -> str | None:
    """The path of Chromium, if it is there.

    Args:
        as_people_have_it: Rather with windows of its own than without; a page then takes 3.1 s of CPU instead of 1.3
            (our measurement, 2026-11-22).
    """
    bare, whole = ("chromium-headless-shell",), ("chromium", "chromium-browser", "google-chrome")
    names = (*whole, *bare) if as_people_have_it else (*bare, *whole)
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; closed with its module, since Playwright's event loop would be in the way of asyncio's."""
    path = chromium()
    if path is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)(
            "Chromium is missing; run: apt-get install chromium-headless-shell"
        )
    expect.set_options(timeout=WAIT_MS)  # 5 s are too few beside tests in other processes
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def sample_desk(tmp_path_factory: pytest.TempPathFactory, weights_cache: Path) -> Path:
    """The sample batch, made by the command; the products of it were drawn before."""
    root = tmp_path_factory.mktemp("samples") / "desk"
    pictures = root / "samples" / "pictures"
    pictures.mkdir(parents=True)
    for name in PRODUCTS:
        (pictures / f"{name}.jpg").write_bytes(product(name))
    picturedesk(root, "demo")
    return root


@pytest.fixture
def server(sample_desk: Path) -> Iterator[str]:
    """``picturedesk review`` on the sample batch."""
    port = processes.free_port()
    command = [sys.executable, "-m", "pipeline.cli", "--desk", str(sample_desk), "review", "--no-browser"]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    url = f"http://localhost:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()


def picturedesk(root: Path, *arguments: str) -> str:
    """Run the command; gives its standard output."""
    command = [sys.executable, "-m", "pipeline.cli", "--desk", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not come up in a minute")
