"""The brand kit's files: reference logos and ``words.txt``, shown, added and taken away."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.desk import Desk
from pipeline.desk_files import MISSING, change_file, stamp_of
from pipeline.errors import NotFound, PictureError, UsageError
from pipeline.export.names import safe_stem
from pipeline.images import PictureLimits, prepare_picture, preview
from pipeline.people import Person
from pipeline.states import Role

WORDS = "words.txt"
LIMITS = PictureLimits(max_bytes=10_000_000, max_pixels=25_000_000)
"""Of a reference; detectors look at it on 240 pixels."""

_PREVIEW_PX = 160
_MOST_CHARACTERS = 200_000
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_SPACED = re.compile(r"(\S)[ \t]{2,}(exact|alone)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KitPicture:
    """A reference logo.

    Attributes:
        name: Where it is in the kit, as in ``nike/old.png``.
        label: What it is flagged as.
        stamp: Of the file.
    """

    name: str
    label: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Words:
    """``words.txt`` as it is written.

    Attributes:
        stamp: Of the file; empty if there is none.
    """

    text: str
    stamp: str


def kit_folder(desk: Desk) -> Path:
    """Where the kit is."""
    return desk.root / desk.settings.brand_kit


def pictures(desk: Desk) -> list[KitPicture]:
    """The references, sorted by label."""
    from pipeline.detectors.references import reference_paths

    folder = kit_folder(desk)
    if not folder.is_dir():
        return []
    return [
        KitPicture(path.relative_to(folder).as_posix(), label, stamp_of(path))
        for label, path in reference_paths(folder)
    ]


def small(desk: Desk, picture: KitPicture) -> bytes:
    """A WebP of at most 160 pixels a side.

    Raises:
        PictureError: The file is no picture that can be shown.
    """
    return preview((kit_folder(desk) / picture.name).read_bytes(), long_side=_PREVIEW_PX)


def too_simple(desk: Desk) -> list[str]:
    """Labels that are not found by their look, and whose name is not found where it is written either.

    Takes about 40 ms for each reference.

    Raises:
        UsageError: A reference is no picture.
    """
    from pipeline.detectors.brand_names import BrandNames
    from pipeline.detectors.kit import BrandKit

    folder = kit_folder(desk)
    names = BrandNames([path for path in (folder / WORDS,) if path.is_file()])
    return [label for label in BrandKit(folder).unfindable() if names.match(label) is None]


def idle(desk: Desk) -> list[str]:
    """References that nothing is looked for by, as they have too little detail.

    Raises:
        UsageError: A reference is no picture.
    """
    from pipeline.detectors.kit import BrandKit

    folder = kit_folder(desk)
    return [path.relative_to(folder).as_posix() for path in BrandKit(folder).idle()]


def add(desk: Desk, label: str, data: bytes, *, by: Person) -> KitPicture:
    """Put a reference into the kit, its bytes as they are; a label may have several.

    Args:
        desk: The desk.
        label: Whose logo it is.
        data: PNG, JPEG or WebP.
        by: Who adds it.

    Raises:
        Forbidden: The person is no admin.
        UsageError: The label is empty, or the kit cannot be written.
        PictureError: It is no picture, none of these formats, an animation, too large or too small.
    """
    by.need(Role.ADMIN, "change the brand kit")
    original = prepare_picture(data, limits=LIMITS).original
    if original.format not in _SUFFIXES:
        raise PictureError(
            "unsupported_format", f"it is {original.format}; the kit takes PNG, JPEG and WebP: save it as one of these"
        )
    stem = _stem(label)
    folder, suffix = kit_folder(desk), _SUFFIXES[original.format]
    taken = {path.stem.casefold() for path in folder.glob("*")}
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1_000)))
    path = folder / f"{next(name for name in names if name.casefold() not in taken)}{suffix}"
    told = {"label": stem, "file": path.name}
    stamp = change_file(desk, path, data, seen=MISSING, by=by, what="change the brand kit", kind="kit.added", told=told)
    return KitPicture(path.name, stem, stamp)


def remove(desk: Desk, picture: KitPicture, *, by: Person) -> None:
    """Take a reference out of the kit, and its file away.

    Raises:
        Forbidden: The person is no admin.
        NotFound: The kit has no such reference.
        Conflict: Somebody changed the file meanwhile.
    """
    by.need(Role.ADMIN, "change the brand kit")
    if picture.name not in {each.name for each in pictures(desk)}:
        raise NotFound(f"{picture.name}: the brand kit has no such reference any more")
    path, told = kit_folder(desk) / picture.name, {"label": picture.label, "file": picture.name}
    change_file(desk, path, None, seen=picture.stamp, by=by, what="change the brand kit", kind="kit.removed", told=told)


def words(desk: Desk) -> Words:
    """The names that are flagged where they are written."""
    path = kit_folder(desk) / WORDS
    stamp = stamp_of(path)
    return Words(path.read_bytes().decode("utf-8", "replace") if stamp != MISSING else "", stamp)


def save_words(desk: Desk, text: str, *, seen: str, by: Person) -> None:
    """Write the names anew; ``exact`` and ``alone`` may stand behind two spaces, and are written behind a tab.

    Args:
        desk: The desk.
        text: A name in each line.
        seen: The stamp of the file when the person read it.
        by: Who writes it.

    Raises:
        Forbidden: The person is no admin.
        UsageError: A line names nothing that can be found; says which.
        Conflict: Somebody changed the file meanwhile.
    """
    text = _SPACED.sub(r"\1\t\2", text.replace("\r\n", "\n"))
    _check_words(text)
    path = kit_folder(desk) / WORDS
    told = {"names": sum(bool(line.strip()) and not line.startswith("#") for line in text.splitlines())}
    change_file(desk, path, text.encode(), seen=seen, by=by, what="change the brand kit", kind="kit.words", told=told)


def _stem(label: str) -> str:
    """A file name that gives just this label back: a number at its end would be cut off."""
    if not label.strip():
        raise UsageError("the logo has no name; say whose it is, such as: Tarnquill")
    stem = safe_stem(label.strip())
    return f"{stem}_" if re.search(r"-\d+$", stem) else stem


def _check_words(text: str) -> None:
    from pipeline.detectors.brand_names import ALONE, EXACT, plain

    if len(text) > _MOST_CHARACTERS:
        raise UsageError(f"found {len(text)} characters; expected at most {_MOST_CHARACTERS}")
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, manner = line.strip().partition("\t")
        if not name or name.startswith("#"):
            continue
        if len(plain(name)) < 2:
            raise UsageError(f"line {number}: found {name!r}; expected at least two letters from a to z, or digits")
        if manner not in ("", EXACT, ALONE):
            raise UsageError(f"line {number}: found {manner!r} behind the tab; expected {EXACT}, {ALONE} or nothing")
