"""``approved.csv``: one row for each approved asset, in chunks, by pandas.

UTF-8, RFC 4180, every text cell quoted. A text cell that a spreadsheet would run as a formula gets an apostrophe in
front (CWE-1236; OWASP ASVS 1.2.10). Columns of the manifest that bear a name of ours are prefixed ``manifest_``.
"""

import csv
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.csv_lines import guarded
from pipeline.export.rows import ExportRow, details, facts

_CHUNK = 1_000


class CsvWriter:
    """Writes the table as the rows come; memory stays flat.

    Args:
        path: The file.
        extra: The manifest's own columns, in their order.
    """

    def __init__(self, path: Path, extra: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._extra = list(extra)
        self._rows: list[dict[str, Any]] = []
        self._is_first = True

    def write(self, row: ExportRow, file: str, exported_at: datetime) -> None:
        """Add a row."""
        own = facts(row, file, exported_at)
        parts = details(row)
        own |= {"flag_detail_json": _json(parts["flags"]), "params_json": _json(parts["params"])}
        for name in self._extra:
            own[f"manifest_{name}" if name in own else name] = row.asset.extra.get(name, "")
        self._rows.append({guarded(name): guarded(value) for name, value in own.items()})
        if len(self._rows) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        import pandas as pd

        if self._rows:
            table = pd.DataFrame(self._rows)
            table.to_csv(
                self._file,
                index=False,
                header=self._is_first,
                quoting=csv.QUOTE_NONNUMERIC,
                lineterminator="\r\n",
            )
            self._is_first = False
            self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._flush()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
