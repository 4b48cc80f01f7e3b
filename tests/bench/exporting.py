"""One export: ``python -m tests.bench.exporting DESK [whole]``; the table alone, or all of it.

Prints rows, seconds, cpu_s, peak_mb and, of a whole one, bare_s: what it takes to write the same table by pandas and to
copy the same files, one after the other, and to bring both to the disk.
"""

import json
import os
import shutil
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
    desk, is_whole = Desk.open(Path(sys.argv[1])), "whole" in sys.argv[2:]
    with tempfile.TemporaryDirectory(dir=desk.root) as folder:
        began, began_cpu = time.perf_counter(), time.process_time()
        summary = export_approved(desk, Path(folder) / "out", by=local_person("bench"), only_csv=not is_whole)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        figures = {"rows": summary.rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb()}
        if is_whole:
            figures["bare_s"] = _bare_s(Path(folder) / "out", Path(folder) / "bare")
    sys.stdout.write(json.dumps(figures))


def _bare_s(export: Path, folder: Path) -> float:
    import pandas as pd

    table = pd.read_csv(export / "approved.csv", dtype=object, keep_default_na=False)
    pictures = list(table["output_uri"])
    folder.mkdir()
    began = time.perf_counter()
    table.to_csv(folder / "approved.csv", index=False)
    (folder / "pictures").mkdir()
    for name in pictures:
        shutil.copyfile(export / name, folder / name)
    os.sync()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
