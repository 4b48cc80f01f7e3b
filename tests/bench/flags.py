"""One process that looks at one picture: ``python -m tests.bench.flags flags PATH``, or ``bare``.

Prints JSON: seconds from the start of the process to its first flags (bare: to the end of the imports), the median
processor time and wall time of nine further looks, and the peak of the process's memory in MB.
"""

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import psutil


def main() -> None:
    """Measure and print."""
    figures = _bare() if sys.argv[1] == "bare" else _look(Path(sys.argv[2]))
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(figures))


def _bare() -> dict[str, float]:
    for name in ("cv2", "numpy", "onnxruntime", "PIL.Image"):
        __import__(name)
    return {"first_s": _since_start()}


def _look(path: Path) -> dict[str, float]:
    from pipeline.detectors.suite import SuiteOptions, scan_bytes
    from pipeline.detectors.weights import default_cache_dir

    data, options = path.read_bytes(), SuiteOptions(cache_dir=str(default_cache_dir()))
    scan_bytes(data, options)
    first_s, cpu, wall = _since_start(), [], []
    for _ in range(9):
        cpu_started, started = time.process_time(), time.perf_counter()
        scan_bytes(data, options)
        cpu.append(1000 * (time.process_time() - cpu_started))
        wall.append(1000 * (time.perf_counter() - started))
    return {"first_s": first_s, "cpu_ms": statistics.median(cpu), "wall_ms": statistics.median(wall)}


def _since_start() -> float:
    return time.time() - psutil.Process().create_time()


if __name__ == "__main__":
    main()
