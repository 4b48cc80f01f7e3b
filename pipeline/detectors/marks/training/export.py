"""Writes the trained network as ONNX, its weights in half precision and its work in single."""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from pipeline.detectors.marks.training.network import MarkNetwork, load_network

_OPSET = 17
_LEAST_ELEMENTS = 64


class _AsServed(nn.Module):
    """Takes pixels, and gives the chance of a mark and its width and height in pixels for each cell."""

    def __init__(self, network: MarkNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 3, height, width) RGB in [0, 255] to (batch, 1, h, w) and (batch, 2, h, w)."""
        heat, size = self.network(pictures)
        return heat.sigmoid(), size.clamp(-2, 5).exp() * 8


def export(network: MarkNetwork, out: Path) -> None:
    """Writes the network."""
    axes = {"pictures": {2: "height", 3: "width"}, "heat": {2: "rows", 3: "columns"}, "size": {2: "rows", 3: "columns"}}
    torch.onnx.export(
        _AsServed(network).eval(),
        (torch.zeros(1, 3, 256, 256),),
        str(out),
        input_names=["pictures"],
        output_names=["heat", "size"],
        dynamic_axes=axes,
        opset_version=_OPSET,
        dynamo=False,
    )
    onnx.save(_halved(onnx.load(str(out))), str(out))


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores the weights in half precision; onnxruntime casts them once, when it loads the file."""
    casts = []
    for weights in model.graph.initializer:
        array = numpy_helper.to_array(weights)
        if array.dtype != np.float32 or array.size < _LEAST_ELEMENTS:
            continue
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="one file, or several to be averaged")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    export(load_network(given.weights), given.out)


if __name__ == "__main__":
    main()
