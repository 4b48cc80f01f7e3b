"""What was asked for in a region changes nothing outside of it."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.compositing import composite
from pipeline.errors import PictureError

SIZE_WH = (400, 300)
BOX = (100, 80, 220, 200)


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int, low: int = 90, high: int = 160, size_wh: tuple[int, int] = SIZE_WH) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(low, high, (size_wh[1], size_wh[0], 3), np.uint8)


def mask(box: tuple[int, int, int, int] = BOX) -> bytes:
    alpha = np.full((SIZE_WH[1], SIZE_WH[0], 4), 255, np.uint8)
    left, top, right, bottom = box
    alpha[top:bottom, left:right, 3] = 0
    return png(alpha)


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def region(box: tuple[int, int, int, int] = BOX) -> NDArray[np.bool_]:
    inside = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
    inside[box[1] : box[3], box[0] : box[2]] = True
    return inside


def test_outside_the_region_not_a_pixel_changes() -> None:
    base, output = noise(1), noise(2, 0, 255)
    mixed = pixels_of(composite(png(base), png(output), mask()))
    assert (mixed[~region()] == base[~region()]).all()


def test_well_inside_it_is_the_output() -> None:
    base, output = np.full_like(noise(1), 100), np.full_like(noise(1), 100)
    output[120:160, 140:180] = (250, 10, 10)
    mixed = pixels_of(composite(png(base), png(output), mask()))
    assert (mixed[120:160, 140:180] == (250, 10, 10)).all()


def test_the_output_fades_in_from_the_edge() -> None:
    base, output = np.full_like(noise(1), 100), np.full_like(noise(1), 200)
    output[~region()] = 100  # the provider kept the rest
    row = pixels_of(composite(png(base), png(output), mask()))[140, 95:125, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 50
    assert (row[0], row[-1]) == (100, 200)


def test_a_drift_in_colour_leaves_no_seam() -> None:
    base = np.full_like(noise(1), 100)
    mixed = pixels_of(composite(png(base), png(base + 9), mask()))
    assert (mixed == base).all()


def test_a_region_at_the_pictures_edge_reaches_it() -> None:
    base, output = np.full_like(noise(1), 100), np.full_like(noise(1), 100)
    output[0:40, 0:40] = 240
    mixed = pixels_of(composite(png(base), png(output), mask((0, 0, 60, 60))))
    assert (mixed[0:30, 0:30] == 240).all()


def test_an_output_of_another_size_is_scaled_and_of_another_shape_refused() -> None:
    base = noise(1)
    assert pixels_of(composite(png(base), png(noise(2, size_wh=(800, 600))), mask())).shape == base.shape
    with pytest.raises(PictureError, match="another shape"):
        composite(png(base), png(noise(2, size_wh=(400, 400))), mask())


def test_transparency_is_kept() -> None:
    base = np.dstack([noise(1), np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)])
    mixed = pixels_of(composite(png(base), png(noise(2)), mask()))
    assert (mixed[~region()] == base[~region()]).all()


def test_what_was_made_transparent_leaves_no_dark_rim() -> None:
    """Services write black where nothing is to be seen."""
    base, output = np.full_like(noise(1), 255), np.zeros((SIZE_WH[1], SIZE_WH[0], 4), np.uint8)
    mixed = Image.open(io.BytesIO(composite(png(base), png(output), mask())))
    page = Image.new("RGBA", SIZE_WH, "white")
    page.alpha_composite(mixed)
    assert np.asarray(page).min() == 255
    assert pixels_of(composite(png(base), png(output), mask()))[140, 160, 3] == 0
