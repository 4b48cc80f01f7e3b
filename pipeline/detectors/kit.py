"""The user's own logos, found by their look: features that agree on a place, or a silhouette, and the edges there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.detectors.boxes import overlap
from pipeline.detectors.features import Features, Floats, Grey, find_features
from pipeline.detectors.picture import Picture
from pipeline.detectors.references import (
    EDGES_PX,
    Reference,
    read_grey,
    read_reference,
    read_references,
    reference_paths,
)
from pipeline.detectors.silhouettes import Marks, silhouettes
from pipeline.values import Box

FLAG_SCORE = 0.9
SURE_SCORE = 0.96
"""With 27 drawn references, on 463 pictures without a logo: 2 false alarms at .9, 1 at .96 (our measurement,
2026-11-21)."""

_PICTURE_PX = 448
_MOST_FEATURES = 400
"""With crops of photographs as references, as many of 60 pictures were told as with 600 features on 512 pixels, in 33
instead of 51 ms; on 384 pixels one in eight fewer (our measurement, 2026-11-21)."""
_SILHOUETTE_PX = (384, 128)
"""On the small copy, the parts of a large mark are near each other."""
_MIN_FEATURES = 8
_RATIO = 0.9
_BASIS = 48
"""Directions that a kit's features are kept in."""
_BLOCK = 128
_STRANGER = 0.8
"""A feature must be likelier than this to a stranger, too, in a kit of few labels: cosine, our choice."""
_CLOSE = 0.02
"""Rows of a label that are as good as its best: the same corner, found at two sizes."""

# Two features vote for the same place if they agree on turn, size and, in parts of the logo's size, on its middle.
_TURN = np.deg2rad(25)
_GROWTH = np.log(1.5)
_AWAY = 0.25
_MIN_VOTES = 3
_MOST_CANDIDATES = 6
_REACH = 0.06
"""How far from its place, in parts of the reference, a feature may lie and still agree."""
_SCALES = (0.05, 6.0)
_MOST_SHEAR = 2.5
_FAINT = 8.0
"""Sobel's answer to an edge that a smooth ground has, too: bands of a gradient looked like a logo's outline."""
# By logistic regression on where 27 drawn marks and 110 crops of photographs were laid in 584 pictures, 174 times
# rightly and 115 times not; half of the pictures gave .77 and 13, the other .74 and 12. Below a score of .9, letters of
# another mark in the same hand were enough (our measurement, 2026-11-21).
_BY_INLIER, _BY_LIKENESS, _EVEN_LIKENESS = 0.76, 12.5, 0.2
_ENOUGH = 12
"""More features than these say no more."""
_SAME_PLACE = 0.5
_EVEN_SILHOUETTE = 0.47
"""So a silhouette counts from a likeness of .65: of 121 pictures of 27 brands it told 15, and took none of 155 without
a logo for one; from .6, 16 and 1 (our measurement, 2026-11-21)."""
_TRIAL_PX = 320
_TRIAL_TURNS = (0, 15)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reference found in a picture.

    Attributes:
        label: The reference's name.
        xyxy: Where, in pixels of the picture.
        inliers: How many features agree; 0 if it was found by its silhouette.
        score: The chance that it is there, by how many features agree and how alike the edges are; for a silhouette by
            its edges only. In [.9, 1].
    """

    label: str
    xyxy: Box
    inliers: int
    score: float


class _Seen(NamedTuple):
    """A reference, the transform that lays it on a copy of the picture, and that copy's height and width."""

    reference: Reference
    transform: NDArray[np.float64]
    shape: tuple[int, ...]
    inliers: int
    score: float


def _is_used(reference: Reference) -> bool:
    return len(reference.features) >= _MIN_FEATURES or reference.silhouette is not None


