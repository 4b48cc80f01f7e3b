"""Pictures by their sha256: one suite for a folder and for a bucket of a real S3-type server."""

import hashlib
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from pipeline.blobs import BlobPlace, BlobStore, blob_name, blob_place
from pipeline.errors import BlobsFailed, NotFound, UsageError
from pipeline.object_shelf import ObjectShelf
from tests.buckets import StallingLink, bucket_place, endpoint, new_bucket, options

LARGE = bytes(range(256)) * 80_000
"""20 MB: in a bucket, three parts."""


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore(BlobPlace(str(tmp_path / "kept")) if request.param == "folder" else bucket_place())


def names(blobs: BlobStore) -> list[str]:
    return [each.name for each in blobs.shelf.each()]


def test_what_is_put_in_comes_out_and_is_kept_once(blobs: BlobStore) -> None:
    sha256 = blobs.put(b"picture", "image/png")
    assert sha256 == hashlib.sha256(b"picture").hexdigest() == blobs.put(b"picture", "image/png")
    assert names(blobs) == [f"{sha256[:2]}/{sha256[2:4]}/{sha256}.png"]
    assert (blobs.has(sha256, "image/png"), blobs.read(sha256, "image/png")) == (True, b"picture")
    blobs.verify(sha256, "image/png")


def test_writers_of_the_same_bytes_do_each_other_no_harm(blobs: BlobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: blobs.put(b"the same", "image/webp"), range(16)))
    (sha256,) = found
    assert names(blobs) == [blob_name(sha256, "image/webp")]
    assert blobs.read(sha256, "image/webp") == b"the same"


def test_a_large_picture_is_kept_whole(blobs: BlobStore) -> None:
    sha256 = blobs.put(LARGE, "image/png")
    assert blobs.put(LARGE, "image/png") == sha256
    assert blobs.read(sha256, "image/png") == LARGE


def test_a_missing_picture_is_named(blobs: BlobStore) -> None:
    assert not blobs.has("abc" * 21 + "a", "image/png")
    with pytest.raises(NotFound, match=r"abcabcabcabc….*restore it"):
        blobs.read("abc" * 21 + "a", "image/png")
    blobs.remove("abc" * 21 + "a", "image/png")


@pytest.mark.parametrize("damaged", [b"pict", b"picturf", b""], ids=["truncated", "changed", "emptied"])
def test_a_damaged_picture_is_found_out(blobs: BlobStore, damaged: bytes) -> None:
    sha256 = blobs.put(b"picture", "image/png")
    blobs.shelf.replace(blob_name(sha256, "image/png"), damaged, media_type="image/png")
    with pytest.raises(NotFound, match="is damaged"):
        blobs.verify(sha256, "image/png")


def test_a_picture_that_was_removed_is_gone(blobs: BlobStore) -> None:
    kept, gone = blobs.put(b"kept", "image/png"), blobs.put(b"gone", "image/png")
    blobs.remove(gone, "image/png")
    assert names(blobs) == [blob_name(kept, "image/png")]
    assert not blobs.has(gone, "image/png")


def test_what_was_set_aside_comes_back_when_it_is_read(blobs: BlobStore) -> None:
    sha256 = blobs.put(b"picture", "image/png")
    name = blob_name(sha256, "image/png")
    blobs.shelf.move(name, f"removed/{name}")
    assert blobs.read(sha256, "image/png") == b"picture"
    assert names(blobs) == [name]


