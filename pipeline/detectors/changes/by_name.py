"""What an edit did, told by the findings alone: for an output that cannot be laid over its source."""

from collections.abc import Iterable, Sequence

from pipeline.detectors.boxes import area, union_overlap
from pipeline.detectors.changes.wording import is_same_text
from pipeline.values import Box, Change, Detection, Flag, Kind

_SAME_PLACE = 0.2
# In area: a crop that shows a face three times as wide and high is the closest that a catalogue makes.
_MOST_GROWN = 9.0
_ALWAYS_NEW = frozenset({Kind.DETECTOR, Kind.QUALITY})


def compare_by_name(
    source: Sequence[Detection],
    output: Sequence[Detection],
    *,
    source_size_wh: tuple[int, int],
    output_size_wh: tuple[int, int],
) -> list[Flag]:
    """Every finding with its change: those of the output in their order, then what was lost.

    Text and logos are matched by what they say, faces by their place after scaling and then by their size.
    """
    pairs = _pairs(source, output, source_size_wh, output_size_wh)
    flags = [Flag(found, Change.KEPT if index in pairs else Change.INTRODUCED) for index, found in enumerate(output)]
    kept = set(pairs.values())
    lost = (found for index, found in enumerate(source) if index not in kept and found.kind not in _ALWAYS_NEW)
    return [*flags, *(Flag(found, Change.LOST) for found in lost)]


def _pairs(
    source: Sequence[Detection],
    output: Sequence[Detection],
    source_wh: tuple[int, int],
    output_wh: tuple[int, int],
) -> dict[int, int]:
    """Output index to source index, the best match first, each used once."""
    ranked = []
    for index, found in enumerate(output):
        for other, before in enumerate(source):
            place = union_overlap(_scaled(before.xyxy, source_wh, output_wh), found.xyxy)
            if found.kind not in _ALWAYS_NEW and found.kind == before.kind and _is_same(before, found, place):
                ranked.append((-place, index, other))
    pairs = _each_once((index, other) for _, index, other in sorted(ranked))
    return pairs | _moved_faces(source, output, pairs)


def _moved_faces(source: Sequence[Detection], output: Sequence[Detection], pairs: dict[int, int]) -> dict[int, int]:
    """Faces without a partner in their place, the largest with the largest: a crop keeps that order."""
    used = set(pairs.values())
    after = [index for index, found in enumerate(output) if found.kind is Kind.FACE and index not in pairs]
    before = [index for index, found in enumerate(source) if found.kind is Kind.FACE and index not in used]
    after.sort(key=lambda index: -area(output[index].xyxy))
    before.sort(key=lambda index: -area(source[index].xyxy))
    return {
        index: other
        for index, other in zip(after, before, strict=False)
        if 1 / _MOST_GROWN <= area(output[index].xyxy) / max(1.0, area(source[other].xyxy)) <= _MOST_GROWN
    }


def _is_same(before: Detection, after: Detection, place: float) -> bool:
    if before.kind is Kind.FACE or not before.label:
        return place >= _SAME_PLACE
    return before.label == after.label or is_same_text([before.label], [after.label], exactly=False)


def _each_once(ranked: Iterable[tuple[int, int]]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for index, other in ranked:
        if index not in pairs and other not in used:
            pairs[index] = other
            used.add(other)
    return pairs


def _scaled(box: Box, source_wh: tuple[int, int], output_wh: tuple[int, int]) -> Box:
    x, y = output_wh[0] / source_wh[0], output_wh[1] / source_wh[1]
    return (box[0] * x, box[1] * y, box[2] * x, box[3] * y)
