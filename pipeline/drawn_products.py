"""Product shots and brand marks for the sample batch, drawn here: no photograph, no licence to mind.

Turned solids are shaded by their normals, flat things by hand-set planes, all
over a seamless backdrop with a soft contact shadow and a little sensor noise. Brands are invented.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.floating[Any]]
Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1], sRGB encoded."""
Point = tuple[float, float]

SIDE_PX = 1024
_SCALE = 2  # everything is drawn at twice the size and reduced, which smooths every edge
_INK: Colour = (0.10, 0.13, 0.17)
_PAPER: Colour = (0.97, 0.95, 0.91)


def draw_product(name: str) -> bytes:
    """One product shot, 1024 × 1024, as JPEG; the same bytes on every call.

    Args:
        name: A key of ``PRODUCTS``.

    Raises:
        ValueError: There is no such product.
    """
    if name not in PRODUCTS:
        raise ValueError(f"no drawn product {name!r}; expected one of {', '.join(PRODUCTS)}")
    picture = PRODUCTS[name]().develop(seed=len(name))
    return _encode(picture, "JPEG")


def draw_logo(name: str) -> bytes:
    """One invented brand's mark with its name, dark on transparent, as PNG.

    Args:
        name: A key of ``LOGOS``.

    Raises:
        ValueError: There is no such logo.
    """
    if name not in LOGOS:
        raise ValueError(f"no drawn logo {name!r}; expected one of {', '.join(LOGOS)}")
    return _encode(_logo(name, ink=_INK), "PNG")


def _encode(picture: Image.Image, picture_format: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, picture_format, quality=93, subsampling=0, optimize=True)
    return buffer.getvalue()


