"""The desk's policy as a text: read, changed key by key, saved. The file stays the one truth."""

from dataclasses import dataclass
from typing import Any

from pipeline.desk import Desk
from pipeline.desk_files import change_file, stamp_of
from pipeline.errors import PolicyError
from pipeline.people import Person
from pipeline.routing import FILE_NAME, Policy, parse_policy_text, policy_text

KEPT_SECRET = "kept from reviewers"  # noqa: S105 - what stands in its place


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as it is written.

    Attributes:
        text: TOML.
        stamp: Of the file, for saving; empty if the desk has none, and the text is the default.
    """

    text: str
    stamp: str


def in_force(desk: Desk) -> PolicyText:
    """The policy's text, even if it cannot be read as a policy.

    Raises:
        PolicyError: It is not UTF-8.
    """
    path = desk.root / FILE_NAME
    stamp = stamp_of(path)
    return PolicyText(policy_text(path), stamp)


def save(desk: Desk, text: str, *, seen: str, by: Person) -> Policy:
    """Put a policy in force; edits that are routed, and decisions made, from now on go by it.

    Args:
        desk: The desk.
        text: TOML.
        seen: The stamp of the file when the person read it.
        by: Who changes it.

    Raises:
        Forbidden: The person is no admin.
        PolicyError: The text is no policy; nothing was changed.
        Conflict: Somebody changed the file meanwhile.
    """
    policy = parse_policy_text(text)
    told = {"from": _hash_in_force(desk), "to": policy.hash}
    change_file(
        desk,
        desk.root / FILE_NAME,
        text.encode(),
        seen=seen,
        by=by,
        what="change the policy",
        kind="policy.changed",
        told=told,
    )
    return desk.policy


def with_key(text: str, key: str, value: Any) -> str:  # noqa: ANN401 - a TOML value
    """The text with another value of a key; comments and everything else stay as they are.

    Args:
        text: TOML.
        key: One that stands outside of all tables.
        value: What it shall be; None takes the key away.
    """
    import tomlkit
    from tomlkit.items import AoT, Table

    document = tomlkit.parse(text)
    if value is None:
        document.pop(key, None)
    elif key in document or not any(isinstance(item, AoT | Table) for _, item in document.body):
        document[key] = value
    else:  # in front of the first table, or it would become a part of that
        return f"{key} = {tomlkit.item(value).as_string()}\n{text}"
    return tomlkit.dumps(document)


def without_seed(text: str) -> str:
    """The text as a reviewer may read it: who knows the seed can tell which edits are drawn as samples."""
    try:
        return with_key(text, "sample_seed", KEPT_SECRET)
    except ValueError:  # no TOML
        return ""


def _hash_in_force(desk: Desk) -> str | None:
    """None if what is in the file is no policy."""
    try:
        return desk.policy.hash
    except PolicyError:
        return None
