"""How every detector runs its network: one thread, a small footprint."""

from pathlib import Path
from typing import Any


def open_session(path: Path) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """An onnxruntime session for the processor; pictures are spread over processes, not threads."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena keeps the largest picture's memory for ever.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
