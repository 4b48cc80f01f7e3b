"""A long list of work streamed over a Ray cluster by Ray Data: read, carried out by actors, and given back as it comes.

Ray Data holds back what reads while what works is behind, so memory stays flat on every node, and repeats what a dead
node had. It would begin again for ever with what kills its actor; so each actor has a process beside it that may die,
and gives a piece of work up as every engine does.
"""

import asyncio
import logging
import pickle
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.engines import Portable
from pipeline.engines.hands import Outcome
from pipeline.engines.ray_actors import Parcel, most_actors
from pipeline.pool import WorkPool

if TYPE_CHECKING:
    from pipeline.settings import Settings

_ROWS_AT_ONCE = 4
_READERS = 2

Span = tuple[int, int]


def stream(
    spans: Sequence[Span],
    read: Callable[[Span], Iterable[tuple[int, Any]]],
    carry_out: Callable[..., Any],
    parcel: Parcel,
    settings: "Settings",
) -> Generator[tuple[int, Outcome | None], None, None]:
    """What comes of the work in these spans, in no order.

    Args:
        spans: Parts of the list.
        read: The work in a span, by its number; None where there is none to do. Runs on this machine's node.
        carry_out: Takes a piece of work and what is in the parcel; runs on any node.
        parcel: What all work needs.
        settings: The desk's; `pipeline.engines.ray_actors` is connected.
    """
    import ray

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    options = settings.engine_options
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    rows = [{"first": first, "last": last} for first, last in spans]
    data: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
    # No core is kept for those who read: the actors may have them all.
    data = data.flat_map(Rows(read), num_cpus=0, concurrency=_READERS, label_selector=here)
    data = data.map_batches(
        Carrier,
        fn_constructor_args=(carry_out, parcel),
        batch_size=_ROWS_AT_ONCE,
        concurrency=settings.workers or most_actors(settings),
        num_cpus=options.cpus_per_worker,
        num_gpus=options.gpus_per_worker or None,
    )
    for row in data.iter_rows():
        yield int(row["number"]), pickle.loads(row["outcome"])  # noqa: S301 - from our own actors


class Rows:
    """What is read of a span, as Ray Data carries it."""

    def __init__(self, read: Callable[[Span], Iterable[tuple[int, Any]]]) -> None:
        self._read = read
        self.__name__ = "read"

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of one span."""
        found = self._read((int(row["first"]), int(row["last"])))
        return [{"number": number, "work": pickle.dumps(work)} for number, work in found]


class Carrier:
    """An actor of Ray Data with a process beside it."""

    def __init__(self, carry_out: Callable[..., Any], parcel: Parcel) -> None:
        self._carry_out = carry_out
        self._needed: Portable = parcel.open()
        self._pool = WorkPool(1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What comes of some rows."""
        outcomes = [asyncio.run(self._outcome(pickle.loads(work))) for work in batch["work"]]  # noqa: S301 - from Rows
        return {"number": batch["number"], "outcome": [pickle.dumps(outcome) for outcome in outcomes]}

    async def _outcome(self, work: object) -> Outcome | None:
        if work is None:
            return None
        try:
            return True, await self._pool.run(self._carry_out, work, self._needed)
        except Exception as exc:  # one piece of work: the others go on
            return False, exc
