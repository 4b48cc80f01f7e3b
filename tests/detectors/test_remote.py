"""Detectors over the network: how each service's answers are read, and what becomes of bad ones."""

import base64
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from pipeline.detectors import check_options
from pipeline.detectors.picture import Picture
from pipeline.detectors.remote.google import GoogleDetector
from pipeline.detectors.remote.rekognition import RekognitionDetector
from pipeline.detectors.remote.service import RemoteDetector
from pipeline.detectors.remote.vision import VisionDetector
from pipeline.errors import PicturedeskError, UsageError
from pipeline.values import Detection, Kind, Level
from tests.conftest import need
from tests.fake_api.conftest import fake_api
from tests.fake_api.running import RunningFake

__all__ = ["fake_api"]

SIZE_WH = (640, 320)
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"key-of-{name.casefold()}")
    for name in ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def answering(body: Any, status: int = 200) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def found_by(detector: RemoteDetector) -> list[Detection]:
    return detector.detect(Picture(Image.new("RGB", SIZE_WH, "white")), ())


def google(answer: Any, **options: Any) -> list[Detection]:
    return found_by(GoogleDetector(options, answering({"responses": [answer]})))


def polygon(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return {
        "vertices": [{name: value for name, value in zip("xy", corner, strict=True) if value} for corner in corners]
    }


def word(text: str, box: tuple[int, int, int, int], after: str = "", **more: Any) -> dict[str, Any]:
    symbols: list[dict[str, Any]] = [{"text": letter} for letter in text]
    if after:
        symbols[-1]["property"] = {"detectedBreak": {"type": after}}
    return {"boundingBox": polygon(*box), "symbols": symbols, **more}


def text_of(*words: dict[str, Any]) -> dict[str, Any]:
    blocks = [{"paragraphs": [{"words": list(words)}]}]
    whole = {"description": "all of it", "boundingPoly": polygon(0, 0, 640, 320)}
    return {"fullTextAnnotation": {"pages": [{"blocks": blocks}]}, "textAnnotations": [whole]}


class TestGoogle:
    def test_a_paragraph_is_read_line_by_line(self) -> None:
        answer = text_of(
            word("Grand", (0, 10, 100, 40), "SPACE", confidence=0.9),
            word("Opening", (110, 8, 260, 40), "EOL_SURE_SPACE", confidence=0.7),
            word("today", (20, 50, 120, 80), "LINE_BREAK", confidence=0.6),
        )
        lines = google(answer)
        assert [(line.label, line.xyxy) for line in lines] == [
            ("Grand Opening", (0, 8, 260, 40)),
            ("today", (20, 50, 120, 80)),
        ]
        assert [line.score for line in lines] == pytest.approx([0.8, 0.6])
        assert [line.level for line in lines] == [Level.SURE, Level.FLAG]

    def test_words_that_stand_close_are_joined_and_a_hyphen_ends_a_line(self) -> None:
        answer = text_of(
            word("大", (0, 0, 10, 10)),
            word("減価", (10, 0, 30, 10), "LINE_BREAK"),
            word("Super", (0, 20, 50, 30), "HYPHEN"),
        )
        assert [line.label for line in google(answer)] == ["大減価", "Super"]

    def test_words_alone_do_where_there_is_no_more(self) -> None:
        whole = {"description": "SALE now", "boundingPoly": polygon(0, 0, 90, 20)}
        words = [
            {"description": "SALE", "boundingPoly": polygon(0, 0, 40, 20)},
            {"description": "now", "boundingPoly": polygon(50, 0, 90, 20)},
        ]
        assert [line.label for line in google({"textAnnotations": [whole, *words]})] == ["SALE", "now"]

    def test_the_box_of_a_face_is_the_inner_one_if_there_is_one(self) -> None:
        outer, inner = polygon(-30, -20, 200, 240), polygon(10, 30, 160, 210)
        both = {"boundingPoly": outer, "fdBoundingPoly": inner, "detectionConfidence": 0.9}
        assert google({"faceAnnotations": [both]})[0].xyxy == (10, 30, 160, 210)
        one = {"boundingPoly": outer, "detectionConfidence": 0.9}
        assert google({"faceAnnotations": [one]})[0].xyxy == (0, 0, 200, 240)

    def test_an_error_about_the_one_picture_is_an_error(self) -> None:
        with pytest.raises(PicturedeskError, match=r"could not look at the picture \(Bad image data"):
            google({"error": {"code": 3, "message": "Bad image data."}})

    def test_a_picture_with_nothing_in_it_is_answered_with_nothing(self) -> None:
        assert google({}) == []

    @pytest.mark.parametrize("score", [97, -0.1, "0.9", True, None])
    def test_a_score_that_is_none_is_no_answer(self, score: Any) -> None:
        face = {"boundingPoly": polygon(1, 1, 9, 9), "detectionConfidence": score}
        with pytest.raises(PicturedeskError, match="its answer cannot be read"):
            google({"faceAnnotations": [face]})

    def test_the_key_travels_in_a_header_only_and_the_picture_without_metadata(self) -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200, json={"responses": [{}]})

        found_by(GoogleDetector({"kinds": ["logo", "face"]}, httpx.MockTransport(answer)))
        (request,) = asked
        assert str(request.url) == "https://vision.googleapis.com/v1/images:annotate"
        assert request.headers["x-goog-api-key"] == "key-of-google_api_key"
        (wanted,) = json.loads(request.content)["requests"]
        assert [feature["type"] for feature in wanted["features"]] == ["LOGO_DETECTION", "FACE_DETECTION"]
        with Image.open(io.BytesIO(base64.b64decode(wanted["image"]["content"]))) as picture:
            assert (picture.format, picture.size, len(picture.getexif())) == ("JPEG", SIZE_WH, 0)


