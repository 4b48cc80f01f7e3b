"""How every detector runs its network: one thread, and one memory for all networks of the process."""

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.picture import Pixels

_MALLOPT_TRIM, _MALLOPT_MMAP = -1, -3  # of glibc's malloc.h
_TRIM_BYTES = 1 << 20
_MMAP_BYTES = 256 << 10


def open_session(path: Path) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """An onnxruntime session for the processor; pictures are spread over processes, and detectors over threads."""
    import onnxruntime as ort

    _give_memory_back()
    _share_memory()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # a pattern is kept for every size of picture
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


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
