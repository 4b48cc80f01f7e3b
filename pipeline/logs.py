"""Log lines on standard error: one JSON object a line for machines, or text for people; secrets taken out of both.

Standard library only. Whatever else writes to standard error (a server, a warning, a traceback) becomes a line of the
same form, event ``printed``, so that whoever reads the stream never meets anything else.
"""

import io
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

from pipeline import signals
from pipeline.redacting import redacted

LOGGER: Final = logging.getLogger("picturedesk")

_QUIET = frozenset({"step.ended", "decision.booked"})
"""Many, and told by the metrics and traces."""


class LogForm(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


def set_up(form: LogForm, **bound: str) -> None:
    """Write this process's log to standard error from now on; once in a process.

    Args:
        form: How.
        bound: Fields of every line, such as ``worker``.
    """
    raw = sys.stderr
    handler = logging.StreamHandler(raw)
    handler.setFormatter(_Json(bound) if form is LogForm.JSON else _Text(bound))
    logging.root.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    sys.stderr = _Printed(raw, form)
    for name in list(logging.root.manager.loggerDict):
        for other in logging.getLogger(name).handlers:
            if isinstance(other, logging.StreamHandler) and other.stream is raw:
                other.setStream(sys.stderr)
    signals.listen(_take)


def say(event: str, message: str = "", *, level: int = logging.INFO, **fields: Any) -> None:  # noqa: ANN401
    """Write one line.

    Args:
        event: What happened, for machines: words with dots.
        message: The same for people.
        level: Of `logging`.
        fields: Such as ``edit``, ``batch``, ``provider``, ``code``; None is left out.
    """
    LOGGER.log(level, message, extra={"event": event, "fields": fields})


def _take(event: str, fields: Mapping[str, Any]) -> None:
    if event in _QUIET or (event in ("http.answered", "page.refused") and fields["status"] < 500):
        return
    level = logging.WARNING if fields.get("code") else logging.INFO
    say(event, level=logging.ERROR if fields.get("status") else level, **fields)


class _Json(logging.Formatter):
    """``{"time": ..., "level": ..., "event": ..., ...}``."""

    def __init__(self, bound: Mapping[str, str]) -> None:
        super().__init__()
        self._bound = bound

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        said = {name: redacted(value) if isinstance(value, str) else value for name, value in _fields(record)}
        return json.dumps({**said, **self._bound}, ensure_ascii=False, default=lambda each: redacted(str(each)))


class _Text(logging.Formatter):
    """``2026-11-21T20:30:00.000Z info event name=value: message``."""

    def __init__(self, bound: Mapping[str, str]) -> None:
        super().__init__()
        self._bound = bound

    def format(self, record: logging.LogRecord) -> str:
        """One line, or several with a traceback."""
        said = dict(_fields(record))
        head = f"{said.pop('time')} {said.pop('level')} {said.pop('event')}"
        tail = [said.pop(name, "") for name in ("message", "trace")]
        pairs = [f"{name}={value}" for name, value in {**said, **self._bound}.items()]
        first = f"{' '.join([head, *pairs])}{': ' if tail[0] else ''}{tail[0]}"
        return redacted("\n".join(filter(None, (first, tail[1]))))


def _fields(record: logging.LogRecord) -> list[tuple[str, Any]]:
    given: Mapping[str, Any] = getattr(record, "fields", {})
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": getattr(record, "event", record.name),
        **{name: round(value, 4) if isinstance(value, float) else value for name, value in given.items()},
        "message": record.getMessage(),
    }
    if record.exc_info:
        found["trace"] = logging.Formatter().formatException(record.exc_info)
    return [(name, value) for name, value in found.items() if value not in (None, "")]


class _Printed(io.TextIOBase):
    """Standard error for everybody else: what is written at once becomes one line of the log.

    Args:
        raw: Where lines go.
        form: As text they stay as they are, but for secrets.
    """

    def __init__(self, raw: TextIO, form: LogForm) -> None:
        self._raw = raw
        self._form = form
        self._begun = ""

    def write(self, text: str) -> int:
        """Take text; it is passed on at the end of a line."""
        whole, newline, self._begun = f"{self._begun}{text}".rpartition("\n")
        if newline and whole.strip():
            self._pass_on(whole)
        return len(text)

    def flush(self) -> None:
        """Pass on what there is, as far as that is whole."""
        with suppress(ValueError):  # it may be closed at the very end of the process
            self._raw.flush()

    def fileno(self) -> int:
        """Of the stream behind: what a child process inherits."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return self._raw.isatty()

    def _pass_on(self, whole: str) -> None:
        if self._form is LogForm.TEXT:
            self._raw.write(f"{redacted(whole)}\n")
            self._raw.flush()
        else:
            say("printed", whole, level=logging.ERROR if "Traceback (most recent" in whole else logging.INFO)
