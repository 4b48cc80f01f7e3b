"""A write that is sent twice under one name is carried out once, and answered as before (``Idempotency-Key``).

What is written, and that it was answered so, is one transaction: a server that is killed has done both or neither. Of
two that come at once, the second waits for the first. What was refused is not kept: the name is free again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.desk import Desk
from pipeline.errors import KeyTaken, UsageError
from pipeline.store import answering
from pipeline.store.answering import KeptAnswer

MOST_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Named:
    """A request under its caller's name for it.

    Attributes:
        sha256: Of all that it says.
    """

    caller: str
    key: str
    sha256: str


def need_key(key: str | None) -> None:
    """Refuse what is no name for a request.

    Raises:
        UsageError: It is too long, or nothing, or cannot be printed.
    """
    if key is not None and not (0 < len(key) <= MOST_CHARACTERS and key.isascii() and key.isprintable()):
        raise UsageError(f"Idempotency-Key: expected 1 to {MOST_CHARACTERS} printable ASCII characters, such as a UUID")


def known(desk: Desk, named: Named) -> KeptAnswer | None:
    """What this request was answered before; None if it was not.

    Raises:
        KeyTaken: The name belongs to another request.
    """
    return _checked(answering.kept(desk.db, named.caller, named.key), named)


def carry_out(desk: Desk, named: Named, work: Callable[[], tuple[int, str]]) -> tuple[KeptAnswer, bool]:
    """Carry a request out, unless it was before; gives the answer, and whether it is the one of before.

    Args:
        desk: The desk.
        named: The request.
        work: Does it, by writes of this thread to the desk's database; gives status and body.

    Raises:
        KeyTaken: The name belongs to another request.
    """
    with desk.db.group():
        before = _checked(answering.kept(desk.db, named.caller, named.key, in_group=True), named)
        if before is not None:
            return before, True
        answer = KeptAnswer(named.sha256, *work())
        answering.keep(desk.db, named.caller, named.key, answer)
    return answer, False


def _checked(found: KeptAnswer | None, named: Named) -> KeptAnswer | None:
    if found is not None and found.request_sha256 != named.sha256:
        raise KeyTaken(f"the idempotency key {named.key!r} was used for another request within a day; use a new one")
    return found
