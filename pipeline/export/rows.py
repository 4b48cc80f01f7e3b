"""What an export says of each approved asset, in the order of its columns."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any, Final

from pipeline.flag_lines import flag_line
from pipeline.money import usd
from pipeline.sources import is_url
from pipeline.states import EditState
from pipeline.store.codec import flag_from_json
from pipeline.store.exporting import Approved

SCHEMA_VERSION = 1

COLUMNS = (
    *("schema_version", "asset_id", "variant", "sku", "batch", "source_uri", "source_sha256"),
    *("output_uri", "output_sha256", "width", "height", "mime", "bytes"),
    *("decision", "decided_at", "decided_by", "decided_via", "policy_version", "reviewer_note", "flags_overridden"),
    *("recipe", "instruction", "attempt", "edit_id", "parent_edit_id", "root_edit_id", "provider", "model"),
    *("cost_usd", "cost_total_usd_all_attempts", "exported_at"),
)
"""The canonical columns."""

_MOST_KNOWN: Final = 10_000


class Known(dict[Any, Any]):
    """What was worked out before and comes again, such as a prompt as a cell; of so many things at most.

    Args:
        work_out: What to do with a new one.
    """

    def __init__(self, work_out: Callable[[Any], Any]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401 - whatever it is made for
        if len(self) >= _MOST_KNOWN:
            self.clear()
        found = self[key] = self._work_out(key)
        return found


def facts(row: Any, batch: str, file: str, cost: tuple[int, int], exported_at: str) -> dict[str, Any]:  # noqa: ANN401
    """The canonical columns; numbers stay numbers, moments are ISO 8601 in UTC.

    Args:
        row: As `Approved.pages` gives it.
        batch: Its batch's name.
        file: Its picture in the folder.
        cost: Of all its rounds, in micro-dollars, and how many requests besides are unpriced.
        exported_at: ISO 8601.
    """
    is_by_person = row.decided_by is not None
    values = (
        *(SCHEMA_VERSION, row.name, row.variant, row.sku, batch, source_uri(row.source_uri)),
        *(row.original_sha256 or "", file, row.sha256, row.width, row.height, row.media_type, row.byte_count),
        *("approved", iso(row.decided_at if is_by_person else row.moved_at)),
        *(row.decided_by if is_by_person else "policy", "human" if is_by_person else "policy"),
        row.policy_hash if is_by_person else policy_of(row.route),
        *(row.note if is_by_person else "", row.flag_count if is_by_person else 0),
        *(row.recipe or "", row.prompt, row.round, row.edit_id, row.parent_id or "", row.root_id),
        *(row.provider, row.ai_model or "", usd(row.cost_microusd, row.unpriced), usd(*cost), exported_at),
    )
    return dict(zip(COLUMNS, values, strict=True))


def options(made: Sequence[Any]) -> dict[str, Any]:
    """What was asked for beside the prompt.

    Args:
        made: Size, quality, n, mask, operations, parameters and references; the last three as JSON.
    """
    size, quality, n, mask, operations, parameters, references = made
    values: Mapping[str, Any] = {
        "size": size,
        "quality": quality,
        "n": n,
        "recipe_parameters": json.loads(parameters),
        "operations": json.loads(operations),
        "references": len(json.loads(references)),
        "has_mask": mask is not None,
    }
    return {name: value for name, value in values.items() if value not in (None, [], {}, 0, False)}


def rounds(approved: Approved, rows: Sequence[Any]) -> dict[int, list[dict[str, Any]]]:
    """By asset, all its rounds."""
    found: dict[int, list[dict[str, Any]]] = {}
    for each in approved.rounds(rows):
        found.setdefault(each.asset_id, []).append(
            {
                "edit_id": each.id,
                "round": each.round,
                "state": EditState(each.state).value,
                "instruction": each.prompt,
                "cost_usd": usd(each.cost_microusd, each.unpriced),
                "is_final": each.state == EditState.APPROVED,
            }
        )
    return found


def flag_texts(approved: Approved, rows: Sequence[Any], lines: Known) -> dict[int, str]:
    """By output, its flags as a JSON list: each as `codec.flag_as_told` gives it, in a tenth of the time.

    Args:
        approved: Where the rows come from.
        rows: As `Approved.pages` gives them.
        lines: What `flag_line` said before, made by ``Known(line_of)``.
    """
    found: dict[int, str] = {}
    for row in rows:
        if row.flag_count:
            found[row.output_id] = f"[{', '.join([_flag_text(flag, lines) for flag in approved.flags_of(row)])}]"
    return found


def line_of(key: tuple[str, ...]) -> str:
    """What `flag_line` says of a flag of this kind, change, level, score, label, before, likeness and remark."""
    kind, change, level, score, label, before, likeness, remark = key
    drawn = {"xyxy": (0, 0, 0, 0), "source_xyxy": None, "detector": "", "version": ""}
    said = {"kind": kind, "change": change, "level": level, "score": float(score), "label": label, "before": before}
    like = float(likeness) if likeness else None
    return flag_line(flag_from_json({**said, **drawn, "likeness": like, "remark": remark}))


def _flag_text(flag: Sequence[str], lines: Known) -> str:
    _, kind, change, level, score, label, detector, version, before, likeness, remark, xyxy, source_xyxy = flag
    line = lines[kind, change, level, score, label, before, likeness, remark]
    return (
        f'{{"before": {quoted(before)}, "change": "{change}", "detector": {quoted(detector)}, "kind": "{kind}", '
        f'"label": {quoted(label)}, "level": "{level}", "likeness": {float(likeness) if likeness else "null"}, '
        f'"line": {quoted(line)}, "remark": {quoted(remark)}, "score": {float(score)}, '
        f'"source_xyxy": {source_xyxy or "null"}, "version": {quoted(version)}, "xyxy": {xyxy}}}'
    )


def iso(moment: str) -> str:
    """A moment of a row, to the second."""
    return f"{moment[:10]}T{moment[11:19]}+00:00"


def policy_of(route: str) -> str:
    """The policy that made a route."""
    return str(json.loads(route).get("policy_hash", ""))


def source_uri(uri: str) -> str:
    """A URL as it is; of a path only the name, since folders of this machine mean nothing elsewhere."""
    if is_url(uri):
        return uri
    name = uri.rpartition("/")[2]
    return name if os.sep == "/" and name not in ("", ".") else Path(uri).name
