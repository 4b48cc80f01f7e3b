"""The item apart from its background: from given transparency, from a box, or from a plain background."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EditRefused
from pipeline.providers.local.canvas import Finding, Mask, Matte, Rgb
from pipeline.providers.local.ground import border_band
from pipeline.providers.local.lab import Floats, from_lab, shrink, to_bytes, to_lab
from pipeline.providers.local.silhouette import edge_support, find_silhouette, keep_large, slope_of

WORK_PX = 640
"""Longer side at which outlines are found; the gate's limits hold for it (our measurement, 2026-11-20)."""

Region = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom exclusive."""

_GUIDE_PX = 1280
_BAND_ROWS = 512
_OPAQUE = 250  # an encoder may round 255 down; less than this is transparency that somebody meant
_SEED = 12345


@dataclass(frozen=True)
class Cutout:
    """An item, what lies behind it, and how sure that is.

    Attributes:
        matte: How much of each pixel is the item, (height, width), in [0, 1].
        foreground: The item's own colours, free of the background's at the rim, (height, width, 3), 0..255.
        background: The background without item or shadow, 0..255, reduced to `WORK_PX`; None if it was not modelled.
        gate: The figures plain, touch, edge, stability and cover, as far as they were worked out.
        is_verified: Whether the outline passed the gate or was given.
        findings: What a reviewer should look at.
    """

    matte: Matte
    foreground: Floats
    background: Floats | None = None
    gate: Mapping[str, float] = field(default_factory=dict)
    is_verified: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def box(self) -> Region:
        """The smallest box that holds the item."""
        return box_of(self.matte > 0.1)


def cut_out(rgb: Rgb, *, alpha: NDArray[np.uint8] | None = None, region: Region | None = None) -> Cutout:
    """Separate the item from its background; refuse rather than guess.

    Transparency that is really there is used as it stands; else a region is cut out by GrabCut and marked as
    unverified; else the background must be plain. Memory: about 40 bytes
    a pixel (our measurement, 2026-11-21).

    Args:
        rgb: The picture.
        alpha: (height, width); ignored where it is opaque all over.
        region: A box round the item.

    Raises:
        EditRefused: ``needs_plain_background`` with the gate's figures, or ``needs_region`` if the transparency or
            the region holds no item.
    """
    if alpha is not None and int(alpha.min(initial=255)) < _OPAQUE:
        return _from_alpha(rgb, alpha)
    if region is not None:
        return _from_region(rgb, region)
    return _from_plain_background(rgb)


def box_of(mask: Mask) -> Region:
    """The smallest box that holds the marked pixels, of which there must be one."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _from_alpha(rgb: Rgb, alpha: NDArray[np.uint8]) -> Cutout:
    matte = np.asarray(alpha, np.float32) / np.float32(255)
    if not bool((matte > 0.1).any()):
        raise EditRefused("needs_region", "the picture or its mask is transparent all over; give a mask of the item")
    gate = {"touch": _touch(matte > 0.5), "cover": float(matte.mean())}
    return Cutout(matte, rgb.astype(np.float32), gate=gate, findings=_clipped(matte, gate["touch"]))


def _from_plain_background(rgb: Rgb) -> Cutout:
    small = shrink(rgb, WORK_PX)
    found = find_silhouette(small)
    if not found.is_trusted:
        raise EditRefused("needs_plain_background", _why_not(found.gate))
    matte = _soft_matte(rgb, _without_fringe(small, found.mask))
    height, width = found.mask.shape
    background = from_lab(found.surface.draw((width, height)))
    findings = _clipped(matte, found.gate["touch"])
    return Cutout(matte, _own_colours(rgb, matte), background, found.gate, findings=findings)


