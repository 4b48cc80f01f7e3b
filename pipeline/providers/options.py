"""A provider's own table of the desk's settings, read strictly."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UsageError
from pipeline.values import RateLimits


class ServiceOptions(BaseModel):
    """What every provider over the network can be told.

    Attributes:
        base_url: Where the API is.
        api_key_env: The environment variable that holds the key.
        requests_per_minute: What the account allows; learned from the replies if they say.
        images_per_minute: The same for pictures.
        tokens_per_minute: The same for tokens.
        max_in_flight: Requests at once; None for the desk's ``concurrency``.
        timeout_s: How long an answer may take; OpenAI's own client waits 600 s (openai 3.52.0, read 2026-11-20).
        prices: Own prices, read by `pipeline.prices`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    api_key_env: str
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    images_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_in_flight: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=600, gt=0, allow_inf_nan=False)
    prices: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def limits(self) -> RateLimits:
        """The limits that are set by hand."""
        return RateLimits(self.requests_per_minute, self.images_per_minute, self.tokens_per_minute)


T = TypeVar("T", bound=BaseModel)


def read_options(kind: type[T], options: Mapping[str, Any], provider: str) -> T:
    """The options as a checked value.

    Raises:
        UsageError: One is unknown, or does not fit; says which.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as exc:
        problems = "; ".join(
            f"providers.{provider}.{'.'.join(map(str, error['loc']))}: found {error['input']!r}; {error['msg']}"
            for error in exc.errors()
        )
        raise UsageError(f"{problems}. Mend it in picturedesk.toml") from exc
