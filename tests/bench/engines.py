"""Flagging by the pool and by Ray, on pictures that the project draws: how fast, and what a killed node costs.

``python -m tests.bench.engines PICTURES`` flags so many on a cluster of two nodes on this machine, kills one of them
on the way, and prints what came of it as JSON.
"""

import asyncio
import io
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.outputs import Looked, look_at_output
from pipeline.detectors.suite import SuiteOptions, scan_bytes
from pipeline.detectors.weights import default_cache_dir
from pipeline.drawn_products import draw_product
from pipeline.engines import Engine, open_engine
from pipeline.pool import WorkPool
from pipeline.settings import Settings

_WORKERS = 2
_AT_ONCE = 8
"""Pictures that wait or are looked at, as a runner has them: its ``concurrency``."""

_ROUND = 24
_ROUNDS = 5
_NODE_STARTS = 5
_KILL_AT = 0.4
_NAMES = ("mug", "bottle", "vase", "bowl", "lamp")


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and an output of 1024 x 1024, encoded."""

    source: bytes
    output: bytes


def throughput() -> tuple[float, float]:
    """Pictures a second by Ray and by the pool, each with two workers, warm, in turns of 24 pictures; medians.

    Both look at the same pictures, sources and outputs, with faces, text and logos.
    """
    pairs, rates = [draw_pair(number) for number in range(_ROUND)], dict[str, list[float]](ray=[], pool=[])
    with ExitStack() as opened:
        engines = {name: open_engine(Settings(engine=name, workers=_WORKERS), WorkPool(_WORKERS)) for name in rates}
        for engine in engines.values():
            opened.callback(engine.close)
            asyncio.run(_flag(engine, pairs[: 2 * _WORKERS]))
        for turn in range(2 * _ROUNDS):
            name = ("pool", "ray", "ray", "pool")[turn % 4]  # neither always goes first
            began = time.perf_counter()
            asyncio.run(_flag(engines[name], pairs))
            rates[name].append(_ROUND / (time.perf_counter() - began))
    return statistics.median(rates["ray"]), statistics.median(rates["pool"])


def killed_node(pictures: int) -> dict[str, Any]:
    """Flag so many on two nodes with a core each, and kill one of them when 40 % are done.

    Gives how many came back, how often each was given to the caller, and pictures a second before and after.
    """
    given: Counter[int] = Counter()
    moments: list[float] = []
    with _two_nodes() as (address, kill_one):
        engine = open_engine(Settings(engine=address, workers=_WORKERS), WorkPool(_WORKERS))
        killed_at = 0.0

        def done(number: int) -> None:
            nonlocal killed_at
            given[number] += 1
            moments.append(time.perf_counter())
            if len(moments) == int(_KILL_AT * pictures):
                kill_one()
                killed_at = time.perf_counter()

        began = time.perf_counter()
        flags = asyncio.run(_flag_numbered(engine, pictures, done))
        engine.close()
    before = [moment for moment in moments if moment <= killed_at]
    after = [moment for moment in moments if moment > killed_at]
    return {
        "pictures": pictures,
        "flagged": len(given),
        "given_twice": sum(1 for count in given.values() if count > 1),
        "flags": flags,
        "per_s_on_two_nodes": (len(before) - 1) / (before[-1] - before[0]),
        "longest_pause_s": max(later - earlier for earlier, later in pairwise(moments)),
        "per_s_on_one_node": len(after) / (after[-1] - killed_at),
        "seconds": moments[-1] - began,
    }


def draw_pair(number: int) -> Pair:
    """A drawn product, and an output of it with a line of text that no other has."""
    name = _NAMES[number % len(_NAMES)]
    image = Image.open(io.BytesIO(_product(name))).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.text((60, 40 + 20 * (number % 7)), f"Offer number {number}", fill=(20, 30, 60), font=_font())
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Pair(_product(name), buffer.getvalue())


def suite() -> SuiteOptions:
    """Faces, text and logos, as a new desk has them."""
    return SuiteOptions(cache_dir=str(default_cache_dir()))


async def _flag(engine: Engine, pairs: Sequence[Pair]) -> list[Looked]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def look(pair: Pair) -> Looked:
        async with room:
            return await engine.run(look_at_output, pair.source, pair.output, suite())

    return list(await asyncio.gather(*map(look, pairs)))


async def _flag_numbered(engine: Engine, pictures: int, done: Callable[[int], None]) -> int:
    """How many flags there are; each source is looked at once, as in a run."""
    room, flags = asyncio.Semaphore(_AT_ONCE), 0
    sources = [draw_pair(number).source for number in range(len(_NAMES))]
    known = {source: (await engine.run(scan_bytes, source, suite())).by_detector for source in sources}

    async def look_at(number: int) -> None:
        nonlocal flags
        async with room:
            pair = await asyncio.to_thread(draw_pair, number)
            look = partial(look_at_output, on_source=known[pair.source])
            looked = await engine.run(look, pair.source, pair.output, suite())
            flags += len(looked.flags)
            done(number)

    await asyncio.gather(*map(look_at, range(pictures)))
    return flags


@contextmanager
def _two_nodes() -> Iterator[tuple[str, Callable[[], None]]]:
    """A cluster of two nodes on this machine: its address, and what kills the one without the head."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = _started(lambda: Cluster(initialize_head=True, head_node_args=_NODE))
    node = _started(lambda: cluster.add_node(**_NODE))
    try:
        yield cluster.address, lambda: cluster.remove_node(node, allow_graceful=False)
    finally:
        with suppress(Exception):
            cluster.shutdown()


_NODE: dict[str, Any] = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 200_000_000}


def _started(start: Callable[[], Any]) -> Any:
    """A node of Ray's; on a busy machine its start times out, and is tried again."""
    for _ in range(_NODE_STARTS - 1):
        try:
            return start()
        except Exception as exc:
            sys.stderr.write(f"a Ray node did not start ({type(exc).__name__}); trying again\n")
            time.sleep(10)
    return start()


@cache
def _product(name: str) -> bytes:
    return draw_product(name)


@cache
def _font() -> Any:
    return ImageFont.load_default(size=48)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(killed_node(int(sys.argv[1])), indent=1) + "\n")
