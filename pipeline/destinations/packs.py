"""Packs: what one destination asks of a picture, as data. One TOML file each; a desk adds and replaces its own.

Every rule has the destination's own words, where they stand, the day that somebody read them there, and whether that
place is the destination's own.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pipeline.errors import PackError

FOLDER = "destinations"
"""Of a desk's own packs."""

ENDINGS: Mapping[str, tuple[str, ...]] = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/bmp": (".bmp",),
    "image/tiff": (".tif", ".tiff"),
    "image/avif": (".avif",),
}
"""What a file's name may end in, by its format; what a derivative's name ends in first."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Ratio = Annotated[str, StringConstraints(pattern=r"^[1-9]\d*(\.\d+)?:[1-9]\d*(\.\d+)?$")]
Frame = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{1,4}x[1-9]\d{1,4}$")]
MediaType = Literal[
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif", "image/heic"
]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Strength(StrEnum):
    """How good a rule's source is."""

    OFFICIAL = "official"
    SECONDARY = "secondary"
    """Others say that the destination says so."""
    OWN = "own"
    """Our own choice, or the desk's."""


class Weight(StrEnum):
    """What it means to break a rule: ``must`` becomes a flag, ``should`` is only told who asks."""

    MUST = "must"
    SHOULD = "should"


class Plain(BaseModel):
    """What all of a pack is made of: frozen, and without a key that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(Plain):
    """One rule of a destination.

    Attributes:
        name: Stable, and unlike the others of its pack.
        quote: The destination's own words.
        says: The same in English, or how the desk reads it; "" if the words say it all.
        source: Where they stand.
        read: The day that somebody read them there.
        strength: Whose words they are.
        weight: Whether it must be kept.
    """

    name: Name
    quote: str = Field(min_length=1)
    says: str = ""
    source: str = ""
    read: date | None = None
    strength: Strength
    weight: Weight = Weight.MUST

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if self.strength is not Strength.OWN and not (self.source.startswith("https://") and self.read):
            raise ValueError(f"rule {self.name}: found no source; expected an https URL, and the day it was read")
        return self


class Size(Rule):
    """So many pixels: a side, or both.

    Attributes:
        short_px: The shorter side has at least so many.
        long_px: The longer side has at least so many.
        most_px: The longer side has at most so many.
        frame: Width and height have at least so many.
    """

    check: Literal["size"]
    short_px: Pixels | None = None
    long_px: Pixels | None = None
    most_px: Pixels | None = None
    frame: Frame | None = None

    @model_validator(mode="after")
    def _has_limit(self) -> Self:
        if not (self.short_px or self.long_px or self.most_px or self.frame):
            raise ValueError(f"rule {self.name}: found no limit; expected one of: short_px, long_px, most_px, frame")
        return self


class Shape(Rule):
    """Width to height is one of these, within a share; a pixel's rounding counts as nothing."""

    check: Literal["shape"]
    ratios: tuple[Ratio, ...] = Field(min_length=1)
    within: Share = 0.01


class Megapixels(Rule):
    """Width times height, in millions of pixels."""

    check: Literal["megapixels"]
    at_most: Annotated[float, Field(gt=0)]


class Bytes(Rule):
    """The file's length."""

    check: Literal["bytes"]
    at_most: Annotated[int, Field(ge=1000)]


class Format(Rule):
    """The format is one of these, and the picture does not move."""

    check: Literal["format"]
    media_types: tuple[MediaType, ...] = Field(min_length=1)


class Ending(Rule):
    """The file's name ends as its format does."""

    check: Literal["ending"]


class Colours(Rule):
    """Red, green and blue, of so many bits each."""

    check: Literal["colours"]
    bits: Literal[8, 16] = 8


class Ground(Rule):
    """A ring around the picture has exactly this colour.

    Attributes:
        colour: ``#rrggbb``.
        ring: The ring's width, as a share of the longer side.
    """

    check: Literal["ground"]
    colour: Colour = "#ffffff"
    ring: Annotated[float, Field(gt=0, le=0.1)] = 0.01


class Fill(Rule):
    """How much of the picture's side the item takes, the longer of the two shares."""

    check: Literal["fill"]
    at_least: Share = 0
    at_most: Share = 1


class Added(Rule):
    """The edit added nothing of these; by the desk's own flags, which hold an output against its source."""

    check: Literal["added"]
    what: tuple[Literal["text", "logo", "border", "watermark", "blurred"], ...] = Field(min_length=1)


