"""Pictures by their sha256."""

import hashlib
from pathlib import Path

import pytest

from pipeline.blobs import BlobStore
from pipeline.errors import NotFound


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    sha256 = blobs.put(b"picture", "image/png")
    assert sha256 == hashlib.sha256(b"picture").hexdigest()
    assert blobs.read(sha256, "image/png") == b"picture"


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    assert blobs.put(b"a", "image/png") == blobs.put(b"a", "image/png")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        BlobStore(tmp_path).put(b"a", "image/png")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_half_written_files_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    kept = blobs.put(b"a", "image/png")
    (blobs.path(kept, "image/png").parent / ".tmp-abc").write_bytes(b"half")
    assert blobs.sweep() == 1
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"a"]


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="abcabcabcabc"):
        BlobStore(tmp_path).read("abc" * 21 + "a", "image/png")
