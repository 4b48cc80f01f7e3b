"""One export of the table alone: ``python -m tests.bench.exporting DESK``. Prints rows, seconds, cpu_s and peak_mb."""

import json
import sys
import tempfile
import time
from pathlib import Path

from pipeline.desk import Desk
from pipeline.export import export_approved
from pipeline.people import local_person
from tests.bench.peak import peak_mb


def main() -> None:
    """Export and print."""
    desk = Desk.open(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        began, began_cpu = time.perf_counter(), time.process_time()
        summary = export_approved(desk, Path(folder) / "out", by=local_person("bench"), only_csv=True)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    figures = {"rows": summary.rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb()}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
