"""Services that look at pictures: Google's Cloud Vision, Amazon Rekognition, and a model behind OpenAI's chat API."""

import base64
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.service import ApiError, Asked, Dropped, FakeService
from pipeline.fake_api.sight import Patch, seen
from pipeline.fake_api.signatures import signer_of

_GOOGLE_KINDS = {"FACE_DETECTION": "face", "TEXT_DETECTION": "text", "LOGO_DETECTION": "logo"}
_GOOGLE_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
_AMAZON_ERRORS = {429: "ThrottlingException", 500: "InternalServerError", 503: "InternalServerError"}
_LEAST_AMAZON_PX = 80
_GOOGLE_MICROUSD = 1_500
"""For each kind: 1.50 dollars for 1,000 units (cloud.google.com/vision/pricing, read 2026-11-21)."""
_AMAZON_MICROUSD = 1_000
"""For each request: .0010 dollars (aws.amazon.com/rekognition/pricing, as read by others 2026-10-07)."""


class DetectorRoutes:
    """The routes under ``/google``, ``/rekognition`` and ``/v1/chat``."""

    def __init__(self, service: FakeService) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/google/v1/images:annotate", self.annotate, methods=["POST"]),
            Route("/rekognition/", self.rekognise, methods=["POST"]),
            Route("/v1/chat/completions", self.complete, methods=["POST"]),
        ]

    async def annotate(self, request: Request) -> Response:
        """Google's one request for everything."""
        try:
            key = request.headers.get("x-goog-api-key", "")
            if not key or key.startswith("wrong"):
                raise ApiError(400, "API key not valid. Please pass a valid API key.")
            asked = await self._service.begin(request, f"google {key}", "", images=1, tokens=0)
            wanted, size_wh, patches = _google_request(await _body(request))
        except ApiError as exc:
            error = {"code": exc.status, "message": str(exc), "status": _GOOGLE_STATUS.get(exc.status, "INTERNAL")}
            return JSONResponse({"error": error}, status_code=exc.status, headers=exc.headers)
        reply = _google_reply([patch for patch in patches if patch.kind in wanted], size_wh)
        cost = _GOOGLE_MICROUSD * len(wanted)
        return self._answer(asked, "images:annotate", {"responses": [reply]}, {"responses": "none"}, cost)

    async def rekognise(self, request: Request) -> Response:
        """Amazon's operations, told apart by a header."""
        operation = request.headers.get("x-amz-target", "").removeprefix("RekognitionService.")
        try:
            key = await signer_of(request)
            if key is None:
                raise ApiError(400, "The request signature does not match.", code="InvalidSignatureException")
            if operation not in _AMAZON:
                raise ApiError(400, "There is no such operation.", code="UnknownOperationException")
            asked = await self._service.begin(request, f"amazon {key}", "", images=1, tokens=0)
            body = await _body(request)
            size_wh, patches = _seen(body.get("Image", {}).get("Bytes"))
            if min(size_wh) < _LEAST_AMAZON_PX:
                raise ApiError(400, "Image dimensions are too small.", code="InvalidParameterException")
            if operation == "DetectCustomLabels" and not body.get("ProjectVersionArn"):
                raise ApiError(400, "ProjectVersionArn is missing.", code="InvalidParameterException")
        except ApiError as exc:
            is_named = exc.code is not None and exc.code.endswith("Exception")
            name = exc.code if is_named else _AMAZON_ERRORS.get(exc.status, "InvalidParameterException")
            status = exc.status if exc.status >= 500 else 400
            return JSONResponse({"__type": name, "message": str(exc)}, status_code=status)
        reply = _AMAZON[operation](patches, size_wh)
        return self._answer(asked, operation, reply, dict.fromkeys(reply, 5), _AMAZON_MICROUSD)

    async def complete(self, request: Request) -> Response:
        """A model that keeps to the schema it is given; its price is not known."""
        key = self._service.key_of(request)
        body = await _body(request)
        kinds, size_wh, patches = _chat_request(body)
        asked = await self._service.begin(request, key, "", images=1, tokens=0)
        findings = [_finding(patch, size_wh) for patch in patches if patch.kind in kinds]
        good, bad = (
            _chat_reply(body["model"], json.dumps({"findings": findings})),
            _chat_reply(body["model"], "A face."),
        )
        return self._answer(asked, "chat/completions", good, bad, 0, ai_model=body["model"])

    def _answer(
        self,
        asked: Asked,
        endpoint: str,
        reply: dict[str, Any],
        garbage: dict[str, Any],
        cost_microusd: int,
        *,
        ai_model: str = "",
    ) -> Response:
        """Bill the request and answer it, as its fate says."""
        if asked.fate is Fate.DROP_UNBILLED:
            return Dropped()
        usage = {"picture": 1}
        self._service.bill(asked, endpoint=endpoint, ai_model=ai_model, n=1, usage=usage, cost_microusd=cost_microusd)
        if asked.fate is Fate.DROP_BILLED:
            return Dropped()
        return JSONResponse(garbage if asked.fate is Fate.GARBAGE else reply, headers=asked.headers)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return body


