"""What an edit did to what the detectors found: introduced, altered, kept or lost.

Output and source are laid over each other first. A place that looks the same is kept, whatever a detector says the
second time; only where it looks another way is it asked what stands there now. So a detector that wavers raises no
alarm, and a letter that changed is seen though both pictures have a text there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.detectors.boxes import area, overlap, shared_area, union_overlap
from pipeline.detectors.changes.alike import Likeness, covered, likeness
from pipeline.detectors.changes.by_name import compare_by_name
from pipeline.detectors.changes.registration import Registration, register
from pipeline.detectors.changes.unasked import unasked_changes
from pipeline.detectors.changes.wording import is_same_text, text_likeness
from pipeline.detectors.identity import SAME_PERSON, FaceIdentity
from pipeline.detectors.picture import Picture
from pipeline.detectors.reading import Reading
from pipeline.values import AskedArea, Box, Change, Detection, Flag, Kind, Level

NAME = "changes"
VERSION = "1"

_CANNOT_COMPARE = "cannot_compare: the output shows no place of its source again; findings are told by name alone"
_MIRRORED = "mirrored: the output shows its source the wrong way round"
_OF_THE_OUTPUT = frozenset({Kind.DETECTOR, Kind.QUALITY})

# Our measurement, 2026-11-21, on texts of 70 real photographs, by parts of three quarters of a line's height: with one
# letter replaced, the worst part is less alike than .65 in nineteen of twenty; left alone (JPEG 40, brightness 1.25, .6
# and 1.4 of the size), in one of twenty less than .63 to .82. So what is less alike than .88 is read again.
_LETTER = 0.75
_SURELY_KEPT = 0.88
_LOOKS_KEPT = 0.75
_LETTERS_CHANGED = 0.65
_LOOKS_CHANGED = 0.5
# Faces: 1 % of those left alone are less alike than .94 as a whole; of swapped ones, 1 % more than .93.
_SAME_FACE = 0.94
_FACE_PARTS = 0.6
# Blurred by 6 % of their width, 99 % of faces of 60 pixels and more keep less than .51 of their detail; faces that a
# re-encoding or half the size left alone keep at least .94.
_SHARP_FACE = 0.72
_BLURRABLE_PX = 40
# Under these sizes a re-sampling alone looks like a change: parts tell nothing, and the whole must do.
_SMALL_TEXT_PX = 12
_SMALL_FACE_PX = 32
_SMALL_LOGO_PX = 12
_SMALL_TEXT_IS_KEPT = 0.75
_SMALL_FACE_IS_KEPT = 0.6
_SAME_LOGO = 0.8
# Of 37 logos that were painted over and not found again, 35 look less alike; the ground beneath has its own likeness.
_LOGO_IS_THERE = 0.7
_IN_FRAME = 0.5
_OVERLAP = 0.2
# Intersection over union (our measurement, 2026-11-21, on 40 photographs): 22 of 26 marks found on a word that was
# added have more with it; 29 of 32 on an emblem with its name have less.
_FILLED = 0.5
_SAME_TEXT = 0.8
_READ = 0.6
# A line that was read less surely than this may be read another way the next time (our measurement, 2026-11-20).
_SURELY_READ = 0.75
# Nor does it become unreadable by itself where it was certain before and a part looks like nothing of the kind.
_CERTAINLY_READ = 0.9
_LETTERS_MANGLED = 0.4
_MOVED_TEXT = 85.0


class Reader(Protocol):
    """Reads the text at a place of a picture."""

    def read(self, picture: Picture, corners: Box) -> Reading:
        """What stands at this box, in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture and what the detectors found in it."""

    picture: Picture
    found: Sequence[Detection]


def compare(
    source: Look,
    output: Look,
    *,
    reader: Reader | None,
    identity: FaceIdentity | None = None,
    asked: AskedArea | None = None,
    may_mirror: bool = False,
) -> list[Flag]:
    """Every finding with what the edit did to it: those of the output in their order, then what only the source had.

    Args:
        source: What was edited.
        output: What came of it.
        reader: Reads texts again where a place changed; without one, what the detector read must do.
        identity: Says whether an altered face is still the same person's; without it, only that it was altered.
        asked: The part of the source that may change; None if that is everything.
        may_mirror: Whether it was asked to be turned the wrong way round.
    """
    registration = register(source.picture, output.picture)
    if registration is None:
        sizes = {"source_size_wh": source.picture.size_wh, "output_size_wh": output.picture.size_wh}
        doubt = _of_the_whole(output.picture, _CANNOT_COMPARE)
        return [doubt, *compare_by_name(source.found, output.found, **sizes)]
    is_mirrored = registration.is_mirrored and not may_mirror
    unasked = unasked_changes(source.picture, output.picture, registration, asked) if asked else []
    return [
        *([_of_the_whole(output.picture, _MIRRORED)] if is_mirrored else []),
        *_Comparison(source, output, registration, reader, identity).flags(),
        *(Flag(each, Change.INTRODUCED, source_xyxy=registration.on_source(each.xyxy)) for each in unasked),
    ]


def _of_the_whole(picture: Picture, label: str) -> Flag:
    width, height = picture.size_wh
    whole = (0.0, 0.0, float(width), float(height))
    return Flag(Detection(Kind.QUALITY, whole, 1.0, Level.FLAG, label, NAME, VERSION), Change.INTRODUCED)


class _Comparison:
    """One output over one source."""

    def __init__(
        self,
        source: Look,
        output: Look,
        registration: Registration,
        reader: Reader | None,
        identity: FaceIdentity | None,
    ) -> None:
        self._source = source
        self._output = output
        self._registration = registration
        self._reader = reader
        self._identity = identity

    def flags(self) -> list[Flag]:
        partners: dict[int, Flag] = {}
        gone: list[Flag] = []
        pairs = self._pairs()
        for index, before in enumerate(self._source.found):
            if before.kind in _OF_THE_OUTPUT:
                gone.append(Flag(before, Change.INTRODUCED, remark="on the source"))
                continue
            partner = pairs.get(index)
            flag = self._fate(before, None if partner is None else self._output.found[partner])
            if flag.change is Change.LOST or partner is None:
                gone.append(flag)
            else:
                partners[partner] = flag
        on_output = [
            partners[index] if index in partners else self._arrival(after)
            for index, after in enumerate(self._output.found)
        ]
        return _each_once(_moved_texts(on_output, gone))

    # What became of something in the source.

    def _pairs(self) -> dict[int, int]:
        """For findings of the source, by index, the output's that lies where each must be; the most alike first."""
        near = []
        for source, before in enumerate(self._source.found):
            placed = self._registration.on_output(before.xyxy)
            near += [
                (text_likeness(before.label, after.label), overlap(placed, after.xyxy), -source, -output)
                for output, after in enumerate(self._output.found)
                if after.kind == before.kind and _is_in_place(before, placed, after)
            ]
        pairs: dict[int, int] = {}
        for *_, source, output in sorted(near, reverse=True):
            if -source not in pairs and -output not in pairs.values():
                pairs[-source] = -output
        return pairs

    def _fate(self, before: Detection, after: Detection | None) -> Flag:
        placed = self._registration.on_output(before.xyxy)
        if covered(placed, self._output.picture.size_wh) < _IN_FRAME:
            return Flag(before, Change.LOST, remark="outside the frame", source_xyxy=before.xyxy)
        inner = _shrunk(
            _clipped(
                self._registration.on_source(_clipped(placed, self._output.picture.size_wh)),
                self._source.picture.size_wh,
            ),
            before.kind,
        )
        alike = self._alike(inner, before.kind)
        there = after or replace(before, xyxy=_clipped(placed, self._output.picture.size_wh))
        known = Flag(there, Change.KEPT, likeness=None if alike is None else alike.whole, source_xyxy=before.xyxy)
        match before.kind:
            case Kind.TEXT:
                return self._fate_of_text(before, after, alike, known)
            case Kind.FACE:
                return self._fate_of_face(before, after, alike, known)
            case _:
                return self._fate_of_logo(before, after, alike, known)

    def _fate_of_text(self, before: Detection, after: Detection | None, alike: Likeness | None, known: Flag) -> Flag:
        if self._is_turned(alike):
            return self._fate_of_turned_text(before, known)
        if alike is not None and _is_surely_kept_text(alike):
            return known
        now = self._read(self._output.picture, known.detection.xyxy)
        then = self._read(self._source.picture, before.xyxy)
        labels = [now.label, *([after.label] if after else [])]
        is_changed = alike is not None and alike.worst < _LETTERS_CHANGED
        if is_same_text([before.label, then.label], labels, exactly=is_changed):
            return known
        if alike is not None and alike.worst >= _LOOKS_KEPT:
            return known
        if alike is not None and _may_be_misread(alike, then, now):
            return known
        if after is not None:
            return replace(known, change=Change.ALTERED, before=before.label)
        if now.score >= _READ and len(now.label.strip()) > 1:
            read = replace(known.detection, label=now.label, score=now.score, level=Level.FLAG)
            return replace(known, detection=read, change=Change.ALTERED, before=before.label)
        return replace(known, detection=before, change=Change.LOST)

    def _is_turned(self, alike: Likeness | None) -> bool:
        """Whether a place looks as before, but the wrong way round."""
        return self._registration.is_mirrored and alike is not None and alike.whole >= _LOOKS_CHANGED

    def _fate_of_turned_text(self, before: Detection, known: Flag) -> Flag:
        if is_same_text([before.label], [self._read(self._output.picture, known.detection.xyxy).label], exactly=True):
            return known
        return _turned(before, known)

    def _fate_of_face(self, before: Detection, after: Detection | None, alike: Likeness | None, known: Flag) -> Flag:
        if alike is None:
            return known
        is_there = after is not None or alike.whole >= _LOOKS_CHANGED
        if is_there and alike.short_px >= _BLURRABLE_PX and alike.sharpness < _SHARP_FACE:
            return replace(known, change=Change.ALTERED, remark="blurred")
        if _is_same_face(alike):
            return known
        if is_there:
            return replace(known, change=Change.ALTERED, remark=self._person(before, after))
        return replace(known, detection=before, change=Change.LOST)

    def _person(self, before: Detection, after: Detection | None) -> str:
        if self._identity is None or after is None:
            return ""
        distance = self._identity.distance(self._source.picture, before.xyxy, self._output.picture, after.xyxy)
        return "the same person" if distance <= SAME_PERSON else "another person"

    def _fate_of_logo(self, before: Detection, after: Detection | None, alike: Likeness | None, known: Flag) -> Flag:
        if alike is None:
            return known
        if before.label and self._is_turned(alike) and (after is None or after.label != before.label):
            return _turned(before, known)
        if _is_same_logo(alike):
            return known
        if after is not None and before.label and after.label not in ("", before.label):
            return replace(known, change=Change.ALTERED, before=before.label)
        if after is not None or alike.whole >= _LOGO_IS_THERE:
            return replace(known, change=Change.ALTERED)
        return replace(known, detection=before, change=Change.LOST)

    # Where something in the output came from.

    def _arrival(self, after: Detection) -> Flag:
        """A finding of the output that no finding of the source stands for."""
        new = Flag(after, Change.INTRODUCED)
        if after.kind in _OF_THE_OUTPUT:
            return new
        was = self._registration.on_source(after.xyxy)
        if covered(was, self._source.picture.size_wh) < _IN_FRAME:
            return replace(new, remark="in the added part")
        was = _clipped(was, self._source.picture.size_wh)
        inner = _shrunk(was, after.kind)
        alike = self._alike(inner, after.kind)
        new = replace(new, likeness=None if alike is None else alike.whole, source_xyxy=was)
        if after.kind is Kind.TEXT and self._stood_there(after, was):
            return replace(new, change=Change.KEPT)
        if alike is not None and _IS_SAME[after.kind](alike):
            return replace(new, change=Change.KEPT)
        return new

    def _stood_there(self, after: Detection, was: Box) -> bool:
        return is_same_text([self._read(self._source.picture, was).label], [after.label], exactly=False)

    def _alike(self, box: Box, kind: Kind) -> Likeness | None:
        part = _LETTER if kind is Kind.TEXT else 1.0
        return likeness(self._source.picture, self._output.picture, self._registration, box, part=part)

    def _read(self, picture: Picture, box: Box) -> Reading:
        return Reading("", 0.0, 0.0) if self._reader is None else self._reader.read(picture, box)


