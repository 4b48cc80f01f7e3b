"""The sample batch's drawings, each drawn once for all tests: a product takes one to three seconds of CPU.

The processes of one run of the tests share what they have drawn: `conftest` names a folder for it.
"""

import os
from functools import cache
from pathlib import Path

from filelock import FileLock

from pipeline.drawn_products import draw_logo, draw_product

FOLDER_VARIABLE = "TESTS_DRAWINGS"


@cache
def product(name: str) -> bytes:
    """What `draw_product` gives."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return draw_product(name)
    path = Path(folder) / f"{name}.jpg"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            path.write_bytes(draw_product(name))
        return path.read_bytes()


@cache
def logo(name: str) -> bytes:
    """What `draw_logo` gives."""
    return draw_logo(name)
