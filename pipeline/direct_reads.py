"""Links by which a browser reads pictures from the bucket itself, instead of through this process.

Each opens one picture for ten minutes, and is the same for four of them, so that the browser's own cache serves it.
"""

import os
import time
from functools import lru_cache
from urllib.parse import urlsplit

from pipeline.blobs import blob_name
from pipeline.desk import Desk

LIFE_S = 600
SAME_FOR_S = 240

_KEPT_LINKS = 10_000
_OWN_ENDPOINT = ("endpoint", "endpoint_url", "azure_endpoint", "google_base_url")


class DirectReads:
    """Makes such links for a desk.

    Args:
        desk: Whose pictures.

    Attributes:
        origin: Scheme and host that they lead to; None if the page's own routes give the pictures.
    """

    def __init__(self, desk: Desk) -> None:
        self._shelf = desk.blobs.shelf
        self.origin = _origin(self._link("0" * 64, "image/png")) if _is_wanted(desk) else None
        self._kept = lru_cache(maxsize=_KEPT_LINKS)(lambda _, sha256, media_type: self._link(sha256, media_type))

    def link(self, sha256: str, media_type: str) -> str | None:
        """Where a browser finds the picture now; None if it has to come through this process."""
        if self.origin is None:
            return None
        return self._kept(int(time.time()) // SAME_FOR_S, sha256, media_type)

    def _link(self, sha256: str, media_type: str) -> str | None:
        return self._shelf.signed_url(blob_name(sha256, media_type), life_s=LIFE_S)


def _is_wanted(desk: Desk) -> bool:
    if desk.blobs.place.is_folder or desk.settings.presigned is False:
        return False
    return desk.settings.presigned is True or not _has_own_endpoint(desk)


def _has_own_endpoint(desk: Desk) -> bool:
    """Whether it is named in the settings or the environment where the bucket is: a browser may not get there."""
    names = {*desk.settings.blobs_options, *os.environ}
    return any(name.lower().removeprefix("aws_").removesuffix("_s3") in _OWN_ENDPOINT for name in names)


def _origin(link: str | None) -> str | None:
    if link is None:
        return None
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"
