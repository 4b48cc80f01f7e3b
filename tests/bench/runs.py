"""One run of the runner, or of a bare httpx loop: ``python -m tests.bench.runs KIND URL EDITS IN_FLIGHT``.

Both send the same edits of the same pictures to the same service and keep what comes back. Prints JSON: seconds,
edits done, and the peak of the process's memory in MB.
"""

import asyncio
import base64
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from pipeline.desk import Desk
from pipeline.intake import take_in
from pipeline.runner import Runner
from tests.bench.peak import peak_mb

_PICTURES = 50
_FIELDS = {
    "model": "gpt-image-2.5-flare",
    "quality": "medium",
    "size": "auto",
    "n": "1",
    "output_format": "png",
}


def main() -> None:
    """Run and print."""
    kind, url, edits, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    os.environ["OPENAI_API_KEY"] = "sk-bench"
    with tempfile.TemporaryDirectory() as folder:
        pictures = draw_pictures(Path(folder))
        run = run_bare if kind == "bare" else run_desk
        seconds, done = run(Path(folder), pictures, url, edits, in_flight)
    sys.stdout.write(json.dumps({"seconds": seconds, "done": done, "peak_mb": peak_mb()}))


def draw_pictures(folder: Path) -> list[Path]:
    """Fifty pictures of 256 x 256, each another one."""
    paths = []
    for number in range(_PICTURES):
        noise = np.random.default_rng(number).normal(128, 40, (16, 16, 3)).clip(0, 255).astype(np.uint8)
        path = folder / f"{number}.jpg"
        Image.fromarray(noise).resize((256, 256), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


def run_bare(folder: Path, pictures: list[Path], url: str, edits: int, in_flight: int) -> tuple[float, int]:
    """What somebody would write who needs no ledger."""
    out = folder / "out"
    out.mkdir()

    async def all_of_them() -> None:
        free = asyncio.Semaphore(in_flight)
        limits = httpx.Limits(max_connections=in_flight)
        headers = {"authorization": "Bearer sk-bench"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600, limits=limits) as client:

            async def one(number: int) -> None:
                async with free:
                    data = pictures[number % len(pictures)].read_bytes()
                    fields = {**_FIELDS, "prompt": f"make it vintage {number}"}
                    files = {"image": ("source.jpg", data, "image/jpeg")}
                    answer = (await client.post("/images/edits", data=fields, files=files)).raise_for_status()
                    (out / f"{number}.png").write_bytes(base64.b64decode(answer.json()["data"][0]["b64_json"]))

            await asyncio.gather(*(one(number) for number in range(edits)))

    started = time.perf_counter()
    asyncio.run(all_of_them())
    return time.perf_counter() - started, len(list(out.iterdir()))


def run_desk(folder: Path, pictures: list[Path], url: str, edits: int, in_flight: int) -> tuple[float, int]:
    """The same by the runner, from the queue to where the policy puts each edit; no detector looks."""
    lines = "".join(f"asset-{n},{pictures[n % len(pictures)].name},make it vintage {n}\n" for n in range(edits))
    (folder / "shop.csv").write_text(f"asset_id,source,prompt\n{lines}")
    options = {"base_url": url, **json.loads(os.environ.get("BENCH_OPENAI", "{}"))}
    desk = Desk.open(
        folder / "desk",
        create=True,
        provider="openai",
        detectors=(),
        concurrency=in_flight,
        providers={"openai": options},
    )
    take_in(desk, folder / "shop.csv", actor="bench")
    started = time.perf_counter()
    outcome = asyncio.run(Runner(desk).run())
    seconds = time.perf_counter() - started
    desk.close()
    return seconds, outcome.progress.done


if __name__ == "__main__":
    main()
