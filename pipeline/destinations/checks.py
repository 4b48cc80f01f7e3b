"""A picture held against a pack: what it breaks, with the figures and the rule's own words. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from pipeline.destinations.measures import fill_of, has_credentials, rgb_of, ring_not
from pipeline.destinations.packs import (
    ENDINGS,
    Added,
    AnyRule,
    Bytes,
    Colours,
    Ending,
    Fill,
    Format,
    Ground,
    Megapixels,
    Metadata,
    Pack,
    Shape,
    Size,
    SourceType,
    Weight,
    has_shape,
    is_large_enough,
)
from pipeline.errors import PictureError
from pipeline.flag_lines import flag_line
from pipeline.images import OpenedPicture, PictureLimits, open_told
from pipeline.provenance.source_types import named_in
from pipeline.values import Box, Change, Detection, Flag, Kind, Level

DETECTOR = "destinations"
"""What a flag of these says that it comes from."""

_LIMITS = PictureLimits(max_bytes=100_000_000, max_pixels=100_000_000, min_side=1)
_LISTED = 3
_GREY = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"})
_MODES_OF_COLOUR = frozenset({"RGB", "RGBA", "RGBX", "RGBa", "P", "PA"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a picture breaks.

    Attributes:
        pack: The pack's name.
        rule: The rule.
        note: The figures, in words.
        score: How sure that is, in [0, 1].
        xyxy: Where, in pixels of what was flagged; None for the whole picture.
    """

    pack: str
    rule: AnyRule
    note: str
    score: float = 1.0
    xyxy: Box | None = None

    @property
    def is_advice(self) -> bool:
        """Whether the destination takes the picture all the same."""
        return self.rule.weight is Weight.SHOULD

    @property
    def quoted(self) -> str:
        """The rule's own words, and what they mean where they need it."""
        said = f" ({self.rule.says.rstrip('.')})" if self.rule.says else ""
        return f'{self.rule.strength} rule: "{self.rule.quote}"{said}'


@dataclass(frozen=True)
class _Case:
    """A file on its way to a destination."""

    data: bytes
    media_type: str
    opened: OpenedPicture
    flags: Sequence[Flag]
    name: str | None
    master: bytes | None
    is_generated: bool

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.opened.image.size

    @cached_property
    def fill(self) -> float | None:
        return fill_of(self.opened.image)


def check(
    picture: bytes,
    media_type: str,
    pack: Pack,
    flags: Iterable[Flag] = (),
    *,
    name: str | None = None,
    master: bytes | None = None,
    is_generated: bool = False,
) -> list[Finding]:
    """The rules of a pack that a file breaks, in the pack's order.

    Args:
        picture: The file's bytes, as they are to go there.
        media_type: What it is said to be.
        pack: The destination's rules.
        flags: What the edit did to text, logos and so on; as the desk flagged its output.
        name: The file's name, to hold its ending against its format; None to hold ``media_type`` against it.
        master: What the file was made of, to see whether it lost what said how it came about; None not to look.
        is_generated: Whether a generative model made it and the file is about to leave, so that it must say so.

    Raises:
        PictureError: It is no picture that the desk can read.
    """
    try:
        opened = open_told(picture, limits=_LIMITS)
    except PictureError as exc:
        moving = [rule for rule in pack.rules if isinstance(rule, Format)]
        if exc.code != "animated" or not moving:
            raise
        return [Finding(pack.name, moving[0], str(exc))]
    case = _Case(picture, media_type, opened, tuple(flags), name, master, is_generated)
    return [finding for rule in pack.rules if (finding := _finding(pack, rule, case)) is not None]


def as_flags(findings: Iterable[Finding], pack: Pack, size_wh: tuple[int, int]) -> list[Flag]:
    """Broken rules as flags of the kind ``quality``, with the rule's own words; advice is no flag.

    Args:
        findings: Of the pack.
        pack: The destination's rules.
        size_wh: Of the flagged picture.
    """
    whole = (0.0, 0.0, float(size_wh[0]), float(size_wh[1]))
    return [
        Flag(
            Detection(
                Kind.QUALITY,
                finding.xyxy or whole,
                finding.score,
                Level.SURE if finding.score >= 0.5 else Level.FLAG,
                f"{pack.name} {finding.rule.name}: {finding.note}",
                DETECTOR,
                pack.dated.isoformat(),
            ),
            Change.INTRODUCED,
            remark=finding.quoted,
        )
        for finding in findings
        if not finding.is_advice
    ]


def _finding(pack: Pack, rule: AnyRule, case: _Case) -> Finding | None:
    if isinstance(rule, Added):
        return _added(pack, rule, case.flags)
    note = "; ".join(_broken(rule, case))
    return Finding(pack.name, rule, note) if note else None


def _broken(rule: AnyRule, case: _Case) -> Iterator[str]:
    """What of a rule is broken, with figures; nothing if it is kept."""
    match rule:
        case Size():
            yield from _size(rule, case.size_wh)
        case Shape():
            yield from _shape(rule, case.size_wh)
        case Megapixels():
            yield from _megapixels(rule, case.size_wh)
        case Bytes():
            yield from _bytes(rule, len(case.data))
        case Format():
            yield from _format(rule, case.opened.original.media_type)
        case Ending():
            yield from _ending(case)
        case Colours():
            yield from _colours(rule, case.opened)
        case Ground():
            yield from _ground(rule, case)
        case Fill():
            yield from _fill(rule, case.fill)
        case Metadata():
            yield from _metadata(rule, case)
        case SourceType():
            yield from _source_type(rule, case)


