"""What the service billed: appended, on disk before the answer leaves."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipeline.fake_api.stored_files import cut_torn_end


class BilledRequests:
    """The service's own books.

    Args:
        file: Where they are kept over restarts, or None.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.entries: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            cut_torn_end(file)
            self.entries = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]

    def bill(
        self,
        *,
        client_id: str,
        request_id: str,
        key: str,
        endpoint: str,
        ai_model: str,
        n: int,
        usage: Mapping[str, int],
        cost_microusd: int,
        outcome: Literal["answered", "dropped"],
    ) -> dict[str, Any]:
        """Write one billed request down, and give its entry."""
        entry = {
            "id": len(self.entries) + 1,
            "at": datetime.now(UTC).isoformat(),
            "client_id": client_id,
            "request_id": request_id,
            "key": key[-4:],
            "endpoint": endpoint,
            "ai_model": ai_model,
            "n": n,
            "usage": dict(usage),
            "cost_microusd": cost_microusd,
            "outcome": outcome,
        }
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        self.entries.append(entry)
        return entry

    def as_json(self, *, with_entries: bool) -> dict[str, Any]:
        """The books."""
        return {
            "billed": len(self.entries),
            "total_microusd": sum(entry["cost_microusd"] for entry in self.entries),
            "counts": dict(self.counts),
            **({"entries": self.entries} if with_entries else {}),
        }
