"""Every policy that was in force, by the hash that routes and decisions name: ``policies/HASH.toml`` in the desk.

A text is its own proof: read as a policy, it has the hash that its file is called by.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import NotFound
from pipeline.shelves import write_whole

FOLDER = "policies"

_HASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A policy that was in force.

    Attributes:
        since: When it first was.
    """

    hash: str
    since: datetime


def keep_policy(root: Path, policy_hash: str, text: str) -> None:
    """Keep a policy that is in force now; one that is kept already stays as it is."""
    path = root / FOLDER / f"{policy_hash}.toml"
    if path.exists():
        return
    with suppress(OSError):  # who only looks at a desk may not write there; whoever routes or decides can
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text.encode())


def kept_policies(root: Path) -> list[KeptPolicy]:
    """All of them, newest first."""
    paths = [path for path in (root / FOLDER).glob("*.toml") if _HASH.fullmatch(path.stem)]
    found = [KeptPolicy(path.stem, datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in paths]
    return sorted(found, key=lambda each: each.since, reverse=True)


def kept_policy_text(root: Path, policy_hash: str) -> str:
    """The text of the policy with this hash.

    Raises:
        NotFound: It is not kept.
    """
    path = root / FOLDER / f"{policy_hash}.toml"
    if not _HASH.fullmatch(policy_hash) or not path.is_file():
        raise NotFound(f"policy {policy_hash[:16]}: this desk keeps none of that hash")
    return path.read_text("utf-8")
