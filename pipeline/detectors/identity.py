"""Whether a face is still the same person's: an extra that somebody must ask for, computed in memory and never stored.

dlib's ResNet of 29 layers gives each face 128 numbers, nearer for the same person (King 2017,
http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html; the weights, and those of the five-point
landmarks, are in the public domain or CC0, https://github.com/davisking/dlib-models). The package that carries them
also holds a landmark file for non-commercial use only, which is not read here.
"""

from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from pipeline.values import Box

SAME_PERSON = 0.45
"""The largest distance of the same person. Of 50 people, 250 harmless edits (JPEG at 40, gamma 1.6, half the size,
warmer, blurred by 2 pixels) stayed below; all 50 faces of which 70 % was another's lay above, and all 50 that were
exchanged; 42 of 50 that were half another's; 49 of 50 pairs of different people (our measurement, 2026-11-21)."""

_FACE_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARK_WEIGHTS = "shape_predictor_5_face_landmarks.dat"
# dlib's landmarks want a box from the brows down, our detector's begins higher.
_FOREHEAD = 0.1
# On a head that is tilted far, landmarks slip with the smallest edit: faces that seem far apart are described once more
# from a larger box. Without that, the same face of 50 was taken for another's after three edits of five.
_LARGER = 1.2


class FaceIdentity:
    """Compares faces.

    Raises:
        UsageError: The extra is not installed; says what to run.
    """

    def __init__(self) -> None:
        self._landmarks, self._network = _networks()

    def distance(self, source: Picture, source_xyxy: Box, output: Picture, output_xyxy: Box) -> float:
        """How unlike two faces are: 0 for the same picture, above `SAME_PERSON` for another person.

        Args:
            source: One picture.
            source_xyxy: Where its face is, as the face detector says, in pixels of ``source.size_wh``.
            output: The other picture.
            output_xyxy: Where its face is.
        """
        faces = ((source, source_xyxy), (output, output_xyxy))
        one, other = (self._described(picture, xyxy) for picture, xyxy in faces)
        distance = float(np.linalg.norm(one - other))
        if distance <= SAME_PERSON:
            return distance
        one_again, other_again = (self._described(picture, _grown(xyxy)) for picture, xyxy in faces)
        pairs = product((one, one_again), (other, other_again))
        return min(float(np.linalg.norm(left - right)) for left, right in pairs)

    def _described(self, picture: Picture, xyxy: Box) -> NDArray[np.float64]:
        import dlib

        rows, columns = picture.pixels.shape[:2]
        ratio = np.array([columns / picture.size_wh[0], rows / picture.size_wh[1]] * 2)
        left, top, right, bottom = np.array(xyxy) * ratio
        top += _FOREHEAD * (bottom - top)
        box = dlib.rectangle(*(int(side) for side in (left, top, right, bottom)))
        pixels = np.ascontiguousarray(picture.pixels)
        return np.array(self._network.compute_face_descriptor(pixels, self._landmarks(pixels, box)))


def check_identity() -> None:
    """Refuse what cannot be compared for want of a package.

    Raises:
        UsageError: The extra is not installed; says what to run.
    """
    if find_spec("dlib") is None or _weights_folder() is None:
        raise UsageError('comparing faces needs two packages; run: pip install "picturedesk[identity]"')


def _grown(xyxy: Box) -> Box:
    left, top, right, bottom = xyxy
    x, y = (_LARGER - 1) * (right - left) / 2, (_LARGER - 1) * (bottom - top) / 2
    return left - x, top - y, right + x, bottom + y


@cache
def _networks() -> tuple[Any, Any]:
    """Landmarks and descriptor, loaded once per process: 31 MB."""
    check_identity()
    import dlib

    folder = _weights_folder()
    assert folder is not None
    landmarks = dlib.shape_predictor(str(folder / _LANDMARK_WEIGHTS))
    return landmarks, dlib.face_recognition_model_v1(str(folder / _FACE_WEIGHTS))


def _weights_folder() -> Path | None:
    """Where the package keeps them; it is not imported, as it needs what setuptools no longer has."""
    spec = find_spec("face_recognition_models")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / "models" if places else None
