"""What an export says of each approved asset, in the order of its columns."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.flag_lines import flag_line
from pipeline.money import usd
from pipeline.sources import is_url
from pipeline.states import EditState
from pipeline.store.codec import flag_from_json
from pipeline.store.exporting import ApprovedRow

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


class Made(NamedTuple):
    """What an edit was asked for; the last one as `options` has it."""

    recipe: str
    prompt: str
    provider: str
    ai_model: str
    options: dict[str, Any]


def made_of(text: str) -> Made:
    """Of `ApprovedRow.made`."""
    recipe, prompt, provider, ai_model, *asked = json.loads(text)
    return Made(recipe or "", prompt, provider, ai_model or "", _options(*asked))


def facts(row: ApprovedRow, made: Made, batch: str, file: str, exported_at: str) -> dict[str, Any]:
    """The canonical columns; numbers stay numbers, moments are ISO 8601 in UTC.

    Args:
        row: What is approved.
        made: What it was asked for.
        batch: Its batch's name.
        file: Its picture in the folder.
        exported_at: ISO 8601.
    """
    is_by_person = row.decided_by is not None
    root, cost = of_all_rounds(row)
    values = (
        *(SCHEMA_VERSION, row.name, row.variant, row.sku, batch, source_uri(row.source_uri)),
        *(row.original_sha256 or "", file, row.sha256, row.width, row.height, row.media_type, row.byte_count),
        *("approved", iso(row.decided_at), row.decided_by if is_by_person else "policy"),
        *("human" if is_by_person else "policy", row.policy_hash),
        *(row.note if is_by_person else "", len(row.flags or ()) if is_by_person else 0),
        *(made.recipe, made.prompt, row.round, row.edit_id, row.parent_id or "", root),
        *(made.provider, made.ai_model, usd(row.cost_microusd, row.unpriced), usd(*cost), exported_at),
    )
    return dict(zip(COLUMNS, values, strict=True))


def of_all_rounds(row: ApprovedRow) -> tuple[int, tuple[int, int]]:
    """The first round's edit; what all of them cost in micro-dollars, and how many requests besides are unpriced."""
    if row.rounds is None:
        return row.edit_id, (row.cost_microusd, row.unpriced)
    ids, costs, unpriced = zip(*((each[0], each[4], each[5]) for each in row.rounds), strict=True)
    return min(ids), (sum(costs), sum(unpriced))


def rounds(row: ApprovedRow) -> list[dict[str, Any]]:
    """All rounds on the asset, first to last."""
    return [
        {
            "edit_id": edit_id,
            "round": number,
            "state": state,
            "instruction": prompt,
            "cost_usd": usd(cost, unpriced),
            "is_final": state == EditState.APPROVED,
        }
        for edit_id, number, state, prompt, cost, unpriced in sorted(row.rounds or ())
    ]


def _options(
    size: str | None,
    quality: str | None,
    n: int,
    mask: str | None,
    operations: str,
    parameters: str,
    references: str,
) -> dict[str, Any]:
    """What was asked for beside the prompt, where something was."""
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


def flags_text(flags: list[list[Any]] | None, told: Known) -> str:
    """A row's flags as a JSON list: each as `codec.flag_as_told` gives it, in a tenth of the time.

    Args:
        flags: `ApprovedRow.flags`.
        told: What was said of such a flag before, made by ``Known(around_its_place)``.
    """
    if not flags:
        return "[]"
    texts = []
    for _, *facts, xyxy, source_xyxy in sorted(flags) if len(flags) > 1 else flags:
        before, between = told[tuple(facts)]
        texts.append(f"{before}{source_xyxy or 'null'}{between}{xyxy}}}")
    return f"[{', '.join(texts)}]"


def around_its_place(facts: Sequence[Any]) -> tuple[str, str]:
    """What a flag's JSON has before the place in the source, and between that and the place in the output."""
    kind, change, level, score, label, detector, version, before, likeness, remark = facts
    like = None if likeness is None else float(likeness)
    drawn = {"xyxy": (0, 0, 0, 0), "source_xyxy": None, "detector": detector, "version": version}
    said = {"kind": kind, "change": change, "level": level, "score": float(score), "label": label, "before": before}
    line = flag_line(flag_from_json({**said, **drawn, "likeness": like, "remark": remark}))
    return (
        f'{{"before": {quoted(before)}, "change": "{change}", "detector": {quoted(detector)}, "kind": "{kind}", '
        f'"label": {quoted(label)}, "level": "{level}", "likeness": {"null" if like is None else like}, '
        f'"line": {quoted(line)}, "remark": {quoted(remark)}, "score": {float(score)}, "source_xyxy": ',
        f', "version": {quoted(version)}, "xyxy": ',
    )


def iso(moment: str) -> str:
    """A moment of a row, to the second."""
    return f"{moment[:10]}T{moment[11:19]}+00:00"


def source_uri(uri: str) -> str:
    """A URL as it is; of a path only the name, since folders of this machine mean nothing elsewhere."""
    if is_url(uri):
        return uri
    name = uri.rpartition("/")[2]
    return name if os.sep == "/" and name not in ("", ".") else Path(uri).name
