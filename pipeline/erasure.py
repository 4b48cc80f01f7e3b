"""Everything that a desk knows of an asset, gone: pictures, copies, text. Its sums and its history stay.

What is outside the desk is out of reach: exported folders, what a provider keeps, backups, sources where the manifest
found them. Copies of a bucket's pictures on other machines, and in browsers, end within a day.
"""

import base64
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.answers import answer_name
from pipeline.blobs import SUFFIXES
from pipeline.desk import Desk
from pipeline.errors import NotFound, UsageError
from pipeline.housekeeping import check_all_are_known
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import erasing, naming, reading
from pipeline.store.erasing import Traces
from pipeline.values import PictureFacts

EXPORTS = "exports"
"""Folder of the desk with the ZIP files that a page prepared."""

PROGRAMS = "api"
"""Folder of these with what programs asked for."""

_BROUGHT = ("uploads", "tickets", "inbox")
"""Folders of the desk with files that somebody brought, or that a help desk or an inbox did."""
_BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""A grey PNG of one pixel."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of an asset, or would be.

    Attributes:
        asset_id: Its row; it is called ``erased-`` and this number afterwards.
        title: What it was called.
        edits: Its rounds.
        pictures: Removed.
        shared: Pictures that something else uses, too: they stay.
    """

    asset_id: int
    title: str
    edits: int
    pictures: int
    shared: int


def erase_named(
    desk: Desk, name: str, *, batch: str | None, by: Person, others: Sequence[Desk] = (), dry_run: bool = False
) -> list[Erased]:
    """Erase the assets of that name, with all variants; safe to repeat if it was interrupted.

    Args:
        desk: The desk.
        name: The manifest's asset_id.
        batch: Only in this batch.
        by: Who does it.
        others: The other desks that keep pictures at the same place.
        dry_run: Only say what would be erased.

    Raises:
        Forbidden: The person may not.
        NotFound: There is none of that name.
        Conflict: It is being made.
        UsageError: Another desk keeps its pictures at the same place, too.
    """
    by.need(Role.ADMIN, "erase an asset")
    check_all_are_known(desk, others)
    found = erasing.assets_named(desk.db, name, None if batch is None else reading.batch_named(desk.db, batch).id)
    if not found:
        raise NotFound(f"no asset is called {name!r}{f' in batch {batch}' if batch else ''}; see: picturedesk status")
    return [_erase(desk, each, by=by, others=others, reason="asked", dry_run=dry_run) for each in found]


def erase_expired(desk: Desk, *, by: Person, others: Sequence[Desk] = (), dry_run: bool = False) -> Iterator[Erased]:
    """Erase what was rejected or exported longer ago than ``retain_days`` of the settings says, one by one.

    Raises:
        Forbidden: The person may not.
        UsageError: Nothing is said there, or another desk keeps its pictures at the same place, too.
    """
    by.need(Role.ADMIN, "erase assets")
    check_all_are_known(desk, others)
    days = desk.settings.retain_days
    if not days:
        raise UsageError("nothing expires: set retain_days in picturedesk.toml, such as {rejected = 90}")
    before = {f"{state}_before": datetime.now(UTC) - timedelta(days=count) for state, count in days.items()}
    for asset_id in erasing.expired_assets(desk.db, **before):
        yield _erase(desk, asset_id, by=by, others=others, reason="expired", dry_run=dry_run)


def _erase(desk: Desk, asset_id: int, *, by: Person, others: Sequence[Desk], reason: str, dry_run: bool) -> Erased:
    """Pictures first: if that is interrupted, the rows still say what is to be erased."""
    found = erasing.traces(desk.db, asset_id)
    used = _used_by(others, found.pictures)
    gone = [sha256 for sha256 in found.pictures if sha256 not in used]
    if not dry_run:
        blank = PictureFacts(desk.blobs.put(_BLANK, "image/png"), "image/png", (1, 1), len(_BLANK))
        for sha256 in gone:
            for media_type in (*SUFFIXES, "application/octet-stream"):
                desk.blobs.remove(sha256, media_type)
        _remove_copies(desk, found)
        erasing.erase(desk.db, found, blank=blank, actor=by.name, reason=reason)
    return Erased(asset_id, found.title, len(found.edit_ids), len(gone), len(found.shared) + len(used))


def _used_by(others: Sequence[Desk], pictures: Sequence[str]) -> set[str]:
    wanted = set(pictures)
    return {sha256 for desk in others for sha256 in naming.named_pictures(desk.db) if sha256 in wanted}


def _remove_copies(desk: Desk, found: Traces) -> None:
    """Shared answers, what was uploaded, and exports that were prepared, since they can be prepared again."""
    if desk.answers is not None:
        for key in found.keys:
            desk.blobs.shelf.remove(answer_name(key))
    for file in map(Path, found.files):
        if file.is_absolute() and any(file.is_relative_to(desk.root / folder) for folder in _BROUGHT):
            file.unlink(missing_ok=True)
    for archive in (desk.root / EXPORTS).glob("*.zip"):
        archive.unlink(missing_ok=True)
    shutil.rmtree(desk.root / EXPORTS / PROGRAMS, ignore_errors=True)
