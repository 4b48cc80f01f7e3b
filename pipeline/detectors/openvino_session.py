"""A network run by OpenVINO, behind as much of an onnxruntime session as the detectors use."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_PROPERTIES = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # processors with bfloat16 would find other boxes
    "CPU_RUNTIME_CACHE_CAPACITY": 0,  # it keeps a program for every size of picture
}


class OpenVinoSession:
    """One network for the processor, one thread; safe to share between threads.

    Args:
        path: An ONNX file.
    """

    def __init__(self, path: Path) -> None:
        from openvino import Core

        core: Any = Core()
        network = core.read_model(path)
        self._compiled = core.compile_model(network, "CPU", _PROPERTIES)
        framework: Any = network.rt_info["framework"] if "framework" in network.rt_info else {}  # noqa: SIM401
        self._metadata = {name: str(network.get_rt_info(["framework", name]).value) for name in framework}

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs with these names, or all in the file's order."""
        found = self._compiled.infer_new_request(dict(feeds))
        return [found[name] for name in (range(len(found)) if names is None else names)]

    def get_inputs(self) -> list[SimpleNamespace]:
        """The inputs, each with its name."""
        return [SimpleNamespace(name=each.get_any_name()) for each in self._compiled.inputs]

    def get_modelmeta(self) -> SimpleNamespace:
        """What the file says of itself."""
        return SimpleNamespace(custom_metadata_map=self._metadata)