def vision(content: Any, *, finish: str = "stop", refusal: str | None = None, **options: Any) -> list[Detection]:
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text, "refusal": refusal}
    reply = {"choices": [{"message": message, "finish_reason": finish}]}
    return found_by(VisionDetector({"ai_model": "any-eyes", **options}, answering(reply)))


def finding(**changes: Any) -> dict[str, Any]:
    box = {"left": 100, "top": 250, "right": 600, "bottom": 1000}
    return {"kind": "logo", "label": "Oskelby", "box": box, "confidence": 0.9, **changes}


class TestVision:
    def test_a_finding_that_fits_the_schema_is_one(self) -> None:
        (found,) = vision({"findings": [finding()]})
        assert (found.kind, found.label, found.score, found.level) == (Kind.LOGO, "Oskelby", 0.9, Level.SURE)
        assert found.xyxy == pytest.approx((64, 80, 384, 320))
        assert found.version == "chat-schema/1;any-eyes"

    @pytest.mark.parametrize(
        "content",
        [
            "I see a logo.",
            "[]",
            "{}",
            {"findings": "none"},
            {"findings": [finding(kind="face")]},
            {"findings": [finding(kind="cat")]},
            {"findings": [finding(label=None)]},
            {"findings": [finding(confidence=95)]},
            {"findings": [finding(confidence="high")]},
            {"findings": [finding(box={"left": 0, "top": 0, "right": 1001, "bottom": 10})]},
            {"findings": [finding(box={"left": 9, "top": 0, "right": 8, "bottom": 10})]},
            {"findings": [finding(box={"left": 0, "top": 0, "right": 10})]},
            {"findings": [finding(box=[0, 0, 10, 10])]},
            {"findings": [finding(), "and more"]},
        ],
        ids=str,
    )
    def test_what_does_not_fit_the_schema_is_no_answer(self, content: Any) -> None:
        with pytest.raises(PicturedeskError, match="its answer cannot be read"):
            vision(content)

    def test_a_refusal_and_an_answer_that_was_cut_off_are_said(self) -> None:
        with pytest.raises(PicturedeskError, match=r"the model refused \(I cannot help"):
            vision("", refusal="I cannot help with real people.")
        with pytest.raises(PicturedeskError, match="cut off"):
            vision({"findings": []}, finish="length")

    def test_a_box_without_area_still_shows_where(self) -> None:
        edge = {"left": 1000, "top": 1000, "right": 1000, "bottom": 1000}
        assert vision({"findings": [finding(box=edge)]})[0].xyxy == (639, 319, 640, 320)

    def test_a_label_is_one_line_of_bounded_length(self) -> None:
        label = vision({"findings": [finding(label="ACME\n\n " + "x" * 5000)]})[0].label
        assert label.startswith("ACME xxx")
        assert len(label) == 200

    def test_the_request_holds_a_strict_schema_of_the_kinds_in_use(self) -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            message = {"content": '{"findings": []}'}
            return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})

        options = {
            "ai_model": "any-eyes",
            "kinds": ["logo", "text"],
            "detail": "high",
            "base_url": "http://127.0.0.1:9/v1",
        }
        found_by(VisionDetector({**options, "needs_key": False}, httpx.MockTransport(answer)))
        (request,) = asked
        body = json.loads(request.content)
        assert str(request.url) == "http://127.0.0.1:9/v1/chat/completions"
        assert "authorization" not in request.headers
        assert body["model"] == "any-eyes"
        schema = body["response_format"]["json_schema"]
        assert schema["strict"] is True
        item = schema["schema"]["properties"]["findings"]["items"]
        assert item["properties"]["kind"]["enum"] == ["logo", "text"]
        assert item["required"] == ["kind", "label", "box", "confidence"]
        assert item["additionalProperties"] is item["properties"]["box"]["additionalProperties"] is False
        asked_for, picture = body["messages"][0]["content"]
        assert "logo: " in asked_for["text"]
        assert "face" not in asked_for["text"]
        assert picture["image_url"]["detail"] == "high"
        assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")


