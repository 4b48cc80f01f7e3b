"""A flag in one line, as a reviewer reads it."""

from pipeline.values import Change, Flag, Kind

_THEIR_OWN_WORDS = frozenset({Kind.QUALITY, Kind.DETECTOR})


def flag_line(flag: Flag) -> str:
    """What the edit did, in one line: ``text SALE became SAIE``, ``logo introduced: Nike, 0.93``.

    What others wrote stands in it as it is: show it as plain text.
    """
    found = flag.detection
    name = found.label or ("unreadable" if found.kind is Kind.TEXT else "")
    line = found.label if found.kind in _THEIR_OWN_WORDS else _line(flag, name)
    return f"{line} ({flag.remark})" if flag.remark else line


def _line(flag: Flag, name: str) -> str:
    found = flag.detection
    line = f"{found.kind} {_became(flag, name)}"
    if flag.change in (Change.INTRODUCED, Change.KEPT):
        line += f", {found.score:.2f}"
    if flag.change is Change.ALTERED and flag.likeness is not None and not flag.before:
        line += f", likeness {flag.likeness:.2f}"
    return line


def _became(flag: Flag, name: str) -> str:
    if flag.change is Change.ALTERED and flag.before:
        return f"{flag.before} became {name or 'another'}"
    if flag.change is Change.ALTERED:
        return f"{name} altered".lstrip()
    return f"{flag.change}: {name}" if name else str(flag.change)
