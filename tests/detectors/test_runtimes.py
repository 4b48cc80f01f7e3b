"""Other runtimes than onnxruntime on the processor: the same findings, or a plain word about what to install."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.suite import SuiteOptions, check_suite, frozen_tables, load_suite
from pipeline.errors import UsageError


def suite_with(runtime: str, cache_dir: str = "/weights") -> SuiteOptions:
    tables = frozen_tables({name: {"runtime": runtime} for name in ("faces", "text")})
    return SuiteOptions(cache_dir, detectors=("faces", "text"), tables=tables)


def test_openvino_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r'pip install "picturedesk\[openvino\]"'):
        check_suite(suite_with("openvino"))


def test_cuda_that_is_not_installed_is_named_with_its_command() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(UsageError, match=r"onnxruntime-gpu.*run: pip install"):
        check_suite(suite_with("cuda"))


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(UsageError, match="found 'tpu'; expected one of cpu, openvino, cuda"):
        check_suite(suite_with("tpu"))


@pytest.mark.extras
@pytest.mark.models
def test_openvino_finds_the_same(weights_cache: Path, photographs: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is missing; run: pip install 'picturedesk[openvino]'")
    with Image.open(photographs / "astronaut.png") as astronaut:
        image = astronaut.convert("RGB").resize((1024, 1024))
    ImageDraw.Draw(image).text((40, 900), "Summer Offer", fill="white", font=ImageFont.load_default(size=64))
    by_default, by_openvino = (
        load_suite(suite_with(runtime, str(weights_cache))).scan(image).detections for runtime in ("cpu", "openvino")
    )
    assert {found.kind for found in by_default} == {"face", "text"}
    assert [(found.kind, found.label) for found in by_openvino] == [(found.kind, found.label) for found in by_default]
    for one, other in zip(by_default, by_openvino, strict=True):
        assert np.allclose(one.xyxy, other.xyxy, atol=1.0)
        assert abs(one.score - other.score) < 0.01