def _turned(before: Detection, known: Flag) -> Flag:
    there = replace(known.detection, label=before.label)
    return replace(known, detection=there, change=Change.ALTERED, likeness=None, remark="mirrored")


def _is_surely_kept_text(alike: Likeness) -> bool:
    return alike.worst >= _SURELY_KEPT or (alike.short_px < _SMALL_TEXT_PX and alike.whole >= _SMALL_TEXT_IS_KEPT)


def _may_be_misread(alike: Likeness, then: Reading, now: Reading) -> bool:
    """Whether a line that looks about the same reads another way because one reading is unsure."""
    if alike.worst < _LETTERS_MANGLED and then.score >= _CERTAINLY_READ:
        return False
    return alike.whole >= _SAME_TEXT and min(then.score, now.score) < _SURELY_READ


def _is_same_text_place(alike: Likeness) -> bool:
    return alike.worst >= _LOOKS_KEPT or _is_surely_kept_text(alike)


def _is_same_face(alike: Likeness) -> bool:
    is_small = alike.short_px < _SMALL_FACE_PX and alike.whole >= _SMALL_FACE_IS_KEPT
    return is_small or (alike.whole >= _SAME_FACE and alike.worst >= _FACE_PARTS)


def _is_same_logo(alike: Likeness) -> bool:
    is_small = alike.short_px < _SMALL_LOGO_PX
    return alike.whole >= _SAME_LOGO and (is_small or alike.worst >= _LOOKS_CHANGED)


