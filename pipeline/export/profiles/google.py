"""Google Merchant's supplemental data source: which pictures a product shows.

Columns and limits: support.google.com/merchants/answer/6324350 (image_link) and 6324370 (additional_image_link), read
2026-11-20: up to 10 more, separated by commas, 2,000 characters each, ``%2C`` for a comma in an address.
"""

from pipeline.export.profiles.lists import TableProfile, check_id
from pipeline.export.profiles.placing import Placed, Product, Unfit

_LONGEST_ID = 50
_LONGEST_URL = 2_000
_MOST_MORE = 10
_TAKEN = frozenset({".jpg", ".png", ".webp", ".gif", ".bmp", ".tif"})


class GoogleMerchant(TableProfile):
    """One row for each SKU, or for a product without one; tabs between the cells."""

    name = "google-merchant"
    destination = "google-merchant"
    file_name = "google-merchant.tsv"
    columns = ("id", "image_link", "additional_image_link", "lifestyle_image_link")
    ids = frozenset(columns)
    separator = "\t"

    def parts(self, product: Product) -> list[Product]:
        """Each SKU is an offer with pictures of its own."""
        return product.by_sku()

    def known_by(self, product: Product) -> str:
        """The offer's id."""
        return product.sku or product.name

    def lines(self, product: Product) -> list[dict[str, object]]:
        """Its first picture, up to ten more, and one in use."""
        lifestyle = [each for each in product.pictures if each.role == "lifestyle"]
        others = [each for each in product.main_first() if each.role != "lifestyle"]
        if not others or len(lifestyle) > 1 or len(others) > _MOST_MORE + 1:
            raise Unfit(
                f"{len(others)} pictures and {len(lifestyle)} in use; one to {_MOST_MORE + 1} are taken, and one in use"
            )
        main, *more = [_address(each) for each in others]
        return [
            {
                "id": check_id(self.known_by(product), longest=_LONGEST_ID, what="id"),
                "image_link": main,
                "additional_image_link": ",".join(more),
                "lifestyle_image_link": _address(lifestyle[0]) if lifestyle else "",
            }
        ]


def _address(picture: Placed) -> str:
    if picture.suffix not in _TAKEN:
        raise Unfit(f"Google takes no {picture.suffix}")
    if len(picture.url) > _LONGEST_URL:
        raise Unfit(f"its address has {len(picture.url)} characters; {_LONGEST_URL} are taken at most")
    return picture.url.replace(",", "%2C")
