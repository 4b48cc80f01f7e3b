"""A batch from what somebody brought to the page: pictures, a list of URLs, or a manifest with its pictures.

Two steps. A draft keeps what was brought in a folder of its own, and is estimated: nothing is queued, no URL is
fetched. Starting it moves its files to the batch's folder and loads its rows, with the budget in the same transaction.
A file that the batch's folder has already, byte for byte, is the same source: such rows are not made again.
"""

import filecmp
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from pipeline import batches
from pipeline.desk import Desk
from pipeline.destinations.packs import need_packs
from pipeline.errors import ManifestError, RecipeError, RowProblem, UsageError
from pipeline.export.names import FileNames, safe_stem
from pipeline.intake import Intake, batch_destinations, read_rows
from pipeline.manifest import PICTURE_SUFFIXES, ManifestReading
from pipeline.people import Person
from pipeline.planning import PlanLine, plan_rows
from pipeline.sources import stamp
from pipeline.states import Role
from pipeline.store import batching, ledger, reading
from pipeline.store.loading import load_rows, rows_to_make
from pipeline.values import ManifestRow

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")

_FOLDER = "uploads"
_DRAFTS = ".drafts"
_ROWS = ".rows.jsonl"
"""What is written for pictures and URLs; hidden, so that no picture is called so."""

_KEPT_S = 24 * 3600.0
_LISTED_LINES = 5

Brought = tuple[str, BinaryIO]
"""A file's name and what it holds."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done to each picture; of a manifest, to rows that do not say it.

    Attributes:
        prompt: An instruction; or
        recipe: a recipe
        parameters: with its parameters.
        provider: Who makes it; the desk's own if None.
        ai_model: The provider's model.
        size: WIDTHxHEIGHT, or auto.
        quality: The provider's word for it.
        destinations: Where the batch's pictures go, by the names of packs; None to leave that as it is.
    """

    prompt: str | None = None
    recipe: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    provider: str | None = None
    ai_model: str | None = None
    size: str | None = None
    quality: str | None = None
    destinations: tuple[str, ...] | None = None

    def columns(self) -> dict[str, Any]:
        """As columns of a manifest."""
        names = ("prompt", "recipe", "provider", "ai_model", "size", "quality")
        said = {name: getattr(self, name) for name in names if getattr(self, name)}
        return {**said, "parameters": dict(self.parameters)} if self.parameters else said


@dataclass(frozen=True, slots=True)
class Draft:
    """What was brought for a batch, and is not started.

    Attributes:
        batch: The batch's name.
        folder: Where it is kept.
        manifest: Its rows, in that folder.
        wish: For rows that say nothing else.
    """

    batch: str
    folder: Path
    manifest: Path
    wish: Wish


