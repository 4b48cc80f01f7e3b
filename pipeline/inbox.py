"""Pictures that are brought to a folder, or a bucket's prefix, become batches by themselves.

A drop is what lies in one folder of the inbox when nothing of it has changed for a while; what lies loose is one, too.
It is kept as a row before anything is done with it, then its files are linked into the desk's own folder ``inbox``,
loaded as `pipeline.intake` loads a manifest, and only then moved aside: whoever comes after a crash does the same once
more, and nothing is loaded twice.
"""

import filecmp
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from pipeline.desk import Desk
from pipeline.errors import ManifestError, NotFound, RowProblem, UsageError
from pipeline.export.names import FileNames, safe_stem
from pipeline.holders import is_gone, new_holder
from pipeline.inbox_places import BAD, DONE, MARKER, Entries, open_place
from pipeline.intake import read_rows
from pipeline.manifest import PICTURE_SUFFIXES, ManifestReading
from pipeline.people import Person
from pipeline.settings import Inbox
from pipeline.sources import stamp
from pipeline.states import Role
from pipeline.store import inbox as store
from pipeline.store.inbox import Drop
from pipeline.store.loading import load_rows
from pipeline.values import ManifestRow

FOLDER = "inbox"
"""Of the desk: what was taken."""

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
ACTOR = "inbox"

_HELD = timedelta(minutes=15)
_WAIT_S = 0.5
_OF_TIME = 20
"""A look takes no more than one part in so many of a processor."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a drop.

    Attributes:
        folder: Of the inbox; "" for what lay loose.
        batches: Their names, with how many assets were added to each.
        bad: Files that were put aside, and why.
    """

    folder: str
    batches: Mapping[str, int]
    bad: Mapping[str, str]


@dataclass(slots=True)
class _Seen:
    """What lies in a folder of the inbox, and since when it has been so."""

    files: Entries
    since_s: float


@dataclass(slots=True)
class _Plan:
    """What is to be made of a drop: what goes into which batch, and files that cannot be used."""

    batches: list[tuple[str, ManifestReading]] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


