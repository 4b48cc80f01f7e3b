"""Fake services for tests."""

from collections.abc import Iterator

import pytest

from tests.fake_api.running import RunningFake, running_fake


@pytest.fixture
def fake_api() -> Iterator[RunningFake]:
    """A quick one, for one test."""
    with running_fake() as running:
        yield running


@pytest.fixture(scope="module")
def shared_fake() -> Iterator[RunningFake]:
    """A quick one for the whole file: for tests that set nothing, and know that others are in its books."""
    with running_fake() as running:
        yield running
