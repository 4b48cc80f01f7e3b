"""How the service behaves: what it is told, and what becomes of each request."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal


class Fate(StrEnum):
    """What becomes of a paid request; each is also a word that a prompt may hold, such as ``fake:refuse``."""

    ANSWER = "answer"
    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    OVERLOADED = "overloaded"
    REFUSE_INPUT = "refuse"
    REFUSE_OUTPUT = "refuse-output"
    DROP_UNBILLED = "drop-unbilled"
    DROP_BILLED = "drop"
    GARBAGE = "garbage"
    BROKEN_PICTURE = "broken-picture"
    SLOW = "slow"


SLOW_S = 60.0


@dataclass(frozen=True, slots=True)
class FakeOptions:
    """How the service behaves.

    Attributes:
        latency_ms: Shortest and longest time to make an edit.
        engine: ``local`` edits for real; ``quick`` gives the picture in negative at once, for measurements.
        seed: Of everything that is drawn by lot.
        drop: Share of requests that are billed and whose connection breaks before the answer.
        drop_unbilled: Share whose connection breaks before anything is billed.
        rate_limited: Share answered 429 by lot.
        server_error: Share answered 500.
        overloaded: Share answered 503.
        refused: Share refused by moderation before the edit.
        refused_output: Share refused by moderation after it.
        garbage: Share billed and answered without a picture.
        retry_after_s: What a 429 by lot asks to wait.
        requests_per_minute: Exact limit over any 60 seconds, for each key; None for none.
        images_per_minute: The same for pictures.
        tokens_per_minute: The same for tokens.
        ledger_file: Where billed requests are written, one JSON line each; kept over restarts.
        folder: Where files and batches are kept over restarts; a temporary folder if None.
        batch_s: How long a batch takes.
        batch_outcome: How batches end.
        octopus_mode: Which of its two forms OpenOctopus answers in.
        octopus_microusd: What OpenOctopus bills for a picture.
    """

    latency_ms: tuple[float, float] = (200, 800)
    engine: Literal["local", "quick"] = "local"
    seed: int = 1
    drop: float = 0
    drop_unbilled: float = 0
    rate_limited: float = 0
    server_error: float = 0
    overloaded: float = 0
    refused: float = 0
    refused_output: float = 0
    garbage: float = 0
    retry_after_s: float = 0.2
    requests_per_minute: float | None = None
    images_per_minute: float | None = None
    tokens_per_minute: float | None = None
    ledger_file: Path | None = None
    folder: Path | None = None
    batch_s: float = 5
    batch_outcome: Literal["completed", "failed", "expired"] = "completed"
    octopus_mode: Literal["async", "sync"] = "async"
    octopus_microusd: int = 50_000


class Behaviour:
    """Draws what becomes of each request.

    Args:
        options: How; may be changed while the service runs.
    """

    def __init__(self, options: FakeOptions) -> None:
        self.options = options
        self._random = random.Random(options.seed)  # noqa: S311 - misbehaviour, not secrets

    def change(self, values: Mapping[str, Any]) -> None:
        """Behave otherwise from now on.

        Raises:
            ValueError: There is no such option.
        """
        known = {field.name for field in fields(FakeOptions)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown options {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        self.options = replace(self.options, **lists)

    def fate(self, prompt: str) -> Fate:
        """What becomes of a request with this prompt: what its words ask for, or what is drawn."""
        if "fake:" in prompt:
            for fate in sorted(Fate, key=lambda each: -len(each.value)):
                if f"fake:{fate.value}" in prompt:
                    return fate
        shares = {
            Fate.RATE_LIMIT: self.options.rate_limited,
            Fate.SERVER_ERROR: self.options.server_error,
            Fate.OVERLOADED: self.options.overloaded,
            Fate.REFUSE_INPUT: self.options.refused,
            Fate.REFUSE_OUTPUT: self.options.refused_output,
            Fate.DROP_UNBILLED: self.options.drop_unbilled,
            Fate.DROP_BILLED: self.options.drop,
            Fate.GARBAGE: self.options.garbage,
        }
        lot = self._random.random()
        for fate, share in shares.items():
            if lot < share:
                return fate
            lot -= share
        return Fate.ANSWER

    def latency_s(self, fate: Fate) -> float:
        """How long this edit takes."""
        shortest, longest = self.options.latency_ms
        return SLOW_S if fate is Fate.SLOW else self._random.uniform(shortest, longest) / 1000
