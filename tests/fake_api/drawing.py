"""Pictures for requests, and pictures of answers."""

import base64
import io

from PIL import Image


def picture(size_wh: tuple[int, int] = (64, 64), colour: str | tuple[int, ...] = "red", mode: str = "RGB") -> bytes:
    """A PNG of one colour."""
    return encoded(Image.new(mode, size_wh, colour))


def encoded(image: Image.Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    """A PNG as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def opened(encoded_picture: str | None) -> Image.Image:
    """The picture of an answer's ``b64_json``."""
    assert encoded_picture is not None
    return decoded(base64.b64decode(encoded_picture))


def decoded(data: bytes) -> Image.Image:
    """The picture in a file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
