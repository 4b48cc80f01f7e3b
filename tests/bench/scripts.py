"""What somebody would write without this project: rapidocr and mtcnn as their READMEs run them (read 2026-11-21).

``python scripts.py PATH``, by a Python that has both; imports nothing of ours. Prints JSON: the median processor time
of five looks in ms, after one that is not counted.
"""

import json
import statistics
import sys
import time


def main() -> None:
    """Measure and print."""
    from mtcnn import MTCNN
    from mtcnn.utils.images import load_image
    from rapidocr import RapidOCR

    path = sys.argv[1]
    text, faces, times = RapidOCR(), MTCNN(), []
    for _ in range(6):
        started = time.process_time()
        text(path)
        faces.detect_faces(load_image(path))
        times.append(1000 * (time.process_time() - started))
    sys.stdout.write("\n" + json.dumps({"cpu_ms": statistics.median(times[1:])}) + "\n")


if __name__ == "__main__":
    main()
