"""What a destination would say of an output, before anybody looks at it: flags of the kind ``quality``.

An output is held against its destination as what would leave: the file that is made of it (`derivatives`). What that
sets right, such as a format or too many pixels, is no reason to ask a person.
"""

from collections.abc import Sequence

from pipeline.destinations.checks import DETECTOR, Finding, as_flags, check
from pipeline.destinations.derivatives import derive
from pipeline.destinations.measures import has_ground, rgb_of
from pipeline.destinations.packs import Pack, Shape, has_shape
from pipeline.errors import PictureError
from pipeline.images import open_told
from pipeline.values import Change, Detection, Flag, Kind, Level


def flag_for(
    output: bytes, media_type: str, packs: Sequence[Pack], flags: Sequence[Flag], size_wh: tuple[int, int]
) -> list[Flag]:
    """What these destinations would say of an output; for a process pool.

    Args:
        output: The master's bytes.
        media_type: What they are.
        packs: The destinations.
        flags: What the edit did.
        size_wh: The output's width and height in pixels.
    """
    return [each for pack in packs for each in as_flags(preflight(output, media_type, pack, flags), pack, size_wh)]


def preflight(output: bytes, media_type: str, pack: Pack, flags: Sequence[Flag] = ()) -> list[Finding]:
    """What a destination says of the file that would be made of an output.

    Raises:
        PictureError: The output cannot be read.
    """
    try:
        made = derive(output, media_type, pack)
    except PictureError as exc:
        if exc.code != "too_large":
            raise
        return check(output, media_type, pack, flags)
    bars = _bars(output, pack)
    return [*bars, *check(made.data, made.media_type, pack, flags)]


def unknown_destination(name: str, size_wh: tuple[int, int]) -> Flag:
    """A destination that nobody knows any more: nobody can say what it asks for, so a person looks."""
    label = f"{name}: this desk knows no such destination, so its rules were not looked at"
    whole = (0.0, 0.0, float(size_wh[0]), float(size_wh[1]))
    return Flag(Detection(Kind.QUALITY, whole, 1.0, Level.SURE, label, DETECTOR, ""), Change.INTRODUCED)


def _bars(output: bytes, pack: Pack) -> list[Finding]:
    """A shape that is only reached by bars that everybody sees."""
    shapes = [rule for rule in pack.rules if isinstance(rule, Shape)]
    if not shapes or not pack.making.pad:
        return []
    image = open_told(output).image
    for rule in shapes:
        if not has_shape(image.size, rule):
            if image.mode == "RGBA" or has_ground(image, rgb_of(pack.making.ground)):
                continue
            figures = f"{image.width}x{image.height} px, and {' or '.join(rule.ratios)} is asked for"
            return [Finding(pack.name, rule, f"{figures}: padding with {pack.making.ground} would show as bars")]
    return []
