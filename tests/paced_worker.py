"""A worker that does nothing but send: ``python -m tests.paced_worker DATABASE SERVICE REQUESTS``.

It waits for a line on its input, sends small pictures as fast as the gate lets it, 40 a second for all workers of the
account, and prints when each of them left, by the clock that all processes of a machine share.
"""

import asyncio
import io
import json
import sys
import time

import aiohttp
from PIL import Image

from pipeline.limits import Gate
from pipeline.store import Database
from pipeline.store.pacing import Pace
from pipeline.values import Estimate, RateLimits

LIMIT_PER_S = 40
_FIELDS = {"model": "gpt-image-2.5-flare", "prompt": "make it vintage", "quality": "medium", "size": "1024x1024"}


async def send_all(database: Database, service: str, requests: int) -> list[float]:
    """When each request left."""
    gate = Gate(RateLimits(requests=60 * LIMIT_PER_S), 64, Pace(database, "test"))
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 90, 30)).save(buffer, "PNG")
    left = []
    async with aiohttp.ClientSession(headers={"authorization": "Bearer sk-test"}) as client:

        async def send_one() -> None:
            turn = await gate.leave(Estimate(), priority=10)
            await turn.due()
            left.append(time.monotonic())
            form = aiohttp.FormData(_FIELDS)
            form.add_field("image", buffer.getvalue(), filename="source.png", content_type="image/png")
            async with client.post(f"{service}/v1/images/edits", data=form) as answer:
                answer.raise_for_status()
            gate.come_back()

        await asyncio.gather(*(send_one() for _ in range(requests)))
    return left


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    db = Database(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(send_all(db, sys.argv[2], int(sys.argv[3])))))
    db.close()
