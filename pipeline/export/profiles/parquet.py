"""The table's facts as Parquet, which analysts read with their types."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.rows import COLUMNS, Known, around_its_place, facts, flags_text, made_of
from pipeline.store.exporting import ApprovedRow

_NUMBERS = {"schema_version", "width", "height", "bytes", "flags_overridden", "attempt", "edit_id", "root_edit_id"}
_AMOUNTS = {"cost_usd", "cost_total_usd_all_attempts"}
_IDS = {"parent_edit_id"}
_JSON = ("flag_detail_json", "params_json", "manifest_json")


def _type(name: str) -> pa.DataType:
    if name in _NUMBERS | _IDS:
        return pa.int64()
    return pa.float64() if name in _AMOUNTS else pa.string()


SCHEMA = pa.schema([(name, _type(name)) for name in (*COLUMNS, *_JSON)])
"""The canonical columns; what is empty there is NULL here where it is a number."""


class ParquetTable:
    """Writes a row group for each page.

    Args:
        path: The file.
        exported_at: ISO 8601.
    """

    def __init__(self, path: Path, exported_at: str) -> None:
        self._path = path
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._exported_at = exported_at
        self._made = Known(made_of)
        self._flags = Known(around_its_place)

    def write(self, batch: str, rows: Sequence[ApprovedRow], files: Sequence[str]) -> None:
        """Add rows; see `CsvTable.write`."""
        told = []
        for row, file in zip(rows, files, strict=True):
            made = self._made[row.made]
            values = facts(row, made, batch, file, self._exported_at)
            values |= {name: values[name] or None for name in _IDS}
            values["flag_detail_json"] = flags_text(row.flags, self._flags)
            values["params_json"] = json.dumps(made.options, ensure_ascii=False, sort_keys=True)
            values["manifest_json"] = row.extra
            told.append(values)
        self._writer.write_table(pa.Table.from_pylist(told, SCHEMA))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    @property
    def sha256(self) -> str:
        """Of the closed file; 64 hex digits."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def byte_count(self) -> int:
        """Of the closed file."""
        return self._path.stat().st_size
