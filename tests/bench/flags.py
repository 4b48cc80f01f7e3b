"""One process that looks at one picture: ``python -m tests.bench.flags STARTED PATH``; without a path it only imports.

STARTED is the time at which the process was asked for: what the system says of its start may be a second off. Prints
JSON: seconds from then to its first flags (or to the end of the imports), the median processor time and wall time of
nine further looks in ms, and the peak of the process's memory in MB.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from tests.bench.peak import peak_mb


def main() -> None:
    """Measure and print."""
    started, *paths = sys.argv[1:]
    figures = _look(Path(paths[0]), float(started)) if paths else _bare(float(started))
    figures["peak_mb"] = peak_mb()
    sys.stdout.write(json.dumps(figures))


def _bare(started: float) -> dict[str, float]:
    for name in ("cv2", "numpy", "onnxruntime", "PIL.Image"):
        __import__(name)
    return {"first_s": time.time() - started}


def _look(path: Path, asked_at: float) -> dict[str, float]:
    from pipeline.detectors.suite import SuiteOptions, scan_bytes
    from pipeline.detectors.weights import default_cache_dir

    data, options = path.read_bytes(), SuiteOptions(cache_dir=str(default_cache_dir()))
    scan_bytes(data, options)
    first_s, cpu, wall = time.time() - asked_at, [], []
    for _ in range(9):
        cpu_started, started = time.process_time(), time.perf_counter()
        scan_bytes(data, options)
        cpu.append(1000 * (time.process_time() - cpu_started))
        wall.append(1000 * (time.perf_counter() - started))
    return {"first_s": first_s, "cpu_ms": statistics.median(cpu), "wall_ms": statistics.median(wall)}


if __name__ == "__main__":
    main()
