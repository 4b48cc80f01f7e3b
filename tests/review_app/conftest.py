"""The small desk, and the pages on it."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pipeline.desk import Desk
from review_app.workspace import DESK_VARIABLE
from tests.desks import build_desk
from tests.navigation import APP

WAIT_S = 30


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that runs in this process calls itself ``__main__``; worker processes would begin by running it, too."""
    ours = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = ours


@pytest.fixture(autouse=True, scope="session")
def components_read_once() -> Iterator[None]:
    """Streamlit reads what every installed package says of itself each time a page is run: 0.15 s; here, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def small_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = build_desk(tmp_path / "desk")
    monkeypatch.setenv(DESK_VARIABLE, str(desk.root))
    monkeypatch.setenv("PICTUREDESK_ACTOR", "ada")
    yield desk
    desk.close()


@pytest.fixture
def queue_page(small_desk: Desk) -> AppTest:
    """The first page, as it opens."""
    return AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S).run()
