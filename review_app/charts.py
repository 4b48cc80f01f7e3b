"""Plots as Vega-Lite, which Streamlit brings along and the browser draws.

Under the page's Content-Security-Policy Streamlit lets Vega interpret its expressions instead of compiling them. Names
that others wrote are data, drawn as text. The colours are told apart on the light and on the dark ground.
"""

from collections.abc import Sequence
from typing import Any

GOOD, BAD, PLAIN = "#2a9d76", "#d0612f", "#7d8f99"

Plot = dict[str, Any]
Estimate = tuple[str, float, float, float]
"""Name or day, share, and what it is at least and at most, in per cent."""

_ROW_PX = 30
_HEAD_PX = 60
_LABEL_PX = 260
_HEIGHT_PX = 260
_PER_CENT = {"domain": [0, 100]}


def intervals(rows: Sequence[Estimate], *, x: str) -> Plot:
    """Shares with their 95 % intervals, one above the other, in the given order.

    Args:
        rows: The shares.
        x: Title of the axis.
    """
    across = _amount("low", x, scale=_PER_CENT)
    span = {
        "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.35, "color": GOOD},
        "encoding": {"y": _names(), "x": across, "x2": {"field": "high"}, "tooltip": _estimate_tip("which")},
    }
    dot = {
        "mark": _dot(110, color=GOOD),
        "encoding": {"y": _names(), "x": {**across, "field": "value"}, "tooltip": _estimate_tip("which")},
    }
    return _plot(_estimates(rows), [span, dot], height=_HEAD_PX + _ROW_PX * len(rows))


def compared(rows: Sequence[tuple[str, float, float]], *, names: tuple[str, str], x: str) -> Plot:
    """Two shares of each thing, joined by a line.

    Args:
        rows: Name and both shares, in per cent.
        names: What the two are.
        x: Title of the axis.
    """
    lines = [{"name": name, "first": first, "second": second} for name, first, second in rows]
    dots = [
        {"name": row[0], "of": of, "value": share} for row in rows for of, share in zip(names, row[1:], strict=True)
    ]
    across = _amount("first", x, scale=_PER_CENT)
    colour = {
        "field": "of",
        "type": "nominal",
        "scale": {"domain": list(names), "range": [BAD, GOOD]},
        "legend": {"title": None, "orient": "top", "labelLimit": _LABEL_PX},
    }
    joined = {
        "data": {"values": lines},
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.4, "color": PLAIN},
        "encoding": {"y": _names(), "x": across, "x2": {"field": "second"}},
    }
    told = [_tip("name", "flag"), _tip("of", "of"), _tip("value", "%", ".1f")]
    points = {
        "mark": _dot(110),
        "encoding": {"y": _names(), "x": {**across, "field": "value"}, "color": colour, "tooltip": told},
    }
    return _plot(dots, [joined, points], height=_HEAD_PX + 20 + _ROW_PX * len(rows))


def bars(rows: Sequence[tuple[str, float]], *, x: str, style: str = ",.0f", colour: str = PLAIN) -> Plot:
    """Amounts of things, one above the other, in the given order.

    Args:
        rows: Name and amount.
        x: Title of the axis, with its unit.
        style: How amounts are written (https://d3js.org/d3-format).
        colour: Of the bars.
    """
    across = _amount("value", x, style=style)
    bar = {
        "mark": {"type": "bar", "color": colour, "cornerRadiusEnd": 3, "height": {"band": 0.62}},
        "encoding": {"y": _names(), "x": across, "tooltip": [_tip("name", "which"), _tip("value", x, style)]},
    }
    figure = {
        "mark": {"type": "text", "align": "left", "dx": 5, "color": PLAIN},
        "encoding": {"y": _names(), "x": across, "text": {"field": "value", "type": "quantitative", "format": style}},
    }
    values = [{"name": name, "value": value} for name, value in rows]
    return _plot(values, [bar, figure], height=_HEAD_PX + _ROW_PX * len(rows))


