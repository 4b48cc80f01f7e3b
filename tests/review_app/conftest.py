"""The small desk, and the pages on it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import review_app
from pipeline.desk import Desk
from review_app.workspace import DESK_VARIABLE
from tests.desks import build_desk

APP = Path(review_app.__file__).parent
WAIT_S = 30


def pages() -> list[str]:
    """The names of all pages of the navigation, the first one first."""
    named = re.findall(r"app_pages/(\w+)\.py", (APP / "navigation.py").read_text("utf-8"))
    assert set(named) == {path.stem for path in (APP / "app_pages").glob("*.py")} - {"__init__"}
    return named


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that runs in this process calls itself ``__main__``; worker processes would begin by running it, too."""
    ours = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = ours


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
