"""Labelled pictures to measure the detectors on: a table, or folders named by what is in them."""

import csv
from pathlib import Path

from pipeline.detectors.evaluate import KINDS, LabelledPicture
from pipeline.errors import UsageError
from pipeline.manifest import PICTURE_SUFFIXES
from pipeline.values import Kind

_TABLE = "labels.csv"
_NOTHING = "none"
_MEANING = {"y": True, "n": False}
_UNSURE = "a"
_FOLDERS = "face, text, logo, several such as face+text, or none"


def read_labels(path: Path) -> list[LabelledPicture]:
    """The pictures and what is in them.

    Args:
        path: A CSV file with the columns file (relative to it), face, text and logo: y, n, or a for pictures that
            are left out of that kind; or a folder with such a ``labels.csv``; or a folder with folders named
            ``face``, ``text``, ``logo``, ``none``, or by several, such as ``face+text``.

    Raises:
        UsageError: It is none of these, or holds no pictures; says what was found.
    """
    if path.is_dir() and not (path / _TABLE).is_file():
        return _from_folders(path)
    return _from_table(path / _TABLE if path.is_dir() else path)


def read_photographs(path: Path, *, most: int) -> list[Path]:
    """Pictures to try edits on: those of the labels, or all that lie in a folder; evenly chosen if there are more.

    Raises:
        UsageError: There are none, or the labels do not fit.
    """
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if _is_picture(each) and each.is_file())
    else:
        found = [picture.path for picture in _from_table(path)]
    if not found:
        raise UsageError(f"{path}: found no pictures; give a folder of photographs, or a CSV file of labels")
    return [found[index * len(found) // most] for index in range(most)] if len(found) > most else found


def _from_table(path: Path) -> list[LabelledPicture]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"{path}: {reason}; give a CSV file of labels, or a folder with folders {_FOLDERS}") from exc
    if not rows or not {"file", *KINDS} <= set(rows[0][1]):
        raise UsageError(f"{path}: expected rows with the columns file, face, text, logo")
    return [
        LabelledPicture(row["file"], path.parent / row["file"], _holds(row, f"{path}, line {line}"))
        for line, row in rows
    ]


def _holds(row: dict[str, str | None], where: str) -> dict[Kind, bool]:
    if not row["file"]:
        raise UsageError(f"{where}: found no file; expected a path relative to this table")
    found = {kind: (row[kind] or "").strip().lower() for kind in KINDS}
    for kind, word in found.items():
        if word not in _MEANING and word != _UNSURE:
            raise UsageError(f"{where}, {kind}: found {row[kind]!r}; expected y, n, or a to leave it out")
    return {kind: _MEANING[word] for kind, word in found.items() if word != _UNSURE}


def _from_folders(folder: Path) -> list[LabelledPicture]:
    found = []
    for each in sorted(folder.iterdir()):
        if each.name.startswith("."):
            continue
        if each.is_dir():
            held = _held(each)
            holds = {kind: kind in held for kind in KINDS}
            found += [
                LabelledPicture(path.relative_to(folder).as_posix(), path, holds)
                for path in sorted(each.rglob("*"))
                if _is_picture(path) and path.is_file()
            ]
        elif _is_picture(each):
            raise UsageError(f"{each}: a picture without a label; put it into a folder {_FOLDERS}")
    if not found:
        raise UsageError(f"{folder}: found no labelled pictures; expected {_TABLE}, or folders {_FOLDERS}")
    return found


def _held(folder: Path) -> frozenset[Kind]:
    words = {word.strip() for word in folder.name.lower().split("+")}
    if words == {_NOTHING}:
        return frozenset()
    if not words <= set(KINDS):
        raise UsageError(f"{folder}: found a folder {folder.name!r}; expected {_FOLDERS}")
    return frozenset(map(Kind, words))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