def shares_by_day(rows: Sequence[Estimate], *, y: str) -> Plot:
    """A share day by day, with its 95 % interval.

    Args:
        rows: The shares; days as 2026-11-21.
        y: Title of the axis.
    """
    up = _amount("value", y, scale=_PER_CENT)
    span = {
        "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.3, "color": GOOD},
        "encoding": {"x": _days(), "y": {**up, "field": "low"}, "y2": {"field": "high"}},
    }
    line = {"mark": {"type": "line", "color": GOOD, "opacity": 0.6}, "encoding": {"x": _days(), "y": up}}
    dot = {"mark": _dot(60, color=GOOD), "encoding": {"x": _days(), "y": up, "tooltip": _estimate_tip("day (UTC)")}}
    return _plot(_estimates(rows), [span, line, dot])


def amounts_by_day(
    rows: Sequence[tuple[str, float]],
    *,
    y: str,
    style: str = "$,.2f",
    running: Sequence[tuple[str, float]] = (),
    limit: tuple[str, float] | None = None,
) -> Plot:
    """Amounts by day or week as columns.

    Args:
        rows: Day as 2026-11-21, and amount.
        y: Title of the axis, with its unit.
        style: How amounts are written (https://d3js.org/d3-format).
        running: Day and sum so far, drawn as a line.
        limit: A level with its name, drawn across.
    """
    up = _amount("value", y, style=style)
    told = [_tip("name", "day (UTC)"), _tip("value", y, style)]
    layers: list[Plot] = [
        {
            "mark": {"type": "bar", "color": PLAIN, "cornerRadiusEnd": 2, "width": {"band": 0.7}},
            "encoding": {"x": _days(), "y": up, "tooltip": told},
        }
    ]
    if running:
        layers.append(
            {
                "data": {"values": [{"name": day, "value": value} for day, value in running]},
                "mark": {"type": "line", "color": GOOD, "point": {"filled": True, "size": 36, "color": GOOD}},
                "encoding": {"x": _days(), "y": up, "tooltip": told},
            }
        )
    if limit is not None:
        name, level = limit
        data = {"values": [{"name": name, "value": level}]}
        rule = {"type": "rule", "color": BAD, "strokeDash": [6, 4], "strokeWidth": 2}
        text = {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -3, "color": BAD}
        layers += [
            {"data": data, "mark": rule, "encoding": {"y": up}},
            {"data": data, "mark": text, "encoding": {"y": up, "x": {"value": 0}, "text": {"field": "name"}}},
        ]
    return _plot([{"name": day, "value": value} for day, value in rows], layers)


def _plot(values: list[dict[str, Any]], layers: list[Plot], *, height: int = _HEIGHT_PX) -> Plot:
    return {"data": {"values": values}, "height": height, "layer": layers}


def _estimates(rows: Sequence[Estimate]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "value", "low", "high"), row, strict=True)) for row in rows]


def _dot(size: int, **more: object) -> dict[str, Any]:
    return {"type": "point", "filled": True, "size": size, "opacity": 1, **more}


def _names() -> dict[str, Any]:
    axis = {"labelLimit": _LABEL_PX, "labelOverlap": False, "ticks": False, "domain": False}
    return {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}


def _days() -> dict[str, Any]:
    axis = {"format": "%d %b", "labelAngle": 0, "labelOverlap": True, "grid": False}
    return {"field": "name", "type": "ordinal", "timeUnit": "utcyearmonthdate", "title": "day (UTC)", "axis": axis}


def _amount(field: str, title: str, *, style: str | None = None, scale: Plot | None = None) -> dict[str, Any]:
    axis = {"tickCount": 5} if style is None else {"tickCount": 5, "format": style}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, **({"scale": scale} if scale else {})}


def _tip(field: str, title: str, style: str | None = None) -> dict[str, Any]:
    return {
        "field": field,
        "title": title,
        **({"type": "quantitative", "format": style} if style else {"type": "nominal"}),
    }


def _estimate_tip(title: str) -> list[dict[str, Any]]:
    told = {"value": "%", "low": "at least %", "high": "at most %"}
    return [_tip("name", title), *(_tip(field, name, ".1f") for field, name in told.items())]