class BrandKit:
    """The reference logos of a folder; each is looked for as it is and in negative.

    ``nike.png``, ``nike-2.png`` and anything in the folder ``nike/`` are references of the same label, nike.

    Args:
        folder: Pictures of logos, cut close, transparent or on a plain ground.
        cache_dir: Where the prepared kit is kept for the next process; if None, it is not.

    Raises:
        UsageError: A file of the folder is named like a picture and is none.
    """

    def __init__(self, folder: Path, cache_dir: Path | None = None) -> None:
        self._folder = folder
        read = read_references(folder, cache_dir)
        # By label, so that a label's features stand together.
        self._references = [reference for reference in read if len(reference.features) >= _MIN_FEATURES]
        shapes = [(reference, shape) for reference in read if (shape := reference.silhouette) is not None]
        self._drawn = [reference for reference, _ in shapes]
        self._marks = Marks([shape for _, shape in shapes]) if shapes else None

    def find(self, picture: Picture) -> list[Sighting]:
        """References that are in the picture, the surest first; each label once, and each place one logo."""
        best: dict[str, Sighting] = {}
        for each in (*self._by_features(picture), *self._by_silhouette(picture)):
            label = each.reference.label
            if each.score >= FLAG_SCORE and (label not in best or each.score > best[label].score):
                xyxy = _outline(each, picture.size_wh)
                best[label] = Sighting(label, xyxy, each.inliers, each.score)
        seen: list[Sighting] = []
        for sighting in sorted(best.values(), key=lambda sighting: (-sighting.score, -sighting.inliers)):
            if all(overlap(sighting.xyxy, surer.xyxy) < _SAME_PLACE for surer in seen):
                seen.append(sighting)
        return seen

    def unfindable(self) -> list[str]:
        """Labels that cannot be looked for by their look: none of their references is found where it is drawn.

        Takes about 40 ms for each reference.
        """
        labels: dict[str, bool] = {}
        for label, path in reference_paths(self._folder):
            labels[label] = labels.get(label, False) or self._finds(label, read_grey(path))
        return [label for label, is_found in labels.items() if not is_found]

    def idle(self) -> list[Path]:
        """Files that nothing is looked for by: they have too few features, and no silhouette that tells anything.

        Takes about 15 ms for each reference.
        """
        return [path for _, path in reference_paths(self._folder) if not _is_used(read_reference(path))]

    def _finds(self, label: str, grey: Grey) -> bool:
        return any(label in {seen.label for seen in self.find(_drawn(grey, turned))} for turned in _TRIAL_TURNS)

    def _by_features(self, picture: Picture) -> Iterator[_Seen]:
        if not self._references:
            return
        grey = _grey_copy(picture, _PICTURE_PX)
        features = find_features(grey, _MOST_FEATURES)
        if len(features) >= _MIN_VOTES:
            for reference, transform, inliers in self._index.candidates(features):
                score = _score(inliers, _likeness(reference, grey, transform))
                yield _Seen(reference, transform, grey.shape, inliers, score)

    def _by_silhouette(self, picture: Picture) -> Iterator[_Seen]:
        if self._marks is None:
            return
        for long_side in _SILHOUETTE_PX:
            grey = _grey_copy(picture, long_side)
            for group in silhouettes(grey):
                for index, transform in self._marks.placings(group):
                    likeness = _likeness(self._drawn[index], grey, transform)
                    yield _Seen(
                        self._drawn[index],
                        transform,
                        grey.shape,
                        0,
                        _chance(_BY_LIKENESS * (likeness - _EVEN_SILHOUETTE)),
                    )

    @cached_property
    def _index(self) -> "_Index":
        return _Index(self._references)


