"""Where the next page of a list begins: a word that only this desk reads, and that fits one question only."""

import base64
import hashlib
import json
from typing import Any

from pipeline.errors import UsageError


def cursor(question: Any, last: int) -> str:  # noqa: ANN401 - JSON
    """The word for what follows on the row with this number.

    Args:
        question: What the list was asked for.
        last: The last row of the page.
    """
    return base64.urlsafe_b64encode(f"{_digest(question)}{last:x}".encode()).decode().rstrip("=")


def place(question: Any, word: str | None) -> int | None:  # noqa: ANN401 - JSON
    """The number of the row that a page begins behind; None for the first page.

    Raises:
        UsageError: The word is none of ours, or belongs to another question.
    """
    if word is None:
        return None
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True).decode("ascii")
        digest, last = text[:8], int(text[8:24], 16)
    except ValueError:
        digest, last = "", 0
    if digest != _digest(question) or not 0 < last < 2**63:
        raise UsageError(
            "cursor: it is none that this list gave; ask without one, and with the same filters after that"
        )
    return last


def _digest(question: Any) -> str:  # noqa: ANN401 - JSON
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:8]