@dataclass(frozen=True, slots=True)
class BadRows:
    """One thing that is wrong with some rows.

    Attributes:
        lines: The first of their lines, and how many more there are.
    """

    lines: str
    column: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What starting a draft would come to.

    Attributes:
        good: Rows that can be made.
        bad: Rows that cannot.
        problems: What is wrong with those.
        unchanged: Good rows that the batch has already; they are not made again.
        lines: What goes to each model of each provider; an edit that an equal one answered before counts, though it
            will cost nothing.
        is_known: Whether the batch exists.
        budget_microusd: What that batch may cost until now; None if nobody said so.
    """

    good: int
    bad: int
    problems: tuple[BadRows, ...]
    unchanged: int
    lines: tuple[PlanLine, ...]
    is_known: bool
    budget_microusd: int | None

    @property
    def edits(self) -> int:
        """Requests that would be sent."""
        return sum(line.edits for line in self.lines)

    @property
    def high_microusd(self) -> int:
        """The most that it can cost, as far as prices are known."""
        return sum(line.high_microusd for line in self.lines)

    @property
    def low_microusd(self) -> int:
        """The least."""
        return sum(line.low_microusd for line in self.lines)

    @property
    def unpriced(self) -> int:
        """Requests whose price is not known."""
        return sum(line.unpriced for line in self.lines)


def draft_pictures(desk: Desk, name: str, files: Iterable[Brought], wish: Wish, *, by: Person) -> Draft:
    """Keep pictures for a batch, one row for each; they are written to disk one after the other.

    Raises:
        Forbidden: The person may not.
        UsageError: Name, pictures or instruction are missing, or do not fit.
    """
    draft = _draft(desk, name, wish, by=by)
    staged = list(_staged(draft.folder, files))
    if not staged:
        raise _discarded(draft, "there is no picture; choose at least one, and wait until it has arrived")
    stems = [Path(each).stem for each in staged]
    ids = [stem if stems.count(stem) == 1 else each for stem, each in zip(stems, staged, strict=True)]
    _write_rows(draft, ({"asset_id": asset_id, "source": each} for asset_id, each in zip(ids, staged, strict=True)))
    return draft


def draft_urls(desk: Desk, name: str, urls: str, wish: Wish, *, by: Person) -> Draft:
    """Keep a list of URLs for a batch, one to the line; empty lines, and those that begin with #, say nothing.

    Raises:
        Forbidden: The person may not.
        UsageError: Name, URLs or instruction are missing, or do not fit.
    """
    draft = _draft(desk, name, wish, by=by)
    lines = [line.strip() for line in urls.splitlines()]
    if not any(_is_said(line) for line in lines):
        raise _discarded(draft, "there is no URL; write one to each line")
    _write_rows(draft, _url_rows(lines))
    return draft


def draft_manifest(
    desk: Desk, name: str, manifest: Brought, pictures: Iterable[Brought], wish: Wish, *, by: Person
) -> Draft:
    """Keep a manifest for a batch, with the pictures that it names by file name.

    Raises:
        Forbidden: The person may not.
        UsageError: The name is missing, or the manifest is none.
    """
    file_name, data = manifest
    suffix = Path(file_name).suffix.lower()
    if suffix not in MANIFEST_SUFFIXES:
        known = ", ".join(MANIFEST_SUFFIXES)
        raise UsageError(f"manifest: found a file that ends in {suffix!r}; expected one of: {known}")
    draft = _draft(desk, name, wish, by=by, needs_wish=False)
    draft = replace(draft, manifest=draft.folder / f".{safe_stem(Path(file_name).stem)}{suffix}")
    with draft.manifest.open("wb") as file:
        shutil.copyfileobj(data, file)
    list(_staged(draft.folder, pictures))
    return draft


def draft_rows(
    desk: Desk, name: str, rows: Sequence[Mapping[str, Any]], files: Iterable[Brought], wish: Wish, *, by: Person
) -> Draft:
    """Keep a program's rows for a batch, with the files that they name.

    Args:
        desk: The desk.
        name: Of the batch.
        rows: Columns of a manifest; ``source``, ``mask`` and ``references`` name files as ``files`` does, or are URLs.
        files: Each with a name of its own.
        wish: For rows that say nothing else.
        by: Who brings it.

    Raises:
        Forbidden: The person may not.
        UsageError: The name or what is to be done is missing, or does not fit.
    """
    draft = _draft(desk, name, wish, by=by, needs_wish=any(not _says_what(row) for row in rows))
    brought = list(files)
    try:
        staged = dict(zip((given for given, _ in brought), _staged(draft.folder, brought), strict=True))
        _write_rows(draft, (_naming(row, staged) for row in rows))
    except BaseException:
        discard(draft)
        raise
    return draft


def estimate(desk: Desk, draft: Draft, *, by: Person) -> Quote:
    """What starting a draft would send, cost and take; nothing is queued, and no URL is fetched.

    Raises:
        Forbidden: The person may not.
        UsageError: The draft is gone, or a provider's settings do not fit.
    """
    by.need(Role.REQUESTER, "start a batch")
    found = _read(desk, draft)
    target = _target(desk, draft.batch)
    places = {each: _place(each, target) for each in _files(draft)}
    rows = [_placed(row, places) for row in found.rows]
    to_make = rows_to_make(desk.db, rows, batch_name=draft.batch, default_provider=desk.settings.provider, stamp=stamp)
    is_known = draft.batch in reading.batch_names(desk.db)
    return Quote(
        good=len(rows),
        bad=len({problem.line for problem in found.problems}),
        problems=tuple(_grouped(found.problems)),
        unchanged=len(rows) - len(to_make),
        lines=tuple(plan_rows(desk, to_make)),
        is_known=is_known,
        budget_microusd=ledger.budget(desk.db, reading.batch_id(desk.db, draft.batch)) if is_known else None,
    )


def read(desk: Desk, draft: Draft, *, by: Person) -> ManifestReading:
    """A draft's rows, good and bad, held against their providers; nothing is queued.

    Raises:
        Forbidden: The person may not.
        UsageError: The draft is gone, or a provider's settings do not fit.
    """
    by.need(Role.REQUESTER, "start a batch")
    return _read(desk, draft)


def start(
    desk: Desk,
    draft: Draft,
    *,
    budget_usd: float | None,
    by: Person,
    skip_bad: bool = False,
    found: ManifestReading | None = None,
) -> Intake:
    """Queue a draft's rows; the runner does the rest.

    Args:
        desk: The desk.
        draft: What was brought.
        budget_usd: What the batch may cost, all its runs together; None to leave it as it is.
        by: Who asks. To change what a batch may cost that exists takes an approver.
        skip_bad: Start the good rows although others are bad.
        found: What `read` gave, if the caller has it.

    Raises:
        Forbidden: The person may not.
        ManifestError: Rows are bad, and nothing was started.
        UsageError: The draft is gone, or the budget is none.
    """
    by.need(Role.REQUESTER, "start a batch")
    cap = None if budget_usd is None else batches.microusd(budget_usd)
    is_known = draft.batch in reading.batch_names(desk.db)
    if is_known and cap not in (None, ledger.budget(desk.db, reading.batch_id(desk.db, draft.batch))):
        by.need(Role.APPROVER, "change what a batch may cost")
    found = found or _read(desk, draft)
    if found.problems and not (skip_bad and found.rows):
        raise ManifestError(found.problems)
    target = _target(desk, draft.batch)
    target.mkdir(parents=True, exist_ok=True)
    places = {each: _linked(each, target) for each in _files(draft)}
    with desk.db.group():  # no runner sees the rows without the budget
        loaded = load_rows(
            desk.db,
            [_placed(row, places) for row in found.rows],
            batch_name=draft.batch,
            manifest_name=draft.manifest.name.removeprefix("."),
            manifest_sha256=found.sha256,
            default_provider=desk.settings.provider,
            actor=by.name,
            stamp=stamp,
            destinations=draft.wish.destinations,
        )
        if cap is not None:
            batching.set_budget(desk.db, loaded.batch_id, cap, actor=by.name)
    discard(draft)
    return Intake(draft.batch, loaded, found.problems)


def discard(draft: Draft) -> None:
    """Forget a draft and what was brought for it."""
    shutil.rmtree(draft.folder, ignore_errors=True)


def providers(desk: Desk) -> list[str]:
    """Whom the desk's settings name, the usual one first."""
    usual = desk.settings.provider
    return [usual, *sorted({"local", *desk.settings.providers} - {usual})]