def _size(rule: Size, size: tuple[int, int]) -> Iterator[str]:
    width, height = size
    if not is_large_enough(size, rule):
        asked = [f"at least {rule.frame}"] if rule.frame else []
        asked += [f"the shorter side at least {rule.short_px}"] if rule.short_px else []
        asked += [f"the longer side at least {rule.long_px}"] if rule.long_px else []
        yield f"{width}x{height} px, and {' and '.join(asked)} is asked for"
    if rule.most_px is not None and max(size) > rule.most_px:
        yield f"{width}x{height} px, and at most {rule.most_px} on the longer side is taken"


def _shape(rule: Shape, size: tuple[int, int]) -> Iterator[str]:
    if not has_shape(size, rule):
        width, height = size
        yield f"{width}x{height} px is 1:{height / width:.3g}, and {' or '.join(rule.ratios)} is asked for"


def _megapixels(rule: Megapixels, size: tuple[int, int]) -> Iterator[str]:
    millions = size[0] * size[1] / 1e6
    if millions > rule.at_most:
        yield f"{millions:.4g} megapixels, and at most {rule.at_most:g} is taken"


def _bytes(rule: Bytes, length: int) -> Iterator[str]:
    if length > rule.at_most:
        yield f"{length:,} bytes, and at most {rule.at_most:,} is taken"


def _format(rule: Format, media_type: str) -> Iterator[str]:
    if media_type not in rule.media_types:
        taken = ", ".join(_word(each) for each in rule.media_types)
        yield f"{_word(media_type)}, and one of these is asked for: {taken}"


def _ending(case: _Case) -> Iterator[str]:
    found = case.opened.original.media_type
    if case.name is None:
        if case.media_type != found:
            yield f"said to be {_word(case.media_type)}, and is {_word(found)}"
        return
    ending = PurePath(case.name).suffix.lower()
    if ending not in ENDINGS.get(found, ()):
        yield f"the name ends in {ending or 'nothing'!r}, and the file is {_word(found)}"


def _colours(rule: Colours, opened: OpenedPicture) -> Iterator[str]:
    original = opened.original
    if original.mode not in _MODES_OF_COLOUR:
        yield f"the file has {'grey' if original.mode in _GREY else original.mode}, and red, green, blue is asked for"
    elif original.bit_depth is not None and original.bit_depth > rule.bits:
        yield f"{original.bit_depth} bits a channel, and at most {rule.bits} is taken"


def _ground(rule: Ground, case: _Case) -> Iterator[str]:
    wanted = rgb_of(rule.colour)
    ring = ring_not(case.opened.image, wanted, ring=rule.ring)
    if ring.sides:
        share = "under 0.1 %" if ring.share < 0.001 else f"{100 * ring.share:.1f} %"
        where = ", ".join(ring.sides)
        yield f"{share} of the border is not {wanted} but about {ring.colour} ({where})"


def _fill(rule: Fill, fill: float | None) -> Iterator[str]:
    if fill is not None and not rule.at_least <= fill <= rule.at_most:
        most = "" if rule.at_most == 1 else f" to {rule.at_most:.0%}"
        yield f"the item takes {fill:.1%} of the side, and {rule.at_least:.0%}{most or ' at least'} is asked for"


def _metadata(rule: Metadata, case: _Case) -> Iterator[str]:
    if case.master is None:
        return
    if "source_type" in rule.keeps and (had := named_in(case.master)) and not named_in(case.opened.xmp):
        yield f"the master says {', '.join(had)}, and the file says nothing of its origin"
    if "credentials" in rule.keeps and has_credentials(case.master) and not has_credentials(case.data):
        yield "the master has content credentials, and the file has none"


def _source_type(rule: SourceType, case: _Case) -> Iterator[str]:
    if not case.is_generated:
        return
    said = named_in(case.opened.xmp)
    if not set(said) & set(rule.names):
        yield (
            f"the file says {', '.join(said) or 'nothing'} of its origin, and one of these is asked for: "
            + ", ".join(rule.names)
        )


def _added(pack: Pack, rule: Added, flags: Iterable[Flag]) -> Finding | None:
    found = [flag for flag in flags if _what(flag) in rule.what]
    if not found:
        return None
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    note = "; ".join(flag_line(flag) for flag in found[:_LISTED]) + more
    worst = max(found, key=lambda flag: flag.detection.score)
    return Finding(pack.name, rule, note, worst.detection.score, worst.detection.xyxy)


def _what(flag: Flag) -> str:
    """What the edit added, by the names of `Added`; "" for nothing of the sort."""
    if flag.change not in (Change.INTRODUCED, Change.ALTERED) or flag.detection.detector == DETECTOR:
        return ""
    kind = flag.detection.kind
    return flag.detection.label.partition(":")[0] if kind is Kind.QUALITY else kind.value


def _word(media_type: str) -> str:
    return media_type.removeprefix("image/").upper()
