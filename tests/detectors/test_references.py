"""A kit's references, and how they are kept."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from pipeline.detectors import references
from pipeline.detectors.references import Reference, read_references
from tests.products import logo as drawn_logo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kit = tmp_path / "kit"
    kit.mkdir()
    for name in ("oskelby", "tarnquill"):
        (kit / f"{name}.png").write_bytes(drawn_logo(name))
    return kit


def content(read: list[Reference]) -> list[tuple[object, ...]]:
    """All that a reference is, as values that can be compared."""
    return [
        (
            each.label,
            each.size_wh,
            each.small.tobytes(),
            *(part.tobytes() for part in (each.features.points, each.features.sizes, each.features.angles)),
            each.features.descriptors.tobytes(),
            each.silhouette and tuple(part.tobytes() for part in (each.silhouette.middle, each.silhouette.rings)),
        )
        for each in read
    ]


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "brand-kits").iterdir())


def test_a_kept_kit_is_the_same_and_no_picture_is_looked_at_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = read_references(folder, cache)
    monkeypatch.setattr(references, "read_grey", lambda path: pytest.fail(f"{path} was read again"))
    assert [each.label for each in first] == ["oskelby", "tarnquill"]
    assert content(read_references(folder, cache)) == content(first)


def test_a_reference_that_changed_is_read_again(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = read_references(folder, cache)
    shutil.copy(folder / "oskelby.png", folder / "tarnquill.png")
    after = read_references(folder, cache)
    assert after[1].small.tobytes() == before[0].small.tobytes()
    (folder / "tarnquill.png").rename(folder / "another.png")
    assert [each.label for each in read_references(folder, cache)] == ["another", "oskelby"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another file"])
def test_a_damaged_kit_is_prepared_again(folder: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = read_references(folder, cache)
    (path,) = kept(cache)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            "empty": b"",
            "another file": b"no kit at all",
        }[damage]
    )
    assert content(read_references(folder, cache)) == content(first)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_time_only(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("a file stands where the folder would be")
    assert content(read_references(folder, cache)) == content(read_references(folder))


def test_a_full_disk_leaves_nothing_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_a_part(file: Path, **_arrays: object) -> None:
        raise OSError(28, "No space left on device")

    cache = tmp_path / "cache"
    monkeypatch.setattr(np, "savez", write_a_part)
    assert len(read_references(folder, cache)) == 2
    assert kept(cache) == []


def test_several_at_once_keep_one_whole_kit(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with ProcessPoolExecutor(max_workers=3, mp_context=get_context("spawn")) as pool:
        read = list(pool.map(read_references, [folder] * 6, [cache] * 6))
    assert all(content(each) == content(read_references(folder)) for each in read)
    assert [path.suffix for path in kept(cache)] == [".npz"]


def test_old_kits_go(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for number in range(10):
        (folder / "oskelby.png").rename(folder / f"again{number}.png")
        read_references(folder, cache)
        (folder / f"again{number}.png").rename(folder / "oskelby.png")
    assert len(kept(cache)) == 8


def test_an_empty_kit_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    assert read_references(tmp_path / "kit", tmp_path / "cache") == []
    assert not (tmp_path / "cache").exists()
