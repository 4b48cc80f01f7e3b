"""The user's own logos, found by their look: features that agree on a place, and then the edges at that place.

Features and votes: Lowe 2004 (https://doi.org/10.1023/B:VISI.0000029664.99615.94). Their root: Arandjelović and
Zisserman 2012, "Three things everyone should know to improve object retrieval".
"""

import re
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
from pipeline.detectors.picture import Picture
from pipeline.detectors.silhouettes import main_silhouette, placings, silhouettes
from pipeline.errors import UsageError
from pipeline.values import Box

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})

FLAG_SCORE = 0.6
SURE_SCORE = 0.8
"""With 27 references, on 463 pictures without a logo: 3 false alarms at .6, 2 at .8 (our measurement, 2026-11-21; the
weights of features and edges were chosen on the same pictures)."""

_REFERENCE_PX = 240
_PICTURE_PX = 512
_CONTRAST = 0.02
_MOST_FEATURES = 600
_MOST_REFERENCE_FEATURES = 160
_MIN_FEATURES = 8
_FEW_FEATURES = 25
"""A reference with fewer is looked for as a shape, too."""
_RATIO = 0.9
_BASIS = 64
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
_EDGES_PX = 64
_FAINT = 8.0
"""Sobel's answer to an edge that a smooth ground has, too: bands of a gradient looked like a logo's outline."""
_ENOUGH = 12
"""More features than these say no more."""
_SAME_PLACE = 0.5
_SHAPE_LIKENESS = 0.7
"""A shape without features counts from here: with one such mark, no false alarm on 463 pictures, one at .6 (our
measurement, 2026-11-21)."""

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reference found in a picture.

    Attributes:
        label: The reference's name.
        xyxy: Where, in pixels of the picture.
        inliers: How many features agree; 0 if it was found as a shape.
        score: How many features agree and how alike the edges are, together; of a shape the edges only; 0 to 1.
    """

    label: str
    xyxy: Box
    inliers: int
    score: float


@dataclass(frozen=True, slots=True)
class _Features:
    """Where, how large (pixels), how turned (radians), and what; n of each."""

    points: Floats
    sizes: Floats
    angles: Floats
    descriptors: Floats

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class _Reference:
    label: str
    grey: Grey
    features: _Features


class _Seen(NamedTuple):
    label: str
    inliers: int
    score: float
    reference: _Reference
    transform: NDArray[np.float64]


class BrandKit:
    """The reference logos of a folder; each is looked for as it is and in negative.

    ``nike.png``, ``nike-2.png`` and anything in the folder ``nike/`` are references of the same label, nike.

    Args:
        folder: Pictures of logos, cut close, transparent or on a plain ground.

    Attributes:
        unmatched: Labels that cannot be looked for by their look: every reference has too few corners for features,
            and is no single shape that could be told from others.

    Raises:
        UsageError: A file of the folder is named like a picture and is none.
    """

    def __init__(self, folder: Path) -> None:
        self._sift: Any = cv2.SIFT.create(nfeatures=_MOST_FEATURES, contrastThreshold=_CONTRAST)
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        read = [self._read(path, _label(path, folder)) for path in paths]
        self._all = read
        good = [reference for reference in read if len(reference.features) >= _MIN_FEATURES]
        # Sorted, so that a label's features stand together.
        self._references = sorted(good, key=lambda reference: reference.label)
        simple = [reference for reference in read if len(reference.features) < _FEW_FEATURES]
        shapes = [(reference, main_silhouette(reference.grey)) for reference in simple]
        self._shapes = [(reference, shape) for reference, shape in shapes if shape is not None]
        known = {reference.label for reference in (*good, *(reference for reference, _ in self._shapes))}
        self.unmatched = tuple(sorted({reference.label for reference in read} - known))

    def find(self, picture: Picture) -> list[Sighting]:
        """References that are in the picture, the surest first; each label once, and each place one logo."""
        grey: Grey = cv2.cvtColor(picture.copy(_PICTURE_PX), cv2.COLOR_RGB2GRAY)
        best: dict[str, Sighting] = {}
        for label, inliers, score, reference, transform in (*self._by_features(grey), *self._by_shape(grey)):
            if score >= FLAG_SCORE and (label not in best or score > best[label].score):
                xyxy = _outline(transform, reference.grey, grey, picture.size_wh)
                best[label] = Sighting(label, xyxy, inliers, score)
        seen: list[Sighting] = []
        for sighting in sorted(best.values(), key=lambda sighting: (-sighting.score, -sighting.inliers)):
            if all(overlap(sighting.xyxy, surer.xyxy) < _SAME_PLACE for surer in seen):
                seen.append(sighting)
        return seen

    def match_at(self, picture: Picture, label: str, xyxy: Box) -> float:
        """How alike the edges in a box of the picture are to the label's likest reference, upright in it; 0 to 1."""
        grey: Grey = cv2.cvtColor(picture.copy(_PICTURE_PX), cv2.COLOR_RGB2GRAY)
        ratio = np.array([grey.shape[1] / picture.size_wh[0], grey.shape[0] / picture.size_wh[1]])
        corner, size = xyxy[:2] * ratio, (np.array(xyxy[2:]) - xyxy[:2]) * ratio
        own = [reference for reference in self._all if reference.label == label]
        places = [np.c_[np.diag(size / reference.grey.shape[::-1]), corner] for reference in own]
        likes = (_likeness(reference.grey, grey, place) for reference, place in zip(own, places, strict=True))
        return max(likes, default=0.0)

    def _by_features(self, grey: Grey) -> Iterator[_Seen]:
        if not self._references:
            return
        features = self._features(grey, _MOST_FEATURES)
        if len(features) >= _MIN_VOTES:
            for reference, transform, inliers in self._index.candidates(features):
                score = _score(inliers, _likeness(reference.grey, grey, transform))
                yield _Seen(reference.label, inliers, score, reference, transform)

    def _by_shape(self, grey: Grey) -> Iterator[_Seen]:
        marks = [shape for _, shape in self._shapes]
        for area in silhouettes(grey) if marks else ():
            for index, transform in placings(marks, area):
                reference = self._shapes[index][0]
                likeness = _likeness(reference.grey, grey, transform)
                if likeness >= _SHAPE_LIKENESS:
                    yield _Seen(reference.label, 0, likeness, reference, transform)

    @cached_property
    def _index(self) -> "_Index":
        return _Index(self._references)

    def _read(self, path: Path, label: str) -> _Reference:
        try:
            with Image.open(path) as image:
                grey = _grey(image)
        except (OSError, ValueError) as exc:
            raise UsageError(f"{path}: it is no picture that can be read; mend it, or take it out of the kit") from exc
        scale = _REFERENCE_PX / max(grey.shape)
        size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
        return _Reference(label, grey, self._features(grey, _MOST_REFERENCE_FEATURES))

    def _features(self, grey: Grey, most: int) -> _Features:
        keypoints, descriptors = self._sift.detectAndCompute(grey, None)
        if descriptors is None:
            return _Features(*(np.empty(shape, np.float32) for shape in ((0, 2), 0, 0, (0, 128))))
        strongest = sorted(range(len(keypoints)), key=lambda index: -keypoints[index].response)[:most]
        root = np.sqrt(descriptors[strongest] / (descriptors[strongest].sum(axis=1, keepdims=True) + 1e-7))
        kept = [keypoints[index] for index in strongest]
        return _Features(
            np.array([keypoint.pt for keypoint in kept], np.float32),
            np.array([keypoint.size for keypoint in kept], np.float32),
            np.deg2rad(np.array([keypoint.angle for keypoint in kept], np.float32)),
            root.astype(np.float32),
        )


