"""Pictures as a shop or an archive wants them: with an address, and together with the others of their product.

What is not known of a product is taken from the manifest's own columns: ``product`` (pictures of one product have the
same), ``title``, ``alt_text`` and ``role`` (main, additional, lifestyle or swatch).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from urllib.parse import quote, urlsplit

from pipeline.errors import UsageError
from pipeline.export.names import Taken
from pipeline.store.exporting import ApprovedRow

ROLES = ("main", "additional", "lifestyle", "swatch")

PUBLIC = re.compile(r"https?://[^\s,]+", re.ASCII)


class Unfit(Exception):
    """A product that a profile cannot take; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An approved picture in its place.

    Attributes:
        row: What the desk knows of it.
        batch: Its batch's name.
        file: Where it is in the export.
        url: Where it will be read from; "" if nobody said.
        own: The manifest's own columns.
    """

    row: ApprovedRow
    batch: str
    file: str
    url: str
    own: Mapping[str, str]

    @property
    def product(self) -> str:
        """What pictures of one product share."""
        return self.own.get("product") or self.row.sku or self.row.name

    @property
    def role(self) -> str:
        """One of `ROLES`; "" where the manifest does not say."""
        role = self.own.get("role", "").strip().lower()
        if role and role not in ROLES:
            raise Unfit(f"its role is {role!r}; name one of {', '.join(ROLES)} in the manifest's column role")
        return role

    @property
    def suffix(self) -> str:
        """Of its file, such as ``.jpg``."""
        return self.file[self.file.rindex(".") :]


@dataclass(slots=True)
class Product:
    """Pictures that belong together, in their order."""

    name: str
    pictures: list[Placed] = field(default_factory=list)

    @property
    def sku(self) -> str:
        """The first that a picture has."""
        return next((each.row.sku for each in self.pictures if each.row.sku), "")

    def told(self, column: str) -> str:
        """What the manifest first says of it in that column."""
        return next((each.own[column] for each in self.pictures if each.own.get(column)), "")

    def by_sku(self) -> list["Product"]:
        """It, parted by SKU where it has several; a picture without one is of all of them."""
        skus = list(dict.fromkeys(each.row.sku for each in self.pictures if each.row.sku))
        if len(skus) < 2:
            return [self]
        return [Product(sku, [each for each in self.pictures if each.row.sku in ("", sku)]) for sku in skus]

    def main_first(self) -> list[Placed]:
        """Its pictures, the one that is to stand first in front; those without a role in the manifest's order."""
        return sorted(self.pictures, key=lambda each: each.role != "main")


class Address:
    """Makes addresses by a pattern such as ``https://cdn.example.com/shop/{file}``.

    Args:
        pattern: With ``{file}`` (its path in the export), ``{name}`` (without the folder) or ``{sha256}``.

    Raises:
        UsageError: The pattern leads nowhere, or would give all pictures one address.
    """

    def __init__(self, pattern: str) -> None:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
        except ValueError as exc:
            raise UsageError(f"{pattern}: {exc}; write it like https://cdn.example.com/shop/{{file}}") from exc
        is_web = urlsplit(pattern).scheme in ("https", "http") and pattern.isascii() and not re.search(r"\s", pattern)
        if not is_web or not fields or not fields <= {"file", "name", "sha256"}:
            raise UsageError(
                f"{pattern!r} is no address of pictures; write it like https://cdn.example.com/shop/{{file}}, with "
                "{file}, {name} or {sha256}"
            )
        self._pattern = pattern

    def of(self, row: ApprovedRow, file: str) -> str:
        """Where the picture will be; what an address does not take is encoded, the comma as well."""
        path = quote(file, safe="/")
        return self._pattern.format(file=path, name=path.rpartition("/")[2], sha256=row.sha256)


def placed(rows: Iterable[ApprovedRow], batch: str, files: Iterable[str], address: Address | None) -> Iterator[Placed]:
    """Rows of a page with the files that they are in."""
    for row, file in zip(rows, files, strict=True):
        own: dict[str, str] = json.loads(row.extra)
        yield Placed(row, batch, file, "" if address is None else address.of(row, file), own)


class Products:
    """Puts pictures that follow each other, and are of one product, together; memory stays flat."""

    def __init__(self) -> None:
        self._open: Product | None = None
        self._seen = Taken()  # of hashes, as `FileNames` keeps

    def add(self, pictures: Iterable[Placed]) -> Iterator[Product]:
        """Products that are complete now, since another one has begun."""
        for picture in pictures:
            key = (picture.batch, picture.product)
            if self._open is None or self._open.name != picture.product or self._open.pictures[0].batch != key[0]:
                yield from self.end()
                self._open = Product(picture.product)
            self._open.pictures.append(picture)

    def end(self) -> Iterator[Product]:
        """The last one."""
        if self._open is not None:
            yield self._open
            self._open = None

    def check_once(self, product: Product) -> None:
        """Refuse a product that was complete before: its rows stand apart in the manifest, or in two batches.

        Raises:
            Unfit: It was.
        """
        if not self._is_new(hash(product.name)):
            raise Unfit("pictures of this product stand apart: let its rows follow each other, in one batch")

    def check_known_by(self, name: str) -> None:
        """Refuse what a list knows by the same name as another product: their pictures would be mixed up.

        Raises:
            Unfit: It does.
        """
        if not self._is_new(hash((name,))):
            raise Unfit(f"another product is {name!r} in this list, too; give each its own")

    def _is_new(self, key: int) -> bool:
        if self._seen.has(key):
            return False
        self._seen.add(key)
        return True
