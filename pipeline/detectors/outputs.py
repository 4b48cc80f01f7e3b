"""An output looked at beside its source: each decoded once, scanned if that is still to do, and compared."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from pipeline.detectors.changes import Look, compare
from pipeline.detectors.picture import Picture
from pipeline.detectors.quality import OF_THE_FRAME, judge
from pipeline.detectors.suite import SuiteOptions, load_suite
from pipeline.values import AskedArea, Change, Detection, Flag


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in both pictures by each detector, and what the edit did to it."""

    on_source: Mapping[str, tuple[Detection, ...]]
    on_output: Mapping[str, tuple[Detection, ...]]
    flags: tuple[Flag, ...]


def look_at_output(
    source: bytes,
    output: bytes,
    options: SuiteOptions,
    *,
    on_source: Mapping[str, Sequence[Detection]] | None = None,
    on_output: Mapping[str, Sequence[Detection]] | None = None,
    asked: AskedArea | None = None,
    new_frame: bool = False,
    may_mirror: bool = False,
    others: Sequence[bytes] = (),
) -> Looked:
    """What an edit did; for a process pool.

    Args:
        source: An encoded picture that is upright and sRGB.
        output: The same, made from it.
        options: How to look.
        on_source: What detectors that looked at the source before found, by name; they are not asked again.
        on_output: What is in the output, likewise.
        asked: The part of the source that the edit was asked to change; None if everything may change.
        new_frame: Whether another size or shape was asked for.
        may_mirror: Whether it was asked to be turned the wrong way round.
        others: The outputs of the same edit that come before this one.
    """
    suite = load_suite(options)
    old, new = _decoded(source), _decoded(output)
    in_old, in_new = suite.look(old, on_source), suite.look(new, on_output)
    before, after = Look(old, in_old.detections), Look(new, in_new.detections)
    flags = compare(before, after, reader=suite.reader, identity=suite.identity, asked=asked, may_mirror=may_mirror)
    rules = replace(suite.rules, off=(*suite.rules.off, *OF_THE_FRAME)) if new_frame else suite.rules
    doubts = judge(after.picture, source=before.picture, others=list(map(_decoded, others)), rules=rules)
    return Looked(
        in_old.by_detector, in_new.by_detector, (*flags, *(Flag(doubt, Change.INTRODUCED) for doubt in doubts))
    )


def look_alone(picture: bytes, options: SuiteOptions) -> list[Flag]:
    """What is in a picture whose source is not known: everything counts as introduced.

    Args:
        picture: An encoded picture that is upright and sRGB.
        options: How to look.
    """
    suite = load_suite(options)
    alone = _decoded(picture)
    doubts = judge(alone, source=None, rules=suite.rules)
    return [Flag(found, Change.INTRODUCED) for found in (*suite.look(alone).detections, *doubts)]


def _decoded(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        return Picture(image)
