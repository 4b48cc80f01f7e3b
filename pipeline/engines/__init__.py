"""What carries the work that grows with pictures: looking at them. One port, two engines.

``pool`` is processes of this machine (`pipeline.pool`); ``ray`` is actors on a Ray cluster
(`pipeline.engines.ray_actors`), an extra that is imported where it is chosen only. Everything that they carry is a pure
function of its arguments, so what a dead worker had begun is begun again elsewhere. What writes pictures or makes edits
stays in the pool beside the desk.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:  # every worker process imports this package
    from pipeline.pool import WorkPool
    from pipeline.settings import Settings

T = TypeVar("T")
P = TypeVar("P", bound="Portable")


@runtime_checkable
class Portable(Protocol):
    """An argument that names files of this machine, and can be used on another one; hashable, equal while they are."""

    def packed(self) -> dict[str, bytes]:
        """The files that it names, by their paths in a folder of their own."""

    def unpacked(self: P, folder: str) -> P:
        """The same, for those files in this folder."""


class Engine(Protocol):
    """Carries pure functions out in other processes, on this machine or on others.

    Attributes:
        workers: How many there may be.
    """

    workers: int

    async def run(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - passed through
        """The function's result; its exceptions come back as they are.

        One who stops waiting takes the call back if nobody has begun it.

        Args:
            function: Importable by name, or a `functools.partial` of one.
            args: Its arguments; they travel pickled. One that is `Portable` brings its files along.

        Raises:
            WorkerCrashed: Workers died over this call three times.
            UsageError: The engine cannot be started or reached as it is set.
        """

    def close(self) -> None:
        """Stop the workers; what they were doing is lost, and may be repeated."""


def open_engine(settings: "Settings", pool: "WorkPool") -> Engine:
    """The engine of these settings; nothing is started before its first call.

    Args:
        settings: The desk's.
        pool: The desk's own processes, which are the engine by default.

    Raises:
        UsageError: Ray is wanted and not installed, or would carry what costs money for each look.
    """
    if settings.engine == "pool":
        return pool
    from pipeline.engines.ray_actors import open_actors

    return open_actors(settings)
