"""What the detectors over the network share: options, one HTTP client, and boxes back in pixels of the picture."""

import base64
import math
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import cv2
import httpx
import numpy as np

from pipeline.detectors.options import DetectorOptions, Share, read_options
from pipeline.detectors.picture import Picture
from pipeline.errors import PicturedeskError, UsageError
from pipeline.retry_after import retry_after_s
from pipeline.values import Box, Detection, Kind, Level

_CONNECT_S = 10.0
_LONG_PX = 1536
_JPEG_QUALITY = 90
_LONGEST_LABEL = 200
_BUSY = frozenset({429, 500, 502, 503, 504})
_WAIT_S, _MOST_WAIT_S = 1.0, 5.0
_ROUNDED = 1 + 1e-6
"""Services compute in 32 bits: their highest score may be 100.00001."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Seconds = Annotated[float, (0.1, 600.0)]
Sought = Literal["face", "text", "logo"]


@dataclass(frozen=True, kw_only=True)
class RemoteOptions(DetectorOptions):
    """What every detector over the network can be told.

    Attributes:
        base_url: Where the API is.
        kinds: What to ask for; a service that bills by kind bills each.
        flag: The lowest score that counts.
        sure: The score from which a finding counts as sure.
        timeout_s: How long an answer may take.
    """

    base_url: str = ""
    kinds: tuple[Sought, ...] = ("face", "text", "logo")
    flag: Share = 0.5
    sure: Share = 0.8
    timeout_s: Seconds = 30.0

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that the key comes from."""
        return ()

    @property
    def address(self) -> str:
        """Where the API is."""
        return self.base_url

    def check(self) -> None:
        """Refuse an address that is none, and a key that is not there; never shows either."""
        if not re.match(r"https?://[^/]", self.address) or httpx.URL(self.address).userinfo:
            raise UsageError("base_url: expected a URL without a name or password, such as https://api.example.com/v1")
        if not all(re.fullmatch("[A-Z][A-Z0-9_]*", variable) for variable in self.key_variables):
            raise UsageError("api_key_env: expected the name of an environment variable in capitals, never a key")
        missing = [variable for variable in self.key_variables if not key_from(variable)]
        if missing:
            raise UsageError(
                f"there is no key; set {' and '.join(missing)} in the environment, or leave the detector out"
            )


