"""An export in a bucket, where a shop fetches the pictures: what is there already is not sent again."""

import json
import mimetypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Final

from pipeline.errors import NotFound
from pipeline.export.progress import ExportProgress, Teller
from pipeline.object_shelf import ObjectShelf

_AT_ONCE: Final = 16
_PAGE: Final = 1_000


class Bucket:
    """A place in a bucket.

    Args:
        url: Such as ``s3://bucket/prefix``.
        options: Of its client; see `ObjectShelf`.

    Raises:
        UsageError: This is no such URL.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._shelf = ObjectShelf(url, options)

    def send(
        self, folder: Path, *, manifest: str, last: tuple[str, ...], on_progress: Callable[[ExportProgress], None]
    ) -> None:
        """Bring an export there, the manifest last: who finds that finds all that it names.

        Files of an earlier export that are no more named stay where they are; a shop may still show them.

        Args:
            folder: The export.
            manifest: Its manifest.
            last: What besides stands in no manifest.
            on_progress: Told how far it is.

        Raises:
            BlobsFailed: It does not answer, or refuses; says what to do. What was sent is not sent again.
        """
        wanted = json.loads((folder / manifest).read_text("utf-8"))["files"]
        there = self._there(manifest)
        missing = [name for name, facts in wanted.items() if there.get(name) != facts]
        tell, numbers = Teller(on_progress, "sending", len(missing)), count(1)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for begin in range(0, len(missing), _PAGE):
                for _ in threads.map(lambda name: self._put(folder, name), missing[begin : begin + _PAGE]):
                    tell(next(numbers))
        for name in (*last, manifest):
            self._put(folder, name)

    def _there(self, manifest: str) -> dict[str, Any]:
        """By name, what the manifest that is there says of the files that are there, too."""
        try:
            named: dict[str, Any] = json.loads(self._shelf.read(manifest))["files"]
        except (NotFound, ValueError, KeyError):
            return {}
        sizes = {stored.name: stored.byte_count for stored in self._shelf.each()}
        return {name: facts for name, facts in named.items() if sizes.get(name) == facts["bytes"]}

    def _put(self, folder: Path, name: str) -> None:
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._shelf.send(name, folder / name, media_type=media_type)
