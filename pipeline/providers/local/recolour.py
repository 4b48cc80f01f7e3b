"""Another colour for the item, or another mood for the picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EditRefused
from pipeline.providers.local.canvas import Edited, Finding, Matte, Rgb
from pipeline.providers.local.cutout import Region, cut_out
from pipeline.providers.local.lab import Floats, colour_lab, from_lab, shrink, to_bytes, to_lab

Colour = tuple[int, int, int]

_BAND_ROWS = 512
_FAMILIES = 4
_LIGHTNESS_WEIGHT = 0.35  # shading moves lightness; it must not part one cloth into two colours
_SOFTNESS = 14.0
_MULTI = 0.25
_CAST = 8.0
_SEED = 1


@dataclass(frozen=True, slots=True)
class _Family:
    """The item's colours, and which of them belong together.

    Attributes:
        centres: (4, 3): a, b and weighted L.
        is_meant: (4,), which of them are to be changed.
        usual_lab: Median colour of what is to be changed.
        share: Part of the item that is to be changed, in [0, 1].
    """

    centres: Floats
    is_meant: NDArray[np.bool_]
    usual_lab: Floats
    share: float


def recolour(
    rgb: Rgb,
    colour: Colour,
    *,
    source_colour: Colour | None = None,
    alpha: NDArray[np.uint8] | None = None,
    region: Region | None = None,
) -> Edited:
    """The item in another colour; its shading, its prints and what is round it stay.

    The result carries no transparency: alpha may have been a mask, and the caller knows which it was.

    Args:
        rgb: The picture.
        colour: The new colour.
        source_colour: Which of the item's colours is meant; None for the one that covers most of it.
        alpha: The item's transparency, if it is known.
        region: A box round the item, if its background is not plain.

    Raises:
        EditRefused: As `cutout.cut_out`; ``needs_region`` if the item has no colour near source_colour.
    """
    cutout = cut_out(rgb, alpha=alpha, region=region)
    matte, findings = cutout.matte, cutout.findings
    del cutout  # its colours take 12 bytes a pixel
    family = _find_family(rgb, matte, source_colour)
    chosen = _soft_choice(rgb, matte, family)
    result = rgb.copy()
    target = colour_lab(colour)
    for top in range(0, len(rgb), _BAND_ROWS):
        rows = np.s_[top : top + _BAND_ROWS]
        if bool((chosen[rows] > 0).any()):
            lab = to_lab(rgb[rows])
            lab += (_painted(lab, family.usual_lab, target) - lab) * chosen[rows][..., None]
            touched = chosen[rows] > 0
            result[rows][touched] = to_bytes(from_lab(lab))[touched]
    return Edited(result, findings=(*findings, *_doubts(family, source_colour, target)))


def match_colours(rgb: Rgb, reference: Rgb, *, strength: float = 0.5) -> Edited:
    """The picture with the colour mood of another: mean and spread of each Lab channel are moved towards its.

    After Reinhard, Ashikhmin, Gooch and Shirley, "Color transfer between images", IEEE CG&A 2001. At full strength
    a strong mood tints whites, hence the default.

    Args:
        rgb: The picture.
        reference: Where the mood is taken from.
        strength: How far to go, in [0, 1].
    """
    own_mean, own_spread = _mood(rgb)
    other_mean, other_spread = _mood(reference)
    gain = 1 + (np.clip(other_spread / own_spread, 0.5, 1.8) - 1) * np.float32(strength)
    shift = (other_mean - own_mean) * np.float32(strength)
    result = np.empty_like(rgb)
    for top in range(0, len(rgb), _BAND_ROWS):
        rows = np.s_[top : top + _BAND_ROWS]
        result[rows] = to_bytes(from_lab((to_lab(rgb[rows]) - own_mean) * gain + own_mean + shift))
    cast = float(np.hypot(shift[1], shift[2]))
    if cast < _CAST:
        return Edited(result)
    note = f"the colours moved by {cast:.0f} Lab units; whites may look tinted"
    return Edited(result, findings=(Finding("colour_cast", min(1.0, cast / 30), note),))


def _find_family(rgb: Rgb, matte: Matte, source_colour: Colour | None) -> _Family:
    """The item's four main colours, and those of one hue with the meant one."""
    small = shrink(rgb, 512)
    core = cv2.resize(matte, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA) > 0.9
    if core.sum() < 16:
        raise EditRefused("needs_region", "too little of the item is visible to tell its colour; give a mask of it")
    pixels = to_lab(small)[core]
    pixels = np.ascontiguousarray(pixels[:: max(1, len(pixels) // 20_000)])
    points = _colour_points(pixels)
    cv2.setRNGSeed(_SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.2)
    start = np.zeros((len(points), 1), np.int32)
    _, labels, centres = cv2.kmeans(points, _FAMILIES, start, criteria, 3, cv2.KMEANS_PP_CENTERS)
    centres, labels = np.asarray(centres, np.float32), np.asarray(labels).ravel()
    first = _meant_centre(centres, labels, source_colour)
    is_meant = _same_family(centres, first)
    belongs = is_meant[labels]
    return _Family(centres, is_meant, np.median(pixels[belongs], axis=0), float(belongs.mean()))


def _meant_centre(centres: Floats, labels: NDArray[np.int32], source_colour: Colour | None) -> int:
    counts = np.bincount(labels, minlength=len(centres))
    if source_colour is None:
        return int(counts.argmax())
    wanted = _colour_points(colour_lab(source_colour)[None])[0]
    away = np.where(counts > 0.01 * len(labels), np.linalg.norm(centres - wanted, axis=1), np.inf)
    nearest = int(away.argmin())
    if away[nearest] > 45:
        message = (
            f"no part of the item is near #{bytes(source_colour).hex()}; name a colour that it has, or give a mask"
        )
        raise EditRefused("needs_region", message)
    return nearest


def _same_family(centres: Floats, first: int) -> NDArray[np.bool_]:
    """Centres whose a and b are close to the first one's, or that have its hue."""
    plane = centres[:, :2]
    close = np.linalg.norm(plane - plane[first], axis=1) < 22
    chroma, hue = np.hypot(plane[:, 0], plane[:, 1]), np.arctan2(plane[:, 1], plane[:, 0])
    turn = np.abs(np.angle(np.exp(1j * (hue - hue[first]))))
    same_hue = (chroma[first] > 15) & (chroma > 12) & (turn < 0.45)
    # Neutral black and white lie close in a and b and are yet two colours.
    far_apart = np.abs(centres[:, 2] - centres[first, 2]) > 45 * _LIGHTNESS_WEIGHT
    return np.asarray((close & ~(far_apart & (chroma[first] < 12))) | same_hue)


def _soft_choice(rgb: Rgb, matte: Matte, family: _Family) -> Matte:
    """How far each pixel is to change, in [0, 1]."""
    chosen = np.empty(matte.shape, np.float32)
    for top in range(0, len(rgb), _BAND_ROWS):
        rows = np.s_[top : top + _BAND_ROWS]
        points = _colour_points(to_lab(rgb[rows]))
        meant = total = np.zeros(points.shape[:2], np.float32)
        nearest = np.full(points.shape[:2], np.inf, np.float32)
        distances = []
        for centre in family.centres:
            distances.append(((points - centre) ** 2).sum(axis=2))
            nearest = np.minimum(nearest, distances[-1])
        for distance, is_meant in zip(distances, family.is_meant, strict=True):
            likeness = np.exp((nearest - distance) / (2 * _SOFTNESS**2))
            total = total + likeness
            meant = meant + likeness * is_meant
        chosen[rows] = meant / total
    chosen = np.asarray(cv2.GaussianBlur(chosen, (0, 0), 1), np.float32)
    chosen *= matte
    chosen[matte < 0.02] = 0
    return chosen


def _painted(lab: Floats, usual: Floats, target: Floats) -> Floats:
    """The target colour with the shading of the pixels, spread as far as the target's lightness has room for."""
    lightness = lab[..., 0]
    room = min(float(target[0]), 100 - float(target[0])) + 18
    used = min(float(usual[0]), 100 - float(usual[0])) + 18
    moved = np.clip(target[0] + (lightness - usual[0]) * np.clip(room / used, 0.55, 1.9), 2, 99)
    fading = np.clip(1 - np.abs(moved - target[0]) / 110, 0.25, 1)
    painted = np.stack([moved, target[1] * fading, target[2] * fading], axis=2).astype(np.float32)
    if usual[0] < 80:
        # Highlights mirror the lamp and not the cloth.
        highlight = np.clip((lightness - 88) / 10, 0, 1)[..., None]
        painted += (lab - painted) * highlight
    return painted


def _doubts(family: _Family, source_colour: Colour | None, target: Floats) -> tuple[Finding, ...]:
    doubts = []
    rest = 1 - family.share
    if source_colour is None and rest > _MULTI:
        note = f"the item has several colours; {family.share:.0%} of it was changed. Say which colour is meant"
        doubts.append(Finding("recolour_multi", min(1.0, rest * 1.5), note))
    others = family.centres[~family.is_meant]
    if len(others) and float(np.linalg.norm(others - _colour_points(target[None])[0], axis=1).min()) < 15:
        note = "another colour of the item, perhaps its print, is close to the new one and may no longer stand out"
        doubts.append(Finding("recolour_merges", 0.6, note))
    return tuple(doubts)


def _colour_points(lab: Floats) -> Floats:
    """a, b and weighted L in the last axis."""
    weights = np.array((1, 1, _LIGHTNESS_WEIGHT), np.float32)
    return np.ascontiguousarray(lab[..., (1, 2, 0)] * weights, np.float32)


def _mood(rgb: Rgb) -> tuple[Floats, Floats]:
    lab = to_lab(shrink(rgb, 512))
    return lab.mean(axis=(0, 1)), lab.std(axis=(0, 1)) + np.float32(1e-3)
