"""Pictures as providers get them: bytes in a file, named by their sha256."""

import hashlib
import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.images import read_size
from pipeline.values import PictureFacts, PictureFile


def drawn(kind: str = "PNG", *, mode: str = "RGB", colour: Any = "red") -> PictureFile:
    """A small picture of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, (48, 32), colour).save(buffer, kind)
    return kept(buffer.getvalue())


def kept(data: bytes) -> PictureFile:
    """These bytes in a file; bytes that are no picture have no size and no type."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = Path(_folder().name) / sha256
    path.write_bytes(data)
    try:
        media_type, size_wh = read_size(data)
    except Exception:
        media_type, size_wh = "image/png", (1, 1)
    return PictureFile(PictureFacts(sha256, media_type, size_wh, len(data)), path)


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="picturedesk-tests-")
