"""How long a server asks to be left alone."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(said: str | None) -> float | None:
    """What the header ``Retry-After`` asks for, in seconds from now on; None if it says nothing that can be read.

    Seconds or a date (RFC 9110, section 10.2.3: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3, read on
    2026-11-22), and fractions of a second, too, which some services write. A date that is over is 0.

    Args:
        said: The header's value; None if there is none.
    """
    text = said or ""
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
