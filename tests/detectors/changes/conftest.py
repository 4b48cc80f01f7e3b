"""A scene to edit: a drawn product on its backdrop, with room for what a test puts there."""

import io

import pytest
from PIL import Image

from tests.products import product


@pytest.fixture(scope="session")
def scene() -> Image.Image:
    return opened("carton")


def opened(name: str) -> Image.Image:
    with Image.open(io.BytesIO(product(name))) as image:
        return image.convert("RGB").resize((768, 768), Image.Resampling.LANCZOS)
