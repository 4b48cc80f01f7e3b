"""Which scripts the font inside OpenCV cannot set, told from the text alone."""

# Unicode blocks, https://www.unicode.org/Public/16.0.0/ucd/Blocks.txt (read 2026-11-21). Arabic and Hebrew
# have glyphs in OpenCV's font but come out left to right; of the others it draws "?" (our measurement, 2026-11-20).
_BEYOND_THE_FONT: tuple[tuple[int, int, str], ...] = (
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x08FF, "Arabic"),
    (0x0900, 0x0DFF, "an Indic script"),
    (0x0E00, 0x0EFF, "Thai or Lao"),
    (0x0F00, 0x109F, "Tibetan or Burmese"),
    (0x1780, 0x17FF, "Khmer"),
    (0x2600, 0x27BF, "symbols and emoji"),
    (0xFB1D, 0xFDFF, "Hebrew or Arabic"),
    (0xFE70, 0xFEFC, "Arabic"),
    (0x1F000, 0x1FAFF, "emoji"),
)


def script_beyond_the_font(text: str) -> str | None:
    """The first script in the text that the built-in font cannot set; None where it can set all."""
    for character in text:
        for first, last, name in _BEYOND_THE_FONT:
            if first <= ord(character) <= last:
                return name
    return None
