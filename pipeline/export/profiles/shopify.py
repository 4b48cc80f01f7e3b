"""Shopify's product CSV, in today's columns and in those of before.

It has only what it is to change: a column that is there and blank empties what the shop has, one that is not there
leaves it alone (help.shopify.com/en/manual/products/import-export/using-csv, read 2026-11-20).
"""

import re
import unicodedata

from pipeline.export.profiles.lists import TableProfile
from pipeline.export.profiles.placing import Placed, Product, Unfit

LONGEST_ALT_TEXT = 512
_TAKEN = frozenset({".jpg", ".png", ".webp", ".gif"})


class Shopify(TableProfile):
    """One row for each picture; the title, which an update needs, on a product's first."""

    name = "shopify"
    destination = "shopify"
    file_name = "shopify.csv"
    columns = ("URL handle", "Title", "Product image URL", "Image position", "Image alt text")
    ids = frozenset({"URL handle", "Product image URL"})

    def lines(self, product: Product) -> list[dict[str, object]]:
        """Its pictures in their order, from 1 on."""
        handle, title = _handle(product), product.told("title")
        if not title:
            raise Unfit("it has no title, and Shopify changes none without; add the column title to the manifest")
        return [
            dict(
                zip(self.columns, (handle, "" if number else title, each.url, number + 1, _alt_text(each)), strict=True)
            )
            for number, each in enumerate(map(_checked, product.main_first()))
        ]

    def known_by(self, product: Product) -> str:
        """Shopify takes rows of one handle for one product."""
        return _handle(product)


class ShopifyLegacy(Shopify):
    """The same under the names of before."""

    name = "shopify-legacy"
    file_name = "shopify-legacy.csv"
    columns = ("Handle", "Title", "Image Src", "Image Position", "Image Alt Text")
    ids = frozenset({"Handle", "Image Src"})


def _handle(product: Product) -> str:
    """As the shop has it: small letters, digits and hyphens.

    Raises:
        Unfit: There is another letter; it is not left out, since Shopify makes another product of another handle.
    """
    written = product.told("handle") or product.name
    plain = "".join(each for each in unicodedata.normalize("NFKD", written).lower() if not unicodedata.combining(each))
    handle = re.sub(r"[\W_]+", "-", plain).strip("-")
    if not handle or not handle.isascii():
        raise Unfit(f"{written!r} makes no handle; add the column handle to the manifest, as the shop's address has it")
    return handle


def _checked(picture: Placed) -> Placed:
    if picture.suffix not in _TAKEN:
        raise Unfit(f"Shopify takes no {picture.suffix}; choose a destination that makes another of it")
    return picture


def _alt_text(picture: Placed) -> str:
    text = picture.own.get("alt_text", "")
    if len(text) > LONGEST_ALT_TEXT:
        raise Unfit(f"its alt_text has {len(text)} characters; {LONGEST_ALT_TEXT} are taken at most")
    return text
