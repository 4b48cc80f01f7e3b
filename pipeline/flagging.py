"""The detectors on any pictures, outside a batch."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.detectors.outputs import look_alone, look_at_output
from pipeline.detectors.suite import SuiteOptions
from pipeline.errors import PictureError
from pipeline.images import PictureLimits, PreparedPicture, prepare_picture
from pipeline.sources import read_file
from pipeline.values import Detection, Flag


@dataclass(frozen=True, slots=True)
class Flagged:
    """What was found in one file.

    Attributes:
        path: The file.
        size_wh: Its upright size; None if it is no picture.
        flags: What was found; without a source to compare with, everything counts as introduced.
        error: Why it could not be looked at.
    """

    path: Path
    size_wh: tuple[int, int] | None
    flags: tuple[Flag, ...]
    error: PictureError | None


def flag_files(
    paths: Iterable[Path], suite: SuiteOptions, *, source: Path | None = None, first_frame: bool = False
) -> Iterator[Flagged]:
    """Look at files one by one; a broken one says so, and the next is looked at.

    Args:
        paths: The files.
        suite: How to look.
        source: The picture that they were made from, to tell what the edit did.
        first_frame: Take the first picture of an animation.

    Raises:
        PictureError: The source itself is broken.
    """
    before = None if source is None else _read(source, first_frame=first_frame)
    on_source: Mapping[str, tuple[Detection, ...]] | None = None
    for path in paths:
        try:
            picture = _read(path, first_frame=first_frame)
        except PictureError as exc:
            yield Flagged(path, None, (), exc)
            continue
        if before is None:
            flags = tuple(look_alone(picture.data, suite))
        else:
            looked = look_at_output(before.data, picture.data, suite, on_source=on_source)
            flags, on_source = looked.flags, looked.on_source
        yield Flagged(path, picture.size_wh, flags, None)


def _read(path: Path, *, first_frame: bool) -> PreparedPicture:
    limits = PictureLimits()
    return prepare_picture(read_file(str(path), limits), first_frame=first_frame, limits=limits)
