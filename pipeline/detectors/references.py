"""A kit's reference logos, prepared for looking, and kept in the cache folder so that that is done once."""

import contextlib
import hashlib
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.detectors.features import Features, Grey, find_features
from pipeline.detectors.silhouettes import Silhouette, mark_silhouette
from pipeline.errors import UsageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
REFERENCE_PX = 240
"""The longer side of a reference that features and transforms are of."""
EDGES_PX = 64
"""The longer side of the copy that edges are compared on."""

_VERSION = 1
_MOST_FEATURES = 160
_FOLDER = "brand-kits"
_MOST_KEPT = 8
"""Kits in the cache folder; the one that was written longest ago goes first."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A logo to look for.

    Attributes:
        label: Whose it is.
        size_wh: Pixels, the longer side 240.
        small: The same in grey, its longer side 64.
        features: In pixels of ``size_wh``.
        silhouette: The same; None if its silhouette tells nothing.
    """

    label: str
    size_wh: tuple[int, int]
    small: Grey
    features: Features
    silhouette: Silhouette | None


def read_references(folder: Path, cache_dir: Path | None = None) -> list[Reference]:
    """The references of a kit, by label: ``nike.png``, ``nike-2.png`` and anything in ``nike/`` are nike's.

    Args:
        folder: Pictures of logos.
        cache_dir: Where prepared kits are kept, by what is in their files; if None, they are not.

    Raises:
        UsageError: A file of the folder is named like a picture and is none.
    """
    paths = reference_paths(folder)
    if cache_dir is None or not paths:
        return _prepared(paths)
    path = cache_dir / _FOLDER / f"{_key(paths)}.npz"
    known = _load(path)
    if known is None:
        known = _prepared(paths)
        _keep(path, known)
    return known


def reference_paths(folder: Path) -> list[tuple[str, Path]]:
    """The pictures in a kit, each with its label, sorted by label."""
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted((_label(path, folder), path) for path in paths)


def read_grey(path: Path) -> Grey:
    """The logo in grey on what it stands out from, cropped to what is opaque, with room for its outline.

    Raises:
        UsageError: It is no picture.
    """
    try:
        with Image.open(path) as image:
            grey = _grey(image)
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path}: it is no picture that can be read; mend it, or take it out of the kit") from exc
    return _fitted(grey, REFERENCE_PX)


def read_reference(path: Path) -> Reference:
    """One picture of a kit, prepared; its label is not looked at.

    Raises:
        UsageError: It is no picture.
    """
    return _prepare("", read_grey(path))


def _prepared(paths: Sequence[tuple[str, Path]]) -> list[Reference]:
    return [_prepare(label, read_grey(path)) for label, path in paths]


def _prepare(label: str, grey: Grey) -> Reference:
    height, width = grey.shape
    features = find_features(grey, _MOST_FEATURES)
    return Reference(label, (width, height), _fitted(grey, EDGES_PX), features, mark_silhouette(grey))


def _fitted(grey: Grey, long_side: int) -> Grey:
    scale = long_side / max(grey.shape)
    size = tuple(max(8, round(side * scale)) for side in grey.shape[::-1])
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))


def _grey(image: Image.Image) -> Grey:
    rgba = image.convert("RGBA")
    rgba = rgba.crop(rgba.getchannel("A").getbbox())
    pixels = np.asarray(rgba)
    is_light = pixels[pixels[..., 3] > 127][:, :3].mean() > 128
    margin = max(4, max(rgba.size) // 12)
    ground = Image.new("RGBA", (rgba.width + 2 * margin, rgba.height + 2 * margin), "black" if is_light else "white")
    ground.alpha_composite(rgba, (margin, margin))
    return np.asarray(ground.convert("L"))


def _label(path: Path, folder: Path) -> str:
    """The sub-folder's name, else the file's without its number."""
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 else re.sub(r"-\d+$", "", path.stem)


def _key(paths: Sequence[tuple[str, Path]]) -> str:
    """Another one whenever the same kit could be prepared in another way."""
    digest = hashlib.sha256(f"{_VERSION} {cv2.__version__} {np.__version__}".encode())
    for label, path in paths:
        digest.update(f"\0{label}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _load(path: Path) -> list[Reference] | None:
    """None if it is not there or damaged; a zip file has a checksum of each of its parts."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _unpacked({name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _keep(path: Path, references: Sequence[Reference]) -> None:
    """Write it whole or not at all; a full disk or a folder that nobody may write costs time, and nothing else."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **_packed(references))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        older = sorted(path.parent.glob("*.npz"), key=lambda each: -each.stat().st_mtime)[_MOST_KEPT:]
        for each in older:
            each.unlink(missing_ok=True)
    except OSError:
        pass
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _packed(references: Sequence[Reference]) -> Arrays:
    """The references' arrays after each other, with how many numbers of each are whose."""
    shapes = [reference.silhouette for reference in references]
    known = [shape for shape in shapes if shape is not None]
    return {
        "labels": np.array([reference.label for reference in references]),
        "sizes_wh": np.array([reference.size_wh for reference in references]),
        "small_shapes": np.array([reference.small.shape for reference in references]),
        "small": np.concatenate([reference.small.ravel() for reference in references]),
        "counts": np.array([len(reference.features) for reference in references]),
        **{f"feature_{name}": _joined(references, name) for name in _names(Features)},
        "has_silhouette": np.array([shape is not None for shape in shapes]),
        **{f"silhouette_{name}": np.array([getattr(shape, name) for shape in known]) for name in _names(Silhouette)},
    }


def _joined(references: Sequence[Reference], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(reference.features, name) for reference in references])


def _unpacked(arrays: Arrays) -> list[Reference]:
    features = [np.split(arrays[f"feature_{name}"], np.cumsum(arrays["counts"])[:-1]) for name in _names(Features)]
    shapes = iter(zip(*(arrays[f"silhouette_{name}"] for name in _names(Silhouette)), strict=True))
    small = np.split(arrays["small"], np.cumsum(arrays["small_shapes"].prod(axis=1))[:-1])
    return [
        Reference(
            str(label),
            (int(arrays["sizes_wh"][index][0]), int(arrays["sizes_wh"][index][1])),
            small[index].reshape(arrays["small_shapes"][index]),
            Features(*(part[index] for part in features)),
            Silhouette(*next(shapes)) if arrays["has_silhouette"][index] else None,
        )
        for index, label in enumerate(arrays["labels"])
    ]


def _names(kind: type[Features | Silhouette]) -> list[str]:
    return [field.name for field in fields(kind)]
