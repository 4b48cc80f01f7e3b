"""Two workers of one desk at a provider's limit, as the service sees their requests arrive.

``python -m tests.bench.pacing DESK`` is one of them; it prints what it sent, and how late.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx

from tests import postgres
from tests.fake_command import fake_command

CALLS_PER_S = 40
_SECONDS = 60
_WARMING_S = 10
"""Worker processes that still import what they need keep the service from noting arrivals in time."""
_EDITS = CALLS_PER_S * (_SECONDS + 2 * _WARMING_S)
_SIZES = ("1024x1024", "1024x1536")
_TOKENS = (510, 414)
"""Of a request, by size: 439 and 343 for the output, 64 for the source, 7 for the prompt."""


@dataclass(frozen=True, slots=True)
class LimitedRun:
    """What arrived in a minute of two workers at work, against the limit.

    Attributes:
        mean: Of the limit.
        most: In any one second, of the limit.
        most_sent: The same by the workers' own clocks, when each request was handed to the network.
        forfeited: Moments of that the workers let pass, because they were late.
        refused: Requests that the service turned away.
    """

    mean: float
    most: float
    most_sent: float
    forfeited: int
    refused: int


@cache
def limited_run(kind: str, unit: str) -> LimitedRun:
    """Measure once.

    Args:
        kind: Of database, ``sqlite`` or ``postgresql``.
        unit: What is limited, ``requests`` or ``tokens``.
    """
    limit_per_s = CALLS_PER_S * (1.0 if unit == "requests" else sum(_TOKENS) / len(_TOKENS))
    with ExitStack() as stack:
        url = stack.enter_context(fake_command("--quick", "--latency", "200-600"))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {**os.environ, "OPENAI_API_KEY": "sk-bench"}
        if kind == "postgresql":
            environment["PICTUREDESK_DATABASE"] = stack.enter_context(postgres.empty_desk())
        _make_desk(
            root, url, {f"{unit}_per_minute": 60 * limit_per_s}, database=environment.get("PICTUREDESK_DATABASE")
        )
        command = [sys.executable, "-m", "tests.bench.pacing", str(root / "desk")]
        workers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        told: list[dict[str, Any]] = [json.loads(worker.communicate()[0]) for worker in workers]
        arrivals = httpx.get(f"{url}/fake/arrivals").json()
        refused = httpx.get(f"{url}/fake/ledger?entries=0").json()["counts"].get("rate_limited", 0)
    began = max(each["sent"][0][0] for each in told) + _WARMING_S
    ended = min(began + _SECONDS, *(each["sent"][-1][0] for each in told))
    sent = sorted(pair for each in told for pair in each["sent"])
    steady, steady_sent = (
        [(at, tokens if unit == "tokens" else 1) for at, tokens in pairs if began <= at < ended]
        for pairs in (arrivals, sent)
    )
    return LimitedRun(
        mean=sum(amount for _, amount in steady) / (ended - began) / limit_per_s,
        most=most_in_a_second(steady) / limit_per_s,
        most_sent=most_in_a_second(steady_sent) / limit_per_s,
        forfeited=sum(each["forfeited"] for each in told),
        refused=refused,
    )


def most_in_a_second(arrivals: list[tuple[float, float]]) -> float:
    """The largest amount in any second; arrivals as (moment, amount)."""
    arrivals = sorted(arrivals)
    moments = [at for at, _ in arrivals]
    sums = [0.0, *accumulate(amount for _, amount in arrivals)]
    return max(sums[bisect_left(moments, at + 1)] - sums[number] for number, at in enumerate(moments))


def _make_desk(root: Path, url: str, limits: dict[str, float], *, database: str | None) -> None:
    from pipeline.desk import Desk
    from pipeline.intake import take_in
    from tests.bench.runs import draw_pictures

    pictures = draw_pictures(root)
    lines = "".join(
        f"asset-{n},{pictures[n % len(pictures)].name},make it vintage {n:04},{_SIZES[n % 7 % 2]}\n"
        for n in range(_EDITS)
    )
    (root / "shop.csv").write_text(f"asset_id,source,prompt,size\n{lines}")
    desk = Desk.open(root / "desk", create=True, provider="openai", detectors=(), database=database)
    (root / "options.json").write_text(json.dumps({"base_url": f"{url}/v1", **limits}))
    take_in(desk, root / "shop.csv", actor="bench")
    desk.close()


def work(root: Path) -> None:
    """Be one of the workers until nothing is left."""
    from pipeline.desk import Desk
    from pipeline.providers.openai.images import OpenAIProvider
    from pipeline.runner import Runner

    sent: list[tuple[float, int]] = []
    submit = OpenAIProvider.submit

    async def noted(self: OpenAIProvider, request: Any) -> Any:
        sent.append((time.monotonic(), self.estimate(request).tokens))
        return await submit(self, request)

    OpenAIProvider.submit = noted  # type: ignore[method-assign]
    options = json.loads((root.parent / "options.json").read_text())
    desk = Desk.open(root, provider="openai", detectors=(), concurrency=64, workers=1, providers={"openai": options})
    runner = Runner(desk)
    asyncio.run(runner.run())
    forfeited = sum(lane.gate.forfeited for lane in runner._lanes.values())
    sys.stdout.write(json.dumps({"sent": sent, "forfeited": forfeited}))
    desk.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
