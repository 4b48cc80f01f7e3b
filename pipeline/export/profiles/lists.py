"""What every profile does: products in, a list out, and a word on each product that it cannot take."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from pipeline.csv_lines import guarded
from pipeline.export.files import HashedFile
from pipeline.export.profiles.placing import Placed, Product, Products, Unfit

_MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A product that is not in a list, and why."""

    profile: str
    product: str
    why: str


class Profile(ABC):
    """A list for one destination.

    Args:
        folder: Of the export.

    Attributes:
        left_out: The first thousand products that it could not take, and ``left_out_count`` of them.
        files: What it wrote, by name.
    """

    name: ClassVar[str]
    destination: ClassVar[str] = ""
    """Whose files it names, where there are such; otherwise the masters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._products = Products()
        self.left_out: list[LeftOut] = []
        self.left_out_count = 0
        self.files: dict[str, HashedFile] = {}

    def write(self, pictures: Iterable[Placed]) -> None:
        """Add pictures."""
        self._add(self._products.add(pictures))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                self._add(self._products.end())
                self.end()
        finally:
            for file in self.files.values():
                file.__exit__(kind, exc, tb)

    def end(self) -> None:  # noqa: B027 - a table ends with its last row
        """Write what stands behind the last product."""

    @abstractmethod
    def lines(self, product: Product) -> Sequence[Any]:
        """What the list says of a product.

        Raises:
            Unfit: It cannot be in the list.
        """

    @abstractmethod
    def append(self, lines: Sequence[Any]) -> None:
        """Write what `lines` gave of several products."""

    def parts(self, product: Product) -> Sequence[Product]:
        """What the list takes for products of their own."""
        return [product]

    def known_by(self, product: Product) -> str:
        """What the list tells products apart by; "" where it is about pictures.

        Raises:
            Unfit: It has no such thing.
        """
        return ""

    def _add(self, products: Iterator[Product]) -> None:
        found: list[Any] = []
        for product in products:
            try:
                self._products.check_once(product)
            except Unfit as unfit:
                self._leave_out(product, unfit)
            else:
                found += chain.from_iterable(map(self._lines_of, self.parts(product)))
        if found:
            self.append(found)

    def _lines_of(self, product: Product) -> Sequence[Any]:
        try:
            for each in product.pictures:
                if each.refusal:
                    raise Unfit(f"{self.destination} would refuse {each.picture.asset}: {each.refusal}")
            lines = self.lines(product)
            if name := self.known_by(product):
                self._products.check_known_by(name)
        except Unfit as unfit:
            self._leave_out(product, unfit)
            return []
        return lines

    def _leave_out(self, product: Product, unfit: Unfit) -> None:
        self.left_out_count += 1
        if len(self.left_out) < _MOST_NAMED:
            self.left_out.append(LeftOut(self.name, product.name, str(unfit)))


class TableProfile(Profile):
    """A list that is a table in UTF-8, written by pandas.

    A text that a spreadsheet would run as a formula gets an apostrophe in front; an id of that kind is refused, since
    it would not match any more.

    Attributes:
        file_name: Its file.
        columns: Its header, in order.
        ids: Columns that must come through as they are.
        separator: Between cells.
    """

    file_name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    ids: ClassVar[frozenset[str]] = frozenset()
    separator: ClassVar[str] = ","

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file = self.files[self.file_name] = HashedFile(folder / self.file_name)
        self._file.write(self._text([], has_header=True))

    @abstractmethod
    def lines(self, product: Product) -> Sequence[dict[str, object]]:
        """Rows of the table; a column that is not named is empty."""

    def append(self, lines: Sequence[dict[str, Any]]) -> None:
        """Rows, as CSV."""
        self._file.write(self._text(lines, has_header=False))

    def _text(self, rows: Sequence[dict[str, Any]], *, has_header: bool) -> str:
        import pandas as pd

        safe = [{name: self._guarded(name, value) for name, value in row.items()} for row in rows]
        table = pd.DataFrame(safe, columns=list(self.columns), dtype=object)
        return str(table.to_csv(sep=self.separator, index=False, header=has_header, lineterminator="\r\n"))

    def _guarded(self, name: str, value: object) -> object:
        return value if name in self.ids else guarded(value)


def check_id(value: str, *, longest: int, what: str) -> str:
    """The id, if it can be one.

    Raises:
        Unfit: It is empty, too long, or a spreadsheet would run it.
    """
    if not value:
        raise Unfit(f"it has no {what}; give it one in the manifest")
    if len(value) > longest:
        raise Unfit(f"its {what} has {len(value)} characters; {longest} are taken at most")
    if guarded(value) != value or not value.isprintable():
        raise Unfit(f"its {what} {value!r} begins as a formula does, or cannot be printed; give it another")
    return value
