"""Pictures as a whole: what a run does before it begins, what nobody names any more, and all of them to another place.

A writer keeps a picture first and names it in a row afterwards, and what is there already is not written again. So a
picture that no row names may be about to be named: it is left alone while it is young, and then set aside, where
whoever misses it finds it (`pipeline.blobs`). A later `collect` removes it for good, if it was there for as long.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from pipeline.answers import FOLDER as ANSWERS
from pipeline.blobs import SET_ASIDE, SUFFIXES, BlobStore, media_type_of
from pipeline.desk import Desk
from pipeline.errors import BlobsFailed, NotFound, UsageError
from pipeline.people import Person
from pipeline.shelves import Shelf, Stored
from pipeline.states import Role
from pipeline.store import chain, naming

DESKS = "desks"
"""Where a place that several desks may share knows them."""

_PICTURE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/([0-9a-f]{64})\.(png|jpg|webp|bin)")
_AT_ONCE = 16
"""Requests to a bucket; twice as many are read ahead."""

_MOST_NAMED = 20
_NO_WRITER_TAKES = timedelta(hours=1)

T = TypeVar("T")
R = TypeVar("R")


def before_run(desk: Desk) -> None:
    """Bring what waits to its bucket, remove what killed writers left, and be known to whoever shares the place.

    Raises:
        BlobsFailed: The place cannot be reached.
    """
    desk.blobs.deliver()
    desk.blobs.sweep()
    number = naming.desk_id(desk.db)
    if desk.answers is None or number is None:
        return
    name, told = f"{DESKS}/{number}.json", {"desk": str(desk.root)}
    if desk.blobs.shelf.stat(name) is None:
        desk.blobs.shelf.replace(name, json.dumps(told).encode(), media_type="application/json")


@dataclass(slots=True)
class Tally:
    """Pictures and their bytes."""

    pictures: int = 0
    bytes: int = 0

    def add(self, stored: Stored) -> None:
        """One more."""
        self.pictures += 1
        self.bytes += stored.byte_count


@dataclass(slots=True)
class Collected:
    """What came of `collect`.

    Attributes:
        kept: Somebody names them.
        young: Nobody does, and they are too young to tell.
        set_aside: Nobody does: they are set aside now.
        restored: Set aside before, and named by now.
        removed: Set aside before for long enough: gone.
        waiting: Set aside before, not yet for so long.
        half_written: Files that killed writers left, removed.
    """

    kept: Tally = field(default_factory=Tally)
    young: Tally = field(default_factory=Tally)
    set_aside: Tally = field(default_factory=Tally)
    restored: Tally = field(default_factory=Tally)
    removed: Tally = field(default_factory=Tally)
    waiting: Tally = field(default_factory=Tally)
    half_written: int = 0


def collect(
    desk: Desk,
    *,
    by: Person,
    older_than: timedelta,
    others: Sequence[Desk] = (),
    even_answered: bool = False,
    dry_run: bool = False,
) -> Collected:
    """Set aside what no row names any more, and remove what was set aside before and is still not named.

    Args:
        desk: The desk.
        by: Who does it.
        older_than: Younger ones are left alone; and so long pictures stay set aside.
        others: The other desks that keep pictures at the same place.
        even_answered: Also pictures that only a shared answer names: the edit is made, and paid, anew then.
        dry_run: Only say what would be done.

    Raises:
        Forbidden: The person may not.
        UsageError: Another desk keeps its pictures there, too, or ``older_than`` is less than an hour.
    """
    by.need(Role.ADMIN, "remove pictures")
    if older_than < _NO_WRITER_TAKES:
        raise UsageError("--older-than: expected an hour at least, since a run may be about to name a picture")
    check_all_are_known(desk, others)
    shelf, found, before = desk.blobs.shelf, Collected(), datetime.now(UTC) - older_than
    with naming.Names() as names, ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in (desk, *others):
            names.add(naming.named_pictures(each.db))
        if not even_answered:
            names.add(_answered(shelf, pool))
        work = list[Callable[[], None]]()
        for sha256, stored in _pictures(shelf, SET_ASIDE):
            work.append(_of_set_aside(shelf, stored, found, before, is_named=sha256 in names))
            work = _done(pool, work, dry_run=dry_run)
        for sha256, stored in _pictures(shelf, ""):
            work.append(_of_kept(shelf, stored, found, before, is_named=sha256 in names))
            work = _done(pool, work, dry_run=dry_run)
        _done(pool, work, dry_run=dry_run, is_last=True)
    if not dry_run:
        found.half_written = shelf.sweep(older_than_s=older_than.total_seconds())
        told = {name: getattr(found, name).pictures for name in ("set_aside", "restored", "removed")}
        chain.note(desk.db, "blobs.collected", actor=by.name, data={**told, "freed_bytes": found.removed.bytes})
    return found


def check_all_are_known(desk: Desk, others: Sequence[Desk]) -> None:
    """Make sure that every desk that keeps pictures at this place is asked what it names.

    Raises:
        UsageError: One is not; says which.
    """
    asked = {naming.desk_id(each.db) for each in (desk, *others)}
    for stored in desk.blobs.shelf.each(DESKS):
        number = stored.name.removeprefix(f"{DESKS}/").removesuffix(".json")
        if number not in asked:
            folder = json.loads(desk.blobs.shelf.read(stored.name)).get("desk", "")
            raise UsageError(
                f"{desk.blobs.shelf.title} is shared with the desk {folder}: name its folder with --also, so that its "
                f"pictures are kept; if that desk is gone for good, remove {stored.name} there"
            )


def _of_set_aside(
    shelf: Shelf, stored: Stored, found: Collected, before: datetime, *, is_named: bool
) -> Callable[[], None]:
    if is_named:
        found.restored.add(stored)
        return partial(_move, shelf, stored.name, stored.name.removeprefix(f"{SET_ASIDE}/"))
    if stored.modified_at <= before:
        found.removed.add(stored)
        return partial(shelf.remove, stored.name)
    found.waiting.add(stored)
    return _nothing


def _of_kept(shelf: Shelf, stored: Stored, found: Collected, before: datetime, *, is_named: bool) -> Callable[[], None]:
    if is_named:
        found.kept.add(stored)
    elif stored.modified_at > before:
        found.young.add(stored)
    else:
        found.set_aside.add(stored)
        return partial(_move, shelf, stored.name, f"{SET_ASIDE}/{stored.name}")
    return _nothing


def _move(shelf: Shelf, name: str, to: str) -> None:
    try:
        shelf.move(name, to)
    except NotFound:  # somebody who missed it was faster
        return


def _nothing() -> None:
    """What is to be done with a picture that stays."""


def _done(
    pool: ThreadPoolExecutor, work: list[Callable[[], None]], *, dry_run: bool, is_last: bool = False
) -> list[Callable[[], None]]:
    """Carry out what has gathered, several at once, if it is enough; gives what is still to be done."""
    todo = [] if dry_run else [each for each in work if each is not _nothing]
    if len(todo) < _AT_ONCE and not is_last:
        return todo
    list(pool.map(lambda each: each(), todo))
    return []


def _pictures(shelf: Shelf, folder: str) -> Iterator[tuple[str, Stored]]:
    start = f"{folder}/" if folder else ""
    for stored in shelf.each(folder):
        if stored.name.startswith(start) and (match := _PICTURE.fullmatch(stored.name.removeprefix(start))):
            yield match[1], stored


def _answered(shelf: Shelf, pool: ThreadPoolExecutor) -> Iterator[str]:
    """The pictures that shared answers name."""
    for data in _ahead(pool, shelf.read, (stored.name for stored in shelf.each(ANSWERS))):
        yield from (output["sha256"] for output in json.loads(data)["outputs"])


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in order, some worked out ahead, never all."""
    waiting = iter(items)
    while part := list(islice(waiting, 2 * _AT_ONCE)):
        yield from pool.map(function, part)


