"""Features of grey pictures: corners and blobs, each with what is around it.

Lowe 2004 (https://doi.org/10.1023/B:VISI.0000029664.99615.94); their root: Arandjelović and Zisserman 2012, "Three
things everyone should know to improve object retrieval".
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_CONTRAST = 0.02

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Features:
    """n of them.

    Attributes:
        points: (n, 2), x and y in pixels.
        sizes: (n,), pixels.
        angles: (n,), radians.
        descriptors: (n, 128), of norm 1.
    """

    points: Floats
    sizes: Floats
    angles: Floats
    descriptors: Floats

    def __len__(self) -> int:
        return len(self.points)


def find_features(grey: Grey, most: int) -> Features:
    """The strongest features of a picture, at most so many but for those that are as strong as the last."""
    sift: Any = cv2.SIFT.create(nfeatures=most, contrastThreshold=_CONTRAST)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return Features(*(np.empty(shape, np.float32) for shape in ((0, 2), 0, 0, (0, 128))))
    return Features(
        np.array([keypoint.pt for keypoint in keypoints], np.float32),
        np.array([keypoint.size for keypoint in keypoints], np.float32),
        np.deg2rad(np.array([keypoint.angle for keypoint in keypoints], np.float32)),
        np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + 1e-7)).astype(np.float32),
    )
