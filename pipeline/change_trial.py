"""Whether the comparison says what an edit did: edits with a known effect, drawn on photographs, and looked at.

A harmless edit raises a false alarm if anything that it left alone counts as introduced, altered or lost, or if it
could not be compared. A real one is caught if a flag of its kind says so at its place; a picture that was turned the
wrong way round, if that is said.
"""

import asyncio
import io
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from pipeline import drawn_edits
from pipeline.detectors.boxes import area, overlap
from pipeline.detectors.changes import Look, compare
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import SuiteOptions, load_suite
from pipeline.drawn_edits import DrawnEdit
from pipeline.drawn_products import LOGOS, draw_logo
from pipeline.errors import PictureError, UsageError, WorkerCrashed
from pipeline.flag_lines import flag_line
from pipeline.images import open_prepared, prepare_picture
from pipeline.pool import WorkPool
from pipeline.proportions import wilson
from pipeline.values import Box, Change, Detection, Flag, Kind

HARMLESS = ("re-encode", "brightness", "resize", "crop", "extend", "background replaced")
_MOST_PX = 1280
_LEAST_FACE_PX = 48
_LEAST_LETTERS = 3
_AT_THE_PLACE = 0.2
_KINDS = frozenset({Kind.FACE, Kind.TEXT, Kind.LOGO})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tried:
    """One edit and what was said of it.

    Attributes:
        picture: The photograph's path.
        edit: Which edit.
        is_flagged: Whether something counts as changed: at the edited place, for a real edit.
        said: The flags that say so, in one line each.
    """

    picture: str
    edit: str
    is_flagged: bool
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    path: Path
    found: tuple[Detection, ...]


