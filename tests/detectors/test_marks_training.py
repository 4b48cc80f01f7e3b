"""What the training may be fed with. The training itself needs torch, and runs elsewhere."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.detectors.marks.training.art import Cupboard, draw_plain_thing
from pipeline.detectors.marks.training.composites import draw_unmarked
from pipeline.detectors.marks.training.emblems import draw_emblem, draw_symbol
from pipeline.detectors.marks.training.pack import Source, pack_pictures
from pipeline.detectors.marks.training.qt_resources import read_resources

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2026 Someone
License: GPL-3+

Files: photos/lake.jpg
 photos/hill.jpg
Copyright: 2026 Somebody Else
License: CC-BY-SA-4.0

Files: photos/hill.jpg
Copyright: 2026 A Third
License: CC-BY-NC-4.0
"""


def photograph(path: Path, *, see_through: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(3).integers(0, 256, (240, 320, 4 if see_through else 3), np.uint8)
    Image.fromarray(pixels).save(path)


def package(folder: Path) -> Path:
    (folder / "usr/share/doc/views").mkdir(parents=True)
    (folder / "usr/share/doc/views/copyright").write_text(COPYRIGHT)
    for name in ("lake.png", "hill.png", "town.png"):
        photograph(folder / "usr/share/views/photos" / name)
    return folder


def test_of_a_package_only_what_is_free_is_taken(tmp_path: Path) -> None:
    """The last paragraph that names a file counts, and its format may have changed since."""
    taken = [(path.name, licence) for path, licence in Source(package(tmp_path), None).pictures()]
    assert taken == [("lake.png", "CC-BY-SA-4.0")]


def test_a_folder_without_a_free_licence_gives_nothing(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    assert list(Source.parse(f"{tmp_path}=GPL-2").pictures()) == []
    assert len(list(Source.parse(f"{tmp_path}=CC0-1.0").pictures())) == 1


def test_each_picture_taken_is_written_down_with_its_licence(tmp_path: Path) -> None:
    photograph(tmp_path / "in/lake.png")
    photograph(tmp_path / "in/leaf.png", see_through=True)
    Image.new("RGB", (300, 300), "white").save(tmp_path / "in/blank.png")
    taken = pack_pictures([Source(tmp_path / "in", "CC0-1.0")], tmp_path / "out")
    assert {(kind, origin, licence) for _, kind, origin, licence in taken} == {
        ("grounds", "lake.png", "CC0-1.0"),
        ("objects", "leaf.png", "CC0-1.0"),
    }
    assert all((tmp_path / "out" / kind).glob(f"{name}.*") for name, kind, _, _ in taken)


def test_files_are_read_out_of_qt_resources() -> None:
    """One folder, "a", with one file, "b.txt", that holds "hello"; laid out by hand, version 1."""
    names = b"".join(struct.pack(">HI", len(name), 0) + name.encode("utf-16-be") for name in ("a", "b.txt"))
    nodes = struct.pack(">IHII", 0, 2, 1, 1) + struct.pack(">IHII", 0, 2, 1, 2) + struct.pack(">IHHHI", 8, 0, 0, 0, 0)
    contents = struct.pack(">I", 5) + b"hello"
    header = struct.pack(">4sIIII", b"qres", 1, 20, 20 + len(nodes), 20 + len(nodes) + len(contents))
    assert list(read_resources(header + nodes + contents + names)) == [("/a/b.txt", b"hello")]


def bare_cupboard() -> Cupboard:
    """One mark, a ring, and nothing else: no pictures, no fonts."""
    y, x = np.mgrid[-60:61, -60:61]
    ring = np.where((np.hypot(x, y) < 60) & (np.hypot(x, y) > 35), 255, 0).astype(np.uint8)
    return Cupboard([("ring", "Ring", "d02030")], [ring], [], [], [], [], [])


@pytest.mark.parametrize("seed", range(12))
def test_a_made_up_symbol_is_neither_a_speck_nor_a_block(seed: int) -> None:
    mask = draw_symbol(random.Random(seed))
    assert min(mask.shape) > 40
    assert 0.08 < mask.mean() / 255 < 0.85


@pytest.mark.parametrize("seed", range(12))
def test_things_that_are_no_marks_are_drawn_without_pictures_or_fonts(seed: int) -> None:
    thing = draw_plain_thing(bare_cupboard(), random.Random(seed))
    assert thing.dtype == np.uint8
    assert thing.shape[2] == 4
    assert thing[..., 3].max() > 200


def test_an_emblem_has_several_colours_and_is_the_same_for_a_seed() -> None:
    def emblem() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return draw_emblem(bare_cupboard(), random.Random(0))

    seen = emblem()[emblem()[..., 3] > 200][:, :3]
    assert np.array_equal(emblem(), emblem())
    assert len(np.unique(seen // 32, axis=0)) > 3


def test_a_picture_without_marks_is_the_same_for_a_seed() -> None:
    cupboard = bare_cupboard()
    things = [draw_plain_thing(cupboard, random.Random(1))]
    one, other = (draw_unmarked(cupboard, things, 5) for _ in range(2))
    assert one.shape == (256, 256, 3)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, draw_unmarked(cupboard, things, 6))
