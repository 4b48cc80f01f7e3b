"""Files and batches in a folder, so that a restarted service knows them."""

import io
import json
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_THIRTY_DAYS_S = 2_592_000
_CHUNK = 1 << 20
_MAX_ID = 100


class StoredFiles:
    """What was uploaded, and what batches are under way.

    Args:
        folder: Kept over restarts; a temporary one if None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._temporary = TemporaryDirectory(prefix="picturedesk-fake-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else Path(folder or "")
        self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, data: bytes, *, name: str, purpose: str, expires_s: int | None = None) -> dict[str, Any]:
        """Keep a file, and give its object."""
        file_id = new_id("file-")
        self.path(file_id).write_bytes(data)
        return self.publish(file_id, name=name, purpose=purpose, expires_s=expires_s)

    def publish(self, file_id: str, *, name: str, purpose: str, expires_s: int | None = None) -> dict[str, Any]:
        """Give the object of a file whose bytes are here already; it is not known outside before."""
        moment = int(time.time())
        if expires_s is None and purpose == "batch":
            expires_s = _THIRTY_DAYS_S
        entry = {
            "id": file_id,
            "object": "file",
            "bytes": self.path(file_id).stat().st_size,
            "created_at": moment,
            "expires_at": None if expires_s is None else moment + expires_s,
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self.keep("file", entry)
        return entry

    def keep(self, kind: str, entry: dict[str, Any]) -> None:
        """Keep an object, in place of an earlier one of that id."""
        path = self._folder / f"{entry['id']}.{kind}.json"
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(entry), "utf-8")
        temporary.replace(path)

    def found(self, kind: str, object_id: str) -> dict[str, Any] | None:
        """The object of that id."""
        path = self._folder / f"{object_id}.{kind}.json"
        if not _is_plain(object_id) or not path.is_file():
            return None
        entry: dict[str, Any] = json.loads(path.read_text("utf-8"))
        expires_at = entry.get("expires_at") if kind == "file" else None
        return None if expires_at is not None and expires_at <= time.time() else entry

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, the newest first."""
        names = [path.name.removesuffix(f".{kind}.json") for path in self._folder.glob(f"*.{kind}.json")]
        entries = [entry for name in names if (entry := self.found(kind, name))]
        return sorted(entries, key=lambda entry: (entry["created_at"], entry["id"]), reverse=True)

    def content(self, file_id: str) -> bytes | None:
        """A file's bytes."""
        path = self.path(file_id)
        return path.read_bytes() if self.found("file", file_id) and path.is_file() else None

    def path(self, file_id: str) -> Path:
        """Where a file's bytes are."""
        return self._folder / f"{file_id}.data"

    def remove(self, file_id: str) -> bool:
        """Forget a file; whether there was one."""
        if self.found("file", file_id) is None:
            return False
        for suffix in (".data", ".file.json"):
            (self._folder / f"{file_id}{suffix}").unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Remove what was temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()


def new_id(prefix: str) -> str:
    """A name; later ones sort behind earlier ones."""
    return f"{prefix}{time.time_ns():016x}{secrets.token_hex(4)}"


def cut_torn_end(file: Path) -> None:
    """Cut off a last line that was not written whole, as a kill leaves it; a file that is not there becomes empty."""
    with file.open("ab+") as lines:
        end = lines.seek(0, io.SEEK_END)
        while end:
            start = max(0, end - _CHUNK)
            lines.seek(start)
            newline = lines.read(end - start).rfind(b"\n")
            if newline >= 0:
                lines.truncate(start + newline + 1)
                return
            end = start
        lines.truncate(0)


def _is_plain(object_id: str) -> bool:
    return len(object_id) <= _MAX_ID and object_id.replace("-", "").replace("_", "").isalnum()