class _Index:
    """All references' features in one matrix, as they are and in negative."""

    def __init__(self, references: list[Reference]) -> None:
        self._references = references
        counts = [len(reference.features) for reference in references]
        descriptors = np.concatenate([reference.features.descriptors for reference in references])
        _, _, directions = np.linalg.svd(descriptors, full_matrices=False)
        self._basis = np.ascontiguousarray(directions[:_BASIS].T)
        self._owner = np.repeat(np.arange(len(references)), counts)
        self._local = np.concatenate([np.arange(count) for count in counts])
        self._rows = descriptors @ self._basis
        labels = np.array([references[owner].label for owner in self._owner])
        self._starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
        self._ends = np.append(self._starts[1:], len(labels))

    def candidates(self, features: Features) -> Iterator[tuple[Reference, NDArray[np.float64], int]]:
        """References that features vote for at one place, with the transform into the picture and their number."""
        queries = np.concatenate([features.descriptors, _negative(features.descriptors)]) @ self._basis
        votes: dict[tuple[int, bool], list[tuple[int, int]]] = {}
        for query, row in self._matches(queries):
            key = int(self._owner[row]), query >= len(features)
            votes.setdefault(key, []).append((query % len(features), int(self._local[row])))
        fits = []
        for (owner, is_negative), pairs in votes.items():
            reference = self._references[owner]
            if len(pairs) >= _MIN_VOTES and (fit := _fit(reference, features, np.array(pairs), is_negative)):
                fits.append((reference, *fit))
        fits.sort(key=lambda fit: -fit[2])
        yield from fits[:_MOST_CANDIDATES]

    def _matches(self, queries: Floats) -> list[tuple[int, int]]:
        """Pairs of a feature and a row whose likeness no other label's best comes near."""
        best = self._best(queries)
        first = best.argmax(axis=0)
        columns = np.arange(len(queries))
        top = best[first, columns]
        best[first, columns] = -1
        second = np.maximum(best.max(axis=0), _STRANGER)
        is_good = np.sqrt(np.maximum(2 - 2 * top, 0)) < _RATIO * np.sqrt(np.maximum(2 - 2 * second, 0))
        pairs = []
        for column in np.flatnonzero(is_good):
            start, end = self._starts[first[column]], self._ends[first[column]]
            near = np.flatnonzero(self._rows[start:end] @ queries[column] >= top[column] - _CLOSE)
            pairs += [(int(column), int(start + row)) for row in near]
        return pairs

    def _best(self, queries: Floats) -> Floats:
        """For each label and query, its likest row; in blocks of labels, so that a block stays in the cache."""
        best = np.empty((len(self._starts), len(queries)), np.float32)
        turned = np.ascontiguousarray(queries.T)
        first = 0
        while first < len(self._starts):
            start = self._starts[first]
            last = max(first + 1, int(np.searchsorted(self._ends, start + _BLOCK, side="right")))
            likeness = self._rows[start : self._ends[last - 1]] @ turned
            np.maximum.reduceat(likeness, self._starts[first:last] - start, axis=0, out=best[first:last])
            first = last
        return best


def _negative(descriptors: Floats) -> Floats:
    """What the same features would be in the negative: turned by half, so their 4 x 4 cells in reverse."""
    return descriptors.reshape(-1, 16, 8)[:, ::-1].reshape(-1, 128)


def _fit(
    reference: Reference,
    features: Features,
    pairs: NDArray[np.intp],
    is_negative: bool,
) -> tuple[NDArray[np.float64], int] | None:
    there, here = pairs.T
    own = reference.features
    growth = features.sizes[there] / own.sizes[here]
    turn = features.angles[there] - own.angles[here] + (np.pi if is_negative else 0)
    width, height = reference.size_wh
    arm = (np.array([width / 2, height / 2]) - own.points[here]) * growth[:, None]
    cos, sin = np.cos(turn), np.sin(turn)
    middle = features.points[there] + np.stack(
        [cos * arm[:, 0] - sin * arm[:, 1], sin * arm[:, 0] + cos * arm[:, 1]], axis=1
    )
    reach = _AWAY * max(width, height) * growth
    agree = np.linalg.norm(middle[:, None] - middle[None], axis=2) < reach[:, None]
    agree &= np.abs(np.log(growth[:, None] / growth[None])) < _GROWTH
    agree &= np.cos(turn[:, None] - turn[None]) > np.cos(_TURN)
    group = agree[agree.sum(axis=1).argmax()]
    start, end = own.points[here[group]].astype(np.float64), features.points[there[group]].astype(np.float64)
    return _refined(start, end, own.points[here], features.points[there], max(width, height))


def _refined(
    start: NDArray[np.float64], end: NDArray[np.float64], starts: Floats, ends: Floats, side: float
) -> tuple[NDArray[np.float64], int] | None:
    if _distinct(end) < _MIN_VOTES or _distinct(start) < _MIN_VOTES:
        return None
    transform, _ = cv2.estimateAffinePartial2D(start, end, method=cv2.LMEDS)
    for fit in (_similar, _affine):
        if transform is None or not _is_plausible(transform):
            return None
        scale = abs(np.linalg.det(transform[:, :2])) ** 0.5
        off = np.linalg.norm(starts @ transform[:, :2].T + transform[:, 2] - ends, axis=1)
        is_near = off < max(_REACH * side * scale, 2)
        if min(_distinct(ends[is_near]), _distinct(starts[is_near])) < _MIN_VOTES:
            return None
        better = fit(starts[is_near], ends[is_near])
        transform = transform if better is None else better
    if not _is_plausible(transform):
        return None
    return transform, min(_distinct(ends[is_near]), _distinct(starts[is_near]))


