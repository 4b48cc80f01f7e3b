"""What the long trials measured: one line of JSON for each in the file that ``make soak`` names, and a page of them."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_VARIABLE = "PICTUREDESK_SOAK_REPORT"


def soak_report(trial: str, **figures: Any) -> None:
    """Note what a trial came to, if a report is kept."""
    if (path := os.environ.get(_VARIABLE)) is not None:
        line = {"trial": trial, "at": datetime.now(UTC).isoformat(timespec="seconds"), **figures}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


def page(path: Path) -> str:
    """The report as Markdown."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = []
    for line in lines:
        figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in line.items() if name not in _SHOWN)
        rows.append(f"| {line['trial']} | {figures} |")
    return "\n".join(("| trial | what it came to |", "| --- | --- |", *rows, ""))


_SHOWN = ("trial", "at")

if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1])))
