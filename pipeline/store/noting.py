"""What happens to a desk beside its edits: a change of a file, as an event."""

from collections.abc import Mapping
from typing import Any

from pipeline.store.database import Database
from pipeline.store.moves import add_event


def note(db: Database, kind: str, *, actor: str, data: Mapping[str, Any]) -> None:
    """Append an event to the history."""
    with db.write() as connection:
        add_event(connection, kind, actor=actor, data=dict(data))