def key_from(variable: str) -> str:
    """The key that an environment variable holds, or ""."""
    return os.environ.get(variable, "").strip()


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as a service gets it.

    Attributes:
        jpeg: Its bytes.
        size_wh: Its size in pixels, its margin included.
        content_wh: The same without the margin that a service's smallest size made necessary, at the right and below.
    """

    jpeg: bytes
    size_wh: tuple[int, int]
    content_wh: tuple[int, int]

    @property
    def text(self) -> str:
        """As base64."""
        return base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True, slots=True)
class Found:
    """What a service says that it found; xyxy in pixels of the picture that was sent, score in [0, 1]."""

    kind: Sought
    xyxy: Box
    score: float
    label: str = ""


class RemoteDetector:
    """Asks one service; a subclass says how to ask and how to read the answer.

    Args:
        options: As its ``options_type``.
        transport: Another one than the usual, for tests.

    Raises:
        UsageError: An option does not fit, or the key is missing.
    """

    name = ""
    version = "1"
    options_type: ClassVar[type[RemoteOptions]] = RemoteOptions
    least_px = 1
    reads_earlier = False

    def __init__(self, options: Mapping[str, Any], transport: httpx.BaseTransport | None = None) -> None:
        self.options = read_options(self.options_type, options, self.name)
        url = httpx.URL(self.options.address)
        self.client = httpx.Client(
            transport=transport,
            base_url=url,
            headers={"user-agent": "picturedesk", **self.headers()},
            auth=self.auth(),
            timeout=httpx.Timeout(self.options.timeout_s, connect=_CONNECT_S),
            trust_env=url.host not in _LOOPBACK,  # no proxy leads to this machine itself
        )

    def headers(self) -> dict[str, str]:
        """Headers of every request, the key among them."""
        return {}

    def auth(self) -> httpx.Auth | None:
        """What signs every request."""
        return None

    def find(self, sent: Sent) -> Iterable[Found]:
        """Ask about one picture.

        Raises:
            PicturedeskError: There is no answer that can be used; says why.
        """
        raise NotImplementedError

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """What the service found, the surest first.

        Raises:
            PicturedeskError: It gave no answer that can be used; says why.
        """
        sent = _sent(picture, self.least_px)
        try:
            found = [each for each in self.find(sent) if each.score >= self.options.flag]
        except (AttributeError, LookupError, TypeError, ValueError) as exc:
            raise PicturedeskError(f"its answer cannot be read ({type(exc).__name__})") from exc
        found.sort(key=lambda each: -each.score)
        return [self._detection(each, sent, picture.size_wh) for each in found]

    def ask(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The JSON that a request is answered with; asked once more where the service says that it is busy.

        Raises:
            PicturedeskError: There is none; says why.
        """
        response = self._send(path, body, headers)
        wait_s = _wait_s(response) if self.is_busy(response) else None
        if wait_s is not None:
            time.sleep(wait_s)
            response = self._send(path, body, headers)
        if response.status_code != httpx.codes.OK:
            raise PicturedeskError(self._refusal(response))
        answer = _json(response)
        if answer is None:
            raise PicturedeskError("its answer is no JSON")
        return answer

    def is_busy(self, response: httpx.Response) -> bool:
        """Whether the same request may do better a little later."""
        return response.status_code in _BUSY

    def words(self, body: Any) -> str:  # noqa: ANN401 - JSON
        """What an answer that is an error says."""
        error = body.get("error", body) if isinstance(body, dict) else body
        return str(error.get("message", "") if isinstance(error, dict) else error or "")

    def _send(self, path: str, body: Any, headers: Mapping[str, str] | None) -> httpx.Response:  # noqa: ANN401
        try:
            return self.client.post(path, json=body, headers=headers)
        except httpx.HTTPError as exc:
            raise PicturedeskError(
                f"{self.client.base_url.host} gave no answer ({type(exc).__name__}); check the network, or raise "
                "timeout_s"
            ) from exc

    def _refusal(self, response: httpx.Response) -> str:
        said = " ".join(self.words(_json(response)).split())
        for key in filter(None, map(key_from, self.options.key_variables)):
            said = said.replace(key, "[key]")
        at_fault = self.options.key_variables if response.status_code in (401, 403) else ()
        hint = f"; look at {' and '.join(at_fault)}" if at_fault else ""
        return f"it answered {response.status_code} ({said[:_LONGEST_LABEL] or 'no reason given'}){hint}"

    def _detection(self, found: Found, sent: Sent, size_wh: tuple[int, int]) -> Detection:
        level = Level.SURE if found.score >= self.options.sure else Level.FLAG
        label = " ".join(found.label.split())[:_LONGEST_LABEL]
        box = _in_picture(found.xyxy, sent.content_wh, size_wh)
        return Detection(Kind(found.kind), box, found.score, level, label, self.name, self.version)


def share(value: Any, of: float = 1.0) -> float:  # noqa: ANN401 - JSON
    """A score as a share of the highest one.

    Raises:
        ValueError: It is no number from 0 to that.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= of * _ROUNDED:
        raise ValueError(f"expected a number from 0 to {of:g}, received {value!r}")
    return min(1.0, value / of)


def _sent(picture: Picture, least_px: int) -> Sent:
    """The picture without metadata, not larger than services look at, and not smaller than they take."""
    pixels = picture.copy(_LONG_PX)
    height, width = pixels.shape[:2]
    below, right = max(0, least_px - height), max(0, least_px - width)
    padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    done, encoded = cv2.imencode(".jpg", padded[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done
    return Sent(np.asarray(encoded).tobytes(), (width + right, height + below), (width, height))


def _in_picture(box: Box, content_wh: tuple[int, int], size_wh: tuple[int, int]) -> Box:
    """The box in pixels of the picture, inside it, and at least a pixel wide and high: nothing found is lost."""
    if not all(map(math.isfinite, box)):
        raise PicturedeskError("its answer holds a box that is none")
    sides = []
    for axis in (0, 1):
        ratio, size = size_wh[axis] / content_wh[axis], float(size_wh[axis])
        low = min(max(box[axis] * ratio, 0.0), size - 1)
        sides.append((low, min(max(box[axis + 2] * ratio, low + 1), size)))
    (left, right), (top, bottom) = sides
    return left, top, right, bottom


def _wait_s(response: httpx.Response) -> float | None:
    """How long to wait before asking again; None if that is longer than a picture may take."""
    asked_s = retry_after_s(response.headers.get("retry-after"))
    wait_s = _WAIT_S if asked_s is None else asked_s
    return wait_s if wait_s <= _MOST_WAIT_S else None


def _json(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