class InboxWork:
    """Takes in what is brought; others may watch the same place at the same time.

    Args:
        desk: The desk.
        inbox: Where, and what is done with it.
        actor: For the history.
        clock: Gives seconds that only grow.

    Raises:
        UsageError: The settings do not fit together.
    """

    def __init__(
        self, desk: Desk, inbox: Inbox, *, actor: str = ACTOR, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if inbox.recipe and inbox.prompt:
            raise UsageError("inbox: found both a recipe and a prompt; expected one of the two")
        if inbox.recipe and inbox.recipe not in desk.recipes:
            raise UsageError(f"inbox.recipe: no recipe is called {inbox.recipe!r}; see: picturedesk recipes")
        self._desk, self._inbox, self._actor = desk, inbox, actor
        self._place = open_place(inbox.place, root=desk.root, options=inbox.options)
        self._holder = new_holder()
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._is_quiet = False
        self._rest_s = 0.0

    @property
    def rest_s(self) -> float:
        """How long to wait until the next look, in seconds: a large inbox is looked at less often."""
        return self._rest_s

    @property
    def is_quiet(self) -> bool:
        """Whether the last look found nothing that waits, or could be waited for."""
        return self._is_quiet

    def count_waiting(self) -> int:
        """How many files lie there that were not taken yet.

        Raises:
            UsageError: There is no such place.
            BlobsFailed: It does not answer.
        """
        return len(self._new_entries())

    def step(self) -> list[Taken]:
        """Finish what was left, and take what lies still; gives what became of it.

        Raises:
            UsageError: There is no such place, or a provider's settings do not fit.
            StoreError: It, or the desk, cannot be read or written.
        """
        db, place = self._desk.db, self._place
        gone = [each for each in store.holders(db, place.title) if is_gone(each)]
        left = store.unfinished(db, place.title, holder=self._holder, until=_later(), is_gone=gone)
        taken = [self._finish(drop) for drop in left]
        began_s = time.thread_time()
        groups = _groups(self._new_entries())
        self._rest_s = _OF_TIME * (time.thread_time() - began_s)
        for folder, files in self._steady(groups):
            drop = store.take(db, place.title, folder, files, holder=self._holder, until=_later(), actor=self._actor)
            if drop is not None:
                taken.append(self._finish(drop))
                self._seen.pop(folder, None)
        self._is_quiet = not groups
        return taken

    def until_quiet(self) -> Iterator[Taken]:
        """Take all that lies there, once nothing of it changes any more."""
        while True:
            yield from self.step()
            if self.is_quiet:
                return
            time.sleep(min(_WAIT_S, max(self._inbox.steady_s, 0.01)))

    # What lies there.

    def _new_entries(self) -> Entries:
        """What waits; what was taken before and left where it was does not.

        A manifest comes with the pictures that it may name, and a picture that changed with the manifests that may.
        """
        found = self._place.entries()
        marks = self._marked(found)
        fresh = {path for path, about in found.items() if marks.get(path) != list(about)}
        told = {_folder_of(path) for path in fresh if _is_manifest(path)}
        changed = {_folder_of(path) for path in fresh if path in marks and not _is_manifest(path)}
        return {
            path: about
            for path, about in found.items()
            if path in fresh or _folder_of(path) in (changed if _is_manifest(path) else told | changed)
        }

    def _marked(self, entries: Iterable[str]) -> dict[str, list[object]]:
        """What was taken, and left where it was: by path, what it was then."""
        if self._inbox.after == "move":
            return {}
        marks: dict[str, list[object]] = {}
        for folder in {_folder_of(path) for path in entries}:
            marks |= self._marks(folder)
        return marks

    def _marks(self, folder: str) -> dict[str, list[object]]:
        data = self._place.read(_joined(folder, MARKER))
        try:
            marks = json.loads(data or b"{}")
        except ValueError:  # somebody else's, or half of one: what is loaded again adds nothing
            return {}
        return marks if isinstance(marks, dict) else {}

    def _steady(self, groups: Mapping[str, Entries]) -> Iterator[tuple[str, Entries]]:
        """The folders of which nothing has changed for long enough, by this machine's steady clock."""
        now_s = self._clock()
        self._seen = {folder: seen for folder, seen in self._seen.items() if folder in groups}
        for folder, files in groups.items():
            seen = self._seen.get(folder)
            if seen is None or seen.files != files:
                seen = self._seen[folder] = _Seen(files, now_s)
            if now_s - seen.since_s >= self._inbox.steady_s:
                yield folder, files

    # What becomes of it.

    def _finish(self, drop: Drop) -> Taken:
        """From the row on; all of it may have been done before, as far as a crash let it."""
        if drop.batches is None:
            staged = self._desk.root / FOLDER / f".taken-{drop.id}"
            shutil.rmtree(staged, ignore_errors=True)
            try:
                plan = self._planned(drop, staged)
                if plan is None:
                    store.give_up(self._desk.db, drop, holder=self._holder, actor=self._actor)
                    return Taken(drop.folder, {}, {})
                batches = dict.fromkeys((name for name, _ in plan.batches), 0)
                for name, reading in plan.batches:
                    batches[name] += self._load(name, reading, staged)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
            drop = store.loaded(self._desk.db, drop, batches=batches, bad=plan.bad, holder=self._holder)
        self._put_aside(drop)
        store.finish(self._desk.db, drop, holder=self._holder, actor=self._actor)
        return Taken(drop.folder, drop.batches or {}, drop.bad)

    def _planned(self, drop: Drop, staged: Path) -> _Plan | None:
        """What is to be made of it; None if it has changed since it was taken: it is not all there yet."""
        plan = _Plan()
        files = {path: staged / PurePosixPath(path).relative_to(drop.folder) for path in drop.files}
        try:
            for path, to in files.items():
                to.parent.mkdir(parents=True, exist_ok=True)
                self._place.fetch(path, to)
        except NotFound:
            return None
        now = self._place.entries(drop.folder)
        if any(now.get(path) != about for path, about in drop.files.items()):
            return None
        for path in list(files):
            if why := _why_bad(files[path]):
                plan.bad[path] = why
                files.pop(path).unlink()
        manifests = [path for path in files if _is_manifest(path)]
        for path in manifests:
            self._plan_manifest(plan, path, files)
        pictures = {path: file for path, file in files.items() if path not in manifests}
        if manifests:
            marks = self._marked(drop.files)
            pictures = {path: file for path, file in pictures.items() if marks.get(path) != list(drop.files[path])}
            _put_rest_aside(plan, pictures, f"no good row of {', '.join(_name(each) for each in manifests)} names it")
        elif pictures:
            self._plan_pictures(plan, drop, pictures, staged)
        return plan

    def _plan_manifest(self, plan: _Plan, path: str, files: Mapping[str, Path]) -> None:
        try:
            plan.batches.append((FileNames().stem(Path(path).stem), self._read(files[path])))
        except ManifestError as exc:
            plan.bad[path] = "nothing was loaded; mend these, and bring it again:\n" + _told(exc.problems)

    def _plan_pictures(self, plan: _Plan, drop: Drop, pictures: Mapping[str, Path], staged: Path) -> None:
        if not (self._inbox.recipe or self._inbox.prompt):
            why = "nothing says what to do with it: set a recipe or a prompt for the inbox, or bring a manifest"
            plan.bad.update(dict.fromkeys(pictures, why))
            return
        try:
            reading = self._read(staged, skip_bad=True)
        except ManifestError as exc:
            plan.bad.update(dict.fromkeys(pictures, f"the folder could not be loaded:\n{_told(exc.problems)}"))
            return
        plan.batches.append((self._batch_name(drop), reading))
        _put_rest_aside(plan, pictures, f"it is among those that could not be loaded:\n{_told(reading.problems)}")

    def _batch_name(self, drop: Drop) -> str:
        """Of pictures without a manifest: their folder's, so that the same folder brought again adds what is new."""
        if drop.folder:
            return FileNames().stem(drop.folder)
        return f"{safe_stem(Path(self._place.title).name)}-{drop.taken_at:%Y-%m-%d-%H%M%S}-{drop.id}"

    def _read(self, path: Path, *, skip_bad: bool = False) -> ManifestReading:
        prompt, recipe = self._inbox.prompt, self._inbox.recipe
        return read_rows(self._desk, path, prompt=prompt, recipe=recipe, allow_outside=False, skip_bad=skip_bad)

    def _load(self, name: str, reading: ManifestReading, staged: Path) -> int:
        """Put the files where they stay, and load their rows; gives how many assets are new."""
        places = self._places(name, reading.rows, staged.resolve())
        for file, place in places.items():
            _put(Path(file), place)
        loaded = load_rows(
            self._desk.db,
            [_placed(row, places) for row in reading.rows],
            batch_name=name,
            manifest_name=reading.name if _is_manifest(reading.name) else name,
            manifest_sha256=reading.sha256,
            default_provider=self._desk.settings.provider,
            actor=self._actor,
            stamp=stamp,
        )
        return loaded.added

    def _places(self, name: str, rows: Sequence[ManifestRow], staged: Path) -> dict[str, Path]:
        """Where the files of rows stay; another picture that lies there gives way only to the same assets' new one."""
        target = self._desk.root / FOLDER / safe_stem(name)
        users: dict[str, set[tuple[str, str]]] = {}
        for row in rows:
            for each in _files(row):
                users.setdefault(each, set()).add((row.asset_id, row.variant))
        places = {file: target / Path(file).relative_to(staged) for file in users}
        others = {file: place for file, place in places.items() if place.exists() and not _is_same(Path(file), place)}
        if others:
            before = store.users(self._desk.db, name, {str(place) for place in others.values()})
            for file, place in others.items():
                named_by = before.get(str(place))
                if not named_by or not named_by <= users[file]:
                    places[file] = place.parent / _digest(Path(file)) / place.name
        return places

    def _put_aside(self, drop: Drop) -> None:
        """Move what is done to ``done`` or mark it, and what is bad to ``bad``, each with a text that says why."""
        mark = f"{drop.taken_at:%Y-%m-%d-%H%M%S}-{drop.id}"
        for path, why in drop.bad.items():
            self._place.write(f"{BAD}/{mark}/{path}.txt", f"{_name(path)}: {why}\n".encode())
            self._place.move(path, f"{BAD}/{mark}/{path}")
        good = [path for path in drop.files if path not in drop.bad]
        if self._inbox.after == "move":
            for path in good:
                self._place.move(path, f"{DONE}/{mark}/{path}")
        elif good:
            marks = self._marks(drop.folder) | {path: list(drop.files[path]) for path in good}
            self._place.write(_joined(drop.folder, MARKER), json.dumps(marks, indent=0).encode())


def watch(desk: Desk, inbox: Inbox, *, by: Person) -> InboxWork:
    """The work on an inbox for somebody who asks for it.

    Raises:
        Forbidden: The person may not start batches.
        UsageError: The settings do not fit together.
    """
    by.need(Role.REQUESTER, "start batches")
    return InboxWork(desk, inbox, actor=by.name)


def _later() -> datetime:
    return datetime.now(UTC) + _HELD


def _groups(entries: Entries) -> dict[str, Entries]:
    """By the inbox's folder that it lies in; what is further below belongs to that."""
    groups: dict[str, Entries] = {}
    for path, about in entries.items():
        groups.setdefault(_folder_of(path), {})[path] = about
    return groups


def _folder_of(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _is_manifest(path: str) -> bool:
    return path.lower().endswith(MANIFEST_SUFFIXES)


def _why_bad(file: Path) -> str:
    """Why a file is neither a manifest nor a picture, as far as that is told without decoding it; "" if it is one."""
    if _is_manifest(file.name):
        return ""
    if file.suffix.lower() not in PICTURE_SUFFIXES:
        known = ", ".join(sorted(PICTURE_SUFFIXES | set(MANIFEST_SUFFIXES)))
        return f"it is neither a picture nor a manifest; expected a name that ends in one of: {known}"
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            image.verify()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        what = "it is empty" if not file.stat().st_size else f"it is no picture that can be read ({type(exc).__name__})"
        return f"{what}; bring it again"
    return ""


def _put_rest_aside(plan: _Plan, pictures: Mapping[str, Path], why: str) -> None:
    """Pictures that no row names."""
    named = {file for _, reading in plan.batches for row in reading.rows for file in _files(row)}
    plan.bad.update({path: why for path, file in pictures.items() if str(file.resolve()) not in named})


def _told(problems: Sequence[RowProblem]) -> str:
    return "\n".join(f"  {problem}" for problem in problems)


def _files(row: ManifestRow) -> list[str]:
    """The paths that a row names; addresses are none."""
    named = (row.source, row.mask, row.markup, *row.references)
    return [each for each in named if each is not None and "://" not in each]


def _put(file: Path, place: Path) -> None:
    """Link a file to its place, unless it is there; another one there gives way."""
    if _is_same(file, place):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        os.link(file, temporary)
    except OSError:  # a disk that knows no links
        shutil.copy2(file, temporary)
    temporary.replace(place)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def _is_same(file: Path, place: Path) -> bool:
    """Whether the file is there already, byte for byte; then it keeps its time, and its row is no new one."""
    return place.exists() and filecmp.cmp(file, place, shallow=False)


def _placed(row: ManifestRow, places: Mapping[str, Path]) -> ManifestRow:
    def at(path: str | None) -> str | None:
        return path if path is None else str(places.get(path, path))

    return replace(
        row,
        source=str(at(row.source)),
        mask=at(row.mask),
        markup=at(row.markup),
        references=tuple(str(at(each)) for each in row.references),
    )
