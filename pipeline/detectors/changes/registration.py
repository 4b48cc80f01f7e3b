"""How an output lies over its source: the same frame, or where features that both have say that it went.

A guess is believed only if the pictures then look alike in more places than chance would have it, so that a frame that
was cropped, scaled, extended or given another background is found, and another picture is not. A picture that was
turned the wrong way round is tried, too, where nothing else fits well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.picture import Picture
from pipeline.values import Box

_LONG_PX = 448
_BLOCK_PX = 16
_TEXTURE = 6.0
"""Standard deviation of a block, in grey levels, under which it looks like any other flat block."""

_ALIKE = 0.7
_NOISE = 9.0
_LEAST_BLOCKS = 6
_LEAST_SHARE = 0.16
_SURE_SHARE = 0.6
_MORE_IF_MIRRORED = 1.5
"""How many times as many places must look alike turned over: a bottle on a plain ground nearly does by itself."""

_FEATURES = 1200
_CONTRASTS = (0.02, 0.004)
_ENOUGH_FEATURES = 150
_RATIOS = (0.8, 1.0)
"""How much nearer the best match must be than the next; where a thing is there many times, it never is."""

_LEAST_INLIERS = 6
_MANY_INLIERS = 15
_REACH_PX = 3.0
_MOST_SCALE = 6.0
_MOST_STRETCH = 1.5
_SAME_SHAPE = 0.02

Matrix = NDArray[np.float64]
Grey = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Registration:
    """Where each place of the source is in the output.

    Attributes:
        matrix: (3, 3), pixels of the source to pixels of the output.
        confidence: Share of the places with some texture that look alike under it, in [0, 1].
        source_wh: Width and height of the source.
        output_wh: Width and height of the output.
    """

    matrix: Matrix
    confidence: float
    source_wh: tuple[int, int]
    output_wh: tuple[int, int]

    @property
    def is_mirrored(self) -> bool:
        """Whether the output shows its source the wrong way round."""
        return bool(np.linalg.det(self.matrix[:2, :2]) < 0)

    def on_output(self, box: Box) -> Box:
        """Where a box of the source is in the output; parts may lie outside."""
        return moved(box, self.matrix)

    def on_source(self, box: Box) -> Box:
        """Where a box of the output was in the source; parts may lie outside."""
        return moved(box, np.asarray(np.linalg.inv(self.matrix), np.float64))


def register(source: Picture, output: Picture) -> Registration | None:
    """Lay the output over its source; None if nothing says how.

    Args:
        source: What was edited.
        output: What came of it.
    """
    before, after = _grey(source), _grey(output)
    best = _best(before, after)
    if best is None or best.share < _SURE_SHARE:
        turned = _best(np.ascontiguousarray(before[:, ::-1]), after)
        if turned is not None and (best is None or turned.share >= _MORE_IF_MIRRORED * best.share):
            over = np.array([[-1, 0, before.shape[1]], [0, 1, 0], [0, 0, 1.0]])
            best = _Guess(turned.share, turned.blocks, turned.matrix @ over)
    if best is None:
        return None
    matrix = _between(after, output.size_wh) @ best.matrix @ np.linalg.inv(_between(before, source.size_wh))
    return Registration(matrix / matrix[2, 2], best.share, source.size_wh, output.size_wh)


def moved(box: Box, matrix: Matrix) -> Box:
    """The upright box around where a box's corners go."""
    left, top, right, bottom = box
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]]) @ matrix.T
    corners = corners[:, :2] / corners[:, 2:]
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, top, right, bottom


def structure(before: NDArray[np.float32], after: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """How alike the structure around each pixel is, in [-1, 1]; blind to brightness, nearly so to contrast.

    The second and third factor of SSIM (Wang et al. 2004, doi 10.1109/TIP.2003.819861); where neither picture has any
    structure, they are alike.

    Args:
        before: (height, width) of grey levels.
        after: The same.
        size: Side of the window in pixels.
    """

    def mean(values: NDArray[np.float32]) -> Any:  # noqa: ANN401 - OpenCV's
        return cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT)

    mean_before, mean_after = mean(before), mean(after)
    covariance = mean(before * after) - mean_before * mean_after
    spread_before = np.maximum(mean(before * before) - mean_before**2, 0)
    spread_after = np.maximum(mean(after * after) - mean_after**2, 0)
    return np.asarray((2 * covariance + _NOISE) / (spread_before + spread_after + _NOISE), np.float32)


