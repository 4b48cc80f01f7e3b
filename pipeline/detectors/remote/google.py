"""The detector ``google``: faces, text and logos by Google's Cloud Vision, all in one request.

Request and answer as in the v1 reference of ``images:annotate`` (cloud.google.com/vision/docs/reference/rest, and the
protocol definition in @google-cloud/vision 5.3.2, read 2026-11-21). Not tried with a real key. Not confirmed by any
page: that TEXT_DETECTION always gives a confidence; where it gives none, a line counts as `_UNSTATED`.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pipeline.detectors.remote.service import Found, RemoteDetector, RemoteOptions, Sent, key_from, share
from pipeline.errors import PicturedeskError
from pipeline.values import Box

_FEATURES = {"face": "FACE_DETECTION", "text": "TEXT_DETECTION", "logo": "LOGO_DETECTION"}
_MOST = 50
_UNSTATED = 0.5
_LINE_ENDS = frozenset({"EOL_SURE_SPACE", "LINE_BREAK", "HYPHEN"})


@dataclass(frozen=True, kw_only=True)
class GoogleOptions(RemoteOptions):
    """The table ``[detector_options.google]``.

    Attributes:
        api_key_env: The environment variable that holds the key.
    """

    base_url: str = "https://vision.googleapis.com"
    api_key_env: str = "GOOGLE_API_KEY"

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The one variable."""
        return (self.api_key_env,)


class GoogleDetector(RemoteDetector):
    """Finds faces, lines of text, and logos of the brands that Google knows."""

    name = "google"
    version = "vision-v1/1"
    options_type: ClassVar[type[RemoteOptions]] = GoogleOptions

    def headers(self) -> dict[str, str]:
        """The key; in a header, so that no address ever holds it."""
        return {"x-goog-api-key": key_from(*self.options.key_variables)}

    def find(self, sent: Sent) -> Iterator[Found]:
        """Ask for all kinds at once."""
        features = [{"type": _FEATURES[kind], "maxResults": _MOST} for kind in self.options.kinds]
        body = {"requests": [{"image": {"content": sent.text}, "features": features}]}
        reply = self.ask("/v1/images:annotate", body)["responses"][0]
        if "error" in reply:
            raise PicturedeskError(f"it could not look at the picture ({self.words(reply)[:200]})")
        for face in reply.get("faceAnnotations", []):
            # The inner box is the face, as our own detector draws it; the outer one is the head.
            box = _box(face.get("fdBoundingPoly") or face["boundingPoly"])
            yield Found("face", box, share(face["detectionConfidence"]))
        for logo in reply.get("logoAnnotations", []):
            yield Found("logo", _box(logo["boundingPoly"]), share(logo["score"]), str(logo["description"]))
        yield from _lines(reply)


def _lines(reply: Mapping[str, Any]) -> Iterator[Found]:
    """Text line by line. The first of ``textAnnotations`` is the whole text, the others are its words."""
    if "fullTextAnnotation" not in reply:
        for word in reply.get("textAnnotations", [])[1:]:
            yield Found("text", _box(word["boundingPoly"]), _UNSTATED, str(word["description"]))
        return
    for page in reply["fullTextAnnotation"].get("pages", []):
        for block in page.get("blocks", []):
            for paragraph in block.get("paragraphs", []):
                yield from _lines_of(paragraph)


def _lines_of(paragraph: Mapping[str, Any]) -> Iterator[Found]:
    words: list[Mapping[str, Any]] = []
    for word in paragraph["words"]:
        words.append(word)
        if _break_after(word) in _LINE_ENDS:
            yield _line(words)
            words = []
    if words:
        yield _line(words)


def _line(words: list[Mapping[str, Any]]) -> Found:
    boxes = [_box(word["boundingBox"]) for word in words]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    score = statistics.fmean(share(word.get("confidence", _UNSTATED)) for word in words)
    label = "".join(_text(word) + (" " if _break_after(word) else "") for word in words)
    return Found("text", (min(lefts), min(tops), max(rights), max(bottoms)), score, label.strip())


def _text(word: Mapping[str, Any]) -> str:
    return "".join(str(symbol["text"]) for symbol in word["symbols"])


def _break_after(word: Mapping[str, Any]) -> str:
    """What follows a word, such as SPACE; "" where the next one stands close, as in Chinese."""
    found: str = word["symbols"][-1].get("property", {}).get("detectedBreak", {}).get("type", "")
    return found


def _box(polygon: Mapping[str, Any]) -> Box:
    """Upright box around a polygon; a coordinate that is 0 is left out of the answer."""
    corners = [(float(corner.get("x", 0)), float(corner.get("y", 0))) for corner in polygon["vertices"]]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
