"""A desk's settings as a person reads them, and the list that can be changed from the page: reasons to reject."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pipeline.desk import Desk
from pipeline.desk_files import change_file, stamp_of
from pipeline.errors import UsageError
from pipeline.people import Person
from pipeline.policies import with_key
from pipeline.redacting import names_secret
from pipeline.settings import FILE_NAME, Settings, read_settings
from pipeline.states import Role

MOST_REASONS = 50
MOST_CHARACTERS = 80

_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: As in ``picturedesk.toml``, with its table.
        value: As a person reads it; never a secret.
        is_default: Whether it is as it would be without the file and the environment.
    """

    name: str
    value: str
    is_default: bool


def settings_in_use(desk: Desk) -> list[Setting]:
    """What this process goes by; whatever is named like a secret is not shown."""
    usual = dict(_plain(Settings.model_construct()))
    return [Setting(name, value, usual.get(name) == value) for name, value in _plain(desk.settings)]


def save_reject_reasons(desk: Desk, reasons: Sequence[str], *, seen: Sequence[str], by: Person) -> None:
    """Change what reviewers choose from; the rest of the file, comments too, stays as it is.

    Args:
        desk: The desk.
        reasons: In the order that they are offered.
        seen: What they were when the person read them.
        by: Who changes them.

    Raises:
        Forbidden: The person is no admin.
        UsageError: A reason is empty, too long or there twice, or the environment decides which there are.
        Conflict: Somebody changed them meanwhile.
    """
    by.need(Role.ADMIN, "change the reasons to reject")
    wanted = _checked(reasons)
    path = desk.root / FILE_NAME
    stamp = stamp_of(path) if tuple(seen) == read_settings(desk.root).reject_reasons else "changed"
    text = with_key(path.read_text("utf-8"), "reject_reasons", wanted)
    told = {"from": list(seen), "to": wanted}
    change_file(
        desk,
        path,
        text.encode(),
        seen=stamp,
        by=by,
        what="change the reasons to reject",
        kind="settings.reject_reasons",
        told=told,
    )
    if list(desk.reject_reasons) != wanted:
        raise UsageError("the file was changed, but PICTUREDESK_REJECT_REASONS in the environment goes before it")


def _checked(reasons: Sequence[str]) -> list[str]:
    found = [reason.strip() for reason in reasons if reason.strip()]
    if not 1 <= len(found) <= MOST_REASONS:
        raise UsageError(f"found {len(found)} reasons; expected 1 to {MOST_REASONS}, one in each line")
    for reason in found:
        if len(reason) > MOST_CHARACTERS or not reason.isprintable():
            raise UsageError(f"found {reason!r}; expected at most {MOST_CHARACTERS} printable characters")
        if found.count(reason) > 1:
            raise UsageError(f"found {reason!r} twice; expected each reason once")
    return found


def _plain(settings: BaseModel) -> Iterator[tuple[str, str]]:
    for name in type(settings).model_fields:
        yield from _lines(name, getattr(settings, name))


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - whatever a table holds
    if isinstance(value, BaseModel):
        for inner in type(value).model_fields:
            yield from _lines(f"{name}.{inner}", getattr(value, inner))
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _lines(f"{name}.{key}", inner)
    elif names_secret(name.rpartition(".")[2]):
        yield name, "not shown"
    elif isinstance(value, Mapping) or value is None or value in ((), ""):
        yield name, "none"
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else _word(value)
        yield name, _IN_URL.sub("", text)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
