"""An output looked at beside its source: each decoded once, scanned if that is still to do, and compared."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from pipeline.detectors.changes import Look, compare
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import Suite, SuiteOptions, load_suite
from pipeline.values import AskedArea, Detection, Flag


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in both pictures, and what the edit did to it."""

    on_source: tuple[Detection, ...]
    on_output: tuple[Detection, ...]
    flags: tuple[Flag, ...]


def look_at_output(
    source: bytes,
    output: bytes,
    options: SuiteOptions,
    *,
    on_source: Sequence[Detection] | None = None,
    on_output: Sequence[Detection] | None = None,
    asked: AskedArea | None = None,
) -> Looked:
    """What an edit did; for a process pool.

    Args:
        source: An encoded picture that is upright and sRGB.
        output: The same, made from it.
        options: How to look.
        on_source: What is in the source, if it was looked at before.
        on_output: What is in the output, likewise.
        asked: The part of the source that the edit was asked to change; None if everything may change.
    """
    suite = load_suite(options)
    before, after = _look(source, suite, on_source), _look(output, suite, on_output)
    return Looked(
        tuple(before.found), tuple(after.found), tuple(compare(before, after, reader=suite.reader, asked=asked))
    )


def _look(data: bytes, suite: Suite, known: Sequence[Detection] | None) -> Look:
    with Image.open(io.BytesIO(data)) as image:
        picture = Picture(image)
    return Look(picture, suite.look(picture).detections if known is None else known)
