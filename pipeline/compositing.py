"""Puts what was asked for in a region back into the picture it came from: outside the region not a pixel changes.

Services draw the whole picture anew, so what nobody asked for changes a little, too. A reviewer's region is a promise
that it does not.
"""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import PictureError
from pipeline.images import open_prepared

_SHAPE_CHANGE = 0.02
"""The output may be scaled to the base if its sides' ratio differs by less."""

_FEATHER = 0.006
"""Of the long side: so far into the region the output fades in."""

_RING = 3
"""So many feathers around the region, the output's drift in colour is measured."""

_COLOURS = 3

_MOST_DRIFT = 24.0
"""Grey levels: a larger difference is no drift, but another picture."""


def composite(base: bytes, output: bytes, mask: bytes) -> bytes:
    """The base, with the output where the mask lets it through.

    Args:
        base: The picture that the edit started from, upright.
        output: What the provider made of it, of the same shape; scaled to the base's size.
        mask: PNG of the base's size, alpha 0 = edited.

    Returns:
        PNG of the base's size. Outside the region its pixels are the base's; inside, the output fades in from the
        edge, less the drift in colour that it shows around the region.

    Raises:
        PictureError: ``composite_shape``: the output has another shape.
    """
    under, over = open_prepared(base), open_prepared(output)
    _check_shape(under.size, over.size)
    mode = "RGBA" if "A" in (under.getbands() + over.getbands()) else "RGB"
    below = np.asarray(under.convert(mode), np.float32)
    above = np.asarray(over.convert(mode).resize(under.size, Image.Resampling.LANCZOS), np.float32)
    region = np.asarray(Image.open(io.BytesIO(mask)).getchannel("A")) < 128
    feather = max(2, round(_FEATHER * max(under.size)))
    shift = _drift(below, above, region, feather)
    weight = _weight(region, feather)[..., None]
    mixed = _mixed(below, np.clip(above + shift, 0, 255), weight)
    pixels = np.where(weight > 0, np.rint(mixed), below).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _mixed(below: NDArray[np.float32], above: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each its share; a colour counts as far as it is opaque, for what is transparent has any colour."""
    if below.shape[2] == _COLOURS:
        return below + weight * (above - below)
    under, over = (1 - weight) * below[..., _COLOURS:], weight * above[..., _COLOURS:]
    alpha = under + over
    colour = (under * below[..., :_COLOURS] + over * above[..., :_COLOURS]) / np.maximum(alpha, 1e-6)
    return np.concatenate([colour, alpha], axis=2)


def _check_shape(base_wh: tuple[int, int], output_wh: tuple[int, int]) -> None:
    change = (output_wh[0] / output_wh[1]) / (base_wh[0] / base_wh[1])
    if not 1 / (1 + _SHAPE_CHANGE) < change < 1 + _SHAPE_CHANGE:
        was, now = (f"{width} x {height}" for width, height in (base_wh, output_wh))
        raise PictureError(
            "composite_shape", f"the output has {now} pixels and the picture {was}: another shape, so it stays as it is"
        )


def _weight(region: NDArray[np.bool_], feather: int) -> NDArray[np.float32]:
    """0 outside the region, growing from its edge to 1; (height, width)."""
    # With a frame of the region's own, so that it does not fade out towards the picture's edge.
    framed = np.pad(region, 1, mode="edge").astype(np.uint8)
    inside: Any = cv2.distanceTransform(framed, cv2.DIST_L2, 5)
    return np.asarray(np.clip(inside[1:-1, 1:-1] / feather, 0, 1), np.float32)


def _drift(
    below: NDArray[np.float32], above: NDArray[np.float32], region: NDArray[np.bool_], feather: int
) -> NDArray[np.float32]:
    """What the output's colours must be raised by to be the base's around the region; (channels,)."""
    reach = 2 * _RING * feather + 1
    grown = cv2.dilate(region.astype(np.uint8), np.ones((reach, reach), np.uint8)).astype(bool)
    ring = grown & ~region
    channels = below.shape[2]
    if channels > _COLOURS:
        ring &= (below[..., _COLOURS] > 0) & (above[..., _COLOURS] > 0)
    if not ring.any():
        return np.zeros(channels, np.float32)
    shift = np.median(below[ring] - above[ring], axis=0)
    shift[_COLOURS:] = 0  # transparency is no colour
    return np.asarray(np.where(np.abs(shift) <= _MOST_DRIFT, shift, 0), np.float32)
