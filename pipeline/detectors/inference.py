"""How every detector runs its network: one thread, and one memory for all networks of the process."""

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.options import DetectorOptions
from pipeline.detectors.picture import Pixels
from pipeline.errors import UsageError

Runtime = Literal["cpu", "openvino", "cuda"]
"""What runs a network: onnxruntime on the processor or on a GPU, or OpenVINO on the processor."""

_MALLOPT_TRIM, _MALLOPT_MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_TRIM_BYTES = 1 << 20
_MMAP_BYTES = 256 << 10
_CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(DetectorOptions):
    """The options of a detector that runs a network on this machine.

    Attributes:
        runtime: What runs it.
    """

    runtime: Runtime = "cpu"

    def check(self) -> None:
        """Refuse a runtime that is not installed."""
        _check_runtime(self.runtime)


def open_session(path: Path, runtime: Runtime = "cpu") -> Any:  # noqa: ANN401 - onnxruntime has no types
    """An onnxruntime session, or what stands in for one; pictures are spread over processes, detectors over threads.

    Raises:
        UsageError: The runtime is not installed, or finds no GPU.
    """
    _check_runtime(runtime)
    _give_memory_back()
    if runtime == "openvino":
        from pipeline.detectors.openvino_session import OpenVinoSession

        return OpenVinoSession(path)
    import onnxruntime as ort

    _share_memory()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # a pattern is kept for every size of picture
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if runtime == "cpu":
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    ort.preload_dlls()  # CUDA's own libraries, as pip installs them
    session = ort.InferenceSession(str(path), options, providers=[_CUDA, "CPUExecutionProvider"])
    if _CUDA not in session.get_providers():  # onnxruntime goes on with the processor
        raise UsageError('runtime = "cuda" found no GPU that works; look at nvidia-smi, or choose runtime = "cpu"')
    return session


def _check_runtime(runtime: Runtime) -> None:
    if runtime == "openvino" and find_spec("openvino") is None:
        raise UsageError('runtime = "openvino" needs its package; run: pip install "picturedesk[openvino]"')
    if runtime == "cuda":
        import onnxruntime as ort

        if _CUDA not in ort.get_available_providers():
            raise UsageError(
                'runtime = "cuda" needs onnxruntime-gpu, which takes the place of onnxruntime; run: '
                'pip install "picturedesk[gpu]" && pip install --force-reinstall --no-deps onnxruntime-gpu'
            )


def planes(pixels: Pixels, mean: Sequence[float] = (0, 0, 0)) -> NDArray[np.float32]:
    """What a network takes: (1, 3, height, width), RGB, each channel less its mean in [0, 255]."""
    return np.asarray(cv2.dnn.blobFromImage(pixels, mean=tuple(mean)), np.float32)


@cache
def _share_memory() -> None:
    """One arena for all networks, which grows by what is asked for and no more.

    The networks see pictures of bounded size, so it stops growing: on drawn pictures of all sizes the process peaked at
    304 MB after 50 and at 317 MB after 400. Growing by doubling, it peaked at 292 MB there, but at 260 instead of 246
    MB on pictures of 1024 × 1024 alone. On 66 sizes three networks took 150 ms of processor time a picture; without an
    arena, and with glibc told to return every large buffer at once, 224 ms (our measurement, 2026-11-21).
    """
    import onnxruntime as ort

    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    no_limit, as_asked, default = 0, 1, -1
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(no_limit, as_asked, default, default))


@cache
def _give_memory_back() -> None:
    """Let glibc return pictures and what loading a network took, instead of learning to keep them.

    With this, the detectors peaked at 245 to 255 MB on a picture of 1024 × 1024 with six lines of text, and at 278 MB
    without, for 3 % more processor time (our measurement, 2026-11-21). Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MALLOPT_MMAP, _MMAP_BYTES)
    mallopt(_MALLOPT_TRIM, _TRIM_BYTES)
