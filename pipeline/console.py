"""Standard output, and text on it that others wrote."""

from rich.console import Console
from rich.text import Text

_FILE_WIDTH = 160


def open_console() -> Console:
    """Standard output; a file or a pipe is as wide as a table needs."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_FILE_WIDTH)


def plain(text: str, style: str = "") -> Text:
    """Text that others wrote, shown as it is: no markup, and no terminal's control codes."""
    return Text("".join(c if c.isprintable() else "�" for c in text), style)