def _seen(encoded: Any) -> tuple[tuple[int, int], list[Patch]]:  # noqa: ANN401 - JSON
    try:
        return seen(base64.b64decode(encoded, validate=True))
    except (OSError, TypeError, ValueError):
        raise ApiError(400, "Request has invalid image format.", code="InvalidImageFormatException") from None


def _google_request(body: dict[str, Any]) -> tuple[set[str], tuple[int, int], list[Patch]]:
    try:
        (wanted,) = body["requests"]
        kinds = {_GOOGLE_KINDS[feature["type"]] for feature in wanted["features"]}
        return kinds, *_seen(wanted["image"]["content"])
    except (KeyError, TypeError, ValueError):
        raise ApiError(400, "Invalid JSON payload received.") from None


def _google_reply(patches: list[Patch], size_wh: tuple[int, int]) -> dict[str, Any]:
    """What was found; what was not is left out, as Google does it."""
    texts = [patch for patch in patches if patch.kind == "text"]
    reply = {
        "faceAnnotations": [_google_face(patch) for patch in patches if patch.kind == "face"],
        "logoAnnotations": [_google_logo(patch) for patch in patches if patch.kind == "logo"],
        **(_google_texts(texts, size_wh) if texts else {}),
    }
    return {name: found for name, found in reply.items() if found}


def _google_texts(texts: list[Patch], size_wh: tuple[int, int]) -> dict[str, Any]:
    """The text twice: its whole and its words; and once more by blocks, paragraphs, words and letters."""
    whole = "\n".join(patch.label for patch in texts)
    words = [{"description": word, "boundingPoly": _polygon(box)} for patch in texts for word, box in _words(patch)]
    blocks = [{"paragraphs": [{"words": _google_words(patch)}], "blockType": "TEXT"} for patch in texts]
    page = {"width": size_wh[0], "height": size_wh[1], "blocks": blocks}
    return {
        "textAnnotations": [{"locale": "en", "description": whole, "boundingPoly": _polygon((0, 0, *size_wh))}, *words],
        "fullTextAnnotation": {"pages": [page], "text": whole},
    }


def _google_logo(patch: Patch) -> dict[str, Any]:
    return {"mid": "/m/fake", "description": patch.label, "score": 0.91, "boundingPoly": _polygon(patch.xyxy)}


def _google_face(patch: Patch) -> dict[str, Any]:
    """The outer box is larger, and reaches beyond the picture."""
    left, top, right, bottom = patch.xyxy
    head = _polygon((left - 20, top - 40, right + 20, bottom + 20))
    return {"boundingPoly": head, "fdBoundingPoly": _polygon(patch.xyxy), "detectionConfidence": 0.97}


def _google_words(patch: Patch) -> list[dict[str, Any]]:
    words = []
    for word, box in _words(patch):
        symbols: list[dict[str, Any]] = [{"text": letter, "confidence": 0.95} for letter in word]
        is_last = word == patch.label.split()[-1]
        symbols[-1]["property"] = {"detectedBreak": {"type": "LINE_BREAK" if is_last else "SPACE"}}
        words.append({"boundingBox": _polygon(box), "symbols": symbols, "confidence": 0.95})
    return words


