"""``approved.jsonl``: the same facts as the table, with flags, options, metadata and rounds as they are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.export.files import HashedFile
from pipeline.export.rows import Known, around_its_place, facts, flags_text, made_of, rounds
from pipeline.store.exporting import ApprovedRow


class JsonLines:
    """Writes one JSON object a line.

    Args:
        path: The file.
        exported_at: ISO 8601.
    """

    def __init__(self, path: Path, exported_at: str) -> None:
        self._exported_at = exported_at
        self._made = Known(made_of)
        self._flags = Known(around_its_place)
        self.file = HashedFile(path)

    def write(self, batch: str, rows: Sequence[ApprovedRow], files: Sequence[str]) -> None:
        """Add rows.

        Args:
            batch: Their batch's name.
            rows: What is approved, whole.
            files: Their pictures in the folder.
        """
        lines = []
        for row, file in zip(rows, files, strict=True):
            made = self._made[row.made]
            values = {
                **facts(row, made, batch, file, self._exported_at),
                "flags": self._told(row),
                "params": made.options,
                "source": json.loads(row.source_facts or "{}"),
                "rounds": rounds(row),
                "manifest": json.loads(row.extra),
            }
            lines.append(_encode(values) + "\n")
        self.file.write("".join(lines))

    def _told(self, row: ApprovedRow) -> list[dict[str, Any]]:
        """As `codec.flag_as_told` orders them."""
        flags = json.loads(flags_text(row.flags, self._flags))
        return [{name: flag[name] for name in _ORDER} for flag in flags]


_encode = json.JSONEncoder(ensure_ascii=False).encode

_ORDER = (
    *("kind", "xyxy", "score", "level", "label", "detector", "version"),
    *("change", "before", "likeness", "remark", "source_xyxy", "line"),
)
