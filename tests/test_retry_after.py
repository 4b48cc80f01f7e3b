"""How long a server asks to be left alone, however it writes it."""

import pytest

from pipeline.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17),
        (" 17 ", 17),
        ("0", 0),
        ("1.5", 1.5),
        ("999999", 999_999),
        ("Fri, 20 Nov 2020 10:00:00 GMT", 0),
        ("Fri, 20 Nov 2020 10:00:00 -0000", 0),
        (None, None),
        ("", None),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("²", None),
        ("Fri, 20 Nov 99999 10:00:00 GMT", None),
        ("Fri, 20 Nov 2026 10:00:00 +99999999999999999999", None),
    ],
)
def test_seconds_and_dates_are_read_and_whatever_else_is_nothing(said: str | None, seconds: float | None) -> None:
    assert retry_after_s(said) == seconds


def test_a_date_to_come_is_the_time_until_then() -> None:
    """A century holds some 3.2e9 seconds."""
    until = retry_after_s("Fri, 20 Nov 2126 10:00:00 GMT")
    assert until is not None
    assert 3.0e9 < until < 3.2e9
