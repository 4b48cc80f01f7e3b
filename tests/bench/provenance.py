"""What it takes to mark, sign and read back a file, against writing its bytes to the disk."""

import io
import os
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.provenance.identity import write_trial
from pipeline.provenance.marking import Marker
from tests.provenance.conftest import BY_A_MODEL, SIGNED, signed_by_provider

_FILES = 60


def marking_ms(kind: str, *, is_signed: bool = True) -> tuple[float, float]:
    """Milliseconds of processor time for a file of 1536 x 1024 that its provider has signed; and to write it.

    Args:
        kind: Pillow's name of the format.
        is_signed: With a certificate; otherwise IPTC fields only.
    """
    folder = _identity()
    media_type = f"image/{kind.lower()}"
    master = signed_by_provider(_picture(kind), media_type, folder)
    settings = (
        SIGNED
        if is_signed
        else SIGNED.model_copy(update={"certificate": None, "key": None, "without_certificate": "write-iptc"})
    )
    marker = Marker(settings, folder)
    marked = marker.mark(master, BY_A_MODEL, title="warm-up")
    assert not any("not" in problem for problem in marked.problems)
    began = time.process_time()
    for number in range(_FILES):
        marker.mark(master, BY_A_MODEL, title=f"{number}")
    spent = time.process_time() - began
    began = time.process_time()
    for number in range(_FILES):
        with (folder / f"{number}.bin").open("wb") as file:
            file.write(master)
            file.flush()
            os.fsync(file.fileno())
    bare = time.process_time() - began
    return spent / _FILES * 1000, bare / _FILES * 1000


@cache
def _identity() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="picturedesk-bench-"))
    write_trial("Shop", folder)
    write_trial("Provider", folder / "provider")
    return folder


def _picture(kind: str) -> bytes:
    """As large as a generated picture, and as hard to compress as a photograph."""
    small = np.random.default_rng(3).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((1536, 1024), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()
