"""Any files held against destinations, and made fit for them, outside a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.destinations.checks import Finding, check
from pipeline.destinations.derivatives import Derivative, derive
from pipeline.destinations.packs import ENDINGS, Added, Pack
from pipeline.errors import PictureError, UsageError
from pipeline.values import Flag


@dataclass(frozen=True, slots=True)
class Checked:
    """What one destination says of one file.

    Attributes:
        findings: The rules that it breaks; none if it is no picture.
        unseen: Rules that were not looked at, as nothing was known of what the edit did.
        error: Why it could not be looked at; "" if it could.
    """

    path: Path
    pack: Pack
    findings: tuple[Finding, ...]
    unseen: tuple[str, ...]
    error: str

    @property
    def passes(self) -> bool:
        """Whether the destination would take it, as far as was looked."""
        return not self.error and all(finding.is_advice for finding in self.findings)


def check_files(
    paths: Iterable[Path], packs: Sequence[Pack], flags: Iterable[Sequence[Flag] | None]
) -> Iterator[Checked]:
    """Hold files as they are against destinations; one that is no picture says so, and the next is looked at.

    Args:
        paths: The files.
        packs: The destinations.
        flags: For each file what the edit did, in the same order; None where nobody knows.
    """
    for path, known in zip(paths, flags, strict=True):
        for pack in packs:
            unseen = tuple(rule.name for rule in pack.rules if isinstance(rule, Added)) if known is None else ()
            try:
                said = _media_type(path)
                found = check(path.read_bytes(), said, pack, known or (), name=path.name)
            except PictureError as exc:
                yield Checked(path, pack, (), unseen, str(exc))
            except OSError as exc:
                yield Checked(path, pack, (), unseen, f"{exc.strerror}; name a picture that can be read")
            else:
                yield Checked(path, pack, tuple(found), unseen, "")


def make_files(paths: Iterable[Path], packs: Sequence[Pack], folder: Path) -> Iterator[tuple[Path, Pack, Derivative]]:
    """Make destinations' files of these, each in a folder of its destination; a file that is there is not replaced.

    Args:
        paths: Masters; they stay as they are, and their names without the ending stand for the asset's id.
        packs: The destinations.
        folder: Where the destinations' folders are made.

    Raises:
        PictureError: A master cannot be read; names it.
        UsageError: A file of that name is there with other bytes, or the folder cannot be written.
    """
    for path in paths:
        for pack in packs:
            try:
                made = derive(path.read_bytes(), _media_type(path), pack, asset_id=path.stem)
            except PictureError as exc:
                raise PictureError(exc.code, f"{path}: {exc}") from exc
            except OSError as exc:
                raise UsageError(f"{path}: {exc.strerror}; name a picture that can be read") from exc
            target = folder / pack.name / made.name
            _write_new(target, made.data)
            yield target, pack, made


def _write_new(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != data:
            raise UsageError(f"{target}: there is another file of that name; name another folder with --into")
        target.write_bytes(data)
    except OSError as exc:
        raise UsageError(f"{target}: {exc.strerror}; name a folder that can be written with --into") from exc


def _media_type(path: Path) -> str:
    """What a file's name says that it is."""
    ending = path.suffix.lower()
    return next((kind for kind, endings in ENDINGS.items() if ending in endings), "")
