"""The detectors together, with their real weights."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import SuiteOptions, fingerprints, frozen_tables, lasting, load_suite, scan_bytes
from pipeline.values import Detection, Kind, Level

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def options(weights_cache: Path) -> SuiteOptions:
    return SuiteOptions(cache_dir=str(weights_cache))


def lettered(text: str, size: tuple[int, int] = (640, 400)) -> Image.Image:
    image = Image.new("RGB", size, (225, 228, 224))
    ImageDraw.Draw(image).text((60, 140), text, fill=(25, 30, 60), font=ImageFont.load_default(size=64))
    return image


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_text_is_found_where_it_is_and_read(options: SuiteOptions) -> None:
    texts = [d for d in load_suite(options).scan(lettered("Summer Offer")).detections if d.kind is Kind.TEXT]
    assert texts[0].label.replace(" ", "") == "SummerOffer"
    left, top, right, bottom = texts[0].xyxy
    assert left < 80
    assert 100 < top < 170
    assert 180 < bottom < 240
    assert right > 400


def test_a_brand_in_the_text_is_a_logo_and_a_common_word_is_no_brand(options: SuiteOptions) -> None:
    suite = load_suite(options)
    logos = [d.label for d in suite.scan(lettered("Heineken")).detections if d.kind is Kind.LOGO]
    assert [label.casefold() for label in logos] == ["heineken"]
    assert not [d.label for d in suite.scan(lettered("Summer Offer")).detections if d.kind is Kind.LOGO and d.label]


def test_a_face_is_found_and_an_empty_picture_is_empty(options: SuiteOptions, photographs: Path) -> None:
    with Image.open(photographs / "astronaut.png") as astronaut:
        faces = [d for d in load_suite(options).scan(astronaut.convert("RGB")).detections if d.kind is Kind.FACE]
    assert len(faces) == 1
    left, top, right, bottom = faces[0].xyxy
    assert 150 < (left + right) / 2 < 300
    assert 60 < (top + bottom) / 2 < 200
    assert load_suite(options).scan(Image.new("RGB", (512, 512), (210, 214, 212))).detections == ()


def test_the_same_face_is_found_in_the_mirror(options: SuiteOptions, photographs: Path) -> None:
    with Image.open(photographs / "astronaut.png") as astronaut:
        image = astronaut.convert("RGB")
    (face,), (mirrored,) = (
        [d for d in load_suite(options).scan(each).detections if d.kind is Kind.FACE]
        for each in (image, ImageOps.mirror(image))
    )
    assert abs(face.xyxy[0] - (image.width - mirrored.xyxy[2])) < 10
    assert face.xyxy[1] == pytest.approx(mirrored.xyxy[1], abs=10)


def test_detectors_side_by_side_find_what_each_finds_alone(options: SuiteOptions, photographs: Path) -> None:
    with Image.open(photographs / "astronaut.png") as astronaut:
        image = astronaut.convert("RGB")
    ImageDraw.Draw(image).text((60, 440), "Heineken", fill="white", font=ImageFont.load_default(size=50))
    together = load_suite(options).scan(image).detections
    alone: list[Detection] = []
    for detector in load_suite(options).detectors:
        alone += detector.detect(Picture(image), tuple(alone))
    assert list(together) == alone
    assert {Kind.FACE, Kind.TEXT, Kind.LOGO} <= {d.kind for d in together}


@pytest.mark.parametrize("size", [(16, 16), (17, 900), (2500, 60)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pictures_of_any_shape_are_looked_at(options: SuiteOptions, size: tuple[int, int], mode: str) -> None:
    detections = scan_bytes(encoded(Image.new(mode, size)), options).detections
    assert not [d for d in detections if d.kind is Kind.DETECTOR]
    for detection in detections:
        left, top, right, bottom = detection.xyxy
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert 0 <= detection.score <= 1


def test_the_same_picture_gives_the_same_detections(options: SuiteOptions) -> None:
    data = encoded(lettered("Nothing changes"))
    assert scan_bytes(data, options).detections == scan_bytes(data, options).detections


def test_a_detector_that_fails_is_a_finding_for_a_person(
    options: SuiteOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(options)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(suite.detectors[0], "detect", fail)
    detections = suite.scan(lettered("Still read")).detections
    assert [d.label for d in detections if d.kind is Kind.DETECTOR] == ["faces failed: out of memory"]
    assert [d for d in detections if d.kind is Kind.TEXT]


def test_the_fingerprint_names_everything_that_findings_depend_on(options: SuiteOptions, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Oskelby\n")
    with_kit = SuiteOptions(cache_dir=options.cache_dir, kit=str(tmp_path))
    first = fingerprints(with_kit)
    assert first != fingerprints(options)
    (tmp_path / "words.txt").write_text("Tarnquill\n")
    assert fingerprints(with_kit) != first
    assert fingerprints(SuiteOptions(cache_dir="/elsewhere")) == fingerprints(options)


def test_a_detector_is_asked_again_only_for_what_it_depends_on() -> None:
    def of(**tables: dict[str, float]) -> dict[str, str]:
        names = ("faces", "google", "text", "logos")
        return fingerprints(SuiteOptions("/weights", detectors=names, tables=frozen_tables(tables)))

    def changed(**tables: dict[str, float]) -> set[str]:
        return {name for name, fingerprint in of(**tables).items() if fingerprint != of()[name]}

    assert changed(text={"flag": 0.6}) == {"text", "logos"}
    assert changed(logos={"flag": 0.6}) == {"logos"}
    assert changed(google={"flag": 0.6}) == {"google", "logos"}


def test_what_failed_and_what_read_it_is_not_kept() -> None:
    failed = Detection(Kind.DETECTOR, (0, 0, 9, 9), 1.0, Level.SURE, "text failed: why", "text", "1")
    found = {"faces": (), "text": (failed,), "google": (), "logos": ()}
    assert set(lasting(found)) == {"faces", "google"}
    assert set(lasting({**found, "text": ()})) == set(found)


def test_what_is_known_is_not_asked_again_and_is_read_by_the_next(options: SuiteOptions) -> None:
    known = {"text": [Detection(Kind.TEXT, (60, 40, 200, 80), 0.9, Level.SURE, "Heineken", "text", "1")]}
    scan = load_suite(options).look(Picture(Image.new("RGB", (512, 512), (210, 214, 212))), known)
    assert list(scan.by_detector) == ["faces", "text", "logos"]
    assert scan.by_detector["text"] == tuple(known["text"])
    assert [logo.label for logo in scan.by_detector["logos"]] == ["Heineken"]
    assert set(scan.seconds) == {"faces", "logos"}


def test_the_users_own_words_are_logos(options: SuiteOptions, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Oskelby\n")
    suite = load_suite(SuiteOptions(cache_dir=options.cache_dir, kit=str(tmp_path)))
    assert "Oskelby" in [d.label for d in suite.scan(lettered("OSKELBY")).detections if d.kind is Kind.LOGO]
