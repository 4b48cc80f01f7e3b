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
from pipeline.export.contents import Files, Written
from pipeline.export.names import Taken
from pipeline.export.noted import Noted
from pipeline.manifest import plain_column

ROLES = ("main", "additional", "lifestyle", "swatch")

PUBLIC = re.compile(r"https?://[^\s,]+", re.ASCII)


class Unfit(Exception):
    """A product that a profile cannot take; says why and what to do."""


def own_columns(extra: str) -> dict[str, str]:
    """The manifest's own columns, of their JSON, by the names that lists know as well."""
    written: dict[str, str] = json.loads(extra)
    return {plain_column(name): value for name, value in written.items()} | written


def product_of(own: Mapping[str, str], sku: str, name: str) -> str:
    """What pictures of one product share."""
    return own.get("product") or sku or name


@dataclass(frozen=True, slots=True)
class Placed:
    """An approved picture in its place.

    Attributes:
        picture: What the desk knows of it.
        own: The manifest's own columns, as `own_columns` gives them.
        file: In the export; the one that was made for the list's destination where the picture goes there.
        url: Where it will be read from; "" if nobody said.
        refusal: Why there is no such file; "" if there is.
    """

    picture: Noted
    own: Mapping[str, str]
    file: Written
    url: str
    refusal: str

    @property
    def product(self) -> str:
        """What pictures of one product share."""
        return product_of(self.own, self.picture.sku, self.picture.asset)

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
        return self.file.name[self.file.name.rindex(".") :]


@dataclass(slots=True)
class Product:
    """Pictures that belong together, in their order."""

    name: str
    pictures: list[Placed] = field(default_factory=list)

    def is_of(self, picture: Placed) -> bool:
        """Whether it goes on with this picture."""
        return self.name == picture.product and self.pictures[0].picture.batch == picture.picture.batch

    @property
    def sku(self) -> str:
        """The first that a picture has."""
        return next((each.picture.sku for each in self.pictures if each.picture.sku), "")

    def told(self, column: str) -> str:
        """What the manifest first says of it in that column."""
        return next((each.own[column] for each in self.pictures if each.own.get(column)), "")

    def by_sku(self) -> list["Product"]:
        """It, parted by SKU where it has several; a picture without one is of all of them."""
        skus = list(dict.fromkeys(each.picture.sku for each in self.pictures if each.picture.sku))
        if len(skus) < 2:
            return [self]
        return [Product(sku, [each for each in self.pictures if each.picture.sku in ("", sku)]) for sku in skus]

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

    def of(self, file: Written) -> str:
        """Where the file will be; what an address does not take is encoded, the comma as well."""
        path = quote(file.name, safe="/")
        return self._pattern.format(file=path, name=path.rpartition("/")[2], sha256=file.sha256)


def placed(picture: Noted, files: Files, destination: str, address: Address | None) -> Placed:
    """A picture as one list has it.

    Args:
        picture: What the desk knows of it.
        files: Its own.
        destination: The list's; "" for none.
        address: Where files will be read from; None if nobody said.
    """
    itself = files[""]
    assert isinstance(itself, Written), "no destination refuses what goes to none"
    made = files.get(destination, itself)
    file, refusal = (made, "") if isinstance(made, Written) else (itself, made)
    return Placed(picture, own_columns(picture.extra), file, "" if address is None else address.of(file), refusal)


class Products:
    """Puts pictures that follow each other, and are of one product, together; memory stays flat."""

    def __init__(self) -> None:
        self._open: Product | None = None
        self._seen = Taken()  # of hashes, as `FileNames` keeps

    def add(self, pictures: Iterable[Placed]) -> Iterator[Product]:
        """Products that are complete now, since another one has begun."""
        for picture in pictures:
            if self._open is None or not self._open.is_of(picture):
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