class Metadata(Rule):
    """What says in the master how it came about is in the file, too.

    Attributes:
        keeps: ``source_type`` is IPTC's DigitalSourceType in XMP, ``credentials`` a C2PA manifest.
    """

    check: Literal["metadata"]
    keeps: tuple[Literal["source_type", "credentials"], ...] = Field(min_length=1)


class SourceType(Rule):
    """A picture that a generative model made says so, by one of these names of IPTC's DigitalSourceType."""

    check: Literal["source-type"]
    names: tuple[str, ...] = Field(min_length=1)


AnyRule = Annotated[
    Size | Shape | Megapixels | Bytes | Format | Ending | Colours | Ground | Fill | Added | Metadata | SourceType,
    Field(discriminator="check"),
]

_MASTERS = "pictures"
"""A folder of exports; a destination's files are in one of its name."""

_PLACES = frozenset({"sku", "asset_id", "variant", "position"})


class Making(Plain):
    """How the file that goes there is made of a master.

    Attributes:
        frame: The largest that it becomes; a smaller master is not enlarged.
        pad: Whether ground is added until it has the frame's shape.
        ground: Colour of what is added, and of what is transparent.
        media_type: Its format.
        quality: The encoder's, for JPEG and WebP.
        least_quality: Down to this, to keep below the most bytes; the picture is then made smaller.
        fill: How much of a side the item is to take, where a recipe places it.
        name: The file's, without its ending; ``{sku}``, ``{asset_id}``, ``{variant}``, ``{position}`` stand for the
            asset's.
    """

    frame: Frame
    pad: bool = False
    ground: Colour = "#ffffff"
    media_type: Literal["image/jpeg", "image/png", "image/webp"] = "image/jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 92
    least_quality: Annotated[int, Field(ge=1, le=100)] = 75
    fill: Annotated[float, Field(gt=0.2, le=1)] = 0.84
    name: str = "{asset_id}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = set(re.findall(r"\{(.*?)\}", self.name)) - _PLACES
        if unknown or not re.sub(r"\{.*?\}", "", self.name).isprintable() or not self.name.strip():
            raise ValueError(f"making.name: found {self.name!r}; expected text with any of: {', '.join(_PLACES)}")
        if self.least_quality > self.quality:
            raise ValueError(f"making.least_quality: found {self.least_quality}; expected at most {self.quality}")
        return self

    @property
    def frame_wh(self) -> tuple[int, int]:
        """Width and height."""
        return size_wh(self.frame)