def name_of_url(url: str) -> str:
    """What a picture is called that nobody named: as its URL ends."""
    try:
        parts = urlsplit(url)
        return safe_stem(Path(unquote(parts.path)).stem or parts.hostname or url)
    except ValueError:
        return safe_stem(url)


def _draft(desk: Desk, name: str, wish: Wish, *, by: Person, needs_wish: bool = True) -> Draft:
    by.need(Role.REQUESTER, "start a batch")
    name = name.strip()
    if not name or not name.isprintable():
        raise UsageError("the batch has no name; give it one that can be printed")
    if wish.recipe and wish.prompt:
        raise UsageError("found both a recipe and an instruction; expected one of the two")
    if needs_wish and not (wish.recipe or wish.prompt):
        raise UsageError("nothing is said of what to do; choose a recipe or write an instruction")
    if wish.recipe and needs_wish:
        if wish.recipe not in desk.recipes:
            raise RecipeError(f"no recipe is called {wish.recipe!r}; there are: {', '.join(sorted(desk.recipes))}")
        desk.recipes[wish.recipe].fill(wish.parameters)
    need_packs(wish.destinations or (), desk.packs)
    drafts = desk.root / _FOLDER / _DRAFTS
    _sweep(drafts)
    folder = drafts / secrets.token_hex(8)
    folder.mkdir(parents=True)
    return Draft(name, folder, folder / _ROWS, wish)


def _sweep(drafts: Path) -> None:
    """Drafts that nobody started within a day."""
    if drafts.is_dir():
        for folder in drafts.iterdir():
            with suppress(FileNotFoundError):  # another request has ended meanwhile
                if time.time() - folder.stat().st_mtime > _KEPT_S:
                    shutil.rmtree(folder, ignore_errors=True)


def _discarded(draft: Draft, message: str) -> UsageError:
    discard(draft)
    return UsageError(message)


def _staged(folder: Path, files: Iterable[Brought]) -> Iterator[str]:
    """Write files into a folder; gives their names there."""
    names = FileNames()
    for given, data in files:
        path = Path(given)
        name = f"{names.stem(path.stem)}{path.suffix.lower()}"
        with (folder / name).open("wb") as file:
            shutil.copyfileobj(data, file)
        yield name


def _says_what(row: Mapping[str, Any]) -> bool:
    return bool(row.get("prompt") or row.get("recipe"))


def _naming(row: Mapping[str, Any], staged: Mapping[str, str]) -> dict[str, Any]:
    """The row, with its files as they are called now."""
    named = {column: staged.get(row[column], row[column]) for column in ("source", "mask") if column in row}
    references = [staged.get(each, each) for each in row.get("references", ())]
    return {**row, **named, **({"references": references} if references else {})}


