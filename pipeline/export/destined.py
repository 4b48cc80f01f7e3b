"""What the files are called that are made for destinations."""

import json
from collections.abc import Mapping, Sequence

from pipeline.destinations.packs import Pack
from pipeline.export.names import FileNames
from pipeline.store.exporting import ApprovedBatch, ApprovedRow

Destined = Mapping[str, str]
"""By destination, the file there; "" where no pack has that name."""

NOWHERE: Destined = {}


class DestinedNames:
    """Gives every picture a file of its own in each of its destinations.

    Like those in ``pictures/``, names are given to all that is approved, in its order, so that they stay the same.

    Args:
        packs: The destinations that are known.
    """

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self._packs = packs
        self._names: dict[str, FileNames] = {}
        self._latest: dict[str, tuple[tuple[str, str], int]] = {}

    def of(self, batch: ApprovedBatch, rows: Sequence[ApprovedRow]) -> list[Destined]:
        """Where each of a page's pictures goes."""
        return [self._of_row(row, _destinations(batch, row)) for row in rows]

    def is_counted(self, batch: ApprovedBatch, row: ApprovedRow) -> bool:
        """Whether one of its files bears its place among the SKU's pictures, which another approval moves."""
        packs = (self._packs.get(each) for each in _destinations(batch, row))
        return any(pack is not None and "{position}" in pack.making.name for pack in packs)

    def _of_row(self, row: ApprovedRow, destinations: Sequence[str]) -> Destined:
        return {each: self._file(row, each) for each in destinations} if destinations else NOWHERE

    def _file(self, row: ApprovedRow, destination: str) -> str:
        from pipeline.destinations.derivatives import file_name  # with OpenCV, which a table alone does not need

        pack = self._packs.get(destination)
        if pack is None:
            return ""
        position = self._position(row, destination)
        wanted = file_name(pack, asset_id=row.name, sku=row.sku, variant=row.variant, position=position)
        stem, dot, suffix = wanted.rpartition(".")
        names = self._names.setdefault(destination, FileNames())
        return f"{destination}/{names.stem(stem)}{dot}{suffix}"

    def _position(self, row: ApprovedRow, destination: str) -> int:
        """Which of its SKU's pictures it is there; they follow each other, so only the latest is remembered."""
        whose = (row.sku or row.name, row.variant)
        before, position = self._latest.get(destination, (whose, 0))
        position = position + 1 if before == whose else 1
        self._latest[destination] = (whose, position)
        return position


def _destinations(batch: ApprovedBatch, row: ApprovedRow) -> Sequence[str]:
    found: list[str] = batch.destinations if row.destinations is None else json.loads(row.destinations)
    return found
