"""Of what is approved, what an export since another one has: what is new, and with it the rest of its products.

A shop takes what a list says of a product for all that there is: were only the new pictures in it, one of them would
become the main one.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby

from pipeline.export.destined import Destined
from pipeline.export.noted import paged
from pipeline.export.profiles.placing import own_columns, product_of
from pipeline.store.exporting import ApprovedBatch, ApprovedRow

Page = tuple[ApprovedBatch, list[ApprovedRow], list[str], list[Destined]]
"""Rows of a batch, the files that they are in, and those that are made for destinations."""

_PAGE = 2_000


def only_new(pages: Iterable[Page], *, is_whole: Callable[[ApprovedBatch, ApprovedRow], bool]) -> Iterator[Page]:
    """Pages of what is new.

    Args:
        pages: All that is approved.
        is_whole: Whether a row comes with those that are of one product with it, and stand beside it, if any is new.
    """
    for batch, of_batch in groupby(pages, key=lambda page: page[0]):
        rows = chain.from_iterable(zip(*columns, strict=True) for _, *columns in of_batch)
        products = groupby(rows, key=lambda each: _product(each[0]) if is_whole(batch, each[0]) else each[0].edit_id)
        groups = (list(group) for _, group in products)
        new = chain.from_iterable(group for group in groups if any(row.is_new for row, *_ in group))
        for page in paged(new, _PAGE):
            found, named, destined = zip(*page, strict=True)
            yield batch, list(found), list(named), list(destined)


def _product(row: ApprovedRow) -> str:
    return product_of(own_columns(row.extra), row.sku, row.name)
