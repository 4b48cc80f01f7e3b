"""A manifest into a desk: all good rows, or none, unless bad ones are to be skipped."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.destinations.packs import need_packs
from pipeline.errors import EditRefused, ManifestError, RowProblem
from pipeline.manifest import ManifestReading, read_manifest
from pipeline.opening import open_provider
from pipeline.pool import WorkPool
from pipeline.providers import Provider, provider_names
from pipeline.sources import stamp
from pipeline.store import batching
from pipeline.store.loading import Loaded, load_rows
from pipeline.values import EditRequest, Instruction, ManifestRow, PictureFacts, PictureFile


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of a manifest.

    Attributes:
        batch: The batch that its rows are in.
        loaded: What was added.
        problems: Rows that were skipped, if they were to be.
    """

    batch: str
    loaded: Loaded
    problems: tuple[RowProblem, ...]


def take_in(
    desk: Desk,
    path: Path,
    *,
    actor: str,
    batch: str | None = None,
    prompt: str | None = None,
    recipe: str | None = None,
    allow_outside: bool = False,
    skip_bad: bool = False,
    is_fresh: bool = False,
    destinations: Sequence[str] | None = None,
) -> Intake:
    """Load a manifest, or a folder of pictures, into a batch.

    Args:
        desk: The desk.
        path: CSV or JSONL file, or a folder.
        actor: Who loads.
        batch: The batch's name; the file's or folder's own without its ending if None.
        prompt: For rows that have none.
        recipe: For rows that have neither prompt nor recipe.
        allow_outside: Whether sources may be outside the manifest's folder.
        skip_bad: Load the good rows although others are bad.
        is_fresh: Make new edits anew, even if equal ones were made before.
        destinations: Where the batch's pictures go from now on; None to leave that as it is.

    Raises:
        ManifestError: Rows are bad; carries every problem, and nothing was loaded.
        PackError: There is no such destination.
    """
    with _without_collecting():
        name = batch_name(path, batch)
        goes = batch_destinations(desk, name, destinations)
        about: dict[str, Any] = {"prompt": prompt, "recipe": recipe, "allow_outside": allow_outside}
        reading = read_rows(desk, path, **about, skip_bad=skip_bad, destinations=goes)
        loaded = load_rows(
            desk.db,
            reading.rows,
            batch_name=name,
            manifest_name=path.name,
            manifest_sha256=reading.sha256,
            default_provider=desk.settings.provider,
            actor=actor,
            stamp=stamp,
            is_fresh=is_fresh,
            destinations=destinations,
        )
    return Intake(name, loaded, reading.problems)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Rows have no cycles, and to look for some in 100,000 of them took 0.9 s of 6.4 (our measurement, 2026-11-21)."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def batch_name(path: Path, batch: str | None) -> str:
    """What the batch of a manifest is called."""
    return batch or path.resolve().stem


def batch_destinations(desk: Desk, name: str, destinations: Sequence[str] | None) -> tuple[str, ...]:
    """Where the pictures of a batch go: as it is said now, or else as it was said before.

    Raises:
        PackError: There is no such destination.
    """
    if destinations is None:
        return batching.destinations_of(desk.db, name)
    return need_packs(destinations, desk.packs)


def read_rows(
    desk: Desk,
    path: Path,
    *,
    prompt: str | None,
    recipe: str | None,
    allow_outside: bool,
    skip_bad: bool,
    destinations: Sequence[str] = (),
) -> ManifestReading:
    """Read a manifest and hold it against its providers, as `take_in` does, and load nothing.

    Raises:
        ManifestError: Rows are bad, and are not to be skipped.
    """
    known = frozenset(provider_names())
    reading = read_manifest(
        path,
        recipes=desk.recipes,
        default_prompt=prompt,
        default_recipe=recipe,
        allow_outside=allow_outside,
        is_known_provider=known.__contains__,
        allow_http=desk.settings.allow_private_sources,
        packs=desk.packs,
        default_destinations=destinations,
    )
    reading = _hold_against_providers(desk, reading)
    if reading.problems and not (skip_bad and reading.rows):
        raise ManifestError(reading.problems)
    return reading


def _hold_against_providers(desk: Desk, reading: ManifestReading) -> ManifestReading:
    """The manifest without the rows that ask for what their provider's ai_model does not take."""
    pool, checkers = WorkPool(1), dict[str, Provider]()
    good, problems = [], list(reading.problems)
    for row in reading.rows:
        name = row.provider or desk.settings.provider
        if name not in checkers:
            checkers[name] = open_provider(desk, name, pool)
        try:
            for step in row.steps:
                checkers[name].check_options(_options_of(row, step))
        except EditRefused as exc:
            problems.append(RowProblem(row.line, exc.column, _found(row, exc.column), f"another: {exc}"))
        else:
            good.append(row)
    problems.sort(key=lambda problem: problem.line)
    return replace(reading, rows=tuple(good), problems=tuple(problems))


def _options_of(row: ManifestRow, step: Instruction) -> EditRequest:
    """What is known of a row's edit before any picture is read."""
    return EditRequest(
        name=row.asset_id,
        source=None,
        instruction=step,
        mask=_unread(row.mask),
        markup=_unread(row.markup),
        references=tuple(file for uri in row.references if (file := _unread(uri))),
        ai_model=row.ai_model,
        size=row.size,
        quality=row.quality,
        n=row.n,
    )


def _unread(uri: str | None) -> PictureFile | None:
    return None if uri is None else PictureFile(PictureFacts("", "", (0, 0), 0), Path(uri))


def _found(row: ManifestRow, column: str) -> str:
    value = getattr(row, column, None)
    return "what stands there" if value is None or isinstance(value, tuple) else str(value)
