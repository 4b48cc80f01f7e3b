"""What ``picturedesk insights`` prints."""

from rich.table import Table

from pipeline.console import open_console, plain
from pipeline.insight_tables import Cell, Row, tables
from pipeline.insights import Insights
from pipeline.store.insights import By


def print_insights(found: Insights, per: By) -> None:
    """What matters most, and one table for each question."""
    out = open_console()
    for sentence in found.headline:
        out.print(plain(sentence, style="bold"))
    every = tables(found, per)
    if not every:
        out.print("nobody has decided on anything there yet; decide with: picturedesk review")
    for each in every:
        drawn = Table(title=each.title, title_justify="left")
        rows = [_short(row) for row in each.rows]
        for column, cell in each.rows[0].items():
            if column in rows[0]:
                drawn.add_column(column, justify="left" if isinstance(cell, str) else "right")
        for row in rows:
            drawn.add_row(*map(plain, row.values()))
        out.print(drawn)
    if found.decided:
        out.print(plain("in brackets: the 95 % interval (Wilson)"))


def _short(row: Row) -> dict[str, str]:
    """A row's cells as text, each share with its interval in one."""
    found = {column: _as_text(column, cell) for column, cell in row.items()}
    for column, text in tuple(found.items()):
        if not column.endswith(" %") or column not in found:
            continue
        low, high = (found.pop(column.replace(" %", f" {end} %"), None) for end in ("≥", "≤"))
        if low is not None and row[column] is not None:
            found[column] = f"{text} [{low}, {high}]"
    return found


def _as_text(column: str, cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.4f}" if "$" in column else f"{cell:,.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
