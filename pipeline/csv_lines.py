"""Lines of CSV that no spreadsheet runs as a formula."""

import csv
import io
from collections.abc import Iterable

_FORMULA = frozenset("=+-@\t\r")


def csv_line(cells: Iterable[object]) -> str:
    """One line, its end included; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(
        [f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA else cell for cell in cells]
    )
    return buffer.getvalue()
