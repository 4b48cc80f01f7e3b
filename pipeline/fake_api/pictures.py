"""Making the edits: for real, with the local engine; or in no time, for measurements."""

import base64
import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageChops, ImageOps

from pipeline.errors import PicturedeskError
from pipeline.images import read_size
from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.local import LocalProvider
from pipeline.values import EditRequest, EditResult, Instruction, PictureFacts, PictureFile

_CACHED = 2_000
_WARM = (255, 214, 160)
_NEAR = 24


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that a request brought.

    Attributes:
        media_type: From the bytes.
        digest: Their SHA-256.
    """

    data: bytes
    media_type: str
    size_wh: tuple[int, int]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """How an output is encoded.

    Attributes:
        size_wh: Of edits that are made for real, and of pictures without a source.
        format: png, jpeg or webp.
        has_alpha: Whether its ground is transparent.
    """

    size_wh: tuple[int, int]
    format: str = "png"
    has_alpha: bool = False


@dataclass(frozen=True, slots=True)
class Negative:
    """A picture of the quick engine.

    Attributes:
        encoded: The same as base64.
    """

    data: bytes
    encoded: str


class Studio:
    """Makes edits."""

    def __init__(self) -> None:
        self._pool = WorkPool()
        self._local = LocalProvider({}, Tools(self._pool))
        self._folder = TemporaryDirectory(prefix="picturedesk-fake-")
        self._sizes: OrderedDict[bytes, Upload] = OrderedDict()
        self._negatives: OrderedDict[tuple[bytes, Look], Negative] = OrderedDict()

    def opened(self, data: bytes) -> Upload:
        """A picture, if it is one.

        Raises:
            PictureError: It is none.
        """
        name = hashlib.sha256(data).digest()
        known = self._sizes.get(name)
        if known is None:
            media_type, size_wh = read_size(data)
            known = self._sizes[name] = Upload(data, media_type, size_wh, name)
            _forget_oldest(self._sizes)
        return known

    async def edited(self, sources: list[Upload], mask: Upload | None, prompt: str, look: Look) -> bytes:
        """An edit of the first picture, or a picture without a source."""
        if not sources:
            return await self._pool.run(_blank, look)
        return await self._pool.run(_fitted, await self._local_edit(sources, mask, prompt), look)

    def negative(self, sources: list[Upload], look: Look) -> Negative:
        """The first picture in negative, at its own size; made once for each picture and look."""
        name = (sources[0].digest if sources else b"", look)
        known = self._negatives.get(name)
        if known is None:
            data = _inverted(sources[0].data, look) if sources else _blank(look)
            known = self._negatives[name] = Negative(data, base64.b64encode(data).decode())
            _forget_oldest(self._negatives)
        return known

    def close(self) -> None:
        """Stop the workers."""
        self._pool.close()
        self._folder.cleanup()

    async def _local_edit(self, sources: list[Upload], mask: Upload | None, prompt: str) -> bytes:
        request = EditRequest(
            "the fake service's edit",
            self._kept(sources[0]),
            Instruction(prompt),
            mask=self._kept(mask) if mask else None,
            references=tuple(map(self._kept, sources[1:])),
        )
        try:
            answer = await self._local.submit(request)
            assert isinstance(answer, EditResult)
            return answer.outputs[0].data
        except PicturedeskError:  # a sentence beyond the local engine still gives a visible edit
            return await self._pool.run(_tinted, sources[0].data)

    def _kept(self, picture: Upload) -> PictureFile:
        sha256 = picture.digest.hex()
        path = Path(self._folder.name) / sha256
        if not path.exists():
            path.write_bytes(picture.data)
        return PictureFile(PictureFacts(sha256, picture.media_type, picture.size_wh, len(picture.data)), path)


def has_transparency(data: bytes) -> bool:
    """Whether anything shines through a picture."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _forget_oldest(kept: OrderedDict[Any, Any]) -> None:
    if len(kept) > _CACHED:
        kept.popitem(last=False)


def _tinted(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return _encoded(Image.blend(image.convert("RGB"), Image.new("RGB", image.size, _WARM), 0.3), "png")


def _inverted(data: bytes, look: Look) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return _finished(ImageOps.invert(image.convert("RGB")), look)


def _blank(look: Look) -> bytes:
    return _finished(Image.linear_gradient("L").resize(look.size_wh).convert("RGB"), look)


def _fitted(data: bytes, look: Look) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        mode = "RGBA" if look.has_alpha and image.has_transparency_data else "RGB"
        return _finished(ImageOps.fit(image.convert(mode), look.size_wh), look)


def _finished(image: Image.Image, look: Look) -> bytes:
    if look.has_alpha and image.mode != "RGBA":
        image.putalpha(_ground_left_out(image))
    return _encoded(image, look.format)


def _ground_left_out(image: Image.Image) -> Image.Image:
    """Alpha that is 0 wherever the colour is about that of the upper left corner."""
    corner = Image.new("RGB", image.size, image.getpixel((0, 0)))
    red, green, blue = ImageChops.difference(image, corner).split()
    distance = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return distance.point(lambda value: 255 if value > _NEAR else 0)


def _encoded(image: Image.Image, format_name: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name.upper())
    return buffer.getvalue()
