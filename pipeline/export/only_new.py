"""Of what is approved, what an export since another one has: what is new, and with it the rest of its products.

A shop takes what a list says of a product for all that there is: were only the new pictures in it, one of them would
become the main one.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from pipeline.export.noted import paged
from pipeline.export.profiles.placing import product_of
from pipeline.store.exporting import ApprovedBatch, ApprovedRow

Page = tuple[ApprovedBatch, list[ApprovedRow], list[str]]
"""Rows of a batch, and the files that they are in."""

_PAGE = 2_000


def only_new(pages: Iterable[Page], *, whole_products: bool) -> Iterator[Page]:
    """Pages of what is new.

    Args:
        pages: All that is approved.
        whole_products: With those that are of one product with something new, and stand beside it.
    """
    for batch, of_batch in groupby(pages, key=lambda page: page[0]):
        rows = chain.from_iterable(zip(rows, names, strict=True) for _, rows, names in of_batch)
        products = groupby(rows, key=lambda each: _product(each[0]) if whole_products else each[0].edit_id)
        groups = (list(group) for _, group in products)
        new = chain.from_iterable(group for group in groups if any(row.is_new for row, _ in group))
        for page in paged(new, _PAGE):
            found = list(page)
            yield batch, [row for row, _ in found], [name for _, name in found]


def _product(row: ApprovedRow) -> str:
    return product_of(json.loads(row.extra), row.sku, row.name)
