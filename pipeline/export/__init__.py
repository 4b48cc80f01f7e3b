"""Out of the desk: what is approved, and nothing else.

An export is a folder: ``pictures/`` with the provider's bytes untouched, ``approved.csv``, ``approved.jsonl``, further
lists for shops and archives, ``manifest.json``, which the desk signs, and ``SHA256SUMS``. It is written beside its
place under a hidden name, checked, and only then renamed: a half-written export is never found under the final name.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.export.contents import MANIFEST, SUMS
from pipeline.export.profiles import check
from pipeline.export.profiles.placing import Address
from pipeline.export.progress import ExportProgress, Teller
from pipeline.export.signing import is_signed
from pipeline.export.uploading import Bucket
from pipeline.export.writing import KIND, SIGNATURE, Writing
from pipeline.people import Person
from pipeline.states import EditState, Role
from pipeline.store import reading
from pipeline.store.exports import last_export, record_export

_TEMPORARY = ".picturedesk-export-"

_BESIDES = 3
"""Files that the manifest does not name: itself, its signature and the sums."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written.

    Attributes:
        folder: Where it is.
        rows: Approved assets; 0 if nothing was approved since the last export, and nothing was written.
        files: Files, the lists included.
        bytes: Of all of them.
        export_id: Names the content: the same approved pictures give the same id.
        left_out: How many times a further list could not take a product; ``left-out.csv`` says why.
        unfit: Files that a destination would refuse, and that were not written; ``files.csv`` says why.
        withdrawn: Pictures that the export before had, and that nobody approves any more; ``manifest.json`` names them.
    """

    folder: Path
    rows: int
    files: int = 0
    bytes: int = 0
    export_id: str = ""
    left_out: int = 0
    unfit: int = 0
    withdrawn: int = 0


def export_approved(
    desk: Desk,
    target: Path,
    *,
    batch: str | None = None,
    by: Person,
    overwrite: bool = False,
    only_csv: bool = False,
    profiles: Sequence[str] = (),
    public_url: str | None = None,
    since_last: bool = False,
    bucket: str | None = None,
    on_progress: Callable[[ExportProgress], None] = lambda _: None,
) -> ExportSummary:
    """Write what is approved at this moment into a folder; an earlier export there is replaced at once.

    Args:
        desk: The desk.
        target: The folder.
        batch: Only this batch.
        by: Who exports.
        overwrite: Replace a folder that is no export of ours.
        only_csv: The table alone, with manifest and checksum: neither pictures nor ``approved.jsonl``.
        profiles: Further lists, by `profiles.NAMES`.
        public_url: Where the pictures will be read from, such as ``https://cdn.example.com/shop/{file}``; by default
            what the settings say.
        since_last: Only what was approved since the last export of the same batch, or of all.
        bucket: Such as ``s3://bucket/prefix``: all of it goes there, and the folder is only where it is put together.
        on_progress: Told how far it is, ten times a second at most.

    Raises:
        Forbidden: The person may not.
        UsageError: Nothing is approved, the folder holds something else, or a profile cannot be written.
        Conflict: An approval was taken back meanwhile.
        BlobsFailed: The bucket does not answer, or refuses.
    """
    by.need(Role.REQUESTER, "export")
    target = target.absolute()
    _refuse_stranger(target, overwrite=overwrite)
    batch_id = None if batch is None else reading.batch_id(desk.db, batch)
    address = checked_address(desk, profiles, public_url, has_pictures=not only_csv)
    shelf = Bucket(bucket, desk.settings.export_options) if bucket else None
    before = last_export(desk.db, batch_id) if since_last else None
    wanted = reading.EditFilter(states=frozenset({EditState.APPROVED}), batch_id=batch_id)
    total = reading.count_edits(desk.db, wanted) if before is None else None
    with ExitStack() as held:
        left_over = _left_over(target, held)
        building = _fresh_folder(target, held)
        writing = Writing(
            desk,
            building,
            only_csv=only_csv,
            profiles=tuple(profiles),
            address=address,
            before=before,
            on_progress=Teller(on_progress, "writing", total),
        )
        seen = writing.write(batch_id, left_over)
        if not writing.rows and before is not None:
            return ExportSummary(target, 0, withdrawn=len(writing.withdrawn))
        if not writing.rows:
            raise UsageError("nothing is approved yet; decide with: picturedesk review, or picturedesk decide")
        if shelf is not None:
            shelf.send(building, manifest=MANIFEST, last=(SIGNATURE, SUMS), on_progress=on_progress)
        record_export(desk.db, seen, actor=by.name, rows=writing.rows, export_id=writing.export_id)
        if shelf is None:
            _put_in_place(building, target)
    counts = (writing.file_count + _BESIDES, writing.byte_count)
    of_lists = (writing.left_out_count, writing.unfit, len(writing.withdrawn))
    return ExportSummary(target, writing.rows, *counts, writing.export_id, *of_lists)


def checked_address(
    desk: Desk, profiles: Sequence[str], public_url: str | None, *, has_pictures: bool
) -> Address | None:
    """Where pictures will be read from, once it is sure that these lists can be written.

    Args:
        desk: The desk.
        profiles: By `profiles.NAMES`.
        public_url: As `export_approved` takes it.
        has_pictures: Whether the pictures are exported as well.

    Raises:
        UsageError: A list cannot be written, or nothing can be found at such an address.
    """
    public_url = public_url or desk.settings.public_url
    address = Address(public_url) if public_url else None
    check(tuple(profiles), desk.settings.profiles, has_address=address is not None, has_pictures=has_pictures)
    return address


def verify_export(folder: Path, *, signed_by: str | None = None) -> list[str]:
    """What is wrong with an export's files; empty if every one is as it was written, and nothing came to them.

    Args:
        folder: The export.
        signed_by: The public key that must have signed it; by default the one that its signature names.
    """
    if folder.is_file():
        return [f"{folder} is a file: unpack it, and name the folder"]
    try:
        data = (folder / MANIFEST).read_bytes()
        sums = {name: facts["sha256"] for name, facts in json.loads(data)["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        return [f"{folder / MANIFEST} cannot be read: {type(exc).__name__}: {exc}"]
    problems = [] if _is_signed(folder, data, signed_by) else [f"{MANIFEST} is not signed by {signed_by or 'anybody'}"]
    root = folder.resolve()
    for name, sha256 in sums.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(root):
            problems.append(f"{name} is missing")
        elif _sha256(path) != sha256:
            problems.append(f"{name} is not as it was written")
    if not _has_sums(folder / SUMS, sums):
        problems.append(f"{SUMS} is missing, or says something else than {MANIFEST}")
    known = {*sums, MANIFEST, SIGNATURE, SUMS}
    found = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    return problems + [f"{name} was not in the export" for name in sorted(name for name in found if name not in known)]


def signer(folder: Path) -> str:
    """The public key that an export names as the one that it was signed by; "" for none. Anybody can name one."""
    try:
        return (folder / SIGNATURE).read_text("ascii").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return ""


def _is_signed(folder: Path, data: bytes, key: str | None) -> bool:
    try:
        return is_signed(data, (folder / SIGNATURE).read_text("ascii"), key)
    except (OSError, UnicodeDecodeError):
        return False


def _has_sums(file: Path, sums: Mapping[str, str]) -> bool:
    """Whether the file says these, and nothing else."""
    told = (f"{sha256}  {name}\n".encode() for name, sha256 in sums.items())
    try:
        with file.open("rb") as lines:
            return all(line == wanted for line, wanted in zip_longest(lines, told))
    except (OSError, ValueError):
        return False


def write_zip(folder: Path, file: Path) -> None:
    """An export as one ZIP, whole or not at all; pictures are stored as they are, since they are compressed already."""
    part = file.with_name(f"{_TEMPORARY}{file.name}-{os.getpid()}")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                how = zipfile.ZIP_STORED if path.parent != folder else zipfile.ZIP_DEFLATED
                archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}", compress_type=how)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_stranger(target: Path, *, overwrite: bool) -> None:
    if not target.exists() or overwrite:
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file; name a folder with --to")
    if any(target.iterdir()) and not _is_ours(target):
        raise UsageError(f"{target} holds something that is no export; name another folder, or replace it: --overwrite")


def _is_ours(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / MANIFEST).read_text("utf-8")).get("kind") == KIND)
    except (OSError, ValueError, AttributeError):
        return False


def _left_over(target: Path, held: ExitStack) -> Path | None:
    """What a killed export of the same target left, under a name of this one's; None if there is nothing."""
    # Not by a pattern such as NAME-*: that is what another target, NAME-2, is being written under, too.
    ours = re.compile(re.escape(f"{_TEMPORARY}{target.name}-") + r"\d+(-[0-9a-f]{8})?(-left|-old)?")
    beside = target.parent.iterdir() if target.parent.is_dir() else ()
    found = [path for path in sorted(beside) if ours.fullmatch(path.name) and _hold(path, held)]
    if not found:
        return None
    for other in found[:-1]:
        shutil.rmtree(other, ignore_errors=True)
    left_over = found[-1].replace(_own_name(target, "-left"))
    held.callback(shutil.rmtree, left_over, ignore_errors=True)
    return left_over


def _fresh_folder(target: Path, held: ExitStack) -> Path:
    """An empty hidden folder beside the target, which is gone in the end."""
    folder = _own_name(target)
    begun = folder.with_name(f"{folder.name}-begun")  # nobody takes it before it is held
    try:
        begun.mkdir(parents=True)
        _hold(begun, held)
        begun.replace(folder)
    except OSError as exc:
        raise UsageError(f"{target.parent}: {exc.strerror}; name a folder that can be written with --to") from exc
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _own_name(target: Path, suffix: str = "") -> Path:
    return target.parent / f"{_TEMPORARY}{target.name}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def _hold(folder: Path, held: ExitStack) -> bool:
    """Whether no other export is at this folder; none takes it then until the end, be it that of a crash."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return False
    held.callback(os.close, opened)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return folder.exists()


def _put_in_place(building: Path, target: Path) -> None:
    old = building.with_name(f"{building.name}-old")
    with suppress(FileNotFoundError):
        target.replace(old)
    try:
        building.replace(target)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            with suppress(FileNotFoundError):
                old.replace(target)
            raise
    shutil.rmtree(old, ignore_errors=True)
    if building.exists():  # another export was put there meanwhile
        _put_in_place(building, target)