def test_a_killed_writer_leaves_nothing_under_the_real_name(blobs: BlobStore) -> None:
    """The folder's writer is killed before its file has its name, the bucket's with a fifth of the picture sent."""
    link = StallingLink(4_000_000)
    seen = {**dict(blobs.place.options), "aws_endpoint": link.endpoint}
    place = blobs.place if blobs.place.is_folder else BlobPlace(blobs.place.url, tuple(seen.items()))
    with _writer(place) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n" if place.is_folder else link.has_stalled.wait(60)
        writer.kill()
    link.close()
    assert names(blobs) == []
    assert (blobs.sweep(), blobs.shelf.sweep()) == (0, 1 if place.is_folder else 0)
    assert blobs.put(LARGE, "image/png") == hashlib.sha256(LARGE).hexdigest()


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "a/b\r\nx-evil: 1", ""])
def test_a_hostile_media_type_is_kept_as_plain_bytes(blobs: BlobStore, media_type: str) -> None:
    sha256 = blobs.put(b"<script>", media_type)
    assert names(blobs) == [blob_name(sha256, "application/octet-stream")]
    assert blobs.read(sha256, media_type) == b"<script>"
    if isinstance(blobs.shelf, ObjectShelf):
        told = obstore.get(blobs.shelf._store, names(blobs)[0]).attributes
        assert (told["Content-Type"], told["Content-Disposition"]) == ("application/octet-stream", "attachment")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BlobsFailed, match=r"No space.*free some space"):
        BlobStore(BlobPlace(str(tmp_path))).put(b"a", "image/png")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"url": "s3://no-such-bucket/x"}, "no such bucket; make it, or name another"),
        ({"aws_endpoint": "http://127.0.0.1:9"}, "it does not answer as it should .*; look after it"),
        ({"allow_http": False}, "plain http; set allow_http = true"),
    ],
    ids=["no bucket", "no answer", "plain http"],
)
def test_what_is_wrong_with_a_bucket_is_said(place: dict[str, str], said: str) -> None:
    url = place.pop("url", None) or new_bucket()
    blobs = BlobStore(BlobPlace(url, tuple(options(**place).items())))
    with pytest.raises(BlobsFailed, match=said) as told:
        blobs.put(b"a", "image/png")
    assert "not-a-secret" not in f"{told.value} {blobs.place}"


def test_an_object_whose_name_no_list_can_hold_is_told_by_its_name() -> None:
    url = new_bucket()
    address = f"{endpoint()}/{url.removeprefix('s3://')}/hats//red.png"
    urllib.request.urlopen(urllib.request.Request(address, data=b"", method="PUT")).close()
    with pytest.raises(BlobsFailed, match=r"hats//red\.png.*; rename or remove that object"):
        list(BlobStore(BlobPlace(url, tuple(options().items()))).shelf.each())


def test_wrong_options_are_told_as_such() -> None:
    with pytest.raises(UsageError, match="nonsense"):
        BlobStore(bucket_place(nonsense="1")).has("0" * 64, "image/png")
    with pytest.raises(UsageError, match="Account must be specified"):
        BlobStore(BlobPlace("az://container/desk")).shelf.signed_url("x", life_s=60)
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        BlobStore(BlobPlace("ftp://host/folder"))


def test_copies_on_this_machine_stay_small_and_are_read_instead(tmp_path: Path) -> None:
    blobs = BlobStore(blob_place(new_bucket(), root=tmp_path, options=options(), cache_mb=0.005))
    kept = [blobs.put(bytes([number]) * 1000, "image/png") for number in range(20)]
    copies = list((tmp_path / "cache").rglob("*.png"))
    assert sum(path.stat().st_size for path in copies) <= 5_500
    blobs.shelf.remove(blob_name(kept[-1], "image/png"))
    assert blobs.read(kept[-1], "image/png") == bytes([19]) * 1000
    assert blobs.read(kept[0], "image/png") == bytes(1000)
    blobs.remove(kept[-1], "image/png")
    with pytest.raises(NotFound):
        blobs.read(kept[-1], "image/png")


_WRITER = """
import sys, time
from pathlib import Path
from pipeline.blobs import BlobPlace, BlobStore
def stop(*_):
    print("half", flush=True)
    time.sleep(60)
Path.replace = stop
BlobStore(BlobPlace(*eval(sys.argv[1]))).put(bytes(range(256)) * 80_000, "image/png")
"""


def _writer(place: BlobPlace) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", _WRITER, repr((place.url, place.options))]
    return subprocess.Popen(command, stdout=subprocess.PIPE)
