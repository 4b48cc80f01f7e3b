"""Colours by name, and as numbers."""

import re

COLOURS = {
    "white": "#ffffff",
    "black": "#1c1c1e",
    "red": "#c81824",
    "green": "#1c6e3c",
    "blue": "#1f4fd8",
    "navy": "#182864",
    "yellow": "#f2c21a",
    "mustard": "#e0aa1e",
    "orange": "#ef7d1a",
    "pink": "#f29ab8",
    "purple": "#6d3bb8",
    "brown": "#7a4a28",
    "beige": "#e8dcc6",
    "cream": "#f6f0e4",
    "grey": "#8e8e93",
    "light grey": "#ececee",
    "dark grey": "#48484a",
    "silver": "#c4c6cc",
    "gold": "#c9a24a",
    "teal": "#1b8a8a",
    "turquoise": "#35c4c4",
    "lime": "#9bd127",
    "maroon": "#6e1423",
    "forest green": "#1c6e3c",
    "sky blue": "#87c5eb",
    "light blue": "#b9d9f2",
}
"""The colours that have a name, chosen by eye to look like cloth and paint rather than like light."""

Rgb8 = tuple[int, int, int]


def read_colour(text: str) -> str:
    """A colour as ``#rrggbb``, from a name or from that form; gray is grey.

    Raises:
        ValueError: It is neither.
    """
    word = text.strip().lower().replace("gray", "grey")
    if word in COLOURS:
        return COLOURS[word]
    if re.fullmatch(r"#[0-9a-f]{6}", word):
        return word
    raise ValueError(f"{text!r} is no colour")


def to_rgb(colour: str) -> Rgb8:
    """Red, green and blue in 0..255 of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def is_dark(colour: str) -> bool:
    """Whether white lettering reads better on it than black (Rec. 709 luma below 0.55)."""
    red, green, blue = to_rgb(colour)
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255 < 0.55
