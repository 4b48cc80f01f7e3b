"""The lines of a batch on disk: those that came in, and the answers as they are made."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.fake_api.stored_files import StoredFiles, cut_torn_end

ENDPOINT = "/v1/images/edits"
_MAX_LINES = 50_000


@dataclass(frozen=True, slots=True)
class AskedLine:
    """One request of a batch: its name, and where in the input file it stands."""

    custom_id: str
    start: int
    length: int

    def body(self, file: Path) -> Any:  # noqa: ANN401 - JSON
        """What it asks for."""
        with file.open("rb") as lines:
            lines.seek(self.start)
            return json.loads(lines.read(self.length)).get("body")


class BadInput(Exception):
    """The input of a batch cannot be carried out; says what a batch's ``errors`` say."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        self.error = {"code": code, "message": message, "param": None, "line": line}
        super().__init__(message)


def read_lines(file: Path) -> list[AskedLine]:
    """The requests of a batch; holds one line at a time.

    Raises:
        BadInput: One of them, or the file, is not as it should be.
    """
    if not file.is_file():
        raise BadInput("invalid_file", "The input file is not there any more.")
    found: dict[str, AskedLine] = {}
    start = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                custom_id = _custom_id(line, number)
                if custom_id in found:
                    raise BadInput("duplicate_custom_id", f"The custom_id '{custom_id}' is there twice.", number)
                found[custom_id] = AskedLine(custom_id, start, len(line))
            start += len(line)
    if not found:
        raise BadInput("empty_file", "The input file has no lines.")
    if len(found) > _MAX_LINES:
        raise BadInput("too_many_lines", f"A batch has at most {_MAX_LINES} lines.")
    return list(found.values())


def _custom_id(line: bytes, number: int) -> str:
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise BadInput("invalid_json_line", "This line is not a valid JSON object.", number)
    custom_id = data.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise BadInput("missing_custom_id", "This line needs a custom_id of its own.", number)
    if data.get("url") != ENDPOINT or data.get("method") != "POST":
        raise BadInput("invalid_url", f"Every line is a POST to {ENDPOINT}.", number)
    return custom_id


class MadeLines:
    """The answers of a batch, each on disk as soon as it is made, so that a restart makes and bills none again.

    They are written into the very files that the batch publishes when it is over.

    Args:
        files: Where they are kept.
        batch_id: Whose.
    """

    def __init__(self, files: StoredFiles, batch_id: str) -> None:
        self._files = files
        stem = batch_id.removeprefix("batch_")
        self._good_id, self._bad_id = f"file-{stem}a", f"file-{stem}b"
        self.completed = self.failed = 0
        self.has_expired = False
        self._names: set[str] = set()
        for file_id in (self._good_id, self._bad_id):
            cut_torn_end(files.path(file_id))
            for answer in _each(files.path(file_id)):
                self._names.add(answer["custom_id"])
                self.has_expired |= (answer["error"] or {}).get("code") == "batch_expired"
                self._count(is_good=file_id == self._good_id)

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self._names

    def add(self, custom_id: str, answer: bytes, *, is_good: bool) -> None:
        """Keep an answer, a line with its end."""
        path = self._files.path(self._good_id if is_good else self._bad_id)
        with path.open("ab", buffering=0) as file:
            file.write(answer)
        self._names.add(custom_id)
        self._count(is_good=is_good)

    def publish(self, *, expires_s: int | None) -> dict[str, str | None]:
        """Give the ids of the two files, as a batch names them; a file without lines is none."""
        return {
            "output_file_id": self._published(self._good_id, self.completed, "batch_output.jsonl", expires_s),
            "error_file_id": self._published(self._bad_id, self.failed, "batch_errors.jsonl", expires_s),
        }

    def _count(self, *, is_good: bool) -> None:
        self.completed += is_good
        self.failed += not is_good

    def _published(self, file_id: str, lines: int, name: str, expires_s: int | None) -> str | None:
        if not lines:
            self._files.path(file_id).unlink(missing_ok=True)
            return None
        self._files.publish(file_id, name=name, purpose="batch_output", expires_s=expires_s)
        return file_id


def _each(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
