"""Remove something and continue what is round it.

What is round the hole decides how: a smooth ground is continued as a surface with the same grain; thin strokes are
diffused; anything else is filled with texture from near by, and refused where that would smear. Limits: our
measurement, 2026-11-20.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.errors import EditRefused
from pipeline.providers.local.canvas import Edited, Finding, Mask, Rgb
from pipeline.providers.local.ground import fit_surface
from pipeline.providers.local.lab import Floats, to_bytes, to_lab
from pipeline.providers.local.patches import NoTexture, fill_patches

__all__ = ["erase", "fill_patches", "text_strokes"]

_SMOOTH_RING = 4.5  # Lab units that 92 % of the ring keep to
_BUSY_RING = 14.0
_LARGE_HOLE = 0.05
_MOST_SMOOTH, _MOST_PATCHED = 0.5, 0.2  # parts of the picture
_MOST_SITES = 64
_SEED = 2

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class _Site:
    """One hole and its surroundings.

    Attributes:
        rgb: The surroundings, a copy.
        hole: What to fill.
        ring: Known pixels close round it.
        residual: Lab units by which 92 % of the ring stay within of a smooth surface.
        half_thickness_px: Distance from the hole's middle to its rim.
    """

    rgb: Rgb
    hole: Mask
    ring: Mask
    residual: float
    half_thickness_px: float


def erase(rgb: Rgb, hole: Mask, *, is_text: bool = False) -> Edited:
    """Remove what is in the hole and continue what is round it.

    Args:
        rgb: The picture.
        hole: What to remove; it is widened by 0.3 % of the longer side to take soft edges along.
        is_text: Whether the hole is made of strokes of lettering, which may be thicker and are still diffused.

    Raises:
        EditRefused: ``needs_region`` if the hole is empty; ``fill_would_smear`` if it is too large for what is
            round it.
    """
    if not hole.any():
        raise EditRefused("needs_region", "nothing is marked for removal; give a box or a mask")
    side = max(hole.shape)
    widened = _grown(hole, max(3, int(side * 0.006) | 1))
    result = rgb.copy()
    findings: list[Finding] = []
    for window in _windows(widened):
        site = _look(result[window].copy(), widened[window])
        part = float(site.hole.sum()) / hole.size
        limit_px = max(4.0, (0.011 if is_text else 0.006) * side)
        result[window] = _continued(site, part=part, thin_px=limit_px)
        findings.extend(_doubts(site, part=part, window=window, thin_px=limit_px))
    return Edited(result, findings=tuple(findings))


def text_strokes(rgb: Rgb, boxes: Sequence[tuple[int, int, int, int]]) -> Mask:
    """The strokes of the lettering in the boxes: what differs from a running median of the ground.

    Args:
        rgb: The picture.
        boxes: Left, top, right, bottom of lines or words.
    """
    strokes = np.zeros(rgb.shape[:2], bool)
    for box in boxes:
        _mark_strokes(strokes, rgb, box)
    return strokes


def _windows(hole: Mask) -> Iterator[Window]:
    """Surroundings of each hole, holes that lie close together as one."""
    height, width = hole.shape
    joined = _grown(hole, max(9, int(max(hole.shape) * 0.03) | 1)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    sites = stats[1:] if count <= _MOST_SITES else [(0, 0, width, height, 0)]
    for left, top, site_width, site_height, _ in sites:
        spare = int(max(96, 1.1 * max(site_width, site_height)))
        rows = slice(max(0, int(top) - spare), min(height, int(top + site_height) + spare))
        yield rows, slice(max(0, int(left) - spare), min(width, int(left + site_width) + spare))


def _look(rgb: Rgb, hole: Mask) -> _Site:
    ring = _grown(hole, 31) & ~hole
    if not ring.any():
        raise EditRefused("fill_would_smear", "the hole takes the whole picture; nothing is left to continue from")
    lab = to_lab(rgb)
    surface = fit_surface(lab, ring, degree=_degree(hole))
    height, width = hole.shape
    away = np.linalg.norm(lab[ring] - surface.draw((width, height))[ring], axis=1)
    thickness = float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max())
    return _Site(rgb, hole, ring, float(np.percentile(away, 92)), thickness)


def _degree(hole: Mask) -> int:
    """A curved surface swings off where the ring does not enclose the hole, so there it is a plane."""
    reaches_frame = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
    return 1 if reaches_frame else 2


def _continued(site: _Site, *, part: float, thin_px: float) -> Rgb:
    if site.residual < _SMOOTH_RING:
        if part > _MOST_SMOOTH:
            raise _too_large(part, _MOST_SMOOTH)
        return _continue_surface(site)
    if site.half_thickness_px < thin_px:
        return np.asarray(cv2.inpaint(site.rgb, site.hole.astype(np.uint8), 4, cv2.INPAINT_TELEA), np.uint8)
    if part > _MOST_PATCHED:
        raise _too_large(part, _MOST_PATCHED)
    try:
        return fill_patches(site.rgb, site.hole, usable=_like_the_ring(site))
    except NoTexture as exc:
        message = "too little ground like that round the hole is visible; mark less, or choose a generative provider"
        raise EditRefused("fill_would_smear", message) from exc


def _too_large(part: float, most: float) -> EditRefused:
    message = (
        f"the hole takes {part:.0%} of the picture and its surroundings allow {most:.0%}; "
        "mark less, or choose a generative provider"
    )
    return EditRefused("fill_would_smear", message)


def _continue_surface(site: _Site) -> Rgb:
    """A smooth surface through the ring, what the ring differs from it carried inwards, and the ring's grain."""
    picture = site.rgb.astype(np.float32)
    height, width = site.hole.shape
    surface = fit_surface(picture, site.ring, degree=_degree(site.hole)).draw((width, height))
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.float32)
    grain = 1.4826 * np.median(np.abs(picture - smooth)[site.ring])
    rest = _carried_inwards((picture - surface) * site.ring[..., None], site.ring, site.half_thickness_px)
    noise = np.random.default_rng(_SEED).normal(0, 1, (height, width, 1)).astype(np.float32) * np.float32(grain)
    result = site.rgb.copy()
    result[site.hole] = to_bytes(surface + rest + noise)[site.hole]
    return result


