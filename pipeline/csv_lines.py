"""Lines of CSV that no spreadsheet runs as a formula (CWE-1236; OWASP ASVS 1.2.10)."""

import csv
import io
from collections.abc import Iterable
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")


def csv_line(cells: Iterable[object]) -> str:
    """One line, its end included; each cell `guarded`."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(map(guarded, cells))
    return buffer.getvalue()


def guarded(cell: Any) -> Any:  # noqa: ANN401 - a cell
    """The cell; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
