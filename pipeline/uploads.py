"""A batch from pictures that somebody brought to the page."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.export.names import FileNames, safe_stem
from pipeline.intake import Intake, take_in


def start_batch(
    desk: Desk,
    name: str,
    files: Iterable[tuple[str, bytes]],
    *,
    prompt: str | None,
    recipe: str | None,
    actor: str,
) -> Intake:
    """Keep the pictures in the desk and queue one edit for each; the runner does the rest.

    Args:
        desk: The desk.
        name: Of the batch; pictures are added to one that exists.
        files: Name and bytes of each.
        prompt: What to do; or
        recipe: a recipe that needs no parameters.
        actor: Who asks.

    Raises:
        UsageError: Name, pictures or instruction are missing.
        ManifestError: The instruction does not fit.
    """
    if not name.strip() or not name.isprintable():
        raise UsageError("the batch has no name; give it one that can be printed")
    folder = desk.root / "uploads" / safe_stem(name.strip())
    brought = list(files)
    if not brought:
        raise UsageError("there is no picture; choose at least one")
    names = FileNames()
    for file_name, data in brought:
        path = Path(file_name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{names.stem(path.stem)}{path.suffix.lower()}").write_bytes(data)
    return take_in(desk, folder, actor=actor, batch=name.strip(), prompt=prompt, recipe=recipe)
