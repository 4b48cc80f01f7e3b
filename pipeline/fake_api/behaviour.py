"""How the service behaves: what it is told, and what becomes of each request."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError


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

ENDS_IN_ERROR = frozenset({Fate.RATE_LIMIT, Fate.SERVER_ERROR, Fate.OVERLOADED, Fate.REFUSE_INPUT, Fate.REFUSE_OUTPUT})
"""Fates that are answered with an error status: nothing is billed, and nothing counts against the rate limits."""

_FIXED = ("folder", "ledger_file")
"""Options that hold from the start to the end: what is under way is kept there."""

_Share = Annotated[float, Field(ge=0, le=1)]
_Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_PerMinute = Annotated[float, Field(gt=0, allow_inf_nan=False)]


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
        batch_s: How long a batch takes; a tenth of it each to be validated and to be finalised.
        batch_outcome: How batches end.
        octopus_mode: Which of its two forms OpenOctopus answers in.
        octopus_microusd: What OpenOctopus bills for a picture.
    """

    latency_ms: tuple[_Milliseconds, _Milliseconds] = (200, 800)
    engine: Literal["local", "quick"] = "local"
    seed: int = 1
    drop: _Share = 0
    drop_unbilled: _Share = 0
    rate_limited: _Share = 0
    server_error: _Share = 0
    overloaded: _Share = 0
    refused: _Share = 0
    refused_output: _Share = 0
    garbage: _Share = 0
    retry_after_s: _Seconds = 0.2
    requests_per_minute: _PerMinute | None = None
    images_per_minute: _PerMinute | None = None
    tokens_per_minute: _PerMinute | None = None
    ledger_file: Path | None = None
    folder: Path | None = None
    batch_s: _Seconds = 5
    batch_outcome: Literal["completed", "failed", "expired"] = "completed"
    octopus_mode: Literal["async", "sync"] = "async"
    octopus_microusd: Annotated[int, Field(ge=0)] = 50_000


class Behaviour:
    """Draws what becomes of each request.

    Args:
        options: How; may be changed while the service runs.
    """

    def __init__(self, options: FakeOptions) -> None:
        self.options = options
        self._random = random.Random(options.seed)  # noqa: S311 - misbehaviour, not secrets

    def change(self, values: Any) -> None:  # noqa: ANN401 - JSON
        """Behave otherwise from now on; a seed begins its draws anew.

        Args:
            values: Options by name, as JSON gives them.

        Raises:
            ValueError: There is no such option, it does not take this value, or it cannot be changed any more.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"found {json.dumps(values)}; expected an object of options by name")
        known = {field.name for field in fields(FakeOptions)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown options {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        fixed = [name for name in _FIXED if name in values]
        if fixed:
            raise ValueError(f"{' and '.join(fixed)} cannot be changed while the service runs; start another one")
        self.options = _checked({**asdict(self.options), **values})
        if "seed" in values:
            self._random = random.Random(self.options.seed)  # noqa: S311

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


def _checked(values: Mapping[str, Any]) -> FakeOptions:
    try:
        options = _adapter().validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as exc:
        problems = [_said(error["loc"], error["msg"], error["input"]) for error in exc.errors()]
        raise ValueError("; ".join(problems)) from exc
    return options


def _said(where: tuple[int | str, ...], what: str, found: Any) -> str:  # noqa: ANN401 - JSON
    expected = what[:1].lower() + what[1:]
    return f"{'.'.join(map(str, where))}: {expected}, found {json.dumps(found)}"


@cache
def _adapter() -> TypeAdapter[FakeOptions]:
    return TypeAdapter(FakeOptions)