class TestRekognition:
    @pytest.fixture(autouse=True)
    def signer(self) -> None:
        need("botocore", "pip install 'picturedesk[rekognition]'")

    def test_a_line_counts_and_its_words_do_not(self) -> None:
        geometry = {"BoundingBox": {"Left": 0.25, "Top": 0.5, "Width": 0.5, "Height": 0.25}}
        texts = [
            {"Type": kind, "DetectedText": text, "Confidence": 99, "Geometry": geometry}
            for kind, text in (("LINE", "Summer Sale"), ("WORD", "Summer"), ("WORD", "Sale"))
        ]
        options = {"region": "eu-west-1", "kinds": ["text"]}
        (found,) = found_by(RekognitionDetector(options, answering({"TextDetections": texts})))
        assert (found.label, found.xyxy, found.score) == ("Summer Sale", (160, 160, 480, 240), 0.99)

    def test_the_highest_score_may_be_rounded_up(self) -> None:
        faces = [{"BoundingBox": {"Left": 0, "Top": 0, "Width": 1, "Height": 1}, "Confidence": 100.00000762939453}]
        options = {"region": "eu-west-1", "kinds": ["face"]}
        assert found_by(RekognitionDetector(options, answering({"FaceDetails": faces})))[0].score == 1

    def test_a_label_of_the_whole_picture_is_a_logo_everywhere(self) -> None:
        options = {"region": "eu-west-1", "kinds": ["logo"], "custom_labels": "arn:aws:rekognition:x"}
        labels = [{"Name": "Oskelby", "Confidence": 77.5}]
        (found,) = found_by(RekognitionDetector(options, answering({"CustomLabels": labels})))
        assert (found.label, found.xyxy, found.score) == ("Oskelby", (0, 0, 640, 320), 0.775)

    def test_the_request_is_signed_for_its_region_with_the_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "of-this-hour")
        monkeypatch.setenv("AWS_REGION", "ap-south-1")
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200, json={"FaceDetails": []})

        found_by(RekognitionDetector({"kinds": ["face"]}, httpx.MockTransport(answer)))
        (request,) = asked
        assert str(request.url) == "https://rekognition.ap-south-1.amazonaws.com/"
        assert request.headers["x-amz-target"] == "RekognitionService.DetectFaces"
        assert request.headers["x-amz-security-token"] == "of-this-hour"
        assert "/ap-south-1/rekognition/aws4_request" in request.headers["authorization"]

    def test_a_word_in_the_picture_does_not_make_it_ask_again(self) -> None:
        """Lettering is the picture's own: it must not steer what is sent."""
        asked: list[int] = []

        def answer(_: httpx.Request) -> httpx.Response:
            asked.append(1)
            geometry = {"BoundingBox": {"Left": 0, "Top": 0, "Width": 1, "Height": 1}}
            text = {"Type": "LINE", "DetectedText": "ThrottlingException", "Confidence": 99, "Geometry": geometry}
            return httpx.Response(200, json={"TextDetections": [text]})

        found_by(RekognitionDetector({"region": "x", "kinds": ["text"]}, httpx.MockTransport(answer)))
        assert asked == [1]


