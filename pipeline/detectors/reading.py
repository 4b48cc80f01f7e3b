"""Reads a line of text at a given place of a picture, by PP-OCRv6 small."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.detectors.inference import Runtime, open_session
from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.weights import weights_path

_LINE_PX = 48
_LONGEST_PX = 480
_STEP_PX = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line says.

    Attributes:
        label: The line as read, or "" if nothing was; untrusted text.
        score: The mean confidence of its characters in [0, 1]; 0 if nothing was read.
        weakest: The confidence of the least sure letter or digit in [0, 1]; 0 if there is none.
    """

    label: str
    score: float
    weakest: float


class LineReader:
    """Reads single lines; 50 languages in Latin, Chinese and Japanese script.

    Args:
        cache_dir: Folder of the weights; they are loaded at the first reading, once per process.
        runtime: What runs the network.
    """

    def __init__(self, cache_dir: Path | str, runtime: Runtime = "cpu") -> None:
        self._cache_dir = Path(cache_dir)
        self._runtime = runtime

    def load(self) -> None:
        """Load the weights now.

        Raises:
            ModelsMissing: They are not installed.
        """
        _network(self._cache_dir, self._runtime)

    def read(self, picture: Picture, corners: ArrayLike, *, upside_down: bool = False) -> Reading:
        """What stands at one place.

        Args:
            picture: The picture.
            corners: Four points (4, 2) in any order, or left, top, right, bottom; in pixels of ``picture.size_wh``.
                They may lie outside the picture, whose border is then repeated. A box that is much taller than wide is
                read from its head to its foot.
            upside_down: Turn it by 180° first.

        Raises:
            ModelsMissing: The weights are not installed.
            ValueError: Neither four points nor a box.
        """
        line = _cut(picture.pixels, _corners(corners) * _to_pixels(picture))
        network = _network(self._cache_dir, self._runtime)
        return network.read(np.ascontiguousarray(line[::-1, ::-1]) if upside_down else line)


class _Network:
    """The recognition network and its letters."""

    def __init__(self, path: Path, runtime: Runtime) -> None:
        self._session = open_session(path, runtime)
        self._input = self._session.get_inputs()[0].name
        letters = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._letters = ["", *letters, " "]

    def read(self, line: Pixels) -> Reading:
        width = int(np.clip(round(_LINE_PX * line.shape[1] / line.shape[0] / _STEP_PX) * _STEP_PX, 16, _LONGEST_PX))
        planes = np.zeros((_LINE_PX, max(width, _LINE_PX), 3), np.float32)
        planes[:, :width] = np.asarray(cv2.resize(line, (width, _LINE_PX)), np.float32) / 127.5 - 1
        steps = self._session.run(None, {self._input: np.ascontiguousarray(planes.transpose(2, 0, 1)[None])})[0][0]
        best = steps.argmax(axis=1)
        # CTC: 0 is blank, and a letter that repeats without a blank is one letter.
        is_new = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
        if not is_new.any():
            return Reading("", 0.0, 0.0)
        letters, scores = [self._letters[index] for index in best[is_new]], steps.max(axis=1)[is_new]
        told = [score for letter, score in zip(letters, scores, strict=True) if letter.isalnum()]
        return Reading("".join(letters), float(scores.mean()), float(min(told, default=0.0)))


@cache
def _network(cache_dir: Path, runtime: Runtime) -> _Network:
    return _Network(weights_path(cache_dir, "text_rec.onnx"), runtime)


def _corners(given: ArrayLike) -> NDArray[np.float32]:
    corners = np.asarray(given, np.float32)
    if corners.shape == (4,):
        left, top, right, bottom = corners
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    if corners.shape != (4, 2):
        raise ValueError(f"corners: expected four points or left, top, right, bottom; received shape {corners.shape}")
    return corners


def _to_pixels(picture: Picture) -> NDArray[np.float32]:
    """What turns points of the picture into points of its pixels, which may be fewer."""
    (width, height), (rows, columns) = picture.size_wh, picture.pixels.shape[:2]
    return np.array([columns / width, rows / height], np.float32)


def _cut(pixels: Pixels, corners: NDArray[np.float32]) -> Pixels:
    """The box made upright; one that is much taller than wide is turned to lie."""
    pixels, corners = _reduced(pixels, corners)
    by_x = corners[np.argsort(corners[:, 0])]
    (tl, bl), (tr, br) = (pair[np.argsort(pair[:, 1])] for pair in (by_x[:2], by_x[2:]))
    width = max(2, int(max(np.linalg.norm(tl - tr), np.linalg.norm(bl - br))))
    height = max(2, int(max(np.linalg.norm(tl - bl), np.linalg.norm(tr - br))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(np.array([tl, tr, br, bl], np.float32), target)
    line: Any = cv2.warpPerspective(
        pixels, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    line = line[:, :, ::-1]  # the networks were trained on BGR
    return np.ascontiguousarray(np.rot90(line) if height >= 1.5 * width else line)


def _reduced(pixels: Pixels, corners: NDArray[np.float32]) -> tuple[Pixels, NDArray[np.float32]]:
    """What is around the corners, smaller if it is far higher than the network reads; and the corners there."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    times = int(sides.min() / (2 * _LINE_PX))
    if times < 2:
        return pixels, corners
    left, top = np.maximum(corners.min(axis=0).astype(int) - times, 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + times
    part = pixels[top:bottom, left:right]
    size = (max(1, part.shape[1] // times), max(1, part.shape[0] // times))
    reduced = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    to_reduced = np.array([size[0] / max(1, part.shape[1]), size[1] / max(1, part.shape[0])], np.float32)
    return np.asarray(reduced, np.uint8), (corners - np.array([left, top], np.float32)) * to_reduced