class _Index:
    """All references' features in one matrix, as they are and in negative."""

    def __init__(self, references: list[_Reference]) -> None:
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

    def candidates(self, features: _Features) -> Iterator[tuple[_Reference, NDArray[np.float64], int]]:
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
    reference: _Reference,
    features: _Features,
    pairs: NDArray[np.intp],
    is_negative: bool,
) -> tuple[NDArray[np.float64], int] | None:
    there, here = pairs.T
    own = reference.features
    growth = features.sizes[there] / own.sizes[here]
    turn = features.angles[there] - own.angles[here] + (np.pi if is_negative else 0)
    height, width = reference.grey.shape
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


def _likeness(reference: Grey, picture: Grey, transform: NDArray[np.float64]) -> float:
    """How well the edges there run along the reference's, light or dark, 0 to 1; what lies outside is unlike."""
    shrink = _EDGES_PX / max(reference.shape)
    size = tuple(max(8, round(side * shrink)) for side in reference.shape[::-1])
    there = transform @ np.array([[1 / shrink, 0, 0], [0, 1 / shrink, 0], [0, 0, 1]])
    region = cv2.warpAffine(
        picture, there, size, flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    own = _edges(cv2.resize(reference, size, interpolation=cv2.INTER_AREA))
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
    weight = 0.15 * (min(inliers, _ENOUGH) - _MIN_VOTES) + 14 * (likeness - 0.25)
    return float(1 / (1 + np.exp(-weight)))


def _grey(image: Image.Image) -> Grey:
    """The logo in grey on what it stands out from, cropped to what is opaque, with room for its outline."""
    rgba = image.convert("RGBA")
    rgba = rgba.crop(rgba.getchannel("A").getbbox())
    pixels = np.asarray(rgba)
    is_light = pixels[pixels[..., 3] > 127][:, :3].mean() > 128
    margin = max(4, max(rgba.size) // 12)
    ground = Image.new("RGBA", (rgba.width + 2 * margin, rgba.height + 2 * margin), "black" if is_light else "white")
    ground.alpha_composite(rgba, (margin, margin))
    return np.asarray(ground.convert("L"))


def _is_plausible(transform: NDArray[np.float64]) -> bool:
    """A logo seen at a slant, and neither mirrored nor squeezed to a line."""
    linear = transform[:, :2]
    low, high = _SCALES
    stretch = np.linalg.svd(linear, compute_uv=False)
    determinant = float(np.linalg.det(linear))
    return determinant > 0 and low < determinant**0.5 < high and stretch[0] < _MOST_SHEAR * stretch[1]


def _outline(transform: NDArray[np.float64], reference: Grey, picture: Grey, size_wh: tuple[int, int]) -> Box:
    height, width = reference.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64) @ transform.T
    corners *= size_wh[0] / picture.shape[1], size_wh[1] / picture.shape[0]
    left, top = np.clip(corners.min(axis=0), 0, size_wh)
    right, bottom = np.clip(corners.max(axis=0), 0, size_wh)
    return float(left), float(top), float(right), float(bottom)


def _label(path: Path, folder: Path) -> str:
    """The sub-folder's name, else the file's without its number."""
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 else re.sub(r"-\d+$", "", path.stem)
