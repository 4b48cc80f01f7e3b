"""A fake service for each test."""

from collections.abc import Iterator

import pytest

from tests.fake_api.running import RunningFake, running_fake


@pytest.fixture
def fake_api() -> Iterator[RunningFake]:
    """A quick one."""
    with running_fake() as running:
        yield running
