"""A served desk for tests that leave it as it is, and one for each of the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desks import build_desk, new_desk
from tests.http_api.serving import Served, served


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    """An empty desk."""
    desk = new_desk(tmp_path / "desk", detectors=())
    with served(desk) as found:
        yield found
    desk.close()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Served]:
    """The small desk of six edits."""
    desk = build_desk(tmp_path / "desk")
    with served(desk) as found:
        yield found
    desk.close()
