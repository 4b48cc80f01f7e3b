"""The detector ``rekognition``: faces and text by Amazon Rekognition, and logos by Custom Labels that you trained.

Requests and answers as in the API reference (docs.aws.amazon.com/rekognition/latest/APIReference: DetectFaces,
DetectText, DetectCustomLabels; limits and errors from the developer guide; read 2026-11-21). Not tried with a real
account. Rekognition has no general detector of logos.
"""

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import httpx

from pipeline.detectors.options import Share
from pipeline.detectors.remote.service import Found, RemoteDetector, RemoteOptions, Sent, Sought, key_from, share
from pipeline.errors import UsageError
from pipeline.values import Box

_ACCESS_KEY, _SECRET_KEY, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_THROTTLED = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})


@dataclass(frozen=True, kw_only=True)
class RekognitionOptions(RemoteOptions):
    """The table ``[detector_options.rekognition]``.

    Attributes:
        base_url: Another address than the region's own.
        region: Such as ``eu-west-1``; by default what AWS_REGION or AWS_DEFAULT_REGION says.
        custom_labels: For logos: the ARN of a running model version, each of whose labels is a logo.
    """

    kinds: tuple[Sought, ...] = ("face", "text")
    sure: Share = 0.9
    region: str = ""
    custom_labels: str = ""

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Both halves of the key; a third one for a session may be there."""
        return _ACCESS_KEY, _SECRET_KEY

    @property
    def at(self) -> str:
        """The region."""
        return self.region or os.environ.get("AWS_REGION", "") or os.environ.get("AWS_DEFAULT_REGION", "")

    @property
    def address(self) -> str:
        """The region's, if no other is given."""
        return self.base_url or f"https://rekognition.{self.at}.amazonaws.com"

    def check(self) -> None:
        """Refuse also what Amazon needs besides a key and is not there."""
        if find_spec("botocore") is None:
            raise UsageError('signing needs a package; run: pip install "picturedesk[rekognition]"')
        if not self.at:
            raise UsageError("region is missing; set it, or AWS_REGION in the environment")
        if "logo" in self.kinds and not self.custom_labels:
            raise UsageError(
                "kinds: Amazon finds logos only by Custom Labels; set custom_labels to the ARN of your model version"
            )
        super().check()


class RekognitionDetector(RemoteDetector):
    """Finds faces, lines of text, and what a model of your own was trained for."""

    name = "rekognition"
    version = "rekognition-2016-06-27/1"
    options_type: ClassVar[type[RemoteOptions]] = RekognitionOptions
    options: RekognitionOptions
    least_px = 80

    def auth(self) -> httpx.Auth:
        """Signature Version 4, anew for every request."""
        return _Signature(self.options.at)

    def find(self, sent: Sent) -> Iterator[Found]:
        """Ask for each kind by itself."""
        if "face" in self.options.kinds:
            for face in self._ask("DetectFaces", sent, Attributes=["DEFAULT"])["FaceDetails"]:
                yield Found("face", _box(face["BoundingBox"], sent), share(face["Confidence"], 100))
        if "text" in self.options.kinds:
            for text in self._ask("DetectText", sent)["TextDetections"]:
                if text["Type"] == "LINE":  # its words follow by themselves
                    box = _box(text["Geometry"]["BoundingBox"], sent)
                    yield Found("text", box, share(text["Confidence"], 100), str(text["DetectedText"]))
        if "logo" in self.options.kinds:
            yield from self._logos(sent)

    def _logos(self, sent: Sent) -> Iterator[Found]:
        """A model that was trained on whole pictures gives no boxes: then the logo is the picture."""
        least = 100 * self.options.flag
        answer = self._ask(
            "DetectCustomLabels", sent, ProjectVersionArn=self.options.custom_labels, MinConfidence=least
        )
        whole = {"Left": 0, "Top": 0, "Width": 1, "Height": 1}
        for label in answer["CustomLabels"]:
            box = _box(label.get("Geometry", {}).get("BoundingBox", whole), sent)
            yield Found("logo", box, share(label["Confidence"], 100), str(label["Name"]))

    def _ask(self, operation: str, sent: Sent, **options: Any) -> Any:  # noqa: ANN401 - JSON
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"RekognitionService.{operation}"}
        return self.ask("/", {"Image": {"Bytes": sent.text}, **options}, headers)

    def is_busy(self, response: httpx.Response) -> bool:
        """Amazon answers 400 also when it is asked too often."""
        return super().is_busy(response) or (
            response.status_code == httpx.codes.BAD_REQUEST and any(name in response.text for name in _THROTTLED)
        )

    def words(self, body: Any) -> str:  # noqa: ANN401 - JSON
        """The exception's name, with what it says."""
        fields = body if isinstance(body, dict) else {}
        said = (fields.get("__type"), fields.get("message") or fields.get("Message"))
        return ": ".join(str(each) for each in said if each)


class _Signature(httpx.Auth):
    """Signs with botocore, which is all that is used of it; httpx sends."""

    requires_request_body = True

    def __init__(self, region: str) -> None:
        self._region = region

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the headers that botocore makes."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        signed = ("content-type", "x-amz-target")
        headers = {name: request.headers[name] for name in signed}
        draft = AWSRequest(request.method, str(request.url), headers=headers, data=request.content)
        credentials = Credentials(key_from(_ACCESS_KEY), key_from(_SECRET_KEY), key_from(_TOKEN) or None)
        SigV4Auth(credentials, "rekognition", self._region).add_auth(draft)
        request.headers.update(dict(draft.headers.items()))
        yield request


def _box(box: Mapping[str, Any], sent: Sent) -> Box:
    """Amazon's shares of width and height; faces at the border reach beyond it."""
    width, height = sent.size_wh
    left, top = float(box["Left"]) * width, float(box["Top"]) * height
    return left, top, left + float(box["Width"]) * width, top + float(box["Height"]) * height
