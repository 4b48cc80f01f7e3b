"""What the detectors' figures look like: precision over recall, and both errors over the threshold.

Needs matplotlib, which comes with the extra ``plot``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

_SUFFIXES = (".png", ".svg")
# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/ (read 2026-11-21): told apart with any colour vision.
_COLOURS = {"face": "#0072B2", "text": "#D55E00", "logo": "#009E73"}
_MARKERS = {"face": "o", "text": "s", "logo": "^"}
_GREY = "#555555"
_HIGH = 0.8
"""What is above has its label below its line."""


def check(path: Path) -> None:
    """Refuse, before anything is measured, a plot that could not be drawn.

    Raises:
        UsageError: matplotlib is missing, or the file cannot be of that name.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"--plot {path}: found {path.suffix or 'no ending'!r}; expected a name in .png or .svg")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.absolute().parent}; make it, or name another")
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise UsageError("--plot needs matplotlib; install it with: pip install 'picturedesk[plot]'") from exc


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Draw the report of `evaluate_labels` into a PNG or SVG file.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    kinds = {kind: figures for kind, figures in report["kinds"].items() if figures["curve"]}
    sheet = Figure(figsize=(11, 6), layout="constrained")
    grid = sheet.add_gridspec(max(1, len(kinds)), 2, width_ratios=(1.1, 1))
    _draw_trade(sheet.add_subplot(grid[:, 0]), kinds)
    lowest = None
    for row, (kind, figures) in enumerate(kinds.items()):
        lowest = sheet.add_subplot(grid[row, 1])
        _draw_errors(lowest, kind, figures)
        lowest.tick_params(labelbottom=row == len(kinds) - 1)
        if row == len(kinds) // 2:
            lowest.set_ylabel("share of pictures")
    if lowest is not None:
        lowest.set_xlabel("threshold (score of the best detection)")
    try:
        sheet.savefig(path, dpi=160)
    except OSError as exc:
        raise UsageError(f"--plot {path}: {exc.strerror}; name a file that can be written") from exc


def _draw_trade(axes: Any, kinds: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Precision over recall, a line for each kind; what is in use stands out."""
    for kind, figures in kinds.items():
        recall = [point["recall"] for point in figures["curve"]]
        precision = [point["precision"] for point in figures["curve"]]
        axes.plot(recall, precision, color=_COLOURS[kind], linewidth=1.8, label=kind)
        axes.errorbar(
            figures["recall"],
            figures["precision"],
            xerr=_reach(figures, "recall"),
            yerr=_reach(figures, "precision"),
            color=_COLOURS[kind],
            marker=_MARKERS[kind],
            markersize=8,
            elinewidth=0.8,
            capsize=2,
            clip_on=False,
        )
        sure = figures["sure"]
        if sure["counts"]["hit"] + sure["counts"]["false_alarm"]:
            look = {"marker": _MARKERS[kind], "markersize": 8, "markerfacecolor": "white", "clip_on": False}
            axes.plot(sure["recall"], sure["precision"], color=_COLOURS[kind], linestyle="", **look)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall: of the pictures that hold it, the share flagged")
    axes.set_ylabel("precision: of the flagged pictures, the share that holds it")
    axes.set_title("Filled: in use, with 95 % intervals; hollow: only if sure", loc="left", fontsize=10, color=_GREY)
    _clean(axes)
    if kinds:
        axes.legend(loc="best", frameon=False)


def _draw_errors(axes: Any, kind: str, figures: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib's
    """Recall and false-alarm rate over the threshold."""
    thresholds = [point["threshold"] for point in figures["curve"]]
    for name, words, style in (("recall", "recall", "-"), ("fpr", "false alarms", "--")):
        values = [point[name] for point in figures["curve"]]
        axes.plot(thresholds, values, color=_COLOURS[kind], linestyle=style, linewidth=1.8)
        middle = (thresholds[len(values) // 2], values[len(values) // 2])
        side = -1 if middle[1] > _HIGH else 1
        place = {"xytext": (0, 5 * side), "textcoords": "offset points", "va": "top" if side < 0 else "bottom"}
        axes.annotate(words, middle, fontsize=9, color=_GREY, **place)
    if figures["threshold"] is not None:
        axes.axvline(figures["threshold"], color=_GREY, linewidth=0.8)
        axes.set_title(f"in use: {figures['threshold']:.2f}", loc="right", fontsize=10, color=_GREY)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.04))
    axes.set_title(kind, loc="left", fontsize=10, color=_COLOURS[kind])
    _clean(axes)


def _reach(figures: Mapping[str, Any], name: str) -> list[list[float]]:
    """How far an interval reaches to both sides of its figure."""
    low, high = figures[f"{name}_interval"]
    return [[max(0.0, figures[name] - low)], [max(0.0, high - figures[name])]]


def _clean(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