def _from_region(rgb: Rgb, region: Region) -> Cutout:
    left, top, right, bottom = _inside(region, rgb.shape)
    # As much again round the box shows GrabCut what background looks like, at the box's own resolution.
    spare = max(8, max(right - left, bottom - top) // 3)
    view = np.s_[max(0, top - spare) : bottom + spare, max(0, left - spare) : right + spare]
    window = np.ascontiguousarray(rgb[view])
    small = shrink(window, WORK_PX)
    x_factor, y_factor = small.shape[1] / window.shape[1], small.shape[0] / window.shape[0]
    x0, y0 = (left - view[1].start) * x_factor, (top - view[0].start) * y_factor
    x1, y1 = (right - view[1].start) * x_factor, (bottom - view[0].start) * y_factor
    mask = _grab(small, (int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))))
    if not mask.any():
        raise EditRefused("needs_region", f"no item stands out inside the box {region}; give a mask of the item")
    matte = np.zeros(rgb.shape[:2], np.float32)
    matte[view] = _soft_matte(window, mask)
    edge = edge_support(slope_of(to_lab(small)), mask)
    gate = {"touch": _touch(matte > 0.5), "edge": edge, "cover": float(matte.mean())}
    unverified = Finding(
        "cutout_unverified",
        float(np.clip(1 - edge, 0.3, 1)),
        f"cut out from a box alone; {edge:.0%} of the outline lies on an edge",
        (left, top, right, bottom),
    )
    findings = (unverified, *_clipped(matte, gate["touch"]))
    return Cutout(matte, _own_colours(rgb, matte), gate=gate, is_verified=False, findings=findings)


def _inside(region: Region, shape: tuple[int, ...]) -> Region:
    height, width = shape[:2]
    left, top, right, bottom = region
    inside = max(0, left), max(0, top), min(width, right), min(height, bottom)
    if inside[2] - inside[0] < 4 or inside[3] - inside[1] < 4:
        raise EditRefused(
            "needs_region", f"the box {region} holds less than 4 × 4 px of the {width} × {height} picture"
        )
    return inside


def _grab(rgb: Rgb, box: Region) -> Mask:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004), started from a box."""
    labels = np.full(rgb.shape[:2], cv2.GC_BGD, np.uint8)
    left, top, right, bottom = box
    labels[top:bottom, left:right] = cv2.GC_PR_FGD
    if bool((labels == cv2.GC_PR_FGD).all()):
        labels[border_band(rgb.shape)] = cv2.GC_BGD
    cv2.setRNGSeed(_SEED)  # unseeded, three calls gave three masks (our measurement, 2026-11-20)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    cv2.grabCut(bgr, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    mask = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc), cv2.MORPH_CLOSE, disc).astype(np.uint8)
    return keep_large(mask > 0)


def _without_fringe(rgb: Rgb, mask: Mask) -> Mask:
    """The mask less those pixels at its rim that look like the ground or contact shadow beside them.

    Each rim pixel is placed on the line between the ground's colour near it (0) and the item's (1).
    """
    picture = rgb.astype(np.float32)
    item, item_weight = _spread(picture, _eroded(mask, 9))
    ground, ground_weight = _spread(picture, ~_dilated(mask, 3))
    line = item - ground
    length = np.maximum((line**2).sum(axis=2), 1)
    place = ((picture - ground) * line).sum(axis=2) / length
    off_line = np.linalg.norm(picture - ground - place[..., None] * line, axis=2)
    is_known = (item_weight > 1e-2) & (ground_weight > 1e-2) & (length > 18**2)
    fringe = mask & ~_eroded(mask, 9) & is_known & (place < 0.35) & (off_line < 25)
    # Only from the outside inwards: a print that looks like the ground stays.
    labels = cv2.connectedComponents((fringe | ~mask).astype(np.uint8), connectivity=4)[1]
    outside = np.isin(labels, np.unique(labels[~mask]))
    trimmed = cv2.morphologyEx((mask & ~(fringe & outside)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return keep_large(trimmed > 0)


def _spread(picture: Floats, where: Mask) -> tuple[Floats, Floats]:
    """The marked pixels' colours, carried over their neighbourhood, and how much of it is marked."""
    weight = np.asarray(cv2.GaussianBlur(where.astype(np.float32), (0, 0), 4), np.float32)
    colours = cv2.GaussianBlur(picture * where[..., None], (0, 0), 4) / np.maximum(weight, 1e-4)[..., None]
    return np.asarray(colours, np.float32), weight


