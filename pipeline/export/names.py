"""File names that every system takes, made of names that anybody chose."""

import hashlib
import re
import unicodedata

from pipeline.blobs import SUFFIXES

MAX_STEM = 100
"""Characters; with suffix and folder far below the 255 bytes that file systems allow, whatever the script."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file (read 2026-11-21)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


class FileNames:
    """Gives every asset a file name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, asset_id: str, variant: str, media_type: str) -> str:
        """A name from asset and variant, ending as the media type does."""
        wanted = f"{asset_id}--{variant}" if variant else asset_id
        return self.stem(wanted) + SUFFIXES.get(media_type, ".bin")

    def stem(self, wanted: str) -> str:
        """A name without an ending; one that differs only in case, or had to be changed, gets a short hash."""
        stem = safe_stem(wanted)
        if stem != unicodedata.normalize("NFC", wanted) or stem.casefold() in self._taken:
            stem = f"{stem}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        while stem.casefold() in self._taken:
            stem += "-again"
        self._taken.add(stem.casefold())
        return stem


def safe_stem(text: str) -> str:
    """The text without what some file system does not take; never empty, hidden or reserved."""
    stem = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text))
    stem = "".join(character if character.isprintable() else "_" for character in stem)
    stem = stem.strip(" .")[:MAX_STEM].rstrip(" .")
    while len(stem.encode()) > 2 * MAX_STEM:
        stem = stem[:-1]
    return f"_{stem}" if not stem or _RESERVED.fullmatch(stem) else stem
