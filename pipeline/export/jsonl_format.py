"""``approved.jsonl``: the same facts as the table, with flags, options, metadata and rounds as they are."""

import json
import os
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.export.rows import ExportRow, details, facts


class JsonlWriter:
    """Writes one JSON object a line.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, row: ExportRow, file: str, exported_at: datetime) -> None:
        """Add a line."""
        values = {**facts(row, file, exported_at), **details(row), "manifest": dict(row.asset.extra)}
        self._file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
