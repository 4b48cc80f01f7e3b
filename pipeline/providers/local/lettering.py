"""Text as masks: with the font inside OpenCV 5, or with a font file of the user's."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from pipeline.providers.local.canvas import Matte
from pipeline.providers.local.refusals import refusal
from pipeline.providers.local.scripts import script_beyond_the_font

MIN_SIZE_PX = 10.0
LINE_HEIGHT = 1.22
BEYOND_LATIN = 0x2E80  # First block of Chinese, Japanese and Korean: those glyphs are only in OpenCV's face "uni".


@dataclass(frozen=True, slots=True)
class Lettering:
    """Sets text.

    Attributes:
        font: Path of a font file, or "" for the font inside OpenCV.
    """

    font: str = ""

    def line(self, text: str, *, size_px: float, weight: int = 600) -> Matte:
        """One line as a mask, (height, width) in [0, 1]; the baseline stands at 1.5 sizes from its top.

        Raises:
            EditRefused: ``needs_font``: a character has no glyph.
        """
        if self.font:
            return _with_file(self.font, text, size_px)
        _check_glyphs(text)
        return _with_opencv(text, size_px, weight)

    def block(
        self, text: str, *, width_px: float, size_px: float, weight: int = 600, is_left: bool = False
    ) -> tuple[Matte, float]:
        """Text broken into lines of at most that width, and the size it got: smaller where a word is too wide.

        Raises:
            EditRefused: ``needs_font``.
        """
        while True:
            lines = self._broken(text, width_px, size_px, weight)
            if max(line.shape[1] for line in lines) <= width_px or size_px <= MIN_SIZE_PX:
                return _stacked(lines, size_px, is_left=is_left), size_px
            size_px *= 0.92

    def _broken(self, text: str, width_px: float, size_px: float, weight: int) -> list[Matte]:
        lines: list[Matte] = []
        current = ""
        for word in text.split():
            longer = f"{current} {word}".strip()
            if current and self.line(longer, size_px=size_px, weight=weight).shape[1] > width_px:
                lines.append(self.line(current, size_px=size_px, weight=weight))
                current = word
            else:
                current = longer
        return [*lines, self.line(current, size_px=size_px, weight=weight)]


def _stacked(lines: list[Matte], size_px: float, *, is_left: bool) -> Matte:
    step = int(size_px * LINE_HEIGHT)
    width = max(line.shape[1] for line in lines)
    stack = np.zeros((step * (len(lines) - 1) + lines[0].shape[0], width), np.float32)
    for place, line in enumerate(lines):
        left = 0 if is_left else (width - line.shape[1]) // 2
        spot = stack[place * step : place * step + line.shape[0], left : left + line.shape[1]]
        np.maximum(spot, line, out=spot)
    rows = np.flatnonzero(stack.max(axis=1) > 0)
    return stack[rows[0] : rows[-1] + 1] if len(rows) else stack


@cache
def _face(name: str) -> cv2.FontFace:
    return cv2.FontFace(name)


def _with_opencv(text: str, size_px: float, weight: int) -> Matte:
    face = _face("uni" if any(ord(one) >= BEYOND_LATIN for one in text) else "sans")
    size = max(4, int(size_px))
    canvas = np.zeros((int(size * 2.2) + 20, int(size * (len(text) + 2) * 1.3) + 40, 3), np.uint8)
    cv2.putText(canvas, text, (int(size * 0.6) + 10, int(size * 1.5)), (255, 255, 255), face, size, weight)
    return _trimmed(canvas[..., 0])


def _with_file(path: str, text: str, size_px: float) -> Matte:
    engine = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
    script = script_beyond_the_font(text)
    if script and engine is ImageFont.Layout.BASIC:
        raise refusal("needs_font", f"{script} needs Pillow with raqm, which is missing here; install libraqm")
    try:
        font = ImageFont.truetype(path, max(4, int(size_px)), layout_engine=engine)
    except OSError as exc:
        raise refusal("needs_font", f"{path} cannot be read as a font ({exc}); set the option font to another") from exc
    size = int(size_px)
    width = int(font.getlength(text)) + 2 * size
    picture = Image.new("L", (width, int(size * 2.2) + 20))
    ImageDraw.Draw(picture).text((size // 2, int(size * 1.5)), text, fill=255, font=font, anchor="ls")
    return _trimmed(np.asarray(picture))


def _trimmed(grey: np.ndarray) -> Matte:
    columns = np.flatnonzero(grey.max(axis=0))
    inked = grey[:, columns[0] : columns[-1] + 1] if len(columns) else grey[:, :1]
    return np.asarray(inked / 255, np.float32)


def _check_glyphs(text: str) -> None:
    script = script_beyond_the_font(text)
    if script:
        raise refusal("needs_font", f"{text!r} has {script}, which the built-in font cannot set; set the option font")
    for one in sorted(set(text)):
        if not one.isspace() and one != "?" and ord(one) > 126 and _is_missing(one):
            raise refusal(
                "needs_font", f"the built-in font has no {one!r}; set the option font to a font file that has it"
            )


@cache
def _is_missing(character: str) -> bool:
    # OpenCV draws "?" for a glyph that it lacks.
    face = "uni" if ord(character) >= BEYOND_LATIN else "sans"
    drawn = []
    for one in (character, "?"):
        canvas = np.zeros((70, 90, 3), np.uint8)
        cv2.putText(canvas, one, (20, 45), (255, 255, 255), _face(face), 30, 400)
        drawn.append(canvas)
    return bool(np.array_equal(drawn[0], drawn[1]))
