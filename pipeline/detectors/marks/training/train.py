"""Trains the mark network on composites, stored ones or drawn as they are needed, for a given time.

    ... train --composites FOLDER [FOLDER ...] --minutes 40 --out marks.pt          (one core of a processor)
    ... train --pack PACK --workers 16 --device cuda --batch 128 --minutes 25 --out marks.pt

The loss is CenterNet's (arXiv 1904.07850): a focal loss on the heat map, and the distance of the sizes' logarithms.
"""

import argparse
import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pipeline.detectors.marks.training.art import open_cupboard
from pipeline.detectors.marks.training.composites import SIDE_PX, draw_composite
from pipeline.detectors.marks.training.network import STRIDE, MarkNetwork, load_network

_WARM_UP = 0.03
_LEAST_BOX_PX = 11.0
_NOBODY_SAYS = 0.9
"""Heat around marks too small to be seen: being hot there costs next to nothing, and nothing asks for it."""
_SIZE_WEIGHT = 0.2
_AVERAGING = 0.998
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
Sample = tuple[NDArray[np.uint8], NDArray[np.float32]]


class Composites(IterableDataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Endless samples: picture, heat to reach, sizes to reach, and where sizes count.

    Args:
        folders: Stored composites, or none.
        pack: What to draw from when none are stored.
        seed: Of the first composite and of the order.
        side: Of the samples, in pixels; at half the side, four times as many are seen in the same time.
    """

    def __init__(self, folders: list[Path], pack: Path | None, seed: int, side: int) -> None:
        self._folders, self._pack, self._seed, self._side = folders, pack, seed, side

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        cv2.setNumThreads(1)
        noise = np.random.default_rng(self._seed * 1000 + number)
        source = self._stored(noise) if self._folders else self._drawn(number, workers)
        while True:
            four = [next(source) for _ in range(4)]
            bare = [picture for picture, boxes in four if not len(boxes)]
            four = [(_veiled(picture, bare, noise), boxes) for picture, boxes in four]
            samples = [_mosaic(four)] if noise.random() < 0.1 else four
            for picture, boxes in samples:
                yield _sample(*_shifted(*_fitted(picture, boxes, self._side, noise), noise))

    def _stored(self, noise: np.random.Generator) -> Iterator[Sample]:
        stores = [
            (np.load(folder / "pictures.npy", mmap_mode="r"), np.load(folder / "boxes.npy")) for folder in self._folders
        ]
        places = [(store, index) for store, (_, boxes) in enumerate(stores) for index in range(len(boxes))]
        while True:
            for place in noise.permutation(len(places)):
                store, index = places[place]
                pictures, boxes = stores[store]
                yield np.asarray(pictures[index]), boxes[index][~np.isnan(boxes[index][:, 0])]

    def _drawn(self, number: int, workers: int) -> Iterator[Sample]:
        if self._pack is None:
            raise ValueError("expected composites, or a pack to draw them from; received neither")
        cupboard, seed = open_cupboard(self._pack), self._seed * 1_000_000_007 + number
        while True:
            picture, boxes = draw_composite(cupboard, seed)
            yield picture, boxes[~np.isnan(boxes[:, 0])]
            seed += workers


def _mosaic(four: list[Sample]) -> Sample:
    """Four pictures at half their size: small marks in a busy picture."""
    half = SIDE_PX // 2
    whole, all_boxes = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8), []
    for place, (picture, boxes) in enumerate(four):
        top, left = place // 2 * half, place % 2 * half
        whole[top : top + half, left : left + half] = cv2.resize(picture, (half, half), interpolation=cv2.INTER_AREA)
        all_boxes.append(boxes / 2 + np.array([left, top, left, top], np.float32))
    return whole, np.concatenate(all_boxes)


def _veiled(picture: NDArray[np.uint8], bare: list[NDArray[np.uint8]], noise: np.random.Generator) -> NDArray[np.uint8]:
    """By chance with another picture, one without marks, shining through: more grounds than the pack has."""
    if not bare or noise.random() > 0.3:
        return picture
    other = bare[noise.integers(len(bare))]
    flipped = other[:: noise.choice((-1, 1)), :: noise.choice((-1, 1))]
    share = noise.uniform(0.05, 0.35)
    return np.asarray(cv2.addWeighted(picture, 1 - share, np.ascontiguousarray(flipped), share, 0), np.uint8)


def _fitted(picture: NDArray[np.uint8], boxes: NDArray[np.float32], side: int, noise: np.random.Generator) -> Sample:
    """The whole picture at that side, or a part that cuts through no mark."""
    if side == SIDE_PX:
        return picture, boxes
    for _ in range(4 if noise.random() < 0.5 else 0):
        left, top = noise.integers(0, SIDE_PX - side + 1, 2)
        moved = boxes - np.array([left, top, left, top], np.float32)
        inside = (moved.min(axis=1) >= 0) & (moved.max(axis=1) <= side)
        outside = (moved[:, 2:].min(axis=1) <= 0) | (moved[:, :2].max(axis=1) >= side)
        if (inside | outside).all():
            return picture[top : top + side, left : left + side], moved[inside]
    smaller = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8), boxes * (side / SIDE_PX)


def _shifted(picture: NDArray[np.uint8], boxes: NDArray[np.float32], noise: np.random.Generator) -> Sample:
    """Mirrored, with other light and colours, and by chance worse for a bad lens or a small sensor."""
    if noise.random() < 0.5:
        picture, boxes = picture[:, ::-1], boxes.copy()
        boxes[:, [0, 2]] = picture.shape[1] - boxes[:, [2, 0]]
    if noise.random() < 0.3:
        picture = picture[..., noise.permutation(3)]
    gain = noise.normal(1, 0.12, 3) * noise.uniform(0.7, 1.25)
    table = (np.arange(256)[:, None] * gain + noise.normal(0, 14)).clip(0, 255).astype(np.uint8)
    if noise.random() < 0.08:
        table = 255 - table
    picture = np.dstack([table[:, channel][picture[..., channel]] for channel in range(3)])
    kind = noise.random()
    if kind < 0.12:
        picture = cv2.GaussianBlur(picture, (0, 0), noise.uniform(0.4, 1.4))
    elif kind < 0.27:
        picture = (picture + noise.normal(0, noise.uniform(2, 14), picture.shape)).clip(0, 255).astype(np.uint8)
    elif kind < 0.37:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return picture, boxes


def _sample(picture: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Batch:
    cells = len(picture) // STRIDE
    heat, size = np.zeros((1, cells, cells), np.float32), np.zeros((2, cells, cells), np.float32)
    places = (np.arange(cells, dtype=np.float32) + 0.5) * STRIDE
    for left, top, right, bottom in boxes:
        wide, high = right - left, bottom - top
        x, y = (left + right) / 2, (top + bottom) / 2
        across = np.exp(-(((places - x) / max(0.9 * STRIDE, wide / 5)) ** 2))
        down = np.exp(-(((places - y) / max(0.9 * STRIDE, high / 5)) ** 2))
        blob = down[:, None] * across[None, :]
        if max(wide, high) < _LEAST_BOX_PX:
            heat[0] = np.maximum(heat[0], _NOBODY_SAYS * blob)
            continue
        blob[min(cells - 1, int(y // STRIDE)), min(cells - 1, int(x // STRIDE))] = 1
        near = blob > np.maximum(heat[0], 0.3)
        size[0][near], size[1][near] = math.log(wide / STRIDE), math.log(high / STRIDE)
        heat[0] = np.maximum(heat[0], blob)
    counts = (heat > 0.3).astype(np.float32) * heat
    chw = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    return chw, torch.from_numpy(heat), torch.from_numpy(size), torch.from_numpy(counts)


def loss_of(heat: Tensor, size: Tensor, batch: Batch) -> Tensor:
    """The loss of the network's answer to a batch."""
    _, heat_goal, size_goal, counts = batch
    heat = heat.float()
    likely = heat.sigmoid().clamp(1e-4, 1 - 1e-4)
    middle = (heat_goal == 1).float()
    hit = -((1 - likely) ** 2) * likely.log() * middle
    miss = -((1 - heat_goal) ** 4) * likely**2 * (1 - likely).log() * (1 - middle)
    marks = middle.sum().clamp(min=1)
    distance = (size.float() - size_goal).abs() * counts
    whole: Tensor = (hit.sum() + miss.sum()) / marks + _SIZE_WEIGHT * distance.sum() / counts.sum().clamp(min=1)
    return whole


def train(network: MarkNetwork, batches: DataLoader[Any], *, minutes: float, device: str, rate: float) -> MarkNetwork:
    """Trains for that time and gives the running average of the weights; prints the loss as it goes."""
    network = network.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    decayed = [each for each in network.parameters() if each.ndim > 1]
    plain = [each for each in network.parameters() if each.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    started, seen, sliding = time.monotonic(), 0, 0.0
    network.train()
    for step, batch in enumerate(batches):
        done = (time.monotonic() - started) / (minutes * 60)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, done / _WARM_UP + 0.01) * (0.5 + 0.5 * math.cos(math.pi * done))
        there = [part.to(device, non_blocking=True) for part in batch]
        pictures = there[0].float().contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            heat, size = network(pictures)
        loss = loss_of(heat, size, (there[0], there[1], there[2], there[3]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        _average(average, network, min(_AVERAGING, step / (step + 20)))
        seen += len(pictures)
        sliding = loss.item() if step == 0 else 0.98 * sliding + 0.02 * loss.item()
        if step % 100 == 0:
            print(f"{done:.0%} after {seen} pictures: loss {sliding:.3f}", flush=True)
    return average


def _average(average: nn.Module, network: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - keep)
            else:
                kept.copy_(new)


def main() -> None:
    """Trains, from given weights or from nothing, and writes the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--composites", type=Path, nargs="*", default=[])
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--side", type=int, default=SIDE_PX, help="of the samples, a multiple of 32, at most 256")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, nargs="*", help="weights to go on from; the mean of several")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    if given.device == "cpu":
        torch.set_num_threads(1)
    network = load_network(given.start) if given.start else MarkNetwork()
    samples = Composites(given.composites, given.pack, given.seed, given.side)
    batches = DataLoader(samples, given.batch, num_workers=given.workers, pin_memory=given.device != "cpu")
    trained = train(network, batches, minutes=given.minutes, device=given.device, rate=given.rate)
    torch.save(trained.cpu().state_dict(), given.out)


if __name__ == "__main__":
    main()
