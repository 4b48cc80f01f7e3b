"""Thirty reviewers on one process, and bulk decisions: the review page's process, against a bare one."""

import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from pipeline.states import Role
from tests.bench.large_desk import build_large_desk, draw_picture
from tests.review_app.calling import ticket

_REVIEWERS = 30
_DECISIONS = 12
"""Of each reviewer."""

_THINK_S = (1.0, 3.0)
_AHEAD = 6
_BULK = 200
_BULKS = 5
_PAIRS = 20


@dataclass(frozen=True)
class ReviewRun:
    """What was measured on one server.

    Attributes:
        p95_ms: Of the route that takes a decision.
        claims_p95_ms: Of the route that gives claims.
        cpu_ms: The server's processor time for each decision, with its share of claims and its two pictures.
        bulk_ms: 200 decisions in one request, the median of five.
        rss_mb: The server's memory at the end.
    """

    p95_ms: float
    claims_p95_ms: float
    cpu_ms: float
    bulk_ms: float
    rss_mb: float


@cache
def review_runs() -> tuple[ReviewRun, ReviewRun]:
    """The review page's process, and the bare one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = [draw_picture(number) for number in range(2 * _PAIRS)]
        for number, data in enumerate(pictures):
            (folder / f"{number:02}.jpg").write_bytes(data)
        desk = build_large_desk(folder / "desk", pictures)
        bearers = [ticket(desk, Role.REVIEWER, name=f"reviewer-{n}@example.com") for n in range(_REVIEWERS)]
        desk.close()
        page = ["-m", "review_app.app", "--desk", str(desk.root), "--no-browser", "--port"]
        with served(page) as (url, process):
            ours = asyncio.run(_measure(url, process, bearers))
        with served(["-m", "tests.bench.raw_review", name]) as (url, process):
            bare = asyncio.run(_measure(url, process, bearers))
    for name, run in (("ours", ours), ("bare", bare)):
        sys.stdout.write(
            f"{_REVIEWERS} reviewers, {name}: {run.rss_mb:.0f} MB, claims p95 {run.claims_p95_ms:.0f} ms\n"
        )
    return ours, bare


@contextmanager
def served(arguments: list[str]) -> Iterator[tuple[str, psutil.Process]]:
    """A server's address and process, while it runs: Python with these arguments and a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *arguments, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()


async def _measure(url: str, process: psutil.Process, bearers: list[str]) -> ReviewRun:
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as client:
        await _wait(client)
        lottery = random.Random(1)
        await asyncio.gather(*(_review(client, bearer, lottery, 1) for bearer in bearers))  # what is made once
        before = process.cpu_times()
        times = await asyncio.gather(*(_review(client, bearer, lottery, _DECISIONS) for bearer in bearers))
        after = process.cpu_times()
        decisions, claims = ([each for one in times for each in one[route]] for route in ("decisions", "claims"))
        bulks = [await _bulk(client, bearers[0], number) for number in range(_BULKS)]
    cpu_s = after.user + after.system - before.user - before.system
    return ReviewRun(
        p95_ms=1000 * statistics.quantiles(decisions, n=20)[-1],
        claims_p95_ms=1000 * statistics.quantiles(claims, n=20)[-1],
        cpu_ms=1000 * cpu_s / len(decisions),
        bulk_ms=1000 * statistics.median(bulks),
        rss_mb=process.memory_info().rss / 2**20,
    )


async def _wait(client: aiohttp.ClientSession) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            async with client.get("/healthz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            await asyncio.sleep(0.2)
    sys.exit("the server did not start")


async def _review(
    client: aiohttp.ClientSession, bearer: str, lottery: random.Random, decisions: int
) -> dict[str, list[float]]:
    """One reviewer: look at both pictures, think, decide; gives the seconds that each route took."""
    queue: list[dict[str, Any]] = []
    took: dict[str, list[float]] = {"decisions": [], "claims": []}

    async def timed(path: str, body: dict[str, Any]) -> Any:
        started = time.perf_counter()
        answer = await _post(client, bearer, path, body)
        took[path].append(time.perf_counter() - started)
        return answer

    await asyncio.sleep(lottery.uniform(0, _THINK_S[1]))  # nobody opens the page in the same instant
    for _ in range(decisions):
        if len(queue) <= _AHEAD // 2:
            queue += (await timed("claims", {"count": _AHEAD - len(queue)}))["claims"]
        claim = queue.pop(0)
        for picture in (claim["edit"]["source"], claim["edit"]["outputs"][0]["picture"]):
            async with client.get(picture["url"]) as answer:
                assert answer.status == 200
                await answer.read()
        await asyncio.sleep(lottery.uniform(*_THINK_S))
        await timed("decisions", _decision(claim))
    if queue and "token" in queue[0]:
        await _post(client, bearer, "claims/release", {"tokens": [claim["token"] for claim in queue]})
    return took


async def _bulk(client: aiohttp.ClientSession, bearer: str, number: int) -> float:
    claims = (await _post(client, bearer, "claims", {"count": _BULK}))["claims"]
    body = {"decisions": [_decision(claim) for claim in claims]}
    assert len(claims) == _BULK, number
    started = time.perf_counter()
    outcomes = (await _post(client, bearer, "decisions/bulk", body))["outcomes"]
    took = time.perf_counter() - started
    assert [outcome.get("state") for outcome in outcomes] == ["approved"] * _BULK
    return took


def _decision(claim: dict[str, Any]) -> dict[str, Any]:
    edit = claim["edit"]
    said = {"edit": edit["id"], "revision": edit["revision"], "output": edit["outputs"][0]["id"], "shown_ms": 900}
    return {"decision": "accept", "key": os.urandom(8).hex(), "claim": claim.get("token"), **said}


async def _post(client: aiohttp.ClientSession, bearer: str, path: str, body: dict[str, Any]) -> Any:
    async with client.post(f"/api/page/{path}", json=body, headers={"Authorization": f"Bearer {bearer}"}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
