"""What every detector keeps to, whoever wrote it; those over the network speak to the fake service."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors import BUILT_IN, Detector, check_options, load_detector
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import SuiteOptions, frozen_tables, load_suite
from pipeline.errors import PicturedeskError, UsageError
from pipeline.values import Detection, Kind, Level
from tests.conftest import need
from tests.fake_api.running import RunningFake, running_fake

LOGO_ARN = "arn:aws:rekognition:eu-west-1:1:project/logos/version/1/1"
OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "google": lambda url: {"base_url": f"{url}/google"},
    "rekognition": lambda url: {
        "base_url": f"{url}/rekognition",
        "region": "eu-west-1",
        "kinds": ["face", "text", "logo"],
        "custom_labels": LOGO_ARN,
    },
    "vision": lambda url: {"base_url": f"{url}/v1", "ai_model": "any-eyes", "kinds": ["face", "text", "logo"]},
}
"""By detector over the network, the options that lead it to the fake service."""

KEYS = {
    "GOOGLE_API_KEY": "google-key-1",
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "fake-secret",
    "OPENAI_API_KEY": "sk-key-1",
}
REMOTE = sorted(OPTIONS)
LOCAL = sorted(set(BUILT_IN) - set(REMOTE))


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    with running_fake() as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture(params=[*(pytest.param(name, marks=pytest.mark.models) for name in LOCAL), *REMOTE])
def detector(request: pytest.FixtureRequest, fake: RunningFake) -> Detector:
    name = str(request.param)
    if name in REMOTE:
        return remote(name, fake.url)
    return load_detector(name, {"cache_dir": str(request.getfixturevalue("weights_cache"))})


def remote(name: str, url: str, **options: Any) -> Detector:
    if name == "rekognition":
        need("botocore", "pip install 'picturedesk[rekognition]'")
    return load_detector(name, {**OPTIONS[name](url), **options})


def drawn() -> Image.Image:
    """For our own detectors a brand's name, and for the fake's eyes a face, a line of text and a logo."""
    image = Image.new("RGB", (480, 360), (220, 222, 215))
    draw = ImageDraw.Draw(image)
    draw.text((40, 60), "Heineken", fill=(20, 90, 30), font=ImageFont.load_default(size=56))
    draw.rectangle((300, 160, 379, 259), fill=(255, 0, 0))
    draw.rectangle((40, 200, 239, 239), fill=(0, 255, 0))
    draw.rectangle((0, 280, 79, 359), fill=(0, 0, 255))
    return image


EARLIER = (Detection(Kind.TEXT, (40, 60, 290, 130), 0.9, Level.SURE, "Heineken", "text", "1"),)


def test_every_built_in_detector_is_held_to_this() -> None:
    assert set(BUILT_IN) == {*LOCAL, *REMOTE}


def test_it_says_what_it_is(detector: Detector) -> None:
    assert isinstance(detector, Detector)
    assert detector.name in BUILT_IN
    assert detector.version


def test_what_it_finds_lies_in_the_picture_and_bears_its_name(detector: Detector) -> None:
    detections = detector.detect(Picture(drawn()), EARLIER)
    assert detections or detector.name == "faces"
    for found in detections:
        left, top, right, bottom = found.xyxy
        assert 0 <= left < right <= 480
        assert 0 <= top < bottom <= 360
        assert 0 <= found.score <= 1
        assert (found.detector, found.version) == (detector.name, detector.version)


def test_it_finds_the_same_again(detector: Detector) -> None:
    assert detector.detect(Picture(drawn()), EARLIER) == detector.detect(Picture(drawn()), EARLIER)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 700)])
def test_it_takes_the_smallest_and_the_narrowest(detector: Detector, size: tuple[int, int]) -> None:
    assert detector.detect(Picture(Image.new("RGBA", size)), ()) == []


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_an_option_that_it_does_not_have_is_refused_and_its_value_is_not_shown(name: str) -> None:
    with pytest.raises(UsageError, match=f"detector_options.{name} has no option 'api_key'") as caught:
        check_options(name, {"api_key": "sk-secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("size", [(480, 360), (2400, 1800), (600, 60)])
def test_boxes_come_back_in_pixels_of_the_picture(name: str, size: tuple[int, int], fake: RunningFake) -> None:
    """It is sent smaller where it is large, and larger where a service wants more pixels."""
    found = remote(name, fake.url).detect(Picture(drawn().resize(size)), ())
    boxes = {each.kind: each.xyxy for each in found}
    expected = {
        Kind.FACE: (300, 160, 380, 260),
        Kind.TEXT: (40, 200, 240, 240),
        Kind.LOGO: (0, 280, 80, 360),
    }
    assert len(found) == 3
    for kind, box in expected.items():
        for axis, ratio in enumerate((size[0] / 480, size[1] / 360)):
            found_sides, sides = boxes[kind][axis::2], [value * ratio for value in box[axis::2]]
            assert found_sides == pytest.approx(sides, abs=max(3.0, 4 * ratio)), kind


@pytest.mark.parametrize("name", REMOTE)
def test_labels_and_levels_are_the_services_own(name: str, fake: RunningFake) -> None:
    found = {each.kind: each for each in remote(name, fake.url).detect(Picture(drawn()), ())}
    assert {kind: each.label for kind, each in found.items()} == {
        Kind.FACE: "",
        Kind.TEXT: "Summer Sale",
        Kind.LOGO: "Oskelby",
    }
    assert found[Kind.FACE].level is Level.SURE
    assert 0.85 < found[Kind.LOGO].score < 0.95


@pytest.mark.parametrize("name", REMOTE)
def test_only_the_kinds_that_were_asked_for_are_asked_about(name: str, fake: RunningFake) -> None:
    detector = remote(name, fake.url, kinds=["text"])
    before = fake.billed()
    assert [each.kind for each in detector.detect(Picture(drawn()), ())] == [Kind.TEXT]
    assert fake.billed() - before == {"google": 1_500, "rekognition": 1_000, "vision": 0}[name]


@pytest.mark.parametrize("name", REMOTE)
def test_the_lowest_score_that_counts_can_be_set(name: str, fake: RunningFake) -> None:
    detector = remote(name, fake.url, flag=0.96)
    scores = [each.score for each in detector.detect(Picture(drawn()), ())]
    assert all(score >= 0.96 for score in scores)
    assert len(scores) < 3


@pytest.mark.parametrize("name", REMOTE)
def test_without_a_key_it_is_refused_before_a_picture_is_looked_at(
    name: str, fake: RunningFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "rekognition":
        need("botocore", "pip install 'picturedesk[rekognition]'")
    for variable in KEYS:
        monkeypatch.delenv(variable)
    before = fake.ledger()["billed"]
    with pytest.raises(UsageError, match=rf"detector {name}: there is no key; set [A-Z_]+.* in the environment"):
        check_options(name, OPTIONS[name](fake.url))
    assert fake.ledger()["billed"] == before


@pytest.mark.parametrize("name", REMOTE)
def test_a_wrong_key_is_said_and_not_shown(name: str, fake: RunningFake, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"google": "wrong-google", "rekognition": "wrong-amazon", "vision": "sk-wrong-one"}[name]
    variable = {"google": "GOOGLE_API_KEY", "rekognition": "AWS_SECRET_ACCESS_KEY", "vision": "OPENAI_API_KEY"}[name]
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(PicturedeskError, match=r"it answered 40[01] \(") as caught:
        remote(name, fake.url).detect(Picture(drawn()), ())
    assert not any(key in str(caught.value) for key in (wrong, *KEYS.values()))


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"garbage": 1.0}, "its answer cannot be read"),
        ({"drop": 1.0}, "gave no answer"),
        ({"drop_unbilled": 1.0}, "gave no answer"),
        ({"server_error": 1.0}, "it answered 500"),
    ],
)
def test_an_answer_that_is_none_is_a_finding_for_a_person(
    name: str, behaviour: dict[str, float], message: str, fake_api: RunningFake, weights_cache: Path
) -> None:
    remote(name, fake_api.url)
    fake_api.set(**behaviour)
    tables = frozen_tables({name: OPTIONS[name](fake_api.url)})
    suite = load_suite(SuiteOptions(str(weights_cache), detectors=(name,), tables=tables))
    (found,) = suite.scan(drawn()).detections
    assert found.kind is Kind.DETECTOR
    assert found.label.startswith(f"{name} failed: ")
    assert message in found.label
    assert not any(key in found.label for key in KEYS.values())


def test_an_unknown_detector_is_a_wrong_call_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="faces, text, logos, google, rekognition, vision"):
        load_detector("tigers", {})