def _grey(picture: Picture) -> Grey:
    """A small copy of exactly the picture's shape: one that is squeezed has no similarity with one that is not."""
    height, width = picture.pixels.shape[:2]
    scale = min(1.0, _LONG_PX / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _between(grey: Grey, size_wh: tuple[int, int]) -> Matrix:
    """From pixels of the small copy to pixels of the picture."""
    return np.diag([size_wh[0] / grey.shape[1], size_wh[1] / grey.shape[0], 1.0])


class _Guess(NamedTuple):
    share: float
    blocks: int
    matrix: Matrix


def _best(before: Grey, after: Grey) -> _Guess | None:
    """The guess under which most looks alike, or the first that surely fits; None if none is to be believed."""
    best: _Guess | None = None
    for matrix, least_share in _guesses(before, after):
        guess = _Guess(*_agreement(before, after, matrix), matrix)
        if guess.blocks < _LEAST_BLOCKS or guess.share < least_share:
            continue
        if best is None or guess[:2] > best[:2]:
            best = guess
        if best.share >= _SURE_SHARE:
            break
    return best


def _guesses(before: Grey, after: Grey) -> Iterator[tuple[Matrix, float]]:
    """Ways to lay the pictures over each other, and the share of places that must look alike to believe each."""
    scale_x, scale_y = after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]
    if abs(scale_x / scale_y - 1) <= _SAME_SHAPE:
        yield np.diag([scale_x, scale_y, 1.0]), _LEAST_SHARE
    yield from _by_features(before, after)


def _by_features(before: Grey, after: Grey) -> Iterator[tuple[Matrix, float]]:
    points_before, found_before = _features(before)
    points_after, found_after = _features(after)
    if len(points_before) < _LEAST_INLIERS or len(points_after) < _LEAST_INLIERS:
        return
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(found_before, found_after, k=2)
    cv2.setRNGSeed(1)
    for ratio in _RATIOS:
        good = [first for first, second in pairs if first.distance < ratio * second.distance]
        if len(good) < _LEAST_INLIERS:
            continue
        start = points_before[[match.queryIdx for match in good]]
        end = points_after[[match.trainIdx for match in good]]
        for find in (_similarity, _homography):
            matrix, inliers = find(start, end)
            if matrix is not None and inliers >= _LEAST_INLIERS and _is_plausible(matrix, before):
                yield matrix, (_LEAST_SHARE if ratio < 1 and inliers >= _MANY_INLIERS else _SURE_SHARE)


def _features(grey: Grey) -> tuple[Points, NDArray[np.float32]]:
    """RootSIFT features (Arandjelović and Zisserman 2012); of a smooth picture, the faint ones too."""
    for contrast in _CONTRASTS:
        sift: Any = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=contrast)
        points, found = sift.detectAndCompute(grey, None)
        if len(points) >= _ENOUGH_FEATURES:
            break
    if found is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    root = np.sqrt(found / (found.sum(axis=1, keepdims=True) + 1e-7))
    return np.array([point.pt for point in points], np.float32), root


def _similarity(start: Points, end: Points) -> tuple[Matrix | None, int]:
    matrix, is_inlier = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=_REACH_PX, maxIters=3000
    )
    return (None, 0) if matrix is None else (np.vstack([matrix, [0, 0, 1]]), int(is_inlier.sum()))


def _homography(start: Points, end: Points) -> tuple[Matrix | None, int]:
    matrix, is_inlier = cv2.findHomography(start, end, cv2.USAC_MAGSAC, _REACH_PX, maxIters=3000)
    return (None, 0) if matrix is None else (matrix, int(is_inlier.sum()))


def _is_plausible(matrix: Matrix, grey: Grey) -> bool:
    """Not mirrored, not squeezed, and seen from about where it was seen before."""
    height, width = grey.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ matrix.T
    if (corners[:, 2] < 0.5).any() or (corners[:, 2] > 2).any():
        return False
    stretch = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    scale = float(np.sqrt(stretch[0] * stretch[1]))
    is_turned_over = np.linalg.det(matrix[:2, :2]) <= 0
    return not is_turned_over and 1 / _MOST_SCALE < scale < _MOST_SCALE and stretch[0] < _MOST_STRETCH * stretch[1]


def _agreement(before: Grey, after: Grey, guess: Matrix) -> tuple[float, int]:
    """Share and number of blocks with texture, where both pictures are, that look alike."""
    size = after.shape[1], after.shape[0]
    laid = cv2.warpPerspective(before, guess, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(np.full_like(before, 255), guess, size, flags=cv2.INTER_NEAREST)
    blurred = [np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.2), np.float32) for grey in (laid, after)]
    alike = structure(blurred[0], blurred[1], _BLOCK_PX)
    texture = cv2.blur(blurred[0] ** 2, (_BLOCK_PX, _BLOCK_PX)) - cv2.blur(blurred[0], (_BLOCK_PX, _BLOCK_PX)) ** 2
    steps = slice(_BLOCK_PX // 2, None, _BLOCK_PX)
    counts = (texture[steps, steps] > _TEXTURE**2) & (inside[steps, steps] > 0)
    agree = int((alike[steps, steps][counts] > _ALIKE).sum())
    return (agree / int(counts.sum()) if counts.any() else 0.0), agree
