"""How every detector runs its network: one thread, a small footprint."""

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pipeline.detectors.options import DetectorOptions
from pipeline.errors import UsageError

Runtime = Literal["cpu", "openvino", "cuda"]
"""What runs a network: onnxruntime on the processor or on a GPU, or OpenVINO on the processor."""

_MALLOPT_TRIM, _MALLOPT_MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_TRIM_BYTES = 8 << 20
_MMAP_BYTES = 4 << 20
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
    """An onnxruntime session, or what stands in for one; pictures are spread over processes, not threads.

    Raises:
        UsageError: The runtime is not installed, or finds no GPU.
    """
    _check_runtime(runtime)
    _give_memory_back()
    if runtime == "openvino":
        from pipeline.detectors.openvino_session import OpenVinoSession

        return OpenVinoSession(path)
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena keeps the largest picture's memory for ever, and a pattern is kept for every size of picture.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
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


@cache
def _give_memory_back() -> None:
    """Let glibc return a network's large buffers at once, instead of learning to keep them.

    85 pictures of all sizes peaked at 258 MB with these limits and at 367 MB without, for 23 % more processor time (our
    measurement, 2026-11-21). Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MALLOPT_MMAP, _MMAP_BYTES)
    mallopt(_MALLOPT_TRIM, _TRIM_BYTES)
