"""Values to JSON columns and back."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.flag_lines import flag_line
from pipeline.texts import mended
from pipeline.values import Change, Detection, Flag, Instruction, Kind, Level, Route


def instruction_to_json(instruction: Instruction) -> dict[str, Any]:
    """An instruction as the edit's columns of the same names."""
    return {
        "prompt": instruction.prompt,
        "operations": [dict(operation) for operation in instruction.operations],
        "recipe": instruction.recipe,
        "parameters": dict(instruction.parameters),
    }


def instruction_from_json(data: Mapping[str, Any]) -> Instruction:
    """The instruction in these columns."""
    return Instruction(data["prompt"], tuple(data["operations"]), data["recipe"], data["parameters"])


def detection_to_json(detection: Detection) -> dict[str, Any]:
    """A detection as JSON."""
    return {
        "kind": detection.kind.value,
        "xyxy": [_number(edge, 2) for edge in detection.xyxy],
        "score": _number(detection.score, 4),
        "level": detection.level.value,
        "label": mended(detection.label),
        "detector": mended(detection.detector),
        "version": mended(detection.version),
    }


def _number(value: float, digits: int) -> float:
    """A detector's number, rounded; 0 where it is none, such as NaN, which no database keeps as one."""
    return round(float(value), digits) if math.isfinite(value) else 0.0


def detection_from_json(data: Mapping[str, Any]) -> Detection:
    """The detection in this JSON, or in the flag table's columns."""
    left, top, right, bottom = data["xyxy"]
    return Detection(
        kind=Kind(data["kind"]),
        xyxy=(left, top, right, bottom),
        score=data["score"],
        level=Level(data["level"]),
        label=data["label"],
        detector=data["detector"],
        version=data["version"],
    )


def flag_to_json(flag: Flag) -> dict[str, Any]:
    """A flag as JSON, and as the flag table's columns."""
    return {
        **detection_to_json(flag.detection),
        "change": flag.change.value,
        "before": mended(flag.before),
        "likeness": None if flag.likeness is None else _number(flag.likeness, 4),
        "remark": mended(flag.remark),
        "source_xyxy": None if flag.source_xyxy is None else [_number(edge, 2) for edge in flag.source_xyxy],
    }


def flag_as_told(flag: Flag) -> dict[str, Any]:
    """A flag as JSON for others, with what it says in one line."""
    return {**flag_to_json(flag), "line": flag_line(flag)}


def flag_from_json(data: Mapping[str, Any]) -> Flag:
    """The flag in this JSON, or in the flag table's columns."""
    return Flag(
        detection_from_json(data),
        Change(data["change"]),
        before=data["before"],
        likeness=data["likeness"],
        remark=data["remark"],
        source_xyxy=None if data["source_xyxy"] is None else tuple(data["source_xyxy"]),
    )


def route_to_json(route: Route) -> dict[str, Any]:
    """A route as JSON."""
    return {
        "to_review": route.to_review,
        "is_sample": route.is_sample,
        "reasons": list(map(mended, route.reasons)),
        "policy_hash": route.policy_hash,
    }
