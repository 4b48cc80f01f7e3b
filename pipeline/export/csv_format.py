"""``approved.csv``: one row for each approved asset.

UTF-8, RFC 4180, every text cell quoted. A text cell that a spreadsheet would run as a formula gets an apostrophe in
front (CWE-1236; OWASP ASVS 1.2.10). Columns of the manifest that bear a name of ours are prefixed ``manifest_``.

Lines are put together here, and not by a library, which would have to be given guarded cells: of 14 us of CPU for a
row, reading and hashing included, 4 are spent here (our measurement, 2026-11-21).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.csv_lines import guarded
from pipeline.export.files import HashedFile
from pipeline.export.rows import (
    COLUMNS,
    SCHEMA_VERSION,
    Known,
    around_its_place,
    flags_text,
    iso,
    made_of,
    of_all_rounds,
    source_uri,
)
from pipeline.money import usd
from pipeline.store.exporting import ApprovedRow

_DETAILS = ("flag_detail_json", "params_json")


class CsvTable:
    """Writes the table as the rows come; memory stays flat.

    Args:
        path: The file.
        extra: The manifests' own columns, in their order.
        exported_at: ISO 8601.
    """

    def __init__(self, path: Path, extra: Sequence[str], exported_at: str) -> None:
        ours = (*COLUMNS, *_DETAILS)
        # Two names that guarding makes one are one column, as the later one says.
        self._extra = {guarded(_own_name(name, (*ours, *extra)) if name in ours else name): name for name in extra}
        self._exported_at = _cell(exported_at)
        self._cells = Known(_cell)
        self._made = Known(_made)
        self._amounts = Known(_amount)
        self._flags = Known(around_its_place)
        self.file = HashedFile(path)
        self.file.write(",".join(map(_cell, (*ours, *self._extra))) + "\r\n")

    def write(self, batch: str, rows: Sequence[ApprovedRow], files: Sequence[str]) -> None:
        """Add rows.

        Args:
            batch: Their batch's name.
            rows: What is approved.
            files: Their pictures in the folder.
        """
        cells, made_cells, amounts, told = self._cells, self._made, self._amounts, self._flags
        extra, at = self._extra, self._exported_at
        in_batch, lines = _cell(batch), []
        for row, file in zip(rows, files, strict=True):
            name, variant, sku, uri, original, _, own, edit_id, parent_id, number, cost, unpriced, made = row[:13]
            sha256, mime, width, height, size, actor, decided_at, policy, note, flags, rounds, *_ = row[13:]
            recipe, prompt, provider, ai_model, params = made_cells[made]
            root, total = (edit_id, (cost, unpriced)) if rounds is None else of_all_rounds(row)
            if actor is None:
                said = f'{iso(decided_at)}","policy","policy",{cells[policy]},"",0'
            else:
                overridden = len(flags) if flags else 0
                said = f'{iso(decided_at)}",{cells[actor]},"human",{cells[policy]},{cells[note]},{overridden}'
            lines.append(
                f"{SCHEMA_VERSION},{_cell(name)},{cells[variant]},{cells[sku]},{in_batch},{_cell(source_uri(uri))},"
                f'"{original or ""}","{file}","{sha256}",{width},{height},{cells[mime]},{size},"approved","{said},'
                f"{recipe},{prompt},{number},{edit_id},{parent_id or _EMPTY},{root},{provider},{ai_model},"
                f"{amounts[cost, unpriced]},{amounts[total]},{at},"
                f"{_json_cell(flags_text(flags, told)) if flags else _NO_FLAGS},{params}"
                f"{_own_cells(own, extra) if extra else ''}\r\n"
            )
        self.file.write("".join(lines))


def _cell(value: str) -> str:
    """A text cell: guarded, quoted."""
    safe: str = guarded(value)
    return '"' + safe.replace('"', '""') + '"'


def _own_name(name: str, taken: Sequence[str]) -> str:
    """What a column of the manifest is called that bears a name of ours; never as another of its columns."""
    while name in taken:
        name = f"manifest_{name}"
    return name


def _json_cell(text: str) -> str:
    """JSON needs no guard: it begins with a bracket or a brace."""
    return '"' + text.replace('"', '""') + '"'


_EMPTY = _cell("")
_NO_FLAGS = _json_cell("[]")


def _made(text: str) -> tuple[str, ...]:
    """Recipe, prompt, provider, ai_model and options of a row as cells; they come again and again."""
    *texts, options = made_of(text)
    return (*map(_cell, texts), _json_cell(json.dumps(options, ensure_ascii=False, sort_keys=True)))


def _amount(microusd_and_unpriced: tuple[int, int]) -> str:
    amount = usd(*microusd_and_unpriced)
    return _EMPTY if amount is None else repr(amount)


def _own_cells(own: str, extra: Mapping[str, str]) -> str:
    values = json.loads(own)
    return "".join([f",{_cell(values.get(name, ''))}" for name in extra.values()])
