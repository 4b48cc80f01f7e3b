"""Flags over the pictures."""

from pipeline.values import Change, Detection, Flag, Kind, Level, PictureFacts
from review_app import drawing

FACTS = PictureFacts("a" * 64, "image/png", (1000, 500), 10)


def flag(change: Change, label: str, **more: object) -> Flag:
    found = Detection(Kind.TEXT, (100, 100, 300, 150), 0.9, Level.SURE, label, "text", "1")
    return Flag(found, change, **more)  # type: ignore[arg-type]


def drawn(*flags: Flag) -> tuple[str, str]:
    """The source's figure and the output's."""
    _, source, output = drawing.pair(("/s", FACTS), ("/o", FACTS), flags).split("<figure>")
    return source, output


def test_what_came_stands_on_the_output_and_what_went_on_the_source() -> None:
    source, output = drawn(flag(Change.INTRODUCED, "NEW"), flag(Change.LOST, "OLD"))
    assert "OLD" in source
    assert "NEW" not in source
    assert "NEW" in output
    assert "OLD" not in output


def test_what_was_altered_stands_on_both_as_it_was_and_as_it_is() -> None:
    altered = flag(Change.ALTERED, "SAIE", before="SALE", source_xyxy=(500, 100, 700, 150))
    source, output = drawn(altered)
    assert "text SALE" in source
    assert "left:50.00%" in source
    assert "text SAIE" in output
    assert "left:10.00%" in output


def test_what_was_kept_is_drawn_faintly() -> None:
    _, output = drawn(flag(Change.KEPT, "SALE"))
    assert 'class="pd-box pd-kept"' in output


def test_what_others_wrote_is_text_and_nothing_else() -> None:
    _, output = drawn(flag(Change.INTRODUCED, "<script>alert(1)</script>"))
    assert "<script>alert" not in output
    assert "&lt;script&gt;" in output


def test_headings_strips_and_lists_show_text_as_text() -> None:
    shown = drawing.heading("<b>hat</b>", ["<i>", ""], level=2)
    shown += drawing.strip([("<u>", "/p?a=1&b=2")]) + drawing.flag_list([flag(Change.INTRODUCED, "<script>")])
    assert "<h2>&lt;b&gt;hat&lt;/b&gt;</h2>" in shown
    assert shown.count('pd-chip">') == 1
    assert 'src="/p?a=1&amp;b=2"' in shown
    assert "text introduced: &lt;script&gt;, 0.90" in shown
    assert not any(tag in shown for tag in ("<b>", "<i>", "<u>", "<script>"))
