"""The sample batch's drawings, each drawn once: a product takes one to three seconds of CPU, a logo a tenth."""

from functools import cache

from pipeline.drawn_products import draw_logo, draw_product


@cache
def product(name: str) -> bytes:
    """What `draw_product` gives."""
    return draw_product(name)


@cache
def logo(name: str) -> bytes:
    """What `draw_logo` gives."""
    return draw_logo(name)