def _carried_inwards(values: Floats, known: Mask, reach_px: float) -> Floats:
    """Known values spread over the unknown, from wide to narrow, so that they meet the rim without a step."""
    height, width = known.shape
    carried = np.zeros_like(values)
    weight = known.astype(np.float32)
    for sigma in (max(4.0, reach_px), max(3.0, reach_px / 3), max(2.0, reach_px / 9), 1.5):
        # A wide blur is worked out on a small copy: at full size it takes minutes.
        factor = min(1.0, 4 / sigma)
        small_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
        near = cv2.GaussianBlur(cv2.resize(values, small_wh, interpolation=cv2.INTER_AREA), (0, 0), sigma * factor)
        known_near = cv2.GaussianBlur(
            cv2.resize(weight, small_wh, interpolation=cv2.INTER_AREA), (0, 0), sigma * factor
        )
        near = cv2.resize(near / np.maximum(known_near, 1e-4)[..., None], (width, height))
        part = np.clip(cv2.resize(known_near, (width, height)) * 3, 0, 1)[..., None]
        carried += (near - carried) * part
    return carried


def _like_the_ring(site: _Site) -> Mask:
    """Pixels whose colour occurs round the hole: nothing alien is brought in."""
    lab = to_lab(site.rgb)
    near = _grown(site.hole, 41) & ~site.hole
    sample = lab[near]
    sample = np.ascontiguousarray(sample[:: max(1, len(sample) // 6000)])
    count = min(12, len(sample))
    cv2.setRNGSeed(_SEED)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    start = np.zeros((len(sample), 1), np.int32)
    _, labels, centres = cv2.kmeans(sample, count, start, criteria, 2, cv2.KMEANS_PP_CENTERS)
    common = np.asarray(centres)[np.bincount(np.asarray(labels).ravel(), minlength=count) > 0.03 * len(sample)]
    soft = cv2.GaussianBlur(lab, (0, 0), 1.5)
    alike = np.zeros(site.hole.shape, bool)
    for centre in common:
        alike |= ((soft - centre) ** 2).sum(axis=2) < 15**2
    closed = cv2.morphologyEx(alike.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0
    return np.asarray(closed & ~site.hole)


def _doubts(site: _Site, *, part: float, window: Window, thin_px: float) -> Iterator[Finding]:
    rows, columns = np.nonzero(site.hole)
    top, left = window[0].start, window[1].start
    where = (
        float(left + columns.min()),
        float(top + rows.min()),
        float(left + columns.max() + 1),
        float(top + rows.max() + 1),
    )
    is_smooth = site.residual < _SMOOTH_RING
    if part > _LARGE_HOLE:
        yield Finding("fill_large", min(1.0, part / _MOST_PATCHED), f"{part:.1%} of the picture was filled", where)
    if not is_smooth and (site.residual > _BUSY_RING or site.half_thickness_px >= thin_px):
        note = f"the surroundings vary by {site.residual:.0f} Lab units; lines that crossed the hole may be broken"
        yield Finding("fill_complex", min(1.0, site.residual / 40), note, where)


def _mark_strokes(strokes: Mask, rgb: Rgb, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    height, width = strokes.shape
    line_px = max(8, bottom - top)
    spare, margin = max(2, int(line_px * 0.1)), int(line_px * 0.7)
    rows = slice(max(0, top - margin), min(height, bottom + margin))
    columns = slice(max(0, left - margin), min(width, right + margin))
    view = np.ascontiguousarray(rgb[rows, columns])
    if not view.size:
        return
    inside = np.zeros(view.shape[:2], bool)
    y0, y1 = max(0, top - spare) - rows.start, bottom + spare - rows.start
    x0, x1 = max(0, left - spare) - columns.start, right + spare - columns.start
    inside[y0:y1, x0:x1] = True
    ground = cv2.medianBlur(view, min(255, max(5, int(line_px * 0.95) | 1)))
    distance = np.linalg.norm(to_lab(view) - to_lab(ground), axis=2)
    # Otsu's threshold (IEEE Transactions SMC 9, 1979), lowered so that soft edges of the strokes are in.
    scaled = np.clip(distance[inside] * 2.5, 0, 255).astype(np.uint8)
    threshold = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0] / 2.5 * 0.7
    marked = (distance > np.clip(threshold, 5, 28)) & inside
    strokes[rows, columns] |= _grown(marked, max(3, int(line_px * 0.07) | 1)) & inside


def _grown(mask: Mask, size_px: int) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size_px, size_px))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
