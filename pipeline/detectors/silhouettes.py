"""Marks of one plain shape, such as a swoosh: areas of the picture whose outline is the mark's, however slanted.

An area is brought into its own frame, in which it is as wide as high whatever the slant (whitened by its second
moments); what is left is a turn, which the rings around its middle tell by correlation (our choice; the frame is that
of Rothe, Süsse and Voss 1996, https://doi.org/10.1109/34.491618).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]

_RINGS, _ANGLES, _OUTERMOST = 10, 48, 2.7
_LEVELS = (15, 30, 50, 70, 85)
"""Percentiles of brightness that cut the picture into areas, beside Otsu's threshold."""
_MIN_AREA_PX = 150
_MAX_SHARE = 0.4
_MIN_SIDE_PX = 8
_MAX_LENGTH = 60.0
"""Length to width, squared, of an area that is worth a look."""
_MAIN_SHARE = 0.6
_PLAIN = 0.8
"""An ellipse fills 1 of the ellipse of its moments, a square .95, a triangle .83: shapes that are everywhere."""
_ALIKE = 0.85
_MOST_SLANT = 2.0


@dataclass(frozen=True, slots=True)
class Silhouette:
    """An area in its own frame.

    Attributes:
        middle: x and y, pixels.
        whitening: 2 by 2, from pixels off the middle to its frame.
        lengths: The two eigenvalues of its second moments, smaller first; square pixels.
        rings: 10 rings by the terms of their Fourier series, of norm 1.
        area: Pixels.
    """

    middle: Floats
    whitening: Floats
    lengths: Floats
    rings: NDArray[np.complex128]
    area: int


def main_silhouette(grey: Grey) -> Silhouette | None:
    """The one shape that a reference consists of; None if it has several, or one that is everywhere."""
    areas = sorted(_areas(grey, (127,)), key=lambda area: -area[0].sum())
    ink = min(int((grey > 127).sum()), int((grey <= 127).sum()))
    if not areas or areas[0][0].sum() < _MAIN_SHARE * ink:
        return None
    shape = _silhouette(*areas[0])
    if shape is None or shape.area / (4 * np.pi * np.sqrt(shape.lengths.prod())) > _PLAIN:
        return None
    return shape


def silhouettes(grey: Grey) -> list[Silhouette]:
    """The areas of a picture that are darker or lighter than what surrounds them."""
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.8), np.uint8)
    otsu, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    levels = sorted({int(level) for level in (*np.percentile(smooth, _LEVELS), otsu)})
    return [shape for area in _areas(smooth, tuple(levels)) if (shape := _silhouette(*area)) is not None]


def placings(marks: list[Silhouette], seen: Silhouette) -> Iterator[tuple[int, Floats]]:
    """The marks that have the area's shape, by index, each with the affine transform that lays it on the area."""
    products = np.conj([mark.rings for mark in marks]) * seen.rings
    likeness = np.fft.irfft(products.sum(axis=1), n=_ANGLES, axis=1)
    for index in np.flatnonzero(likeness.max(axis=1) >= _ALIKE):
        mark = marks[index]
        angle = likeness[index].argmax() * 2 * np.pi / _ANGLES
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = np.linalg.inv(seen.whitening) @ turn @ mark.whitening
        stretch = np.linalg.svd(linear, compute_uv=False)
        if stretch[0] <= _MOST_SLANT * stretch[1]:
            yield int(index), np.c_[linear, seen.middle - linear @ mark.middle]


def _areas(grey: Grey, levels: tuple[int, ...]) -> Iterator[tuple[NDArray[np.bool_], int, int]]:
    """Connected areas that touch no border: a mask, and where its left upper corner is."""
    height, width = grey.shape
    for mask in (side for level in levels for side in (grey > level, grey <= level)):
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        for index in range(1, count):
            x, y, w, h, area = (int(number) for number in boxes[index])
            touches = x == 0 or y == 0 or x + w == width or y + h == height
            if not touches and _MIN_AREA_PX <= area <= _MAX_SHARE * grey.size and min(w, h) >= _MIN_SIDE_PX:
                yield labels[y : y + h, x : x + w] == index, x, y


def _silhouette(mask: NDArray[np.bool_], x: int, y: int) -> Silhouette | None:
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    area = moments["m00"]
    spread = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / area
    lengths, axes = np.linalg.eigh(spread)
    if lengths[0] < 1 or lengths[1] > _MAX_LENGTH * lengths[0]:
        return None
    inside = np.array([moments["m10"], moments["m01"]]) / area
    angles = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    radii = (np.arange(_RINGS) + 0.5) * _OUTERMOST / _RINGS
    circle = np.stack([np.outer(radii, np.cos(angles)), np.outer(radii, np.sin(angles))], axis=-1)
    points = (circle @ (axes * lengths**0.5 @ axes.T) + inside).astype(np.float32)
    rings = cv2.remap(mask.astype(np.float32), points[..., 0], points[..., 1], cv2.INTER_LINEAR)
    rings = np.asarray(rings, np.float64) - rings.mean()
    norm = float(np.linalg.norm(rings))
    if norm < 1e-6:
        return None
    whitening = axes * lengths**-0.5 @ axes.T
    return Silhouette(inside + np.array([x, y]), whitening, lengths, np.fft.rfft(rings / norm, axis=1), int(area))
