"""Texture from elsewhere in the picture, carried into a hole.

Coarse to fine, each patch that touches the hole looks for the nearest patch of known texture, and each pixel takes
the best of their proposals (after Wexler, Shechtman and Irani, "Space-time completion of video", PAMI 2007). The search
is exact: all distances, in a space of principal components, by matrix products. Nothing is drawn at random.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Mask, Rgb
from pipeline.providers.local.lab import Floats, to_bytes

WORK_PX = 320
"""Longer side at which patches are compared; finer grain is taken over from where each patch came from."""

_REACH = 3  # patches are 7 × 7
_COARSEST_PX = 110  # coarser, gravel and grass lose their contrast (looked at, 2026-11-21)
_STEP = 1.6
_COMPONENTS = 20
_MOST_SOURCES = 24_000
_MOST_PEEL_SOURCES = 5_000
_CHUNK = 512  # × 24,000 sources × 4 bytes = 49 MB
_OFFSETS = [(y, x) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]

Points = NDArray[np.intp]


class NoTexture(ValueError):
    """Nothing usable is known round the hole."""


def fill_patches(rgb: Rgb, hole: Mask, *, usable: Mask | None = None) -> Rgb:
    """Fill a hole with texture from elsewhere in the picture; pixels outside the hole stay as they are.

    Memory: about 40 bytes a pixel; pass a window round the hole rather than a whole photograph.

    Args:
        rgb: The picture.
        hole: The pixels to fill.
        usable: Pixels that texture may be taken from; None for all.

    Raises:
        NoTexture: Fewer than 50 whole patches are known and usable.
    """
    height, width = hole.shape
    picture = rgb.astype(np.float32)
    guess: Floats | None = None
    match: _Match | None = None
    sizes_wh = _ladder(width, height)
    for index, size_wh in enumerate(sizes_wh):
        level = _level(picture, hole, usable, size_wh=size_wh, guess=guess)
        found = _complete(level, rounds=_rounds(index, len(sizes_wh)))
        match = found or match
        guess = level.picture
    if match is None or guess is None:
        raise NoTexture("too little texture is known round the hole")
    if sizes_wh[-1] != (width, height):
        guess = _with_grain(picture, hole, guess, match)
    filled = rgb.copy()
    filled[hole] = to_bytes(guess[hole])
    return filled


@dataclass(slots=True)
class _Level:
    """The picture at one scale; its hole is filled by a guess that gets better.

    Attributes:
        picture: (height, width, 3), 0..255.
        hole: What is guessed.
        usable: What texture may be taken from.
    """

    picture: Floats
    hole: Mask
    usable: Mask


@dataclass(frozen=True, slots=True)
class _Match:
    """Which patch stands for which, as centres.

    Attributes:
        targets: (n, 2), row and column of patches that touch the hole.
        sources: (n, 2), of the known patches nearest to them.
        distances: (n,), squared.
        size_wh: Of the level that they belong to.
    """

    targets: Points
    sources: Points
    distances: Floats
    size_wh: tuple[int, int]


def _ladder(width: int, height: int) -> list[tuple[int, int]]:
    factor = min(1.0, WORK_PX / max(width, height))
    sizes = [(max(8, round(width * factor)), max(8, round(height * factor)))]
    while min(sizes[-1]) > _COARSEST_PX:
        sizes.append((max(24, round(sizes[-1][0] / _STEP)), max(24, round(sizes[-1][1] / _STEP))))
    return sizes[::-1]


def _rounds(index: int, count: int) -> int:
    return {1: 2, 2: 3}.get(count - index, 3 if index == 0 else 4)


def _level(
    picture: Floats, hole: Mask, usable: Mask | None, *, size_wh: tuple[int, int], guess: Floats | None
) -> _Level:
    known = (~hole).astype(np.float32)
    weight = cv2.resize(known, size_wh, interpolation=cv2.INTER_AREA)
    # Weighted, so that nothing of what is to be removed leaks out of the hole.
    mean = cv2.resize(picture * known[..., None], size_wh, interpolation=cv2.INTER_AREA)
    small = (mean / np.maximum(weight, 1e-3)[..., None]).astype(np.float32)
    small_hole = weight < 0.999
    small_usable = np.ones(small_hole.shape, bool)
    if usable is not None:
        small_usable = cv2.resize(usable.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    level = _Level(small, small_hole, small_usable)
    if guess is None:
        _peel(level)
    else:
        small[small_hole] = cv2.resize(guess, size_wh, interpolation=cv2.INTER_CUBIC)[small_hole]
        _restore_contrast(level)
    return level


def _restore_contrast(level: _Level) -> None:
    """Give the enlarged guess the contrast of what is known near it: a soft guess finds only soft patches."""
    broad = np.asarray(cv2.GaussianBlur(level.picture, (0, 0), 3), np.float32)
    detail = level.picture - broad
    window = np.ones((41, 41), np.uint8)
    near = (cv2.dilate(level.hole.astype(np.uint8), window) > 0) & ~level.hole & level.usable
    if not near.any():
        return
    # Medians, lest one strong edge near a calm sky stir up the sky.
    wanted, present = (float(np.median(np.abs(detail[where]))) for where in (near, level.hole))
    gain = np.clip(wanted / max(present, 1e-3), 1, 1.8)
    level.picture[level.hole] = np.clip(broad + detail * np.float32(gain), 0, 255)[level.hole]


def _peel(level: _Level) -> None:
    """A first guess with real texture: pixel by pixel from the rim inwards (Efros and Leung, ICCV 1999).

    A smooth first guess would find only smooth patches, and the texture would stay grey.
    """
    _, sources = _centres(level)
    sources = sources[:: max(1, -(-len(sources) // _MOST_PEEL_SOURCES))]
    unknown = level.hole.copy()
    if len(sources) < 50:
        level.picture[unknown] = level.picture[~unknown].mean(axis=0) if bool((~unknown).any()) else 128
        return
    known_patches = _patches(level.picture, sources)
    squares = known_patches**2
    edge = [(_REACH, _REACH), (_REACH, _REACH)]
    while unknown.any():
        rim = np.argwhere(unknown & (cv2.erode(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0))
        picture = np.pad(level.picture, [*edge, (0, 0)])
        weights = np.pad((~unknown).astype(np.float32), edge)[..., None]
        mask = np.repeat(_patches(weights, rim + _REACH), 3, axis=1)
        wanted = _patches(picture, rim + _REACH) * mask
        best = (mask @ squares.T - 2 * (wanted @ known_patches.T)).argmin(axis=1)
        level.picture[rim[:, 0], rim[:, 1]] = level.picture[sources[best, 0], sources[best, 1]]
        unknown[rim[:, 0], rim[:, 1]] = False


def _complete(level: _Level, *, rounds: int) -> _Match | None:
    """Search and vote, several times; None where this level knows too few patches."""
    targets, sources = _centres(level)
    if len(sources) < 50 or not len(targets):
        return None
    known = _patches(level.picture, sources)
    mean, basis = _principal(known)
    known = np.asarray((known - mean) @ basis, np.float32)
    depth = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 5)[targets[:, 0], targets[:, 1]]
    trust = np.power(np.float32(1.15), -depth).astype(np.float32)
    for _ in range(rounds):
        wanted = np.asarray((_patches(level.picture, targets) - mean) @ basis, np.float32)
        nearest, distances = _nearest(wanted, known)
        height, width = level.hole.shape
        match = _Match(targets, sources[nearest], distances, (width, height))
        _vote(level, match, trust)
    return match


def _centres(level: _Level) -> tuple[Points, Points]:
    """Row and column of the patches that touch the hole, and of those that are wholly known and usable."""
    window = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    touched = cv2.dilate(level.hole.astype(np.uint8), window) > 0
    inside = np.zeros(level.hole.shape, bool)
    inside[_REACH:-_REACH, _REACH:-_REACH] = True
    targets = np.argwhere(touched & inside)
    sources = np.argwhere(~touched & inside & level.usable)
    return targets, sources[:: max(1, -(-len(sources) // _MOST_SOURCES))]


def _patches(picture: Floats, centres: Points) -> Floats:
    """(n, 147): every pixel of the patches round the centres."""
    rows, columns = centres[:, 0], centres[:, 1]
    return np.concatenate([picture[rows + y, columns + x] for y, x in _OFFSETS], axis=1)


def _principal(patches: Floats) -> tuple[Floats, Floats]:
    sample = patches[:: max(1, len(patches) // 4000)]
    mean = np.asarray(sample.mean(axis=0), np.float32)
    centred = (sample - mean).astype(np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return mean, np.ascontiguousarray(vectors[:, -_COMPONENTS:], np.float32)


def _nearest(wanted: Floats, known: Floats) -> tuple[Points, Floats]:
    """For each wanted row the nearest known one, and its squared distance."""
    squares = (known**2).sum(axis=1)
    transposed = np.ascontiguousarray(known.T)
    nearest = np.empty(len(wanted), np.intp)
    distances = np.empty(len(wanted), np.float32)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        scores = chunk @ transposed
        scores *= -2
        scores += squares
        best = scores.argmin(axis=1)
        nearest[start : start + len(chunk)] = best
        distances[start : start + len(chunk)] = scores[np.arange(len(chunk)), best] + (chunk**2).sum(axis=1)
    return nearest, np.maximum(distances, 0)


def _vote(level: _Level, match: _Match, trust: Floats) -> None:
    """Each hole pixel takes the proposal of the patch that fits best over it; means would wash the texture out."""
    usual = max(float(np.percentile(match.distances, 75)), 1e-3)
    weights = trust * np.exp(-match.distances / usual) + np.float32(1e-8)
    highest = np.zeros(level.hole.shape, np.float32)
    proposal = level.picture.copy()
    for y, x in _OFFSETS:
        # A patch fits best near its own middle.
        weight = weights * np.float32(np.exp(-(x * x + y * y) / 4))
        rows, columns = match.targets[:, 0] + y, match.targets[:, 1] + x
        better = weight > highest[rows, columns]
        rows, columns = rows[better], columns[better]
        proposal[rows, columns] = level.picture[match.sources[better, 0] + y, match.sources[better, 1] + x]
        highest[rows, columns] = weight[better]
    level.picture[level.hole] = proposal[level.hole]


def _with_grain(picture: Floats, hole: Mask, coarse: Floats, match: _Match) -> Floats:
    """The coarse filling at full size, with the fine detail of the places that its patches came from."""
    height, width = hole.shape
    coarse_wh = match.size_wh
    x_factor, y_factor = width / coarse_wh[0], height / coarse_wh[1]
    origin = np.moveaxis(np.mgrid[0 : coarse_wh[1], 0 : coarse_wh[0]], 0, -1).copy()
    origin[match.targets[:, 0], match.targets[:, 1]] = match.sources
    rows, columns = np.nonzero(hole)
    coarse_rows = np.minimum((rows / y_factor).astype(np.intp), coarse_wh[1] - 1)
    coarse_columns = np.minimum((columns / x_factor).astype(np.intp), coarse_wh[0] - 1)
    come_from = origin[coarse_rows, coarse_columns]
    source_rows = np.clip(np.rint(rows + (come_from[:, 0] - coarse_rows) * y_factor), 0, height - 1).astype(np.intp)
    source_columns = np.clip(np.rint(columns + (come_from[:, 1] - coarse_columns) * x_factor), 0, width - 1).astype(
        np.intp
    )
    known = (~hole).astype(np.float32)
    sigma = max(1.2, x_factor)
    weight = np.maximum(cv2.GaussianBlur(known, (0, 0), sigma), 1e-3)[..., None]
    detail = np.asarray(cv2.GaussianBlur(picture * known[..., None], (0, 0), sigma), np.float32)
    detail /= weight
    np.subtract(picture, detail, out=detail)
    filled = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    is_known = ~hole[source_rows, source_columns]
    filled[rows[is_known], columns[is_known]] += detail[source_rows[is_known], source_columns[is_known]]
    return filled
