"""Whole-picture styles, from classic filters. Strengths were chosen by looking (our measurement, 2026-11-20)."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Rgb

Floats = NDArray[np.float32]

_BAND = 256
"""Rows worked on at once."""

_EVERY_GREY = np.arange(256, dtype=np.float32)

# Rec. 709 luma, https://www.itu.int/rec/R-REC-BT.709 (read 2026-11-21).
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def apply_style(rgb: Rgb, name: str) -> Rgb:
    """The picture in that style; the same bytes each time.

    Args:
        rgb: The picture.
        name: One of `operations.STYLES`.
    """
    return _STYLES[name](rgb)


def pencil(rgb: Rgb) -> Rgb:
    """Graphite on white paper: colour dodge for the lines, seeded hatching for the shadows."""
    drawn = _graphite(rgb)
    return _to_bytes(np.dstack([drawn, drawn * 0.995, drawn * 0.98]))


def coloured_pencil(rgb: Rgb) -> Rgb:
    """The pencil drawing's light with the picture's softened colours."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = _to_bytes(_graphite(rgb))
    lab[..., 1:] = cv2.GaussianBlur(lab[..., 1:], (0, 0), 2 * _scale(rgb, 1024))
    return _as_rgb(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def illustration(rgb: Rgb) -> Rgb:
    """Flat tones and ink lines (Winnemöller et al., Real-time video abstraction, SIGGRAPH 2006)."""
    smooth = _shrunk(rgb, 768)
    for _ in range(4):
        smooth = _as_rgb(cv2.bilateralFilter(smooth, 9, 28, 7))
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    step = 255 / 7
    base = np.floor(lab[..., 0] / step) * step
    lab[..., 0] = base + step / (1 + np.exp(-((lab[..., 0] - base) / step - 0.5) * 14))
    lab[..., 1:] = (lab[..., 1:] - 128) * 1.28 + 128
    flat = cv2.cvtColor(_to_bytes(lab), cv2.COLOR_LAB2RGB)
    return _grown(flat * (0.15 + 0.85 * _ink(smooth))[..., None], rgb)


def oil(rgb: Rgb) -> Rgb:
    """Brush dabs by an eight-sector Kuwahara filter (Papari et al., IEEE Trans. Image Processing 2007)."""
    dabs = _grown(_kuwahara(_shrunk(rgb, 640).astype(np.float32), radius=6), rgb)
    relief = 5 * _bristles(dabs)[..., None]
    return _saturated(_in_bands(rgb, lambda rows: dabs[rows] + relief[rows]), 1.18)


def watercolour(rgb: Rgb) -> Rgb:
    """Light washes on grained paper, with pigment gathered along the edges."""
    smooth = cv2.bilateralFilter(_shrunk(rgb, 640), 9, 35, 9).astype(np.float32)
    wash = _grown(_kuwahara(smooth, radius=5), rgb)
    light = cv2.transform(wash.astype(np.float32), np.full((1, 3), 1 / 3, np.float32))
    edge = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    edge = cv2.GaussianBlur(np.clip(edge - 10, 0, 70), (0, 0), 0.9 * _scale(rgb, 640))
    paper = cv2.GaussianBlur(_noise(rgb, seed=4), (0, 0), 1.2 * _scale(rgb, 1024))
    paper *= 0.16 / paper.std()

    def painted(rows: slice) -> Floats:
        pigment = 255 - 255 * (wash[rows].astype(np.float32) / 255) ** 0.72
        pigment = pigment * (1 + 0.25 * paper[rows, :, None] * np.clip(pigment / 90, 0, 1)) * 0.92
        return 255 - pigment - edge[rows, :, None] * 0.38

    return _saturated(_in_bands(rgb, painted), 1.22)


def cinematic(rgb: Rgb) -> Rgb:
    """Blue shadows, warm lights, a soft S-curve, vignette and fine grain."""
    cool, warm = np.array([-0.045, 0.012, 0.06], np.float32), np.array([0.06, 0.012, -0.055], np.float32)
    vignette, grain = _vignette(rgb, 0.28), _grain(rgb, 0.012)

    def graded(rows: slice) -> Floats:
        unit, luma = _unit_and_luma(rgb[rows])
        toned = unit + cool * (1 - luma) ** 1.6 + warm * luma**1.3
        toned = np.clip(luma + (toned - luma) * 0.92, 0, 1)
        curved = 0.45 * toned * toned * (3 - 2 * toned) + 0.55 * toned
        return np.asarray(255 * ((0.03 + 0.95 * curved) * vignette[rows] + grain[rows]), np.float32)

    return _in_bands(rgb, graded)


def editorial(rgb: Rgb) -> Rgb:
    """Muted colours, local contrast and lifted blacks."""

    def less_colour(rows: slice) -> Floats:
        unit, luma = _unit_and_luma(rgb[rows])
        return 255 * (luma + (unit - luma) * 0.72)

    muted = _in_bands(rgb, less_colour)
    around = cv2.GaussianBlur(muted, (0, 0), max(rgb.shape[:2]) / 60)

    def lifted(rows: slice) -> Floats:
        local = muted[rows] + 0.16 * (muted[rows].astype(np.float32) - around[rows])
        curved = _curve(local, (0, 48, 128, 210, 255), (16, 50, 136, 226, 250))
        return curved * np.array([1.015, 1.0, 0.975], np.float32)

    return _in_bands(rgb, lifted)


def vintage(rgb: Rgb) -> Rgb:
    """Faded film: less colour, warm paper, vignette and grain."""
    vignette, grain = _vignette(rgb, 0.35), _grain(rgb, 0.02)
    paper, shadow = np.array([1.06, 1.0, 0.86], np.float32), np.array([0.02, 0, 0.03], np.float32)

    def faded(rows: slice) -> Floats:
        unit, luma = _unit_and_luma(rgb[rows])
        pale = 0.08 + (luma + (unit - luma) * 0.65) * 0.84
        return 255 * ((pale * paper + shadow * (1 - luma)) * vignette[rows] + grain[rows])

    return _in_bands(rgb, faded)


def black_and_white(rgb: Rgb) -> Rgb:
    """Grey with local contrast."""
    grey = cv2.createCLAHE(1.6, (8, 8)).apply(_grey(rgb))
    curved = _to_bytes(_curve(_EVERY_GREY, (0, 60, 190, 255), (0, 46, 206, 255)))
    return np.dstack([curved[grey]] * 3)


def duotone(rgb: Rgb) -> Rgb:
    """Dark blue to pale yellow by lightness."""
    share = (_curve(_EVERY_GREY, (0, 70, 190, 255), (0, 50, 210, 255)) / 255)[:, None]
    dark, light = np.array([25, 20, 90], np.float32), np.array([255, 225, 120], np.float32)
    return _to_bytes(dark * (1 - share) + light * share)[_grey(rgb)]


def pop_art(rgb: Rgb) -> Rgb:
    """Seven poster colours by lightness, and a dot screen in the shadows."""
    palette = np.array(
        [[20, 16, 40], [70, 30, 110], [214, 40, 90], [240, 90, 60], [250, 160, 60], [255, 215, 90], [255, 246, 214]],
        np.float32,
    )
    grey = _grey(_as_rgb(cv2.bilateralFilter(rgb, 9, 40, 9)))
    limits = np.percentile(grey, np.linspace(0, 100, len(palette) + 1)[1:-1])
    pitch = max(6, rgb.shape[1] // 128)
    across, down = (np.arange(length) % pitch - pitch / 2 for length in (rgb.shape[1], rgb.shape[0]))

    def printed(rows: slice) -> Floats:
        flat = palette[np.searchsorted(limits, grey[rows])]
        distance = np.hypot(across[None], down[rows, None]) / pitch
        dots = (distance < 0.55 * (1 - grey[rows] / 255)) & (grey[rows] < 190)
        return np.where(dots[..., None], flat * np.float32(0.78), flat)

    return _in_bands(rgb, printed)


_STYLES: dict[str, Callable[[Rgb], Rgb]] = {
    "pencil": pencil,
    "coloured-pencil": coloured_pencil,
    "illustration": illustration,
    "oil": oil,
    "watercolour": watercolour,
    "cinematic": cinematic,
    "editorial": editorial,
    "vintage": vintage,
    "black-and-white": black_and_white,
    "duotone": duotone,
    "pop-art": pop_art,
}


def _graphite(rgb: Rgb) -> Floats:
    smooth = _as_rgb(cv2.bilateralFilter(rgb, 7, 25, 7))
    grey = _grey(smooth).astype(np.float32)
    # Half by lightness, half by colour: a shape as light as its ground gets its lines, too.
    by_light = by_colour = _lines(grey, rgb)
    for channel in range(3):
        by_colour = np.minimum(by_colour, _lines(smooth[..., channel].astype(np.float32), rgb))
    dodged = 127.5 * (by_light + by_colour)
    stroke = np.zeros((15, 15), np.float32)
    cv2.line(stroke, (1, 13), (13, 1), 1, 1, cv2.LINE_AA)
    hatch = cv2.filter2D(_noise(rgb, seed=11), -1, stroke / stroke.sum())
    hatch = hatch / hatch.std()
    shade = np.clip(0.62 - grey / 255, 0, 1) * 95 * (1 + 0.55 * hatch)
    return np.clip(dodged - shade + 2 * hatch, 0, 252).astype(np.float32)


def _lines(values: Floats, rgb: Rgb) -> Floats:
    """Colour dodge: 1 on what is even, less along the dark side of an edge."""
    around = cv2.GaussianBlur(values, (0, 0), 9 * _scale(rgb, 1024))
    return np.asarray(np.clip(values / np.maximum(around, 1), 0, 1) ** 1.8, np.float32)


def _bristles(rgb: Rgb) -> Floats:
    """The relief of brush strokes along the shapes, lit from the top left; its standard deviation is 1.

    Noise is drawn out along the picture's own lines: Cabral and Leedom, Imaging vector fields using line integral
    convolution, SIGGRAPH 1993.
    """
    small = _shrunk(rgb, 1024)
    scale = _scale(small, 1024)
    grey = cv2.GaussianBlur(_grey(small).astype(np.float32), (0, 0), 2 * scale)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    soft = 9 * scale
    mixed = cv2.GaussianBlur(across * down, (0, 0), soft)
    difference = cv2.GaussianBlur(across * across - down * down, (0, 0), soft)
    angle = 0.5 * np.arctan2(2 * mixed, difference + 1e-3) + np.pi / 2
    step_x, step_y = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    noise = cv2.GaussianBlur(_noise(small, seed=5), (0, 0), max(0.7, scale))
    rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]].astype(np.float32)
    reach = max(4, round(12 * scale))
    drawn = sum(
        cv2.remap(noise, columns + at * step_x, rows + at * step_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for at in range(-reach, reach + 1, 2)
    )
    lit = cv2.Sobel(np.asarray(drawn, np.float32), cv2.CV_32F, 1, 0) + cv2.Sobel(drawn, cv2.CV_32F, 0, 1)
    grown = cv2.resize(lit, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown / (grown.std() + 1e-6), np.float32)


def _ink(rgb: Rgb) -> Floats:
    grey = _grey(rgb).astype(np.float32)
    edges = cv2.GaussianBlur(grey, (0, 0), 0.9) - 0.985 * cv2.GaussianBlur(grey, (0, 0), 1.8)
    lines = np.where(edges < -0.2, 1 + np.tanh(0.55 * (edges + 0.2)), 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(np.clip(lines, 0, 1), (0, 0), 0.5), np.float32)


def _kuwahara(picture: Floats, *, radius: int) -> Floats:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    angle, far = np.arctan2(rows, columns), np.hypot(rows, columns)
    total = np.zeros_like(picture)
    weights = np.zeros((*picture.shape[:2], 1), np.float32)
    for sector in range(8):
        window = np.exp(-(far**2) / (2 * (radius * 0.5) ** 2)) * (
            np.cos(angle - sector * np.pi / 4) > np.cos(np.pi / 5)
        )
        window[radius, radius] = 1
        window = (window / window.sum()).astype(np.float32)
        mean = cv2.filter2D(picture, -1, window, borderType=cv2.BORDER_REFLECT)
        square = cv2.filter2D(picture * picture, -1, window, borderType=cv2.BORDER_REFLECT)
        spread = np.sqrt(np.maximum(square - mean * mean, 0)).sum(axis=2, keepdims=True) + 1
        weight = (1e6 / spread**8).astype(np.float32)
        total += mean * weight
        weights += weight
    return np.asarray(total / np.maximum(weights, 1e-20), np.float32)


def _scale(rgb: Rgb, side_px: int) -> float:
    return max(0.25, max(rgb.shape[:2]) / side_px)


def _shrunk(rgb: Rgb, side_px: int) -> Rgb:
    scale = min(1.0, side_px / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return _as_rgb(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def _grown(picture: NDArray[np.float32], like: Rgb) -> Rgb:
    size = (like.shape[1], like.shape[0])
    return _to_bytes(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_CUBIC))


def _noise(rgb: Rgb, *, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(rgb.shape[:2], np.float32)


def _grain(rgb: Rgb, strength: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(_noise(rgb, seed=1), (0, 0), 0.7)[..., None] * strength * 1.9, np.float32)


def _vignette(rgb: Rgb, strength: float) -> Floats:
    rows = np.linspace(-1, 1, rgb.shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, rgb.shape[1], dtype=np.float32)[None]
    return (1 - strength * np.clip(np.hypot(rows, columns) / np.sqrt(2), 0, 1) ** 2.4)[..., None].astype(np.float32)


def _unit_and_luma(rgb: Rgb) -> tuple[Floats, Floats]:
    unit = rgb.astype(np.float32) / np.float32(255)
    return unit, np.asarray(unit @ LUMA, np.float32)[..., None]


def _curve(values: NDArray[np.float32], from_values: Sequence[int], to_values: Sequence[int]) -> Floats:
    return np.interp(values, from_values, to_values).astype(np.float32)


def _saturated(picture: Rgb, factor: float) -> Rgb:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = _to_bytes(hsv[..., 1].astype(np.float32) * factor)
    return _as_rgb(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _in_bands(rgb: Rgb, work: Callable[[slice], Floats]) -> Rgb:
    """The rows that `work` gives, band by band: floats of a whole large picture are five times its size, each time."""
    worked = np.empty_like(rgb)
    for top in range(0, rgb.shape[0], _BAND):
        rows = slice(top, top + _BAND)
        worked[rows] = _to_bytes(work(rows))
    return worked


def _grey(rgb: Rgb) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _as_rgb(picture: object) -> Rgb:
    return np.asarray(picture, np.uint8)


def _to_bytes(values: object) -> Rgb:
    return np.clip(np.asarray(values, np.float32) + 0.5, 0, 255).astype(np.uint8)
