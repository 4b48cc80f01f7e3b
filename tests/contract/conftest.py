"""Fake services for the contracts."""

from tests.fake_api.conftest import fake_api

__all__ = ["fake_api"]