class _Studio:
    """A seamless backdrop that layers are painted on; coordinates are those of the finished picture."""

    def __init__(self, backdrop: Colour) -> None:
        side = SIDE_PX * _SCALE
        self.y, self.x = np.mgrid[0:side, 0:side].astype(np.float32) / _SCALE
        away = np.hypot(self.x - 470, self.y - 470) / SIDE_PX
        light = 1.02 - 0.09 * away**2
        self.pixels: Pixels = (np.asarray(backdrop, np.float32) * light[..., None]).astype(np.float32)

    def paint(self, colour: Pixels | Colour, alpha: Pixels) -> None:
        """Lays a colour, or one colour per pixel, over what is there."""
        layer = np.asarray(colour, np.float32)
        self.pixels += (layer - self.pixels) * alpha[..., None]

    def cast_shadow(self, centre: Point, radii: Point, *, strength: float = 0.34) -> None:
        """A dark line of contact under the thing, and a wide soft shadow to the right of it."""
        (x, y), (across, down) = centre, radii
        self._darken((x + across * 0.22, y + down * 0.3), (across * 1.25, down * 1.5), blur=38, strength=strength * 0.6)
        self._darken((x + across * 0.05, y), (across * 0.94, down * 0.85), blur=15, strength=strength)

    def _darken(self, centre: Point, radii: Point, *, blur: float, strength: float) -> None:
        # At a quarter of the size: a blur this wide has no finer detail.
        small = Image.new("L", (SIDE_PX // 2, SIDE_PX // 2))
        (x, y), (across, down) = centre, radii
        box = [(x - across) / 2, (y - down) / 2, (x + across) / 2, (y + down) / 2]
        ImageDraw.Draw(small).ellipse(box, fill=255)
        side = SIDE_PX * _SCALE
        soft = small.filter(ImageFilter.GaussianBlur(blur / 2)).resize((side, side), Image.Resampling.BICUBIC)
        self.pixels *= 1 - strength * _as_mask(soft)[..., None]

    def develop(self, *, seed: int) -> Image.Image:
        """The finished picture, with the noise of a camera's sensor."""
        eight_bit = (np.clip(self.pixels, 0, 1) * 255).astype(np.uint8)
        small = np.asarray(Image.fromarray(eight_bit).reduce(_SCALE), np.float32)
        noise = np.random.default_rng(seed).normal(0, 1.1, small.shape)
        return Image.fromarray(np.clip(small + noise, 0, 255).round().astype(np.uint8))


@dataclass(frozen=True, slots=True)
class _Surface:
    """Where a turned solid shows: per pixel, the angle round its axis, the height on it, its normal and coverage."""

    angle: Pixels
    height: Pixels
    normal: Pixels
    alpha: Pixels


def _turn(studio: _Studio, profile: Sequence[Point], *, centre_x: float, tilt: float) -> _Surface:
    """A solid of revolution seen from slightly above.

    Args:
        studio: Where it stands.
        profile: Height on the picture and radius, top to bottom, in pixels.
        centre_x: The axis.
        tilt: Height of a horizontal circle by its width; 0 is seen from the side.
    """
    heights, radii = _smooth_profile(profile)
    slopes = np.gradient(radii, heights)
    height = studio.y
    for _ in range(6):  # a fixed point: the height whose circle passes through this pixel
        radius = np.interp(height, heights, radii)
        sine = np.clip((studio.x - centre_x) / radius, -1, 1)
        height = studio.y - tilt * radius * np.sqrt(1 - sine**2)
    slope = np.interp(height, heights, slopes)
    cosine = np.sqrt(1 - sine**2)
    normal = np.stack([sine, -slope, cosine], axis=-1) / np.sqrt(1 + slope**2)[..., None]
    inside = (np.abs(studio.x - centre_x) < radius) & (height >= heights[0]) & (height <= heights[-1])
    return _Surface(
        angle=np.arcsin(sine).astype(np.float32),
        height=height.astype(np.float32),
        normal=normal.astype(np.float32),
        alpha=inside.astype(np.float32),
    )


def _smooth_profile(profile: Sequence[Point]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    knots = np.array(profile, np.float64)
    heights = np.linspace(knots[0, 0], knots[-1, 0], 400)
    radii = np.interp(heights, knots[:, 0], knots[:, 1])
    window = np.hanning(67) / np.hanning(67).sum()
    return heights, np.convolve(np.pad(radii, 33, mode="reflect", reflect_type="odd"), window, mode="valid")


def _shade(surface: _Surface, colour: Pixels | Colour, *, gloss: float) -> Pixels:
    """Lights a surface with a large softbox on the left, a fill on the right and the backdrop's bounce from below."""
    key = np.clip(surface.normal @ np.array([-0.52, -0.46, 0.72], np.float32), 0, 1)
    bounce = np.clip(surface.normal @ np.array([0.75, 0.35, 0.55], np.float32), 0, 1)
    light = 0.30 + 0.68 * key + 0.16 * bounce
    lit = np.asarray(colour, np.float32) * light[..., None]
    strip = np.exp(-(((surface.angle + 0.72) / 0.13) ** 4)) + 0.35 * np.exp(-(((surface.angle - 0.98) / 0.09) ** 2))
    facing_up = np.clip(1 - np.abs(surface.normal[..., 1]) * 1.2, 0, 1)
    shaded: Pixels = lit + (gloss * strip * facing_up)[..., None]
    return shaded


def _wrap(surface: _Surface, print_: Image.Image, *, width_angle: float, top: float, bottom: float) -> Pixels:
    """Where a flat print lands on a turned solid, centred on its front: (height, width, 4) in [0, 1]."""
    art = np.asarray(print_.convert("RGBA"), np.float32) / 255
    column = (surface.angle / width_angle + 0.5) * (art.shape[1] - 1)
    row = (surface.height - top) / (bottom - top) * (art.shape[0] - 1)
    on_print = (column >= 0) & (column <= art.shape[1] - 1) & (row >= 0) & (row <= art.shape[0] - 1)
    taken: Pixels = art[
        np.clip(row, 0, art.shape[0] - 1).round().astype(np.intp),
        np.clip(column, 0, art.shape[1] - 1).round().astype(np.intp),
    ]
    taken[..., 3] *= on_print * surface.alpha
    return taken


def _mix(below: Pixels | Colour, art: Pixels) -> Pixels:
    base = np.asarray(below, np.float32)
    mixed: Pixels = base + (art[..., :3] - base) * art[..., 3:]
    return mixed


def _ellipse(studio: _Studio, centre: Point, radii: Point) -> Pixels:
    distance = np.hypot((studio.x - centre[0]) / radii[0], (studio.y - centre[1]) / radii[1])
    alpha: Pixels = np.clip((1 - distance) * min(radii), 0, 1)
    return alpha


def _drawn_mask(draw: Callable[[ImageDraw.ImageDraw, float], None]) -> Pixels:
    """What a Pillow drawing covers; it is drawn at four times the picture's size."""
    side = SIDE_PX * _SCALE * 2
    mask = Image.new("L", (side, side))
    draw(ImageDraw.Draw(mask), _SCALE * 2)
    return _as_mask(mask.reduce(2))


def _polygon(points: list[Point]) -> Pixels:
    return _drawn_mask(lambda pen, scale: pen.polygon([(x * scale, y * scale) for x, y in points], fill=255))


def _as_mask(picture: Image.Image) -> Pixels:
    return np.asarray(picture, np.float32) / 255


# Brand marks ---------------------------------------------------------------------------------------------------------


def _logo(name: str, *, ink: Colour, width_px: int = 900) -> Image.Image:
    mask = Image.new("L", (1800, 1100))
    pen = ImageDraw.Draw(mask)
    LOGOS[name](pen)
    _letter(pen, name.upper(), centre=(900, 900), size_px=230, tracking_px=26, stroke_px=5)
    cut = mask.crop(mask.getbbox())
    size_wh = (width_px, round(width_px * cut.height / cut.width))
    # The alpha alone is resized: resizing the colour with it would shade the ink.
    red, green, blue = (round(part * 255) for part in ink)
    logo = Image.new("RGB", size_wh, (red, green, blue))
    logo.putalpha(cut.resize(size_wh, Image.Resampling.LANCZOS))
    return logo


def _letter(
    pen: ImageDraw.ImageDraw,
    words: str,
    *,
    centre: Point,
    size_px: float,
    tracking_px: float = 0,
    stroke_px: float = 0,
    fill: int | str = 255,
) -> None:
    font = ImageFont.load_default(size_px)
    widths = [font.getlength(letter) + tracking_px for letter in words]
    x = centre[0] - (sum(widths) - tracking_px) / 2
    for letter, width in zip(words, widths, strict=True):
        pen.text((x, centre[1]), letter, font=font, fill=fill, anchor="lm", stroke_width=stroke_px, stroke_fill=fill)
        x += width


def _draw_quill(pen: ImageDraw.ImageDraw) -> None:
    """A leaf-shaped quill standing in a ring."""
    pen.ellipse((600, 60, 1200, 660), outline=255, width=38)
    pen.chord((560, 120, 980, 600), 300, 60, fill=255)
    pen.chord((820, 120, 1240, 600), 120, 240, fill=255)
    pen.line((900, 190, 900, 720), fill=0, width=16)
    for offset in (0, 70, 140):
        pen.line((900, 400 + offset, 980, 320 + offset), fill=0, width=12)
        pen.line((900, 400 + offset, 820, 320 + offset), fill=0, width=12)
    pen.line((900, 540, 900, 740), fill=255, width=20)


def _draw_sunrise(pen: ImageDraw.ImageDraw) -> None:
    """Three arches over a bar."""
    for radius in (330, 220, 110):
        pen.arc((900 - radius, 640 - radius, 900 + radius, 640 + radius), 180, 360, fill=255, width=62)
    pen.rounded_rectangle((520, 660, 1280, 720), radius=30, fill=255)


LOGOS: dict[str, Callable[[ImageDraw.ImageDraw], None]] = {"tarnquill": _draw_quill, "oskelby": _draw_sunrise}
"""Invented brands by name, each with the drawing of its mark."""


# Products ------------------------------------------------------------------------------------------------------------


def _draw_mug() -> _Studio:
    studio = _Studio((0.955, 0.95, 0.94))
    glaze = (0.13, 0.47, 0.50)
    studio.cast_shadow((480, 800), (188, 40))
    _paint_handle(studio, glaze)
    body = _turn(studio, [(300, 206), (316, 208), (720, 206), (765, 196), (790, 172)], centre_x=480, tilt=0.2)
    art = _wrap(body, _logo("oskelby", ink=_PAPER), width_angle=1.25, top=400, bottom=640)
    studio.paint(_shade(body, _mix(glaze, art), gloss=0.28), body.alpha)
    _paint_opening(studio, (480, 300), (206, 41), outside=glaze, inside=(0.93, 0.91, 0.87), wall_px=13)
    return studio


def _paint_handle(studio: _Studio, glaze: Colour) -> None:
    across, down = (studio.x - 690) / 118, (studio.y - 520) / 142
    ring = np.hypot(across, down)
    from_middle = (ring - 0.84) / 0.17
    alpha = np.clip((1 - np.abs(from_middle)) * 20, 0, 1).astype(np.float32)
    outward = np.clip(from_middle, -1, 1)
    direction = np.stack([across, down], axis=-1) / np.maximum(ring, 0.01)[..., None]
    facing = np.sqrt(1 - outward**2)
    key = np.clip(-0.52 * direction[..., 0] * outward - 0.46 * direction[..., 1] * outward + 0.72 * facing, 0, 1)
    highlight = np.exp(-(((from_middle + 0.30 * direction[..., 1] + 0.25) / 0.16) ** 2))
    lit = np.asarray(glaze, np.float32) * (0.28 + 0.66 * key)[..., None] + (0.16 * highlight)[..., None]
    studio.paint(lit.astype(np.float32), alpha)


def _paint_opening(
    studio: _Studio, centre: Point, radii: Point, *, outside: Colour, inside: Colour, wall_px: float
) -> None:
    """The rim of a vessel and the far wall inside it."""
    rim = np.asarray(outside, np.float32) * 1.18 + 0.06
    studio.paint(rim, _ellipse(studio, centre, radii))
    ratio = radii[1] / radii[0]
    hole = (radii[0] - wall_px, radii[1] - wall_px * ratio * 1.5)
    across = (studio.x - centre[0]) / hole[0]
    down = (studio.y - centre[1]) / hole[1]
    light = 0.55 + 0.26 * across + 0.16 * down
    studio.paint((np.asarray(inside, np.float32) * light[..., None]).astype(np.float32), _ellipse(studio, centre, hole))


def _draw_bottle() -> _Studio:
    studio = _Studio((0.93, 0.925, 0.90))
    glass = (0.30, 0.16, 0.07)
    studio.cast_shadow((512, 902), (142, 30))
    profile = [(186, 50), (300, 50), (352, 62), (430, 128), (470, 140), (870, 140), (898, 128)]
    body = _turn(studio, profile, centre_x=512, tilt=0.12)
    label = _wrap(body, _bottle_label(), width_angle=2.5, top=500, bottom=810)
    studio.paint(_shade(body, _mix(glass, label), gloss=0.34), body.alpha)
    cap = _turn(studio, [(120, 54), (128, 58), (236, 58), (240, 56)], centre_x=512, tilt=0.12)
    ridges = 0.9 + 0.1 * np.sign(np.sin(cap.angle * 34))
    studio.paint(
        _shade(cap, (np.array(_INK, np.float32) * 1.5 * ridges[..., None]).astype(np.float32), gloss=0.2), cap.alpha
    )
    studio.paint((0.26, 0.29, 0.34), _ellipse(studio, (512, 120), (54, 6.5)))
    return studio


def _bottle_label() -> Image.Image:
    label = Image.new("RGBA", (1400, 1240), "#f3ead6")
    pen = ImageDraw.Draw(label)
    pen.rectangle((0, 0, 1400, 70), fill="#b3542d")
    pen.rectangle((0, 1170, 1400, 1240), fill="#b3542d")
    _letter(pen, "TARNQUILL", centre=(700, 380), size_px=150, tracking_px=10, stroke_px=5, fill="#2a1c12")
    pen.line((360, 520, 1040, 520), fill="#b3542d", width=8)
    _letter(pen, "COLD BREW", centre=(700, 660), size_px=112, tracking_px=8, stroke_px=3, fill="#2a1c12")
    _letter(pen, "COFFEE", centre=(700, 820), size_px=112, tracking_px=8, stroke_px=3, fill="#2a1c12")
    _letter(pen, "500 ml", centre=(700, 1020), size_px=90, stroke_px=2, fill="#b3542d")
    return label


def _draw_vase() -> _Studio:
    studio = _Studio((0.95, 0.945, 0.935))
    clay = (0.72, 0.36, 0.24)
    studio.cast_shadow((512, 868), (118, 28))
    profile = [(210, 98), (228, 82), (300, 72), (360, 92), (440, 160), (540, 206), (640, 204), (760, 158), (866, 112)]
    body = _turn(studio, profile, centre_x=512, tilt=0.16)
    glazed = np.clip((body.height - 590 + 10 * np.sin(body.angle * 5)) / 3, 0, 1)[..., None]
    colour = np.array(clay, np.float32) * (1 - glazed) + np.array((0.90, 0.86, 0.78), np.float32) * glazed
    studio.paint(_shade(body, colour.astype(np.float32), gloss=0.10), body.alpha)
    _paint_opening(studio, (512, 210), (98, 15.7), outside=clay, inside=(0.42, 0.20, 0.13), wall_px=12)
    return studio


def _draw_bowl() -> _Studio:
    studio = _Studio((0.94, 0.935, 0.925))
    enamel = (0.16, 0.27, 0.52)
    studio.cast_shadow((512, 756), (150, 40))
    profile = [(440, 318), (470, 310), (560, 262), (650, 190), (700, 142), (716, 132), (742, 132)]
    body = _turn(studio, profile, centre_x=512, tilt=0.26)
    band = np.clip(8 - np.abs(body.height - 500), 0, 1)[..., None]
    colour = np.array(enamel, np.float32) * (1 - band) + np.array((0.93, 0.90, 0.84), np.float32) * band
    studio.paint(_shade(body, colour.astype(np.float32), gloss=0.24), body.alpha)
    _paint_opening(studio, (512, 440), (318, 83), outside=enamel, inside=(0.95, 0.93, 0.89), wall_px=12)
    well = np.clip(1 - np.hypot((studio.x - 505) / 190, (studio.y - 452) / 48), 0, 1) * 0.12
    studio.pixels *= 1 - well.astype(np.float32)[..., None]
    return studio


def _draw_lamp() -> _Studio:
    studio = _Studio((0.90, 0.905, 0.91))
    brass = (0.74, 0.58, 0.30)
    studio.cast_shadow((512, 880), (150, 32))
    foot = _turn(studio, [(838, 20), (850, 70), (862, 138), (866, 146), (880, 146)], centre_x=512, tilt=0.2)
    studio.paint(_shade(foot, brass, gloss=0.22), foot.alpha)
    stem = _turn(studio, [(440, 13), (850, 13), (858, 24)], centre_x=512, tilt=0.2)
    studio.paint(_shade(stem, brass, gloss=0.3), stem.alpha)
    shade = _turn(studio, [(170, 150), (490, 262)], centre_x=512, tilt=0.1)
    weave = 1 + 0.012 * np.sin(shade.angle * 260) + 0.012 * np.sin(shade.height * 1.7)
    glow = np.exp(-(((shade.height - 360) / 170) ** 2) - (shade.angle / 1.0) ** 2)
    linen = np.array((0.86, 0.80, 0.68), np.float32) * weave[..., None]
    lit = _shade(shade, linen.astype(np.float32), gloss=0) + glow[..., None] * np.array((0.30, 0.23, 0.10), np.float32)
    studio.paint(lit.astype(np.float32), shade.alpha)
    _paint_opening(studio, (512, 170), (150, 15), outside=(0.80, 0.74, 0.62), inside=(1.0, 0.92, 0.72), wall_px=4)
    return studio


def _draw_carton() -> _Studio:
    studio = _Studio((0.955, 0.95, 0.945))
    front: list[Point] = [(240, 306), (640, 340), (640, 880), (240, 812)]
    side: list[Point] = [(640, 340), (812, 292), (812, 790), (640, 880)]
    top: list[Point] = [(240, 306), (424, 268), (812, 292), (640, 340)]
    studio.cast_shadow((525, 826), (262, 34), strength=0.3)
    _paint_plane(studio, _carton_front(), front, light=0.98)
    _paint_plane(studio, _carton_side(), side, light=0.72)
    studio.paint((0.97, 0.80, 0.36), _polygon(top))
    studio.paint(
        (0.80, 0.62, 0.22),
        _drawn_mask(
            lambda pen, scale: pen.line((332 * scale, 287 * scale, 726 * scale, 316 * scale), fill=255, width=6)
        ),
    )
    return studio


def _carton_front() -> Image.Image:
    art = Image.new("RGB", (800, 1060), "#f2b632")
    pen = ImageDraw.Draw(art)
    pen.rounded_rectangle((60, 90, 740, 560), radius=40, fill="#fbf3e0")
    logo = _logo("oskelby", ink=(0.44, 0.12, 0.10), width_px=500)
    art.paste(logo, (150, 160), logo)
    _letter(pen, "OAT BISCUITS", centre=(400, 690), size_px=86, tracking_px=2, stroke_px=3, fill="#5c1f18")
    _letter(pen, "with honey", centre=(400, 800), size_px=66, fill="#5c1f18")
    _letter(pen, "250 g", centre=(400, 950), size_px=60, stroke_px=1, fill="#5c1f18")
    return art


def _carton_side() -> Image.Image:
    art = Image.new("RGB", (360, 1060), "#f2b632")
    pen = ImageDraw.Draw(art)
    pen.rectangle((40, 520, 320, 980), fill="#fbf3e0")
    for row, words in enumerate(["Oats", "Honey", "Butter", "Flour", "Salt"]):
        _letter(pen, words, centre=(180, 590 + 80 * row), size_px=46, fill="#5c1f18")
    return art


def _paint_plane(studio: _Studio, art: Image.Image, corners: list[Point], *, light: float) -> None:
    """A flat print seen at a slant; corners run clockwise from the top left."""
    side = SIDE_PX * _SCALE
    flat: list[Point] = [(0, 0), (art.width, 0), (art.width, art.height), (0, art.height)]
    coefficients = _homography([(x * _SCALE, y * _SCALE) for x, y in corners], flat)
    seen = art.transform((side, side), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    fall_off = light * (1.03 - 0.09 * (studio.y - 300) / 580)
    studio.paint(_as_mask(seen) * fall_off[..., None], _polygon(corners))


def _homography(source: list[Point], target: list[Point]) -> list[float]:
    """The eight numbers that Pillow's perspective transform takes, from four pairs of points."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.array(rows), np.array(target, np.float64).ravel())
    return [float(part) for part in solved]


def _draw_tote() -> _Studio:
    studio = _Studio((0.86, 0.89, 0.90))
    outline: list[Point] = [
        (286, 404),
        (738, 404),
        (764, 640),
        (770, 860),
        (742, 880),
        (282, 880),
        (254, 860),
        (260, 640),
    ]
    studio.cast_shadow((512, 876), (252, 26))
    cloth = _cloth(studio)
    studio.paint(cloth * 0.78, _strap(left=400, right=624, top=176))
    studio.paint(cloth, _polygon(outline))
    studio.paint(cloth * 0.90, _polygon([(286, 404), (738, 404), (740, 424), (284, 424)]))
    studio.paint(cloth * 1.02, _strap(left=372, right=652, top=214))
    _print_on_cloth(studio, _logo("tarnquill", ink=(0.12, 0.26, 0.22), width_px=640), xywh=(352, 520, 320, 0))
    return studio


def _cloth(studio: _Studio) -> Pixels:
    """Unbleached canvas: a weave, and folds that fall from the straps."""
    weave = 0.018 * np.sin(studio.x * 2.1) * np.sin(studio.y * 2.1)
    drop = np.clip((studio.y - 404) / 480, 0, 1)
    folds = 0.045 * np.sin((studio.x - 512) / (46 + 40 * drop) + 0.8) * (1 - 0.5 * drop)
    sides = 0.16 * (np.abs(studio.x - 500) / 260) ** 4
    light = 0.98 + weave + folds - sides - 0.07 * drop - 0.06 * (studio.x - 512) / 260
    cloth: Pixels = np.array((0.93, 0.88, 0.77), np.float32) * light[..., None]
    return cloth


def _strap(*, left: float, right: float, top: float) -> Pixels:
    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        width = round(30 * scale)
        middle = (left + right) / 2
        arch = [
            (middle + (right - left) / 2 * np.cos(turn), 452 - (452 - top) * np.sin(turn))
            for turn in np.linspace(0, np.pi, 160)
        ]
        pen.line([(x * scale, y * scale) for x, y in arch], fill=255, width=width, joint="curve")

    return _drawn_mask(draw)


def _print_on_cloth(studio: _Studio, art: Image.Image, *, xywh: tuple[int, int, int, int]) -> None:
    x, y, width, _ = (part * _SCALE for part in xywh)
    scaled = art.resize((width, round(width * art.height / art.width)), Image.Resampling.LANCZOS)
    layer = Image.new("RGBA", (SIDE_PX * _SCALE, SIDE_PX * _SCALE))
    layer.paste(scaled, (x, y))
    pixels = np.asarray(layer, np.float32) / 255
    fabric = studio.pixels.mean(axis=-1, keepdims=True)
    studio.paint((pixels[..., :3] * (0.55 + 0.5 * fabric)).astype(np.float32), pixels[..., 3] * 0.93)


PRODUCTS: dict[str, Callable[[], _Studio]] = {
    "mug": _draw_mug,
    "bottle": _draw_bottle,
    "vase": _draw_vase,
    "bowl": _draw_bowl,
    "lamp": _draw_lamp,
    "carton": _draw_carton,
    "tote": _draw_tote,
}
"""Products by name."""
