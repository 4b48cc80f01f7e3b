"""What an edit did, told by the findings alone."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.detectors.changes.by_name import compare_by_name
from pipeline.values import Box, Change, Detection, Flag, Kind, Level

SIZE = (1000, 800)


def found(kind: Kind, xyxy: Box, label: str = "") -> Detection:
    return Detection(kind, xyxy, 0.9, Level.SURE, label, "test", "1")


def changes(
    source: list[Detection], output: list[Detection], *, output_size: tuple[int, int] = SIZE
) -> list[tuple[str, Change]]:
    flags = compare_by_name(source, output, source_size_wh=SIZE, output_size_wh=output_size)
    return [(flag.detection.label or flag.detection.kind.value, flag.change) for flag in flags]


def test_what_stays_in_its_place_is_kept() -> None:
    face = found(Kind.FACE, (100, 100, 200, 220))
    assert changes([face], [face]) == [("face", Change.KEPT)]


def test_a_scaled_picture_keeps_what_it_had() -> None:
    before, after = found(Kind.FACE, (100, 100, 200, 220)), found(Kind.FACE, (50, 50, 100, 110))
    assert changes([before], [after], output_size=(500, 400)) == [("face", Change.KEPT)]


def test_a_face_that_a_crop_moved_is_kept() -> None:
    before, after = found(Kind.FACE, (500, 300, 600, 420)), found(Kind.FACE, (20, 30, 220, 270))
    assert changes([before], [after]) == [("face", Change.KEPT)]


def test_a_face_of_quite_another_size_elsewhere_is_another_face() -> None:
    before, after = found(Kind.FACE, (100, 100, 500, 600)), found(Kind.FACE, (700, 100, 720, 125))
    assert changes([before], [after]) == [("face", Change.INTRODUCED), ("face", Change.LOST)]


def test_a_second_face_is_introduced() -> None:
    face, other = found(Kind.FACE, (100, 100, 200, 220)), found(Kind.FACE, (600, 100, 680, 200))
    assert changes([face], [face, other]) == [("face", Change.KEPT), ("face", Change.INTRODUCED)]


def test_text_is_told_by_what_it_says_wherever_it_went() -> None:
    before = [found(Kind.TEXT, (10, 10, 200, 50), "OAT BISCUITS")]
    after = [found(Kind.TEXT, (400, 400, 800, 480), "Oat Biscuits"), found(Kind.TEXT, (10, 10, 90, 40), "SALE")]
    assert changes(before, after) == [("Oat Biscuits", Change.KEPT), ("SALE", Change.INTRODUCED)]


def test_text_that_cannot_be_read_is_told_by_its_place() -> None:
    before, after = found(Kind.TEXT, (10, 10, 200, 50)), found(Kind.TEXT, (600, 600, 800, 650))
    assert changes([before], [before]) == [("text", Change.KEPT)]
    assert changes([before], [after]) == [("text", Change.INTRODUCED), ("text", Change.LOST)]


def test_removed_text_is_lost() -> None:
    assert changes([found(Kind.TEXT, (10, 10, 200, 50), "SALE")], []) == [("SALE", Change.LOST)]


def test_a_failed_detector_is_always_new() -> None:
    failed = found(Kind.DETECTOR, (0, 0, *SIZE), "text failed")
    assert changes([failed], [failed]) == [("text failed", Change.INTRODUCED)]


boxes = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(401, 900), st.integers(401, 700))
detections = st.builds(
    found, st.sampled_from([Kind.FACE, Kind.TEXT, Kind.LOGO]), boxes, st.sampled_from(["", "SALE", "Oskelby"])
)


@given(st.lists(detections, max_size=6), st.lists(detections, max_size=6))
def test_everything_found_is_said_exactly_once(source: list[Detection], output: list[Detection]) -> None:
    flags: list[Flag] = compare_by_name(source, output, source_size_wh=SIZE, output_size_wh=SIZE)
    kept = [flag for flag in flags if flag.change is Change.KEPT]
    lost = [flag for flag in flags if flag.change is Change.LOST]
    new = [flag for flag in flags if flag.change is Change.INTRODUCED]
    assert len(kept) + len(new) == len(output)
    assert len(kept) + len(lost) == len(source)


@given(st.lists(detections, max_size=6))
def test_nothing_changed_means_nothing_new_and_nothing_lost(both: list[Detection]) -> None:
    flags = compare_by_name(both, both, source_size_wh=SIZE, output_size_wh=SIZE)
    assert {flag.change for flag in flags} <= {Change.KEPT}