class Pack(Plain):
    """What one destination asks of a picture.

    Attributes:
        name: Lower-case words joined by hyphens.
        title: As a person reads it.
        dated: The day that its rules were last held against their sources.
        description: Which pictures it is for, and what it leaves out.
        making: How the file is made that goes there.
        rules: What must, and what should be kept.
    """

    name: Name
    title: str = Field(min_length=1)
    dated: date
    description: str = ""
    making: Making
    rules: tuple[AnyRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.name == _MASTERS:
            raise ValueError(f"name: found {_MASTERS!r}; expected another, since exports have masters in that folder")
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules: found {', '.join(twice)} twice; expected every name once")
        if broken := list(self._broken_by_making()):
            raise ValueError(f"making: what it makes breaks {', '.join(broken)}")
        return self

    def _broken_by_making(self) -> Iterator[str]:
        width, height = self.making.frame_wh
        for rule in self.rules:
            match rule:
                case Size():
                    is_broken = (rule.most_px is not None and max(width, height) > rule.most_px) or not is_large_enough(
                        (width, height), rule
                    )
                case Shape():
                    is_broken = rule.weight is Weight.MUST and not (
                        self.making.pad and has_shape((width, height), rule)
                    )
                case Megapixels():
                    is_broken = width * height > rule.at_most * 1e6
                case Format():
                    is_broken = self.making.media_type not in rule.media_types
                case Ground():
                    is_broken = self.making.ground.lower() != rule.colour.lower()
                case Fill():
                    is_broken = not rule.at_least <= self.making.fill <= rule.at_most
                case _:
                    is_broken = False
            if is_broken:
                yield f"rule {rule.name}"

    @cached_property
    def stamp(self) -> str:
        """Differs if the pack says something else."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def most_bytes(self) -> int | None:
        """What the file may have at most; None for any length."""
        return min((rule.at_most for rule in self.rules if isinstance(rule, Bytes)), default=None)

    @property
    def accepted_source_types(self) -> tuple[str, ...]:
        """The digital source types that it takes for what a generative model made; none if it does not say."""
        return next((rule.names for rule in self.rules if isinstance(rule, SourceType)), ())

    @property
    def least_wh(self) -> tuple[int, int]:
        """Width and height of the smallest picture in the frame's shape that must be large enough."""
        width, height = self.making.frame_wh
        scale = Fraction(64, min(width, height))
        for rule in self.rules:
            if isinstance(rule, Size) and rule.weight is Weight.MUST:
                least_w, least_h = size_wh(rule.frame) if rule.frame else (1, 1)
                short, long = rule.short_px or 1, rule.long_px or 1
                of_sides = Fraction(short, min(width, height)), Fraction(long, max(width, height))
                scale = max(scale, *of_sides, Fraction(least_w, width), Fraction(least_h, height))
        return min(width, ceil(width * scale)), min(height, ceil(height * scale))

    @property
    def numbers(self) -> dict[str, str]:
        """What a recipe's parameters can take over: by the names that a parameter's ``from_destination`` may have."""
        making, least = self.making, "x".join(map(str, self.least_wh))
        size = making.frame if least == making.frame else f"{least} to {making.frame}"
        return {"size": size, "margin": f"{(1 - making.fill) / 2:.4g}", "ground": making.ground}


def builtin_folder() -> Path:
    """Where the packs are that come with the desk."""
    return Path(__file__).parent / "builtin"


def known_packs(root: Path) -> dict[str, Pack]:
    """The packs that come with the desk, and those of the desk in this folder, which may not exist yet.

    Raises:
        PackError: A file cannot be read as a pack.
    """
    return load_packs([folder for folder in (builtin_folder(), root / FOLDER) if folder.is_dir()])


def load_packs(folders: Sequence[Path]) -> dict[str, Pack]:
    """All packs by name; those of a later folder take the place of earlier ones.

    Raises:
        PackError: A file cannot be read as a pack, or two in a folder have one name.
    """
    known: dict[str, Pack] = {}
    for folder in folders:
        of_folder: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            pack = read_pack(path)
            if pack.name in of_folder:
                raise PackError(f"{path}: {of_folder[pack.name].name} has the name {pack.name!r} too; change one")
            of_folder[pack.name] = path
            known[pack.name] = pack
    return known


def read_pack(path: Path) -> Pack:
    """The pack in this file.

    Raises:
        PackError: Says where, what was found and what was expected.
    """
    try:
        return Pack.model_validate(tomllib.loads(path.read_bytes().decode("utf-8")))
    except ValidationError as exc:
        raise PackError(f"{path}: {'; '.join(map(_said, exc.errors()))}") from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as exc:
        raise PackError(f"{path}: {exc}; mend the file or take it away") from exc


def need_packs(names: Iterable[str], known: Mapping[str, Pack]) -> tuple[str, ...]:
    """These names, each once and in their order.

    Raises:
        PackError: There is no pack of that name.
    """
    wanted = tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in known]:
        raise PackError(f"no destination is called {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    return wanted


def size_wh(frame: str) -> tuple[int, int]:
    """Width and height of ``2000x2000``."""
    width, height = frame.split("x")
    return int(width), int(height)


def is_large_enough(size: tuple[int, int], rule: Size) -> bool:
    """Whether a picture of that width and height has the least that the rule asks for."""
    least_w, least_h = size_wh(rule.frame) if rule.frame else (1, 1)
    enough = min(size) >= (rule.short_px or 1) and max(size) >= (rule.long_px or 1)
    return enough and size[0] >= least_w and size[1] >= least_h


def has_shape(size: tuple[int, int], rule: Shape) -> bool:
    """Whether a picture of that width and height has one of the rule's shapes."""
    return any(_apart(size, _fraction(ratio)) <= rule.within for ratio in rule.ratios)


def _fraction(ratio: str) -> float:
    width, height = ratio.split(":")
    return float(Fraction(width) / Fraction(height))


def _apart(size: tuple[int, int], ratio: float) -> float:
    """By what share the shape differs; less than a pixel's rounding counts as nothing."""
    width, height = size
    if abs(width - height * ratio) < 1 or abs(height - width / ratio) < 1:
        return 0.0
    own = width / height
    return max(own / ratio, ratio / own) - 1


def _said(error: Mapping[str, object]) -> str:
    """One thing that pydantic found, in our words' order."""
    places = error["loc"]
    where = ".".join(map(str, places)) if isinstance(places, tuple) else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
