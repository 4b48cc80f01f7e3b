"""Writes docs/command-line.md from the command itself: python -m tests.command_line_page > docs/command-line.md."""

import sys
from typing import Any

import typer
from typer.main import get_command

from pipeline.cli import app


def page() -> str:
    """The page."""
    command = get_command(app)
    parts = [
        "# Command line\n",
        "Exit codes: 0 all well, 1 some edits failed, 2 wrong call or manifest, 3 stopped by the budget, 4 stopped by\n"
        "the account or the key, 130 interrupted and resumable. `--desk DIR` stands before the command's name.\n",
    ]
    context = typer.Context(command, info_name="picturedesk")
    for name, sub in _commands(command, context):
        parts.append(f"## {name}\n\n{(sub.help or '').strip()}\n")
        rows = [_row(parameter) for parameter in sub.params if parameter.name != "help"]
        if rows:
            parts.append("| | |\n|---|---|\n" + "\n".join(rows) + "\n")
        if sub.epilog:
            parts.append(f"{sub.epilog}\n")
    return "\n".join(parts)


def _commands(command: Any, context: Any) -> list[tuple[str, Any]]:
    found = []
    for name, sub in sorted(getattr(command, "commands", {}).items()):
        if sub.hidden:
            continue
        if hasattr(sub, "commands"):
            if sub.invoke_without_command:
                found.append((name, sub))
            found += [(f"{name} {inner}", each) for inner, each in _commands(sub, context)]
        else:
            found.append((name, sub))
    return found


def _row(parameter: Any) -> str:
    names = ", ".join([*getattr(parameter, "opts", []), *getattr(parameter, "secondary_opts", [])])
    if getattr(parameter, "param_type_name", "") == "argument":
        names = str(getattr(parameter, "name", "")).upper()
    return f"| `{names}` | {getattr(parameter, 'help', '') or ''} |"


if __name__ == "__main__":
    sys.stdout.write(page())
