"""A flag in one line."""

import pytest

from pipeline.flag_lines import flag_line
from pipeline.values import Change, Detection, Flag, Kind, Level


def flag(kind: Kind, change: Change, label: str = "", *, before: str = "", remark: str = "") -> Flag:
    return Flag(Detection(kind, (0, 0, 9, 9), 0.93, Level.SURE, label, "d", "1"), change, before, 0.71, remark)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (flag(Kind.LOGO, Change.INTRODUCED, "Nike"), "logo introduced: Nike, 0.93"),
        (flag(Kind.LOGO, Change.ALTERED, "Nike"), "logo Nike altered, likeness 0.71"),
        (flag(Kind.LOGO, Change.INTRODUCED), "logo introduced, 0.93"),
        (flag(Kind.TEXT, Change.ALTERED, "SAIE", before="SALE"), "text SALE became SAIE"),
        (flag(Kind.TEXT, Change.ALTERED, before="SALE"), "text SALE became unreadable"),
        (flag(Kind.TEXT, Change.INTRODUCED), "text introduced: unreadable, 0.93"),
        (flag(Kind.TEXT, Change.LOST, "SALE", remark="outside the frame"), "text lost: SALE (outside the frame)"),
        (flag(Kind.FACE, Change.ALTERED), "face altered, likeness 0.71"),
        (flag(Kind.FACE, Change.ALTERED, remark="blurred"), "face altered, likeness 0.71 (blurred)"),
        (flag(Kind.FACE, Change.KEPT), "face kept, 0.93"),
        (flag(Kind.QUALITY, Change.INTRODUCED, "blurred: twice"), "blurred: twice"),
        (flag(Kind.DETECTOR, Change.INTRODUCED, "text failed: memory"), "text failed: memory"),
    ],
)
def test_a_flag_says_what_the_edit_did(told: Flag, line: str) -> None:
    assert flag_line(told) == line