def _words(patch: Patch) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Each word with its part of the patch."""
    left, top, right, bottom = patch.xyxy
    words = patch.label.split()
    step = (right - left) // len(words)
    edges = [left + step * index for index in range(len(words))] + [right]
    return [(word, (edges[index], top, edges[index + 1], bottom)) for index, word in enumerate(words)]


def _polygon(box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Corners clockwise; a coordinate that is 0 is left out, as protocol buffers do in JSON."""
    left, top, right, bottom = box
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return {"vertices": [{name: value for name, value in (("x", x), ("y", y)) if value} for x, y in corners]}


def _amazon_box(xyxy: tuple[int, int, int, int], size_wh: tuple[int, int]) -> dict[str, float]:
    (left, top, right, bottom), (width, height) = xyxy, size_wh
    return {
        "Left": left / width,
        "Top": top / height,
        "Width": (right - left) / width,
        "Height": (bottom - top) / height,
    }


def _amazon_faces(patches: list[Patch], size_wh: tuple[int, int]) -> dict[str, Any]:
    boxes = [_amazon_box(patch.xyxy, size_wh) for patch in patches if patch.kind == "face"]
    return {"FaceDetails": [{"BoundingBox": box, "Confidence": 99.7} for box in boxes]}


def _amazon_texts(patches: list[Patch], size_wh: tuple[int, int]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for patch in (each for each in patches if each.kind == "text"):
        line = len(found)
        parts = [("LINE", patch.label, patch.xyxy), *(("WORD", word, box) for word, box in _words(patch))]
        for kind, text, box in parts:
            parent = {} if kind == "LINE" else {"ParentId": line}
            geometry = {"BoundingBox": _amazon_box(box, size_wh)}
            found.append(
                {
                    "Type": kind,
                    "DetectedText": text,
                    "Id": len(found),
                    "Confidence": 98.5,
                    "Geometry": geometry,
                    **parent,
                }
            )
    return {"TextDetections": found, "TextModelVersion": "3.0"}


def _amazon_logos(patches: list[Patch], size_wh: tuple[int, int]) -> dict[str, Any]:
    found = [(patch.label, _amazon_box(patch.xyxy, size_wh)) for patch in patches if patch.kind == "logo"]
    return {
        "CustomLabels": [{"Name": name, "Confidence": 88.0, "Geometry": {"BoundingBox": box}} for name, box in found]
    }


_AMAZON: dict[str, Callable[[list[Patch], tuple[int, int]], dict[str, Any]]] = {
    "DetectFaces": _amazon_faces,
    "DetectText": _amazon_texts,
    "DetectCustomLabels": _amazon_logos,
}


def _chat_request(body: dict[str, Any]) -> tuple[set[str], tuple[int, int], list[Patch]]:
    """The kinds that the schema allows, and the picture."""
    try:
        parts = body["messages"][-1]["content"]
        url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
        wanted = body["response_format"]["json_schema"]
        finding = wanted["schema"]["properties"]["findings"]["items"]
        is_strict = wanted["strict"] and finding["required"] == list(finding["properties"])
        kinds = set(finding["properties"]["kind"]["enum"])
        if not body["model"] or not is_strict:
            raise ApiError(400, "Invalid schema for response_format 'findings'.", param="response_format")
    except (KeyError, IndexError, StopIteration, TypeError):
        raise ApiError(400, "Missing required parameter.", code="missing_required_parameter") from None
    return kinds, *_seen(url.partition(";base64,")[2])


def _finding(patch: Patch, size_wh: tuple[int, int]) -> dict[str, Any]:
    sides = zip(("left", "top", "right", "bottom"), patch.xyxy, (*size_wh, *size_wh), strict=True)
    box = {name: round(1000 * value / of) for name, value, of in sides}
    return {"kind": patch.kind, "label": patch.label, "box": box, "confidence": 0.93}


def _chat_reply(ai_model: str, content: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "model": ai_model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 800, "completion_tokens": 60, "total_tokens": 860},
    }
