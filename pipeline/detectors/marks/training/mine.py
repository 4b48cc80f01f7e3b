"""Collects what a trained network takes for marks where there is none: crops of grounds and things, without boxes.

Written as composites are, so that training goes on with both: ``train --start marks.pt --composites FOLDER MINED``.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from pipeline.detectors.marks.training.art import Cupboard, draw_plain_text, draw_plain_thing, open_cupboard
from pipeline.detectors.marks.training.composites import MOST_MARKS, SIDE_PX, Pixels, draw_unmarked
from pipeline.detectors.marks.training.network import MarkNetwork, load_network

_BATCH = 16


def draw_candidates(cupboard: Cupboard, seed: int) -> Iterator[Pixels]:
    """Endless pictures without marks: grounds with many things and texts on them."""
    while True:
        dice = random.Random(seed)
        things = [dice.choice((draw_plain_text, draw_plain_thing)) for _ in range(dice.choice((0, 1, 2, 4)))]
        yield draw_unmarked(cupboard, [draw(cupboard, dice) for draw in things], seed)
        seed += 1


def mine(network: MarkNetwork, cupboard: Cupboard, *, count: int, looked_at: int, seed: int) -> list[Pixels]:
    """The pictures that the network is most mistaken about, the worst first.

    Args:
        network: Trained.
        cupboard: What pictures are drawn from.
        count: How many to give.
        looked_at: How many to draw.
        seed: Of the first.
    """
    candidates, found = draw_candidates(cupboard, seed), list[tuple[float, int, Pixels]]()
    network.eval()
    for start in range(0, looked_at, _BATCH):
        pictures = [next(candidates) for _ in range(_BATCH)]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            batch = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2)).float()
            heat = network(batch)[0].float().sigmoid().amax(dim=(1, 2, 3))
        found += [
            (-float(hot), start + place, picture)
            for place, (hot, picture) in enumerate(zip(heat, pictures, strict=True))
        ]
        found = sorted(found, key=lambda each: each[:2])[:count]
    return [picture for _, _, picture in found]


def main() -> None:
    """Mines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--looked-at", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=900_000_000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = load_network([given.weights])
    cupboard = open_cupboard(given.pack)
    mined = mine(network, cupboard, count=given.count, looked_at=given.looked_at, seed=given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    np.save(given.out / "pictures.npy", np.stack(mined).reshape(-1, SIDE_PX, SIDE_PX, 3))
    np.save(given.out / "boxes.npy", np.full((len(mined), MOST_MARKS, 4), np.nan, np.float32))


if __name__ == "__main__":
    main()
