"""``approved.csv``: one row for each approved asset.

UTF-8, RFC 4180, every text cell quoted. A text cell that a spreadsheet would run as a formula gets an apostrophe in
front (CWE-1236; OWASP ASVS 1.2.10). Columns of the manifest that bear a name of ours are prefixed ``manifest_``.

Lines are put together here, and not by a library, which would have to be given guarded cells: of 30 us of CPU for a
row, reading and hashing included, 4 are spent here (our measurement on a loaded machine, 2026-11-21).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.csv_lines import guarded
from pipeline.export.files import HashedFile
from pipeline.export.rows import COLUMNS, SCHEMA_VERSION, Known, iso, options, policy_of, source_uri
from pipeline.money import usd

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
        self._extra = {guarded(f"manifest_{name}" if name in ours else name): name for name in extra}
        self._exported_at = _cell(exported_at)
        self._cells = Known(_cell)
        self._made = Known(_made)
        self._policies = Known(policy_of)
        self._amounts = Known(_amount)
        self.file = HashedFile(path)
        self.file.write(",".join(map(_cell, (*ours, *self._extra))) + "\r\n")

    def write(
        self,
        batch: str,
        rows: Sequence[Any],
        files: Sequence[str],
        *,
        flags: Mapping[int, str],
        costs: Mapping[int, tuple[int, int]],
    ) -> None:
        """Add rows.

        Args:
            batch: Their batch's name.
            rows: As `Approved.pages` gives them.
            files: Their pictures in the folder.
            flags: By output, its flags as JSON; nothing for those without any.
            costs: By asset, what all its rounds cost; nothing for those with one round.
        """
        cells, made, policies, amounts = self._cells, self._made, self._policies, self._amounts
        extra, at = self._extra, self._exported_at
        in_batch, lines = _cell(batch), []
        for row, file in zip(rows, files, strict=True):
            name, variant, sku, uri, original, own, edit_id, parent_id, number, moved_at, route = row[:11]
            recipe, prompt, provider, ai_model, params = made[row[11:22]]
            output_id, sha256, mime, width, height, size, actor, decided_at, policy, note = row[22:32]
            asset_id, root, cost, unpriced, last, flagged = row[32:38]
            all_rounds = (cost, unpriced) if root == last else costs[asset_id]
            if actor is None:
                said = f'{iso(moved_at)}","policy","policy",{cells[policies[route]]},"",0'
            else:
                said = f'{iso(decided_at)}",{cells[actor]},"human",{cells[policy]},{cells[note]},{flagged}'
            lines.append(
                f"{SCHEMA_VERSION},{_cell(name)},{cells[variant]},{cells[sku]},{in_batch},{_cell(source_uri(uri))},"
                f'"{original or ""}","{file}","{sha256}",{width},{height},{cells[mime]},{size},"approved","{said},'
                f"{recipe},{prompt},{number},{edit_id},{parent_id or _EMPTY},{root},{provider},{ai_model},"
                f"{amounts[cost, unpriced]},{amounts[all_rounds]},{at},"
                f"{_json_cell(flags[output_id]) if flagged else _NO_FLAGS},{params}"
                f"{_own_cells(own, extra) if extra else ''}\r\n"
            )
        self.file.write("".join(lines))


def _cell(value: str) -> str:
    """A text cell: guarded, quoted."""
    safe: str = guarded(value)
    return '"' + safe.replace('"', '""') + '"'


def _json_cell(text: str) -> str:
    """JSON needs no guard: it begins with a bracket or a brace."""
    return '"' + text.replace('"', '""') + '"'


_EMPTY = _cell("")
_NO_FLAGS = _json_cell("[]")


def _made(made: Sequence[Any]) -> tuple[str, ...]:
    """Recipe, prompt, provider, ai_model and options of a row as cells; they come again and again."""
    recipe, prompt, provider, ai_model, *rest = made
    params = json.dumps(options(rest), ensure_ascii=False, sort_keys=True)
    return _cell(recipe or ""), _cell(prompt), _cell(provider), _cell(ai_model or ""), _json_cell(params)


def _amount(microusd_and_unpriced: tuple[int, int]) -> str:
    amount = usd(*microusd_and_unpriced)
    return _EMPTY if amount is None else repr(amount)


def _own_cells(own: str, extra: Mapping[str, str]) -> str:
    values = json.loads(own)
    return "".join([f",{_cell(values.get(name, ''))}" for name in extra.values()])
