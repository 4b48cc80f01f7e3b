"""The user's own logos, found by their look: RootSIFT features and an affine transform that many of them agree on.

Lowe 2004 (https://doi.org/10.1023/B:VISI.0000029664.99615.94); Arandjelović and Zisserman 2012, "Three things everyone
should know to improve object retrieval", for the root.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from pipeline.values import Box

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})

FLAG_INLIERS = 8
SURE_INLIERS = 12
"""Seven agreeing features gave one false alarm on 379 pictures, eight none: every second of 757 labelled
pictures, with two references (our measurement, 2026-11-21)."""

_REFERENCE_PX = 240
_PICTURE_PX = 1024
_MAX_FEATURES = 2500
_MIN_FEATURES = 8
_CONTRAST = 0.02
_RATIO = 0.8
_REACH_PX = 5.0
_SCALES = (0.08, 6.0)
_MOST_SHEAR = 3.0

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reference found in a picture.

    Attributes:
        label: The reference's file name without its ending.
        xyxy: Where, in pixels of the picture.
        inliers: How many features agree.
    """

    label: str
    xyxy: Box
    inliers: int


@dataclass(frozen=True, slots=True)
class _Reference:
    label: str
    points: Features
    descriptors: Features
    size_wh: tuple[int, int]


class BrandKit:
    """The reference logos of a folder; each is looked for as it is and in negative.

    Args:
        folder: Pictures of logos, cut close, transparent or on a plain ground.

    Raises:
        UsageError: A file of the folder is named like a picture and is none.
    """

    def __init__(self, folder: Path) -> None:
        self._sift: Any = cv2.SIFT.create(nfeatures=_MAX_FEATURES, contrastThreshold=_CONTRAST)
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        self._references = [reference for path in paths for reference in self._read(path)]

    def find(self, picture: Picture) -> list[Sighting]:
        """References that are in the picture, the surest first; each label once."""
        if not self._references:
            return []
        pixels = picture.copy(_PICTURE_PX)
        points, descriptors = self._features(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        if len(points) < _MIN_FEATURES:
            return []
        ratio = picture.size_wh[0] / pixels.shape[1], picture.size_wh[1] / pixels.shape[0]
        best: dict[str, Sighting] = {}
        for reference in self._references:
            seen = _sighting(reference, points, descriptors, ratio, picture.size_wh)
            if seen and seen.inliers > (best[seen.label].inliers if seen.label in best else 0):
                best[seen.label] = seen
        return sorted(best.values(), key=lambda seen: -seen.inliers)

    def _read(self, path: Path) -> Iterator[_Reference]:
        try:
            with Image.open(path) as image:
                grey = _grey(image)
        except (OSError, ValueError) as exc:
            raise UsageError(f"{path}: it is no picture that can be read; mend it, or take it out of the kit") from exc
        scale = _REFERENCE_PX / max(grey.shape)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)
        for version in (grey, 255 - grey):
            points, descriptors = self._features(version)
            if len(points) >= _MIN_FEATURES:
                yield _Reference(path.stem, points, descriptors, (grey.shape[1], grey.shape[0]))

    def _features(self, grey: NDArray[np.uint8]) -> tuple[Features, Features]:
        keypoints, descriptors = self._sift.detectAndCompute(grey, None)
        if descriptors is None:
            return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
        descriptors = np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + 1e-7))
        return np.array([keypoint.pt for keypoint in keypoints], np.float32), descriptors.astype(np.float32)


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    """The logo in grey on what it stands out from, cropped to what is opaque, with room for its outline."""
    rgba = image.convert("RGBA")
    rgba = rgba.crop(rgba.getchannel("A").getbbox())
    pixels = np.asarray(rgba)
    is_light = pixels[pixels[..., 3] > 127][:, :3].mean() > 128
    margin = max(4, max(rgba.size) // 12)
    ground = Image.new("RGBA", (rgba.width + 2 * margin, rgba.height + 2 * margin), "black" if is_light else "white")
    ground.alpha_composite(rgba, (margin, margin))
    return np.asarray(ground.convert("L"))


def _sighting(
    reference: _Reference,
    points: Features,
    descriptors: Features,
    ratio: tuple[float, float],
    size_wh: tuple[int, int],
) -> Sighting | None:
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(reference.descriptors, descriptors, k=2)
    good = [
        first
        for first, second in (pair for pair in pairs if len(pair) == 2)
        if first.distance < _RATIO * second.distance
    ]
    if len(good) < FLAG_INLIERS:
        return None
    start = reference.points[[match.queryIdx for match in good]]
    end = points[[match.trainIdx for match in good]]
    cv2.setRNGSeed(1)
    transform, is_inlier = cv2.estimateAffine2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=_REACH_PX, maxIters=2000
    )
    if transform is None or not _is_plausible(transform):
        return None
    inliers = len({tuple(point) for point in np.round(end[is_inlier.ravel() == 1]).tolist()})
    if inliers < FLAG_INLIERS:
        return None
    return Sighting(reference.label, _outline(transform, reference.size_wh, ratio, size_wh), inliers)


def _is_plausible(transform: NDArray[np.float64]) -> bool:
    """A logo seen at a slant, and neither mirrored nor squeezed to a line."""
    linear = transform[:, :2]
    low, high = _SCALES
    stretch = np.linalg.svd(linear, compute_uv=False)
    determinant = float(np.linalg.det(linear))
    return determinant > 0 and low < determinant**0.5 < high and stretch[0] < _MOST_SHEAR * stretch[1]


def _outline(
    transform: NDArray[np.float64], reference_wh: tuple[int, int], ratio: tuple[float, float], size_wh: tuple[int, int]
) -> Box:
    width, height = reference_wh
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ transform.T
    corners *= ratio
    left, top = np.clip(corners.min(axis=0), 0, size_wh)
    right, bottom = np.clip(corners.max(axis=0), 0, size_wh)
    return float(left), float(top), float(right), float(bottom)
