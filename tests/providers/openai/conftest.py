"""A key, and the fake service."""

from collections.abc import Iterator

import pytest

from tests.fake_api.running import RunningFake, running_fake


@pytest.fixture
def fake() -> Iterator[RunningFake]:
    """One for each test."""
    with running_fake() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake service takes it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
