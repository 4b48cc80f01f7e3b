"""Which files an export has, told as they come: at once in ``SHA256SUMS``, and in the manifest at the end."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pipeline.export.files import HashedFile

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"


class Written(NamedTuple):
    """A file of an export."""

    name: str
    sha256: str
    byte_count: int


Files = Mapping[str, Written | str]
"""Of a picture: by destination, the file that was made for it, or why there is none; by "" the picture itself."""


class Contents:
    """The files of an export, in order.

    Args:
        folder: The export's.

    Attributes:
        file_count: Files so far, and ``byte_count`` of them.
    """

    def __init__(self, folder: Path) -> None:
        self.file_count = self.byte_count = 0
        self._folder = folder
        self._sums = HashedFile(folder / SUMS)
        self._told = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115 - closed by __exit__

    def add(self, file: Written) -> None:
        """One more."""
        self._sums.write(f"{file.sha256}  {file.name}\n")
        facts = f'{{\n   "sha256": "{file.sha256}",\n   "bytes": {file.byte_count}\n  }}'
        self._told.write(f"{',' if self.file_count else ''}\n  {json.dumps(file.name, ensure_ascii=False)}: {facts}")
        self.file_count += 1
        self.byte_count += file.byte_count

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """The manifest: the facts, then every file."""
        self._told.seek(0)
        with (self._folder / MANIFEST).open("w", encoding="utf-8", newline="\n") as manifest:
            manifest.write(json.dumps(facts, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "files": {')
            shutil.copyfileobj(self._told, manifest)
            manifest.write("\n }\n}")
            manifest.flush()
            os.fsync(manifest.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._told.close()
        self._sums.__exit__(kind, exc, tb)
