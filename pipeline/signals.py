"""What a process tells of its work to whoever listens: counters and log lines.

Nobody listens at first, and telling costs a function call then. An event carries numbers and names for machines: ids,
codes, states, seconds; never a prompt, a person, an asset's name, a URL or an error's words.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

Listener = Callable[[str, Mapping[str, Any]], None]
"""Gets the event's name and its fields; it must be quick, raise nothing, and may be called by several threads."""

_LISTENERS: list[Listener] = []
_LOCK = threading.Lock()


def listen(listener: Listener) -> Callable[[], None]:
    """Tell this listener of everything from now on; gives what ends that."""
    with _LOCK:
        _LISTENERS.append(listener)

    def end() -> None:
        with _LOCK:
            _LISTENERS.remove(listener)

    return end


def is_heard() -> bool:
    """Whether anybody listens."""
    return bool(_LISTENERS)


def tell(event: str, **fields: Any) -> None:  # noqa: ANN401 - numbers and names
    """Say that something happened."""
    for listener in tuple(_LISTENERS):
        listener(event, fields)