def try_changes(
    pictures: Sequence[Path],
    suite: SuiteOptions,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Draw every edit on every picture, look, and count; gives JSON values.

    Args:
        pictures: Photographs, the more with faces and texts the better.
        suite: How to look; the drawn logos stand in for its brand kit.
        workers: Processes; one for each core if None.
        on_progress: Told how many looks are done, and of how many; each picture takes two.

    Raises:
        UsageError: None of the pictures can be looked at.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in LOGOS:
            (Path(folder) / f"{name}.png").write_bytes(draw_logo(name))
        (Path(folder) / "words.txt").write_text("\n".join(LOGOS))
        return asyncio.run(_try_changes(pictures, replace(suite, kit=folder), workers, on_progress))


async def _try_changes(
    pictures: Sequence[Path], suite: SuiteOptions, workers: int | None, on_progress: Callable[[int, int], None]
) -> dict[str, Any]:
    done = itertools.count(1)

    def tell() -> None:
        on_progress(next(done), 2 * len(pictures))

    with WorkPool(workers) as pool:
        subjects, failed = await _each(pool, _found, {path: (path, suite) for path in pictures}, tell)
        if not subjects:
            raise UsageError(f"none of the pictures can be looked at; {': '.join(next(iter(failed.items()), ()))}")
        others = _other_faces(subjects)
        jobs = {subject.path: (subject, other, suite) for subject, other in zip(subjects, others, strict=True)}
        tried, crashed = await _each(pool, _try_all, jobs, tell)
    return {**_summary([one for some in tried for one in some], len(tried)), "failed": failed | crashed}


async def _each(
    pool: WorkPool, function: Callable[..., T], jobs: Mapping[Path, tuple[Any, ...]], tell: Callable[[], None]
) -> tuple[list[T], dict[str, str]]:
    """The results in the order of their pictures, and why some have none."""
    results: dict[Path, T] = {}
    failed = {}

    async def one(path: Path) -> None:
        try:
            results[path] = await pool.run(function, *jobs[path])
        except (OSError, PictureError, WorkerCrashed) as exc:
            failed[path.name] = str(exc)
        tell()

    await asyncio.gather(*(one(path) for path in jobs))
    return [results[path] for path in jobs if path in results], failed


def _found(path: Path, suite: SuiteOptions) -> _Subject:
    found = load_suite(suite).scan(_open(path)).detections
    return _Subject(path, tuple(each for each in found if each.kind in _KINDS))


def _other_faces(subjects: Sequence[_Subject]) -> list[tuple[Path, Box] | None]:
    """For each picture, the largest face of the next one that has any."""
    faces = [(subject.path, max(large, key=area)) for subject in subjects if (large := _large_faces(subject.found))]
    others: list[tuple[Path, Box] | None] = []
    for subject in subjects:
        later = [face for face in faces if face[0] > subject.path] or faces
        others.append(next((face for face in later if face[0] != subject.path), None))
    return others


def _try_all(subject: _Subject, other: tuple[Path, Box] | None, suite: SuiteOptions) -> list[Tried]:
    image = _open(subject.path)
    seed = int.from_bytes(subject.path.name.encode()[-8:], "little")
    return [_try(subject, edit, suite) for edit in _edits(image, subject.found, other, np.random.default_rng(seed))]


def _edits(
    image: Image.Image, found: Sequence[Detection], other: tuple[Path, Box] | None, random: np.random.Generator
) -> Iterator[DrawnEdit]:
    boxes = [each.xyxy for each in found]
    yield drawn_edits.re_encode(image, random)
    yield drawn_edits.brighten(image, random)
    yield drawn_edits.resize(image, random)
    yield drawn_edits.crop(image, boxes, random)
    yield drawn_edits.extend(image, random)
    yield drawn_edits.replace_background(image, boxes, random)
    yield drawn_edits.mirror(image)
    texts = [each for each in found if _can_be_edited(each, image.size)]
    if texts:
        place = max(texts, key=lambda each: each.score).xyxy
        yield drawn_edits.remove("text removed", image, place)
        yield drawn_edits.garble_text(image, place, random)
    faces = _large_faces(found)
    if faces:
        place = max(faces, key=area)
        yield drawn_edits.blur_face(image, place, random)
        if other is not None:
            yield drawn_edits.swap_face(image, place, _open(other[0]).crop(_rounded(other[1])), random)
    yield from _existing(drawn_edits.add_text(image, boxes, random))
    logo = Image.open(io.BytesIO(draw_logo(str(random.choice(sorted(LOGOS)))))).convert("RGBA")
    pasted = drawn_edits.paste_logo(image, logo, boxes, random)
    if pasted is not None and pasted.place is not None:
        yield pasted
        yield DrawnEdit("logo erased", pasted.output, drawn_edits.re_encode(image, random).output, pasted.place)
        yield drawn_edits.warp("logo warped", pasted.output, pasted.place, random)


def _can_be_edited(text: Detection, size_wh: tuple[int, int]) -> bool:
    """Whether it says something, and leaves a ground to paint it over with."""
    letters = sum(map(str.isalnum, text.label))
    return text.kind is Kind.TEXT and letters >= _LEAST_LETTERS and area(text.xyxy) < size_wh[0] * size_wh[1] / 4


def _try(subject: _Subject, edit: DrawnEdit, suite: SuiteOptions) -> Tried:
    loaded = load_suite(suite)
    output, source = Picture(edit.output), Picture(edit.source)
    is_own_source = edit.name not in ("logo erased", "logo warped")
    before = subject.found if is_own_source else loaded.look(source).detections
    flags = compare(Look(source, before), Look(output, loaded.look(output).detections), reader=loaded.reader)
    changed = [flag for flag in flags if _is_change(flag)]
    if edit.name == "mirrored":
        changed = [flag for flag in flags if flag.detection.label.startswith("mirrored")]
    if edit.place is not None:
        changed = [flag for flag in changed if flag.detection.kind == _kind(edit) and _is_at(edit.place, flag)]
    return Tried(subject.path.name, edit.name, bool(changed), tuple(map(flag_line, changed)))


def _is_change(flag: Flag) -> bool:
    if flag.detection.kind is Kind.QUALITY:
        return flag.detection.label.startswith(("cannot_compare", "mirrored"))
    return flag.detection.kind in (*_KINDS, Kind.DETECTOR) and flag.change is not Change.KEPT


def _kind(edit: DrawnEdit) -> Kind:
    return Kind(edit.name.split()[0])


def _is_at(place: Box, flag: Flag) -> bool:
    return overlap(place, flag.detection.xyxy) >= _AT_THE_PLACE


def _summary(tried: Iterable[Tried], pictures: int) -> dict[str, Any]:
    edits: dict[str, list[Tried]] = {}
    for each in tried:
        edits.setdefault(each.edit, []).append(each)
    harmless = [each for name in edits if name in HARMLESS for each in edits[name]]
    real = [each for name in edits if name not in HARMLESS for each in edits[name]]
    alarms, caught = sum(each.is_flagged for each in harmless), sum(each.is_flagged for each in real)
    return {
        "false_alarm": alarms / len(harmless) if harmless else None,
        "false_alarm_interval": wilson(alarms, len(harmless)),
        "caught": caught / len(real) if real else None,
        "caught_interval": wilson(caught, len(real)),
        "pictures": pictures,
        "edits": {
            name: {
                "is_harmless": name in HARMLESS,
                "drawn": len(some),
                "flagged": sum(each.is_flagged for each in some),
                "share": sum(each.is_flagged for each in some) / len(some),
            }
            for name, some in edits.items()
        },
        "wrong": [
            {"picture": each.picture, "edit": each.edit, "said": list(each.said)}
            for name, some in edits.items()
            for each in some
            if each.is_flagged == (name in HARMLESS)
        ],
    }


def _existing(edit: DrawnEdit | None) -> Iterator[DrawnEdit]:
    if edit is not None:
        yield edit


def _large_faces(found: Iterable[Detection]) -> list[Box]:
    return [each.xyxy for each in found if each.kind is Kind.FACE and each.xyxy[2] - each.xyxy[0] >= _LEAST_FACE_PX]


def _rounded(box: Box) -> tuple[int, int, int, int]:
    return int(box[0]), int(box[1]), round(box[2]), round(box[3])


def _open(path: Path) -> Image.Image:
    image = open_prepared(prepare_picture(path.read_bytes(), first_frame=True).data).convert("RGB")
    image.thumbnail((_MOST_PX, _MOST_PX))
    return image