def _similar(start: Floats, end: Floats) -> NDArray[np.float64] | None:
    transform: NDArray[np.float64] | None = cv2.estimateAffinePartial2D(start, end, method=cv2.LMEDS)[0]
    return transform


def _affine(start: Floats, end: Floats) -> NDArray[np.float64] | None:
    if len(start) < 6:
        return None
    solved, *_ = np.linalg.lstsq(np.c_[start, np.ones(len(start))], end, rcond=None)
    return np.asarray(solved.T, np.float64)


def _distinct(points: NDArray[Any]) -> int:
    return len(np.unique(np.round(points), axis=0))


def _likeness(reference: Reference, picture: Grey, transform: NDArray[np.float64]) -> float:
    """How well the edges there run along the reference's, light or dark, 0 to 1; what lies outside is unlike."""
    grow = max(reference.size_wh) / EDGES_PX
    size = reference.small.shape[::-1]
    there = transform @ np.array([[grow, 0, 0], [0, grow, 0], [0, 0, 1]])
    region = cv2.warpAffine(
        picture, there, size, flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    own = _edges(reference.small)
    seen = _edges(np.asarray(region, np.uint8))
    inside = cv2.warpAffine(np.ones_like(picture), there, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP).mean()
    return float(max(0.0, inside * (own * seen).sum() / np.sqrt((own * own).sum() * (seen * seen).sum() + 1e-9)))


def _edges(grey: Grey) -> Floats:
    """Strength and direction of edges, the same for dark on light and light on dark; soft, so that near is alike."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = np.sqrt(across * across + down * down) + 1e-6
    weight = np.sqrt(np.maximum(strength - _FAINT, 0))
    cos, sin = (across * across - down * down) / strength**2, 2 * across * down / strength**2
    planes = np.stack([weight * cos, weight * sin, weight - weight.mean()])
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 1.0) for plane in planes]).astype(np.float32)


def _score(inliers: int, likeness: float) -> float:
    votes = _BY_INLIER * (min(inliers, _ENOUGH) - _MIN_VOTES)
    return _chance(votes + _BY_LIKENESS * (likeness - _EVEN_LIKENESS))


def _chance(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def _is_plausible(transform: NDArray[np.float64]) -> bool:
    """A logo seen at a slant, and neither mirrored nor squeezed to a line."""
    linear = transform[:, :2]
    low, high = _SCALES
    stretch = np.linalg.svd(linear, compute_uv=False)
    determinant = float(np.linalg.det(linear))
    return determinant > 0 and low < determinant**0.5 < high and stretch[0] < _MOST_SHEAR * stretch[1]


def _outline(seen: _Seen, size_wh: tuple[int, int]) -> Box:
    width, height = seen.reference.size_wh
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ seen.transform.T
    corners *= size_wh[0] / seen.shape[1], size_wh[1] / seen.shape[0]
    left, top = np.clip(corners.min(axis=0), 0, size_wh)
    right, bottom = np.clip(corners.max(axis=0), 0, size_wh)
    return float(left), float(top), float(right), float(bottom)


def _grey_copy(picture: Picture, long_side: int) -> Grey:
    return np.asarray(cv2.cvtColor(picture.copy(long_side), cv2.COLOR_RGB2GRAY), np.uint8)


def _drawn(grey: Grey, turned: int) -> Picture:
    """A reference on its own ground, at an angle, a third of the picture wide."""
    image = Image.fromarray(grey)
    ground = int(grey[0, 0])
    image.thumbnail((_TRIAL_PX // 3, _TRIAL_PX // 3))
    image = image.rotate(turned, expand=True, resample=Image.Resampling.BICUBIC, fillcolor=ground)
    whole = Image.new("L", (_TRIAL_PX, _TRIAL_PX), ground)
    whole.paste(image, ((_TRIAL_PX - image.width) // 2, (_TRIAL_PX - image.height) // 2))
    return Picture(whole)
