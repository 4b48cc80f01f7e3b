"""Amazon: a table to paste from, and feeds of type ``JSON_LISTINGS_FEED`` that change pictures and nothing else.

The table alone is not enough: since 2025-07-31 flat files with pictures are refused
(developer-docs.amazon.com/sp-api/docs/listings-feed-type-values). A feed has 25,000 messages at most
(developer-docs.amazon.com/sp-api/changelog, 2025-05-06) and should stay below 10 MiB (feeds-api-best-practices); all
read 2026-11-22.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.export.files import HashedFile
from pipeline.export.profiles.lists import Profile, TableProfile, check_id
from pipeline.export.profiles.placing import Placed, Product, Unfit

_LONGEST_SKU = 40
_MOST_OTHERS = 8
_TAKEN = frozenset({".jpg", ".png", ".gif", ".tif"})
_MOST_MESSAGES = 25_000
_MOST_BYTES = 10 * 1024 * 1024


class Options(BaseModel):
    """Whose listings these are, for the feed's header.

    Attributes:
        seller_id: As Seller Central shows it (Merchant Token).
        marketplace_id: Such as A1PA6795UKMFR9 for Germany.
        product_type: Of the listings; PRODUCT leaves it open.
        issue_locale: In which language Amazon is to tell what it found wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seller_id: str = Field(min_length=1, max_length=40)
    marketplace_id: str = Field(min_length=1, max_length=40)
    product_type: str = "PRODUCT"
    issue_locale: str = "en_US"


class _OfSkus(Profile):
    """A list that knows SKUs, each with pictures of its own, and nothing else."""

    destination = "amazon-main"

    def parts(self, product: Product) -> list[Product]:
        """One for each SKU."""
        return product.by_sku()

    def known_by(self, product: Product) -> str:
        """The SKU."""
        return check_id(product.sku, longest=_LONGEST_SKU, what="sku")


class AmazonTable(_OfSkus, TableProfile):
    """One row for each SKU."""

    name = "amazon"
    file_name = "amazon.csv"
    columns = (
        *("sku", "main_image_url"),
        *(f"other_image_url{number}" for number in range(1, _MOST_OTHERS + 1)),
        "swatch_image_url",
    )
    ids = frozenset(columns)

    def lines(self, product: Product) -> list[dict[str, object]]:
        """Its pictures by their places."""
        return [{"sku": self.known_by(product), **dict(zip(self.columns[1:], places(product).values(), strict=True))}]


class AmazonFeed(_OfSkus):
    """Feeds that replace the pictures' attributes, as many files as Amazon's limits ask for."""

    name = "amazon-json"

    def __init__(self, folder: Path, options: Options) -> None:
        super().__init__(folder)
        self._options = options
        self._messages = self._bytes = 0
        self._file: HashedFile | None = None

    def lines(self, product: Product) -> list[dict[str, Any]]:
        """One message, without its number."""
        patches = [
            {
                "op": "replace",
                "path": f"/attributes/{place}",
                "value": [{"media_location": url, "marketplace_id": self._options.marketplace_id}],
            }
            for place, url in places(product).items()
            if url
        ]
        return [
            {
                "sku": self.known_by(product),
                "operationType": "PATCH",
                "productType": self._options.product_type,
                "patches": patches,
            }
        ]

    def append(self, lines: Sequence[dict[str, Any]]) -> None:
        """Messages, numbered within their file."""
        for line in lines:
            text = json.dumps(line, ensure_ascii=False)[1:]
            size = len(text.encode()) + 40
            if self._file is None or self._messages == _MOST_MESSAGES or self._bytes + size > _MOST_BYTES:
                self._begin_file()
            assert self._file is not None
            self._messages += 1
            self._bytes += size
            comma = "" if self._messages == 1 else ","
            self._file.write(f'{comma}\n{{"messageId": {self._messages}, {text}')

    def end(self) -> None:
        """End the last feed."""
        if self._file is not None:
            self._file.write("\n]}\n")
            self._file = None

    def _begin_file(self) -> None:
        self.end()
        name = f"amazon-listings-{len(self.files) + 1}.json"
        self._file = self.files[name] = HashedFile(self._folder / name)
        header = {"sellerId": self._options.seller_id, "version": "2.0", "issueLocale": self._options.issue_locale}
        text = f'{{"header": {json.dumps(header)}, "messages": ['
        self._file.write(text)
        self._messages, self._bytes = 0, len(text.encode())


def places(product: Product) -> dict[str, str]:
    """By Amazon's attribute, the address of the picture that is there; "" for none."""
    swatches = [each for each in product.pictures if each.role == "swatch"]
    others = [each for each in product.main_first() if each.role != "swatch"]
    if not others or len(swatches) > 1 or len(others) > _MOST_OTHERS + 1:
        raise Unfit(
            f"{len(others)} pictures and {len(swatches)} swatches; one to {_MOST_OTHERS + 1} are taken, and one swatch"
        )
    urls = [*map(_address, others), *[""] * (_MOST_OTHERS + 1 - len(others))]
    names = ("main_product_image_locator", *(f"other_product_image_locator_{n}" for n in range(1, _MOST_OTHERS + 1)))
    return {
        **dict(zip(names, urls, strict=True)),
        "swatch_product_image_locator": _address(swatches[0]) if swatches else "",
    }


def _address(picture: Placed) -> str:
    if picture.suffix not in _TAKEN:
        raise Unfit(f"Amazon takes no {picture.suffix}; choose a destination that makes another of it")
    return picture.url
