"""A detector's own table of the desk's settings, read strictly.

By hand and not by pydantic: importing that costs every worker process 110 ms and 17 MB (our measurement, 2026-11-21).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pipeline.errors import UsageError

Share = Annotated[float, (0.0, 1.0)]
"""A number with its bounds, both included."""


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """What the desk tells every detector; a detector's own options are the fields that its subclass adds.

    Attributes:
        cache_dir: Folder of the weights.
        kit: Folder of the user's own logos, or None.
    """

    cache_dir: str = ""
    kit: str | None = None

    def check(self) -> None:
        """Refuse, before any picture is looked at, what the values alone do not show, such as a missing key.

        Raises:
            UsageError: Says what is missing, and what to do.
        """


_OF_THE_DESK = tuple(field.name for field in fields(DetectorOptions))

T = TypeVar("T", bound=DetectorOptions)


def read_options(kind: type[T], options: Mapping[str, Any], detector: str) -> T:
    """The options as a checked value.

    Args:
        kind: The detector's options.
        options: As `load_detector` got them.
        detector: Its name, for messages.

    Raises:
        UsageError: One is unknown, does not fit, or leads nowhere; says which.
    """
    hints = get_type_hints(kind, include_extras=True)
    known = [field.name for field in fields(kind)]
    for name in options:
        if name not in known:  # its value is not shown: it may be a key that stands in the wrong place
            own = ", ".join(sorted(set(known) - set(_OF_THE_DESK))) or "none"
            raise UsageError(f"detector_options.{detector} has no option {name!r}; there are: {own}")
    values = {}
    for name, value in options.items():
        try:
            values[name] = _fitted(value, hints[name])
        except ValueError as exc:
            raise UsageError(f"detector_options.{detector}.{name}: {exc}; mend it in picturedesk.toml") from None
    read = kind(**values)
    try:
        read.check()
    except UsageError as exc:
        raise UsageError(f"detector {detector}: {exc}") from exc
    return read


def _fitted(value: Any, hint: Any) -> Any:  # noqa: ANN401 - JSON
    """The value as its field's type; numbers may be text, as they come from the environment."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _number(value, *args[1])
    if origin is Literal:
        if value not in args:
            raise ValueError(f"found {value!r}; expected one of {', '.join(map(str, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"found {value!r}; expected a list")
        return tuple(_fitted(each, args[0]) for each in value)
    if hint is bool:
        if str(value).casefold() not in ("true", "false"):
            raise ValueError(f"found {value!r}; expected true or false")
        return str(value).casefold() == "true"
    if value is None and type(None) in args:
        return None
    if not isinstance(value, str):
        raise ValueError(f"found {value!r}; expected text")
    return value


def _number(value: Any, low: float, high: float) -> float:  # noqa: ANN401 - JSON
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not low <= number <= high:
        raise ValueError(f"found {value!r}; expected a number from {low:g} to {high:g}")
    return number
