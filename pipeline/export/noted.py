"""What an export notes in files on its way, so that a million pictures do not fill the memory."""

import json
from typing import NamedTuple

FILES = "files.csv"


class Noted(NamedTuple):
    """A picture that is to be written.

    Attributes:
        file: Where, in the folder.
        destinations: Where it goes besides, by the names of packs.
    """

    file: str
    sha256: str
    media_type: str
    byte_count: int
    width: int
    height: int
    edit_id: int
    asset: str
    variant: str
    sku: str
    destinations: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> "Noted":
        """What `line` gave."""
        *facts, destinations = json.loads(line)
        return cls._make([*facts, tuple(destinations)])

    def line(self) -> str:
        """As a line of a file, for later."""
        return json.dumps(self) + "\n"


class Written(NamedTuple):
    """A file of an export."""

    name: str
    sha256: str
    byte_count: int

    def line(self) -> str:
        """As a line of a file, for later."""
        return json.dumps(self) + "\n"