_IS_SAME = {Kind.TEXT: _is_same_text_place, Kind.FACE: _is_same_face, Kind.LOGO: _is_same_logo}


def _is_in_place(before: Detection, placed: Box, after: Detection) -> bool:
    """Whether a finding of the output can be the source's; a mark without a name, only if it is about as large."""
    if before.kind is Kind.LOGO and before.label != after.label:
        return union_overlap(placed, after.xyxy) >= _OVERLAP
    return overlap(placed, after.xyxy) >= _OVERLAP


def _moved_texts(on_output: list[Flag], gone: list[Flag]) -> list[Flag]:
    """A text that went here and came there is kept: it was moved."""
    left = list(gone)
    flags = []
    for flag in on_output:
        partner = next((each for each in left if _is_move(each, flag)), None)
        if partner is not None:
            left.remove(partner)
            flag = replace(flag, change=Change.KEPT, remark="moved", source_xyxy=partner.source_xyxy)
        flags.append(flag)
    return [*flags, *left]


def _each_once(flags: list[Flag]) -> list[Flag]:
    """Without the marks that say again what a text says: nobody knows their names, and the text has one."""
    texts = [flag for flag in flags if flag.detection.kind is Kind.TEXT and flag.change is not Change.KEPT]
    return [flag for flag in flags if not (_is_nameless(flag) and _fills(flag, texts))]


