"""A program's pictures into a batch.

Files are checked by their headers before anything is queued; a URL is fetched by the runner, as a manifest's are
(`pipeline.sources`), and only what cannot be one is refused here.
"""

import hashlib
import io
import itertools
import mimetypes
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import uploads
from pipeline.desk import Desk
from pipeline.errors import PackError, PictureError, RecipeError, RowProblem, RowsRefused
from pipeline.export.names import safe_stem
from pipeline.http_api.shapes import (
    BatchName,
    Picture,
    Reference,
    Submission,
    SubmissionForm,
    Submitted,
    SubmittedItem,
    Uploaded,
)
from pipeline.images import PictureLimits, read_kind, too_many_bytes
from pipeline.intake import Intake
from pipeline.manifest import PICTURE_SUFFIXES, ManifestReading
from pipeline.people import Person
from pipeline.sources import need_public
from pipeline.states import Role
from pipeline.store import loading
from pipeline.uploads import Draft, Wish, name_of_url

_WISHES = ("prompt", "recipe", "provider", "ai_model", "size", "quality", "n")
_FORM_FIELDS = {name: f"/{name}" for name in (*_WISHES, "parameters", "destinations")}


@dataclass(slots=True)
class _Brought:
    """Rows and files as they are collected; every asset and every file with a name of its own.

    Attributes:
        usual: Columns of rows that do not have them.
    """

    limits: PictureLimits
    allow_private: bool
    usual: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: list[tuple[str, BinaryIO]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, pointer: str, row: dict[str, Any], name: str, file: BinaryIO | None, url: str | None) -> None:
        """One picture, called so unless the row says how; `pointer` is its place in the request."""
        at = f"{pointer}/{'base64' if url is None else 'url'}" if pointer.startswith("/pictures/") else pointer
        source = self.url(at, url) if url is not None else self.file(at, name, file)
        taken = {each["asset_id"] for each in self.rows}
        wanted = stem = Path(name).stem or name
        numbers = itertools.count(len(self.rows) + 1)
        while wanted in taken:
            wanted = f"{stem}-{next(numbers)}"
        self.rows.append({"asset_id": wanted, **row, "source": source})
        self.places.append(pointer)

    def file(self, pointer: str, name: str, file: BinaryIO | None) -> str:
        """Keep a file, if its header says that it is a picture of ours; gives its name among the others."""
        assert file is not None
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        try:
            if size > self.limits.max_bytes:
                raise PictureError("too_large", too_many_bytes(size, self.limits))
            media_type = read_kind(file.read(), limits=self.limits)
            file.seek(0)
        except PictureError as exc:
            self.problems.append((pointer, str(exc)))
            return name
        path = Path(safe_stem(Path(name).name))
        suffix = path.suffix.lower()
        if suffix not in PICTURE_SUFFIXES:
            suffix = mimetypes.guess_extension(media_type) or ".png"
        given = f"{len(self.files)}/{path.stem}{suffix}"
        self.files.append((given, file))
        return given

    def url(self, pointer: str, url: str) -> str:
        """A URL as it is, if it can be a public one at all."""
        try:
            need_public(url, allow_private=self.allow_private)
        except PictureError as exc:
            self.problems.append((pointer, str(exc)))
        return url


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request whose files are kept and whose rows are good; nothing is queued yet."""

    draft: Draft
    found: ManifestReading
    budget_usd: float | None
    assets: tuple[tuple[str, str], ...]


def prepare(desk: Desk, submission: Submission | SubmissionForm, *, by: Person) -> Prepared:
    """Check a request's pictures, and keep its files.

    Raises:
        Forbidden: The person may not.
        RowsRefused: Pictures are none that the desk takes; says which and why.
        UsageError: What is to be done is missing, or does not fit.
    """
    by.need(Role.REQUESTER, "submit pictures")
    brought = _brought(desk)
    if isinstance(submission, Submission):
        _refuse_too_many(desk, len(submission.pictures))
        for number, picture in enumerate(submission.pictures):
            _add(brought, f"/pictures/{number}", picture)
    else:
        _refuse_too_many(desk, len(submission.picture) + len(submission.url))
        for number, upload in enumerate(submission.picture):
            brought.add(f"/picture/{number}", {}, upload.filename or f"picture-{number + 1}", upload.file, None)
        for number, url in enumerate(submission.url):
            brought.add(f"/url/{number}", {}, name_of_url(url), None, url)
    if submission.n:
        brought.usual["n"] = submission.n
    prepared = _drafted(desk, submission.batch, brought, _wish(submission), _FORM_FIELDS, by=by)
    return replace(prepared, budget_usd=submission.budget_usd)


def prepare_one(
    desk: Desk,
    batch: str,
    row: Mapping[str, Any],
    *,
    pictures: Sequence[Uploaded | str],
    mask: Uploaded | None,
    at: str,
    fields: Mapping[str, str],
    by: Person,
) -> Prepared:
    """Check one edit's pictures, and keep their files.

    Args:
        desk: The desk.
        batch: The batch's name.
        row: Columns of a manifest, the pictures' aside.
        pictures: What is to be edited, and further pictures; what is to be fetched by its URL.
        mask: Where it is to be edited.
        at: Where pictures stand in the request.
        fields: Where columns do.
        by: Who asks.

    Raises:
        Forbidden: The person may not.
        RowsRefused: As `prepare`; places are such as ``/image/0`` and ``/mask``.
    """
    by.need(Role.REQUESTER, "submit pictures")
    brought = _brought(desk)
    first, *further = pictures
    more: dict[str, Any] = {} if mask is None else {"mask": brought.file("/mask", *mask)}
    references = [
        brought.url(f"{at}/{number}", each) if isinstance(each, str) else brought.file(f"{at}/{number}", *each)
        for number, each in enumerate(further, start=1)
    ]
    more |= {"references": references} if references else {}
    name, file, url = (name_of_url(first), None, first) if isinstance(first, str) else (*first, None)
    brought.add(f"{at}/0", {**row, **more}, name, file, url)
    return _drafted(desk, batch, brought, Wish(), fields, by=by)


def submit(desk: Desk, prepared: Prepared, *, by: Person) -> Submitted:
    """Queue what was prepared.

    Raises:
        Forbidden: The person may not.
        UsageError: The budget is none.
    """
    draft = prepared.draft
    try:
        with desk.db.group():
            intake = uploads.start(desk, draft, budget_usd=prepared.budget_usd, by=by, found=prepared.found)
            rounds = loading.last_rounds(desk.db, intake.loaded.batch_id, prepared.assets)
    finally:
        uploads.discard(draft)
    return _answer(intake, prepared.assets, rounds)


def _brought(desk: Desk) -> _Brought:
    settings = desk.settings
    max_pixels = int(settings.max_source_megapixels * 1e6)
    limits = PictureLimits(max_bytes=int(settings.max_source_mb * 1e6), max_pixels=max_pixels)
    return _Brought(limits, settings.allow_private_sources)


def _drafted(
    desk: Desk, batch: str, brought: _Brought, wish: Wish, fields: Mapping[str, str], *, by: Person
) -> Prepared:
    if brought.problems:
        raise RowsRefused(brought.problems)
    rows = [{**brought.usual, **row} for row in brought.rows]
    try:
        draft = uploads.draft_rows(desk, batch, rows, brought.files, wish, by=by)
    except PackError as exc:
        raise RowsRefused([("/destinations", str(exc))]) from exc
    except RecipeError as exc:
        raise RowsRefused([("/parameters" if wish.recipe in desk.recipes else "/recipe", str(exc))]) from exc
    try:
        found = uploads.read(desk, draft, by=by)
        if found.problems:
            usual = {*brought.usual, *wish.columns()}
            raise RowsRefused(list(dict.fromkeys(_placed(each, brought, usual, fields) for each in found.problems)))
    except BaseException:
        uploads.discard(draft)
        raise
    return Prepared(draft, found, None, tuple((row.asset_id, row.variant) for row in found.rows))


def _answer(intake: Intake, assets: Sequence[tuple[str, str]], rounds: dict[tuple[str, str], int]) -> Submitted:
    loaded = intake.loaded
    return Submitted(
        batch=BatchName(id=loaded.batch_id, name=intake.batch),
        added=loaded.added,
        unchanged=loaded.unchanged,
        renewed=loaded.renewed,
        resumed=loaded.resumed,
        kept=[name for _, name in loaded.kept],
        items=[SubmittedItem(asset_id=name, variant=variant, edit=rounds[name, variant]) for name, variant in assets],
    )


def _placed(
    problem: RowProblem, brought: _Brought, usual: Container[str], fields: Mapping[str, str]
) -> tuple[str, str]:
    """Where in the request, and what is wrong there; what a picture leaves to the whole request stands there."""
    said = f"found {problem.found}; expected {problem.expected}"
    if not problem.line:
        return "", said
    row, place = brought.rows[problem.line - 1], brought.places[problem.line - 1]
    if place.startswith("/pictures/") and (problem.column in row or problem.column not in usual):
        return (f"{place}/{problem.column}" if problem.column else place), said
    return fields.get(problem.column, place), said


def _refuse_too_many(desk: Desk, count: int) -> None:
    most = desk.settings.api.max_pictures
    if count > most:
        raise RowsRefused([("", f"found {count} pictures; expected at most {most} in one request: send several")])


def _wish(submission: Submission | SubmissionForm) -> Wish:
    return Wish(
        prompt=submission.prompt,
        recipe=submission.recipe,
        parameters=submission.parameters,
        provider=submission.provider,
        ai_model=submission.ai_model,
        size=submission.size,
        quality=submission.quality,
        destinations=tuple(submission.destinations) or None,
    )


def _add(brought: _Brought, pointer: str, picture: Picture) -> None:
    row: dict[str, Any] = {**picture.extra, **_said(picture)}
    if picture.mask is not None:
        row["mask"] = brought.file(f"{pointer}/mask", "mask.png", io.BytesIO(picture.mask))
    references = [_reference(brought, pointer, number, each) for number, each in enumerate(picture.references)]
    if references:
        row["references"] = references
    if picture.url is not None:
        brought.add(pointer, row, name_of_url(picture.url), None, picture.url)
        return
    assert picture.base64 is not None
    name = picture.file_name or picture.asset_id or f"picture-{hashlib.sha256(picture.base64).hexdigest()[:12]}"
    brought.add(pointer, row, name, io.BytesIO(picture.base64), None)


def _said(picture: Picture) -> dict[str, Any]:
    names = (*_WISHES, "asset_id", "variant", "sku")
    said = {name: getattr(picture, name) for name in names if getattr(picture, name)}
    said |= {"destinations": picture.destinations} if picture.destinations else {}
    return {**said, "parameters": dict(picture.parameters)} if picture.parameters else said


def _reference(brought: _Brought, pointer: str, number: int, reference: Reference) -> str:
    at = f"{pointer}/references/{number}"
    if reference.url is not None:
        return brought.url(at, reference.url)
    assert reference.base64 is not None
    return brought.file(at, f"reference-{number + 1}", io.BytesIO(reference.base64))
