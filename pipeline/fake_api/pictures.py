"""Making the edits: for real, with the local engine; or in no time, for measurements."""

import base64
import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageOps

from pipeline.errors import PicturedeskError
from pipeline.images import read_size
from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.local import LocalProvider
from pipeline.values import EditRequest, EditResult, Instruction, PictureFacts, PictureFile

_CACHED = 2_000
_WARM = (255, 214, 160)


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that a request brought.

    Attributes:
        media_type: From the bytes.
    """

    data: bytes
    media_type: str
    size_wh: tuple[int, int]


class Studio:
    """Makes edits."""

    def __init__(self) -> None:
        self._pool = WorkPool()
        self._local = LocalProvider({}, Tools(self._pool))
        self._folder = TemporaryDirectory(prefix="picturedesk-fake-")
        self._sizes: OrderedDict[bytes, Upload] = OrderedDict()
        self._negatives: OrderedDict[bytes, str] = OrderedDict()

    def opened(self, data: bytes) -> Upload:
        """A picture, if it is one.

        Raises:
            PictureError: It is none.
        """
        name = hashlib.sha256(data).digest()
        known = self._sizes.get(name)
        if known is None:
            media_type, size_wh = read_size(data)
            known = self._sizes[name] = Upload(data, media_type, size_wh)
            _forget_oldest(self._sizes)
        return known

    async def edited(
        self, sources: list[Upload], mask: Upload | None, prompt: str, size_wh: tuple[int, int], format_name: str
    ) -> bytes:
        """An edit of the first picture at the asked size, encoded."""
        result = await self._local_edit(sources, mask, prompt) if sources else _blank(size_wh)
        return await self._pool.run(_fitted, result, size_wh, format_name)

    def negative(self, source: Upload) -> str:
        """The picture in negative as base64; made once for each picture."""
        name = hashlib.sha256(source.data).digest()
        known = self._negatives.get(name)
        if known is None:
            with Image.open(io.BytesIO(source.data)) as image:
                known = base64.b64encode(_encoded(ImageOps.invert(image.convert("RGB")), "png")).decode()
            self._negatives[name] = known
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
        sha256 = hashlib.sha256(picture.data).hexdigest()
        path = Path(self._folder.name) / sha256
        if not path.exists():
            path.write_bytes(picture.data)
        return PictureFile(PictureFacts(sha256, picture.media_type, picture.size_wh, len(picture.data)), path)


def _forget_oldest(kept: OrderedDict[bytes, Any]) -> None:
    if len(kept) > _CACHED:
        kept.popitem(last=False)


def _tinted(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return _encoded(Image.blend(image.convert("RGB"), Image.new("RGB", image.size, _WARM), 0.3), "png")


def _blank(size_wh: tuple[int, int]) -> bytes:
    return _encoded(Image.linear_gradient("L").resize(size_wh).convert("RGB"), "png")


def _fitted(data: bytes, size_wh: tuple[int, int], format_name: str) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return _encoded(ImageOps.fit(image.convert("RGB"), size_wh), format_name)


def _encoded(image: Image.Image, format_name: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name.upper())
    return buffer.getvalue()