def _eroded(mask: Mask, size: int) -> Mask:
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0)


def _dilated(mask: Mask, size: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0)


def _soft_matte(rgb: Rgb, mask: Mask) -> Matte:
    """A soft rim that follows the picture: the fast guided filter (He and Sun, arXiv:1505.00996)."""
    height, width = rgb.shape[:2]
    guide = cv2.cvtColor(shrink(rgb, _GUIDE_PX), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    hard = _resized(mask.astype(np.float32), (guide.shape[1], guide.shape[0]))
    radius = max(2, round(max(guide.shape) / WORK_PX * 2))
    slope, offset = _guided_weights(guide, hard, radius)
    matte = _resized(slope, (width, height))
    matte *= cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    matte /= 255
    matte += _resized(offset, (width, height))
    near = _resized(np.asarray(cv2.GaussianBlur(hard, (0, 0), radius), np.float32), (width, height))
    matte[near > 0.98] = 1
    matte[near < 0.02] = 0
    # The filter leaves a veil of a few per cent on either side of the rim.
    matte -= 0.08
    matte /= 0.84
    return np.clip(matte, 0, 1, out=matte)


def _guided_weights(guide: Floats, target: Floats, radius: int) -> tuple[Floats, Floats]:
    def mean(values: Floats) -> Floats:
        size_wh = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(cv2.boxFilter(values, -1, size_wh, borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, target_mean = mean(guide), mean(target)
    variance = mean(guide * guide) - guide_mean * guide_mean
    slope = np.asarray((mean(guide * target) - guide_mean * target_mean) / (variance + 1e-4), np.float32)
    return mean(slope), mean(target_mean - slope * guide_mean)


def _own_colours(rgb: Rgb, matte: Matte) -> Floats:
    """The picture, in which the rim has the colours of the item's inside rather than a mixture with the background."""
    height, width = matte.shape
    small = shrink(rgb, WORK_PX).astype(np.float32)
    core = _resized((matte > 0.97).astype(np.float32), (small.shape[1], small.shape[0]), cv2.INTER_AREA)[..., None]
    core[core < 0.999] = 0
    weight = cv2.GaussianBlur(core, (0, 0), 3)[..., None]
    inside = np.where(weight > 1e-3, cv2.GaussianBlur(small * core, (0, 0), 3) / np.maximum(weight, 1e-3), small)
    inside_bytes = cv2.resize(to_bytes(inside.astype(np.float32)), (width, height), interpolation=cv2.INTER_LINEAR)
    own = rgb.astype(np.float32)
    for top in range(0, height, _BAND_ROWS):
        rows = np.s_[top : top + _BAND_ROWS]
        foreign = np.clip((1 - matte[rows]) * 1.2, 0, 1)[..., None]
        own[rows] += (inside_bytes[rows] - own[rows]) * foreign
    return own


def _resized(values: Floats, size_wh: tuple[int, int], interpolation: int = cv2.INTER_LINEAR) -> Floats:
    return np.asarray(cv2.resize(values, size_wh, interpolation=interpolation), np.float32)


def _touch(mask: Mask) -> float:
    return float(np.mean(mask[border_band(mask.shape, 0.01)]))


def _clipped(matte: Matte, touch: float) -> tuple[Finding, ...]:
    if touch <= 0.002:
        return ()
    left, top, right, bottom = box_of(matte > 0.1)
    note = f"the item runs out of the frame along {touch:.1%} of it"
    return (Finding("clipped_item", min(1.0, touch * 10), note, (left, top, right, bottom)),)


def _why_not(gate: Mapping[str, float]) -> str:
    return (
        "the item does not stand out surely enough from its background: "
        f"plain border {gate['plain']:.2f} (needs 0.97), item at the frame {gate['touch']:.3f} (at most 0.02), "
        f"outline on edges {gate['edge']:.2f} (needs 0.75), stability {gate['stability']:.2f} (needs 0.80), "
        f"cover {gate['cover']:.3f} (0.003 to 0.85); give a box round the item or a mask of it, "
        "or choose a generative provider"
    )
