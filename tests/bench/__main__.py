"""Runs the benchmarks: python -m tests.bench [NAME]."""

import json
import sys
from pathlib import Path

from tests.bench.measures import MEASURES, NotHere


def main() -> None:
    """Measure, print, and write bench.json."""
    wanted = sys.argv[1:] or list(MEASURES)
    figures = {}
    for name in wanted:
        if name not in MEASURES:
            sys.exit(f"no benchmark is called {name!r}; there are: {', '.join(MEASURES)}")
        try:
            value, baseline, unit = MEASURES[name]()
        except NotHere as exc:
            sys.stdout.write(f"{name}: left out: {exc}\n")
            continue
        figures[name] = {"value": value, "baseline": baseline, "ratio": value / baseline, "unit": unit}
        sys.stdout.write(f"{name}: {value:.4g} {unit}, {value / baseline:.2f} of the baseline {baseline:.4g}\n")
    Path("bench.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