def _is_said(line: str) -> bool:
    return bool(line) and not line.startswith("#")


def _url_rows(lines: Sequence[str]) -> Iterator[dict[str, str] | None]:
    """One row for each line, so that a bad one is found at its line; None where nothing is said."""
    taken: set[str] = set()
    for line in lines:
        if not _is_said(line):
            yield None
            continue
        asset_id = name_of_url(line)
        if asset_id in taken:  # another picture of that name, or the same one twice, which the manifest says
            asset_id = f"{asset_id}-{hashlib.sha256(line.encode()).hexdigest()[:8]}"
        taken.add(asset_id)
        yield {"asset_id": asset_id, "source": line}


def _write_rows(draft: Draft, rows: Iterable[Mapping[str, Any] | None]) -> None:
    said = draft.wish.columns()
    what = {"prompt", "recipe", "parameters"}
    rest = {column: value for column, value in said.items() if column not in what}
    with draft.manifest.open("w", encoding="utf-8") as file:
        for row in rows:
            usual = said if row is None or not _says_what(row) else rest
            file.write("\n" if row is None else json.dumps({**usual, **row}, ensure_ascii=False) + "\n")


def _read(desk: Desk, draft: Draft) -> ManifestReading:
    """The draft's rows, good and bad."""
    if not draft.manifest.is_file():
        raise UsageError("what was brought is gone, for it was started or is older than a day; bring it again")
    is_written = draft.manifest.name == _ROWS
    try:
        found = read_rows(
            desk,
            draft.manifest,
            prompt=None if is_written else draft.wish.prompt,
            recipe=None if is_written else draft.wish.recipe,
            allow_outside=False,
            skip_bad=True,
            destinations=batch_destinations(desk, draft.batch, draft.wish.destinations),
        )
    except ManifestError as exc:
        return ManifestReading((), exc.problems, draft.manifest.name, "")
    return _without_other_files(found, draft)


def _without_other_files(found: ManifestReading, draft: Draft) -> ManifestReading:
    good, problems = [], list(found.problems)
    files = _files(draft)
    for row in found.rows:
        if row.source in files and Path(row.source).suffix.lower() not in PICTURE_SUFFIXES:
            expected = f"a picture: {', '.join(sorted(PICTURE_SUFFIXES))}"
            problems.append(RowProblem(row.line, "source", Path(row.source).name, expected))
        else:
            good.append(row)
    return replace(found, rows=tuple(good), problems=tuple(sorted(problems, key=lambda problem: problem.line)))


def _grouped(problems: Iterable[RowProblem]) -> Iterator[BadRows]:
    """The same thing once, however many rows it is wrong with."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for problem in problems:
        groups.setdefault((problem.column, problem.found, problem.expected), []).append(problem.line)
    for (column, found, expected), lines in groups.items():
        listed = ", ".join(str(line) for line in lines[:_LISTED_LINES] if line)
        more = f" and {len(lines) - _LISTED_LINES:,} more" if len(lines) > _LISTED_LINES else ""
        yield BadRows(f"{listed}{more}", column, found, expected)


def _files(draft: Draft) -> set[str]:
    """The files that were brought, the rows aside."""
    root = draft.folder.resolve()
    return {str(root / each.name) for each in root.iterdir() if each.name != draft.manifest.name}


def _target(desk: Desk, batch: str) -> Path:
    """Where a batch's files are."""
    return (desk.root / _FOLDER / safe_stem(batch)).resolve()


def _place(file: str, target: Path) -> str:
    """Where a file is already, byte for byte; otherwise where it was brought to."""
    there = next((each for each in _candidates(Path(file), target) if _is_same(Path(file), each)), None)
    return str(there or file)


def _linked(file: str, target: Path) -> str:
    """Put a file into the batch's folder, under another name if another file has its own; gives the path there."""
    for place in _candidates(Path(file), target):
        if not place.exists():
            with suppress(FileExistsError):  # another request brought it meanwhile
                os.link(file, place)
        if _is_same(Path(file), place):
            return str(place)
    raise UsageError(f"{Path(file).name}: the batch has other files of that name; name it otherwise")


def _candidates(file: Path, target: Path) -> Iterator[Path]:
    yield target / file.name
    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    yield target / f"{file.stem}-{sha256[:12]}{file.suffix}"


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _placed(row: ManifestRow, places: Mapping[str, str]) -> ManifestRow:
    """The row, with its files where they are."""
    return replace(
        row,
        source=places.get(row.source, row.source),
        mask=row.mask and places.get(row.mask, row.mask),
        markup=row.markup and places.get(row.markup, row.markup),
        references=tuple(places.get(each, each) for each in row.references),
    )
