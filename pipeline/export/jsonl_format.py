"""``approved.jsonl``: the same facts as the table, with flags, options, metadata and rounds as they are."""

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.export.files import HashedFile
from pipeline.export.rows import Known, Made, around_its_place, facts, flags_text, made_of, rounds
from pipeline.store.exporting import ApprovedRow


class JsonLines:
    """Writes one JSON object a line.

    Args:
        path: The file.
        exported_at: ISO 8601.
    """

    def __init__(self, path: Path, exported_at: str) -> None:
        self._exported_at = exported_at
        self._made = Known(_made)
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
            made, params = self._made[row.made]
            values = {**facts(row, made, batch, file, self._exported_at), "rounds": rounds(row)}
            source, own = _as_text(row.source_facts), _as_text(row.extra)
            lines.append(
                f'{_encode(values)[:-1]}, "flags": {flags_text(row.flags, self._flags)}, "params": {params}, '
                f'"source": {source}, "manifest": {own}}}\n'
            )
        self.file.write("".join(lines))


_NOTHING = "{}"
_encode = json.JSONEncoder(ensure_ascii=False).encode


def _made(text: str) -> tuple[Made, str]:
    made = made_of(text)
    return made, _encode(made.options)


def _as_text(text: str | None) -> str:
    """JSON of the database with its letters as they are; there, they may be escaped."""
    return _encode(json.loads(text)) if text and text != _NOTHING else _NOTHING
