"""``approved.jsonl``: the same facts as the table, with flags, options, metadata and rounds as they are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.export.files import HashedFile
from pipeline.export.rows import facts, options, rounds
from pipeline.store.exporting import Approved


class JsonLines:
    """Writes one JSON object a line.

    Args:
        path: The file.
        exported_at: ISO 8601.
    """

    def __init__(self, path: Path, exported_at: str) -> None:
        self._exported_at = exported_at
        self.file = HashedFile(path)

    def write(
        self,
        approved: Approved,
        batch: str,
        rows: Sequence[Any],
        files: Sequence[str],
        *,
        flags: Mapping[int, str],
        costs: Mapping[int, tuple[int, int]],
    ) -> None:
        """Add rows.

        Args:
            approved: Where they come from.
            batch: As all that follows, see `CsvTable.write`.
            rows: The rows.
            files: Their pictures.
            flags: Their flags.
            costs: What all their rounds cost.
        """
        all_rounds, sources = rounds(approved, rows), approved.source_facts(rows)
        lines = []
        for row, file in zip(rows, files, strict=True):
            values = {
                **facts(
                    row, batch, file, costs.get(row.asset_id, (row.cost_microusd, row.unpriced)), self._exported_at
                ),
                "flags": _flags(flags.get(row.output_id)),
                "params": options(row[15:22]),
                "source": sources[row.asset_id],
                "rounds": all_rounds[row.asset_id],
                "manifest": json.loads(row.extra),
            }
            lines.append(json.dumps(values, ensure_ascii=False) + "\n")
        self.file.write("".join(lines))


def _flags(text: str | None) -> list[dict[str, Any]]:
    """As `codec.flag_as_told` orders them."""
    return [] if text is None else [{name: flag[name] for name in _ORDER} for flag in json.loads(text)]


_ORDER = (
    *("kind", "xyxy", "score", "level", "label", "detector", "version"),
    *("change", "before", "likeness", "remark", "source_xyxy", "line"),
)