def _is_nameless(flag: Flag) -> bool:
    return flag.detection.kind is Kind.LOGO and not flag.detection.label and flag.change is not Change.KEPT


def _fills(mark: Flag, texts: list[Flag]) -> bool:
    """Whether texts, together, are about all that there is of a mark; an emblem with its name is more."""
    box = mark.detection.xyxy
    on_same_picture = (text for text in texts if (text.change is Change.LOST) == (mark.change is Change.LOST))
    within = [text.detection.xyxy for text in on_same_picture if overlap(text.detection.xyxy, box) >= _FILLED]
    shared = sum(shared_area(text, box) for text in within)
    return shared >= _FILLED * (area(box) + sum(map(area, within)) - shared)


def _is_move(lost: Flag, new: Flag) -> bool:
    if (lost.change, new.change) != (Change.LOST, Change.INTRODUCED) or lost.detection.kind != new.detection.kind:
        return False
    if new.detection.kind is Kind.FACE or lost.remark or not lost.detection.label:
        return False
    return text_likeness(lost.detection.label, new.detection.label) >= _MOVED_TEXT


def _shrunk(box: Box, kind: Kind) -> Box:
    """Without the rim, which shows more of the ground than of what was found."""
    share = {Kind.FACE: 0.12, Kind.LOGO: 0.06}.get(kind, 0.0)
    width, height = share * (box[2] - box[0]), share * (box[3] - box[1])
    return (box[0] + width, box[1] + height, box[2] - width, box[3] - height)


def _clipped(box: Box, size_wh: tuple[int, int]) -> Box:
    left, right = (min(max(0.0, edge), float(size_wh[0])) for edge in (box[0], box[2]))
    top, bottom = (min(max(0.0, edge), float(size_wh[1])) for edge in (box[1], box[3]))
    return left, top, right, bottom
