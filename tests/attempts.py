"""Attempts as a runner writes them, for tests that need one half done."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pipeline.crew import Crew
from pipeline.states import EditState
from pipeline.store import Database, ledger
from pipeline.store.ledger import Caps, Sending, StoredOutput


def begin(
    db: Database,
    edit_id: int,
    *,
    owner: str = "runner",
    key: str | None = None,
    reserved_microusd: int = 0,
    client_id: str | None = None,
    caps: Caps | None = None,
) -> int:
    """Write an attempt; gives its id."""
    name = client_id or f"pd-{edit_id}-{owner}"
    sending = Sending(1, key or f"key-{edit_id}", name, {"prompt": "as written"}, reserved_microusd, is_fresh=True)
    attempt = ledger.begin(db, edit_id, sending, owner=owner, caps=caps or Caps())
    assert attempt is not None
    return attempt


def finish(
    db: Database,
    attempt: int,
    outputs: Sequence[StoredOutput],
    *,
    cost_microusd: int | None = 0,
    usage: Mapping[str, int] | None = None,
) -> list[int]:
    """Book its answer."""
    return ledger.finish(
        db, attempt, owner="runner", outputs=outputs, request_id="r-1", usage=usage or {}, cost_microusd=cost_microusd
    )


def give_up(
    db: Database, attempt: int, new: EditState, *, owner: str = "runner", code: str = "gone", is_lost: bool = False
) -> None:
    """Book that it brought nothing."""
    ledger.give_up(db, attempt, new, owner=owner, code=code, message="why", is_lost=is_lost)


@contextmanager
def living_worker(db: Database, name: str = "runner-elsewhere") -> Iterator[None]:
    """Meanwhile, another worker of this desk lives, and does nothing."""
    crew = Crew(db, name)
    crew.join()
    try:
        yield
    finally:
        crew.leave()
