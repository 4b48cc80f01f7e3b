"""Gathers what composites are drawn from in one folder: marks, grounds, objects, fonts, and where each came from.

Only material whose licence is in ``ALLOWED`` is taken. A folder is either an unpacked Debian package, whose
``copyright`` file says the licence of each file, or is given with its one licence: ``FOLDER=CC0-1.0``.
"""

import argparse
import csv
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image

ALLOWED = re.compile(r"^(?!.*-(NC|ND)\b)(CC0|CC-BY|public-domain|MIT|Expat|BSD)", re.IGNORECASE)
MARK_PX = 256
_GROUND_PX = 640
_OBJECT_PX = 208
_LEAST_PX = 200
_PER_FOLDER = 265
_SKIPPED = (
    *("icon", "computer", "logo", "signs_and_symbols", "arrow", "roadsigns", "/cards/", "/gui/", "/doc/", "/editor/"),
    *(
        "/karts/",
        "screenshot",
        "normal",
        "gloss",
        "_nm",
        "mask",
        "_spec",
        "banner",
        "poster",
        "billboard",
        "sponsor",
        "volleyball",
        "/skins/",
    ),
)
"""Parts of paths: icon themes and signs are too close to marks to be called none; normal maps are no pictures."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of pictures, and its licence, or None where its own copyright file says it file by file."""

    folder: Path
    licence: str | None

    @classmethod
    def parse(cls, text: str) -> "Source":
        """From ``FOLDER`` or ``FOLDER=LICENCE``."""
        folder, _, licence = text.partition("=")
        return cls(Path(folder), licence or None)

    def pictures(self) -> Iterator[tuple[Path, str]]:
        """Each picture with its licence, where that is allowed."""
        rules = [] if self.licence else _copyright_rules(self.folder)
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() not in {".jpg", ".jpeg", ".png", ".webp"} or any(
                part in str(path) for part in _SKIPPED
            ):
                continue
            licence = self.licence or _licence_of(path, rules)
            if ALLOWED.match(licence):
                yield path, licence


def _copyright_rules(folder: Path) -> list[tuple[str, str]]:
    """Patterns and licences of the package, in order (Debian's machine-readable copyright, DEP 5)."""
    rules = []
    for path in sorted(folder.glob("usr/share/doc/*/copyright")):
        for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8", errors="replace")):
            files = re.search(r"^Files:((?:.|\n )*)", paragraph, re.MULTILINE)
            licence = re.search(r"^License: *(\S.*)", paragraph, re.MULTILINE)
            if files and licence:
                rules += [(pattern, licence[1].strip()) for pattern in files[1].split()]
    return rules


def _licence_of(path: Path, rules: list[tuple[str, str]]) -> str:
    """The last rule that fits counts.

    The file's place in the source package is a tail of where it is installed, or at least its name is the same; what
    was JPEG there may be WebP here.
    """

    def fits(pattern: str) -> bool:
        place = Path(pattern).with_suffix("")
        return fnmatch(str(path.with_suffix("")), f"*/{place}") or place.name == path.stem

    fitting = [licence for pattern, licence in rules if fits(pattern)]
    return fitting[-1] if fitting else ""


def pack_marks(package: Path, out: Path) -> int:
    """Writes each icon of simple-icons as a mask, and ``marks.csv`` with title and colour; gives their number.

    Icons whose entry names another licence than the collection's own CC0 are left out.
    """
    entries = json.loads((package / "data" / "simple-icons.json").read_text(encoding="utf-8"))
    (out / "marks").mkdir(parents=True, exist_ok=True)
    taken = []
    for entry in entries:
        svg = package / "icons" / f"{entry.get('slug', '')}.svg"
        if entry.get("license", {}).get("type", "CC0-1.0") != "CC0-1.0" or not svg.is_file():
            continue
        Image.fromarray(_mask(svg.read_bytes())).save(out / "marks" / f"{svg.stem}.png")
        taken.append((svg.stem, entry["title"], entry["hex"]))
    with (out / "marks.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("slug", "title", "hex"), *taken])
    return len(taken)


def _mask(svg: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """What a black drawing covers, (256, 256), with a margin of four pixels."""
    import skia

    drawing = skia.SVGDOM.MakeFromStream(skia.MemoryStream(svg))
    inner = MARK_PX - 8
    drawing.setContainerSize(skia.Size(inner, inner))
    surface = skia.Surface(MARK_PX, MARK_PX)
    canvas = surface.getCanvas()
    canvas.translate(4, 4)
    drawing.render(canvas)
    return np.ascontiguousarray(surface.makeImageSnapshot().toarray()[..., 3])


def pack_pictures(sources: list[Source], out: Path) -> list[tuple[str, str, str, str]]:
    """Writes opaque pictures to ``grounds``, cut-outs to ``objects``; gives name, kind, origin, licence of each."""
    taken = []
    for source in sources:
        found = list(source.pictures())
        random.Random(0).shuffle(found)
        kept = 0
        for path, licence in found:
            kind = _pack_picture(path, out, f"{source.folder.name}-{kept:04d}")
            if kind:
                taken.append((f"{source.folder.name}-{kept:04d}", kind, str(path.relative_to(source.folder)), licence))
                kept += 1
            if kept == _PER_FOLDER * (3 if source.licence == "public-domain" else 1):
                break
    return taken


def _pack_picture(path: Path, out: Path, name: str) -> str | None:
    try:
        with Image.open(path) as opened:
            if min(opened.size) < _LEAST_PX // 2 or max(opened.size) < _LEAST_PX:
                return None
            image = opened.convert("RGBA") if opened.has_transparency_data else opened.convert("RGB")
    except (OSError, Image.DecompressionBombError):  # a few drawings are posters of 600 megapixels
        return None
    if image.mode == "RGBA" and np.asarray(image.getchannel("A")).mean() > 250:
        image = image.convert("RGB")
    seen = np.asarray(image.convert("RGB"), np.float32)
    if seen.std() < 8 or np.abs(seen.mean(axis=(0, 1)) - (128, 128, 245)).max() < 25:  # blank, or a map of normals
        return None
    kind = "grounds" if image.mode == "RGB" else "objects"
    folder = out / kind
    folder.mkdir(parents=True, exist_ok=True)
    side = _GROUND_PX if kind == "grounds" else _OBJECT_PX
    image.thumbnail((side, side) if kind == "objects" else (side * 2, side))
    if kind == "grounds":
        image.save(folder / f"{name}.jpg", quality=87)
    else:
        image.quantize(128).save(folder / f"{name}.png", optimize=True)
    return kind


def pack_fonts(folders: list[Path], out: Path) -> int:
    """Copies the fonts; which ones are plain and which are display faces is told by their names."""
    (out / "fonts").mkdir(parents=True, exist_ok=True)
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    fonts = [path for path in files if path.suffix.lower() in {".ttf", ".otf"}]
    for path in fonts:
        (out / "fonts" / path.name).write_bytes(path.read_bytes())
    return len(fonts)


def main() -> None:
    """Writes the pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icons", type=Path, required=True, help="simple-icons, unpacked")
    parser.add_argument("--ground", type=Source.parse, action="append", default=[], metavar="FOLDER[=LICENCE]")
    parser.add_argument("--fonts", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    marks = pack_marks(given.icons, given.out)
    taken = pack_pictures(given.ground, given.out)
    fonts = pack_fonts(given.fonts, given.out)
    with (given.out / "sources.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "kind", "origin", "licence"), *taken])
    print(f"{marks} marks, {len(taken)} pictures, {fonts} fonts")


if __name__ == "__main__":
    main()