REMOTE: dict[str, tuple[type[RemoteDetector], Callable[[str], dict[str, Any]]]] = {
    "google": (GoogleDetector, lambda url: {"base_url": f"{url}/google"}),
    "rekognition": (
        RekognitionDetector,
        lambda url: {"base_url": f"{url}/rekognition", "region": "eu-west-1", "kinds": ["text"]},
    ),
    "vision": (VisionDetector, lambda url: {"base_url": f"{url}/v1", "ai_model": "any-eyes"}),
}


@pytest.mark.parametrize("name", REMOTE)
class TestWaiting:
    @pytest.fixture
    def detector(self, name: str, fake_api: RunningFake, monkeypatch: pytest.MonkeyPatch) -> RemoteDetector:
        if name == "rekognition":
            need("botocore", "pip install 'picturedesk[rekognition]'")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "fake-secret")
        kind, options = REMOTE[name]
        return kind(options(fake_api.url))

    def test_a_busy_service_is_asked_once_more(self, detector: RemoteDetector, fake_api: RunningFake) -> None:
        """With this seed the first of the two is turned away, and the second answered."""
        fake_api.set(rate_limited=0.5, seed=1, retry_after_s=0.01)
        assert found_by(detector) == []
        assert fake_api.ledger()["counts"] == {"rate_limited": 1}
        assert fake_api.ledger()["billed"] == 1

    def test_a_service_that_stays_busy_is_asked_twice_and_no_more(
        self, detector: RemoteDetector, fake_api: RunningFake
    ) -> None:
        fake_api.set(rate_limited=1.0, retry_after_s=0.01)
        with pytest.raises(PicturedeskError, match=r"it answered 4(29|00) \(.*rate limit"):
            found_by(detector)
        assert fake_api.ledger()["counts"] == {"rate_limited": 2}

    def test_a_service_that_asks_for_a_long_wait_is_not_waited_for(
        self, name: str, detector: RemoteDetector, fake_api: RunningFake
    ) -> None:
        """Amazon does not say how long; it is asked again after a second."""
        fake_api.set(rate_limited=1.0, retry_after_s=600)
        with pytest.raises(PicturedeskError, match="it answered 4"):
            found_by(detector)
        assert fake_api.ledger()["counts"] == {"rate_limited": 2 if name == "rekognition" else 1}


def test_a_key_that_a_service_repeats_is_not_shown() -> None:
    body = {"error": {"message": "the key key-of-google_api_key\nis not known"}}
    with pytest.raises(PicturedeskError) as caught:
        found_by(GoogleDetector({}, answering(body, 403)))
    assert str(caught.value) == "it answered 403 (the key [key] is not known); look at GOOGLE_API_KEY"


def test_an_answer_that_is_no_json_is_said() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(PicturedeskError, match="its answer is no JSON"):
        found_by(GoogleDetector({}, transport))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("google", {"base_url": "https://me:sk-secret@example.com"}, "base_url: expected a URL without a name"),
        ("google", {"base_url": "vision.example.com"}, "base_url: expected a URL"),
        ("google", {"api_key_env": "AIza-sk-secret"}, "api_key_env: expected the name of an environment variable"),
        ("google", {"kinds": ["face", "cat"]}, "kinds: found 'cat'; expected one of face, text, logo"),
        ("google", {"kinds": []}, r"kinds: found \[\]; expected a list"),
        ("google", {"timeout_s": 0}, "timeout_s: found 0; expected a number from 0.1 to 600"),
        ("vision", {}, "detector vision: ai_model is missing"),
        ("vision", {"ai_model": "x", "needs_key": "perhaps"}, "needs_key: found 'perhaps'; expected true or false"),
        ("vision", {"ai_model": "x", "detail": "best"}, "detail: found 'best'; expected one of auto, low, high"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_options(name, options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "region is missing; set it, or AWS_REGION"),
        ({"region": "eu-west-1", "kinds": ["logo"]}, "logos only by Custom Labels; set custom_labels"),
    ],
)
def test_what_amazon_needs_besides_a_key_is_named(options: dict[str, Any], message: str) -> None:
    need("botocore", "pip install 'picturedesk[rekognition]'")
    with pytest.raises(UsageError, match=message):
        check_options("rekognition", options)


def test_a_signer_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(UsageError, match=r'pip install "picturedesk\[rekognition\]"'):
        check_options("rekognition", {"region": "eu-west-1"})
