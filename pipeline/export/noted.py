"""Pictures that are to be written, noted in a file on their way, so that a million of them do not fill the memory."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

PAGE: Final = 500
"""Pictures that are written together."""

_FILE: Final = ".noted"
_END: Final = 0


T = TypeVar("T")


def paged(items: Iterable[T], size: int) -> Iterator[Iterator[T]]:
    """So many at a time, as they come; each page is to be used up before the next one is taken."""
    rest = iter(items)
    for first in rest:
        yield chain((first,), islice(rest, size - 1))


class Noted(NamedTuple):
    """A picture that is to be written.

    Attributes:
        file: Where, in the folder.
        batch: Its batch's name.
        destinations: Where it goes besides: by the names of packs, the files there.
        asset: What its asset is called; the rest is as in `ApprovedRow`.
    """

    file: str
    batch: str
    destinations: Mapping[str, str]
    asset: str
    variant: str
    sku: str
    extra: str
    original_sha256: str | None
    edit_id: int
    round: int
    made: str
    sha256: str
    media_type: str
    width: int
    height: int
    byte_count: int
    decided_by: str | None
    decided_at: str


class NotedPictures:
    """A queue from the thread that finds pictures to the one that writes them.

    Whoever finds them has a transaction open, and never waits here.

    Args:
        folder: Of the export.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._file = self._path.open("xb", buffering=0)
        self._lengths = SimpleQueue[int]()

    def put(self, pictures: Sequence[Noted]) -> None:
        """Note these.

        Raises:
            ValueError: Nobody takes them any more.
        """
        for begin in range(0, len(pictures), PAGE):
            data = json.dumps(pictures[begin : begin + PAGE]).encode()
            self._file.write(data)
            self._lengths.put(len(data))

    def end(self) -> None:
        """There are no more."""
        self._lengths.put(_END)

    def pages(self) -> Iterator[list[Noted]]:
        """All of them, in order and `PAGE` at most at once, as they come and until the end."""
        with self._path.open("rb") as file:
            while length := self._lengths.get():
                yield list(map(Noted._make, json.loads(file.read(length))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink()
