"""A manifest into a desk: all good rows, or none, unless bad ones are to be skipped."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.desk import Desk
from pipeline.errors import ManifestError, RowProblem
from pipeline.manifest import read_manifest
from pipeline.providers import provider_names
from pipeline.sources import stamp
from pipeline.store.loading import Loaded, load_rows


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

    Raises:
        ManifestError: Rows are bad; carries every problem, and nothing was loaded.
    """
    known = frozenset(provider_names())
    reading = read_manifest(
        path,
        recipes=desk.recipes,
        default_prompt=prompt,
        default_recipe=recipe,
        allow_outside=allow_outside,
        is_known_provider=known.__contains__,
    )
    if reading.problems and not (skip_bad and reading.rows):
        raise ManifestError(reading.problems)
    name = batch or path.resolve().stem
    loaded = load_rows(
        desk.db,
        reading.rows,
        batch_name=name,
        manifest_name=path.name,
        manifest_sha256=reading.sha256,
        default_provider=desk.settings.provider,
        actor=actor,
        stamp=stamp,
    )
    return Intake(name, loaded, reading.problems)