@dataclass(slots=True)
class Copied:
    """What came of `copy_all`.

    Attributes:
        copied: Copied now, read again there, and held against their sha256.
        there: There before.
        others: Files that are no pictures, such as shared answers; copied whenever they differ in size.
        damaged: Not copied, since the bytes are not what their name says; the first twenty.
        missing: Named by a row of the desk, and in neither place; the first twenty.
    """

    copied: Tally = field(default_factory=Tally)
    there: Tally = field(default_factory=Tally)
    others: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every picture that the desk names is in the other place."""
        return not self.damaged and not self.missing

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"whole": self.is_whole, **asdict(self)}


def copy_all(
    desk: Desk, source: BlobStore, target: BlobStore, *, by: Person, on_progress: Callable[[Copied], None]
) -> Copied:
    """Copy all that is kept at one place to another; what is there is not copied again, and nothing is removed.

    Runs may go on meanwhile: what they add is copied when this is repeated.

    Args:
        desk: The desk; every picture that its rows name should be in the other place afterwards.
        source: Where pictures are now.
        target: Where they are to be.
        by: Who does it.
        on_progress: Told after every few pictures.

    Raises:
        Forbidden: The person may not.
        BlobsFailed: A place cannot be reached; what was copied stays, and repeating goes on from there.
    """
    by.need(Role.ADMIN, "copy the pictures elsewhere")
    source.deliver()
    found = Copied()
    with naming.Names() as names, ThreadPoolExecutor(_AT_ONCE) as pool:
        names.add(naming.named_pictures(desk.db))
        copy = partial(_copy, source.shelf, target.shelf)
        for stored, outcome in _ahead(pool, copy, _to_copy(source, names)):
            match = _PICTURE.fullmatch(stored.name)
            if match is None:
                found.others += outcome == "copied"
                continue
            if outcome == "gone":
                continue
            if outcome == "damaged":
                found.damaged += [stored.name] * (len(found.damaged) < _MOST_NAMED)
            else:
                (found.copied if outcome == "copied" else found.there).add(stored)
            names.see(match[1])
            on_progress(found)
        is_there = _ahead(pool, lambda each: (each, _is_there(target.shelf, each)), names.unseen())
        found.missing = list(islice((sha256 for sha256, there in is_there if not there), _MOST_NAMED))
    return found


def _to_copy(source: BlobStore, names: naming.Names) -> Iterator[Stored]:
    """All that is kept there; of what was set aside, what is named after all."""
    for stored in source.shelf.each():
        name = stored.name.removeprefix(f"{SET_ASIDE}/")
        if name == stored.name:
            yield stored
        elif (match := _PICTURE.fullmatch(name)) and match[1] in names:
            _move(source.shelf, stored.name, name)
            yield replace(stored, name=name)


def _copy(source: Shelf, target: Shelf, stored: Stored) -> tuple[Stored, str]:
    there = target.stat(stored.name)
    if there is not None and there.byte_count == stored.byte_count:
        return stored, "there"
    try:
        data = source.read(stored.name)
    except NotFound:  # set aside or replaced meanwhile
        return stored, "gone"
    match = _PICTURE.fullmatch(stored.name)
    if match is not None and hashlib.sha256(data).hexdigest() != match[1]:
        return stored, "damaged"
    target.replace(stored.name, data, media_type=media_type_of(stored.name))
    if target.read(stored.name) != data:
        raise BlobsFailed(f"{target.title}: {stored.name} came back otherwise than it was written; look after it")
    return stored, "copied"


def _is_there(shelf: Shelf, sha256: str) -> bool:
    folder = f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
    return any(shelf.stat(f"{folder}{suffix}") is not None for suffix in (*SUFFIXES.values(), ".bin"))
