"""What the long trials came to: lines of JSON in the file that ``make soak`` names, and a page of them."""

import json
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

_VARIABLE: Final = "PICTUREDESK_SOAK_REPORT"
_HIDDEN = ("trial", "at")


def soak_report(trial: str, **figures: Any) -> None:
    """Note what a trial measured, if a report is kept."""
    _note({"trial": trial, "at": datetime.now(UTC).isoformat(timespec="seconds"), **figures})


def note_outcome(report: pytest.TestReport) -> None:
    """Note whether a long trial held, and how long it took, if a report is kept: those that failed belong in it."""
    if "soak" in report.keywords and (report.when == "call" or not report.passed):
        test = report.nodeid.partition("[")[0].rpartition("::")[2]
        _note({"test": test, "outcome": report.outcome, "seconds": round(report.duration, 1)})


def page(lines: Iterable[dict[str, Any]]) -> str:
    """The report as Markdown.

    Args:
        lines: As they were noted.
    """
    tests: dict[str, list[dict[str, Any]]] = defaultdict(list)
    measured = []
    for line in lines:
        if "test" in line:
            tests[line["test"]].append(line)
        else:
            figures = ", ".join(
                f"{name.replace('_', ' ')} {each}" for name, each in line.items() if name not in _HIDDEN
            )
            measured.append(f"| {line['trial']} | {figures} |")
    seconds = sum(line["seconds"] for lines in tests.values() for line in lines)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return "\n".join(
        (
            f"# Long trials: {_sum(line for lines in tests.values() for line in lines)}\n",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine}; {seconds / 60:.0f} minutes.\n",
            *("| test | came to | minutes |", "| --- | --- | --- |"),
            *(
                f"| {name.removeprefix('test_').replace('_', ' ')} | {_sum(lines)} | "
                f"{sum(line['seconds'] for line in lines) / 60:.1f} |"
                for name, lines in tests.items()
            ),
            *("\n| trial | measured |", "| --- | --- |", *measured, ""),
        )
    )


def _sum(lines: Iterable[dict[str, Any]]) -> str:
    outcomes = [line["outcome"] for line in lines]
    found = {name: outcomes.count(name) for name in ("passed", "failed", "skipped")}
    return ", ".join(f"{n} {name}" for name, n in found.items() if n) or "none ran"


def _note(line: dict[str, Any]) -> None:
    if (path := os.environ.get(_VARIABLE)) is not None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    noted = Path(sys.argv[1])
    sys.stdout.write(page(map(json.loads, noted.read_text("utf-8").splitlines() if noted.exists() else ())))
