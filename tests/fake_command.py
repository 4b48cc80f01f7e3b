"""``picturedesk fake-api`` in a process of its own, for trials that kill and measure."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def fake_command(*options: str) -> Iterator[str]:
    """Serve on a free port until the end of the block; gives the address."""
    command = [sys.executable, "-m", "pipeline.cli", "fake-api", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
