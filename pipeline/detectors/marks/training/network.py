"""The mark network: a small residual body down to a thirty-second, a top-down path back to an eighth, two heads."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 8
_HEAT_PRIOR = -4.6
"""Bias of the heat map at the start: one place in a hundred is a mark (RetinaNet, arXiv 1708.02002, section 4.1)."""


def _convolution(inside: int, outside: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    )


class _Block(nn.Module):
    """A depthwise 3 × 3 and an inverted bottleneck, added to what came in (ConvNeXt's order, arXiv 2201.03545)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3, groups=width),
            _convolution(width, 2 * width, 1),
            nn.ReLU(inplace=True),
            _convolution(2 * width, width, 1),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, width, rows, columns) in and out."""
        added: Tensor = inputs + self.body(inputs)
        return added


def _stage(inside: int, outside: int, blocks: int) -> nn.Sequential:
    down = nn.Sequential(_convolution(inside, outside, 3, stride=2), nn.ReLU(inplace=True))
    return nn.Sequential(down, *(_Block(outside) for _ in range(blocks)))


class MarkNetwork(nn.Module):
    """Says for each eighth of a picture whether the middle of a mark is there, and how large the mark is."""

    def __init__(self) -> None:
        super().__init__()
        self.quarter = nn.Sequential(
            _convolution(3, 16, 3, stride=2),
            nn.ReLU(inplace=True),
            _convolution(16, 32, 3, stride=2),
            nn.ReLU(inplace=True),
        )
        self.eighth = _stage(32, 64, 2)
        self.sixteenth = _stage(64, 128, 4)
        self.thirty_second = _stage(128, 224, 5)
        self.side = nn.ModuleList([_convolution(64, 72, 1), _convolution(128, 72, 1), _convolution(224, 72, 1)])
        self.joined = nn.ModuleList([_Block(72), _Block(72)])
        self.heat = nn.Conv2d(72, 1, 1)
        self.size = nn.Conv2d(72, 2, 1)
        nn.init.constant_(self.heat.bias, _HEAT_PRIOR)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Heat and size at an eighth of the picture.

        Args:
            pictures: (batch, 3, height, width), RGB in [0, 255]; sides are multiples of 32.

        Returns:
            Heat before the sigmoid, (batch, 1, height / 8, width / 8); logarithms of width and height in pixels
            divided by 8, (batch, 2, height / 8, width / 8).
        """
        eighth = self.eighth(self.quarter(pictures / 64 - 2))
        sixteenth = self.sixteenth(eighth)
        thirty_second = self.thirty_second(sixteenth)
        upper = self.joined[0](self.side[1](sixteenth) + _doubled(self.side[2](thirty_second)))
        whole = functional.relu(self.joined[1](self.side[0](eighth) + _doubled(upper)))
        return self.heat(whole), self.size(whole)


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")


def load_network(weights: Sequence[Path]) -> MarkNetwork:
    """The network with the mean of these weights: stages of one training average to a steadier network.

    See "Averaging Weights Leads to Wider Optima", arXiv 1803.05407.
    """
    stages = [torch.load(path, weights_only=True) for path in weights]
    network = MarkNetwork()
    mean = {name: torch.stack([stage[name].double() for stage in stages]).mean(0) for name in network.state_dict()}
    network.load_state_dict(mean)
    return network
