"""All detectors of a desk, loaded once per process."""

import hashlib
import io
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.detectors import BUILT_IN, Detector, load_detector
from pipeline.detectors.picture import Picture
from pipeline.values import Detection, Kind, Level


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """How to look at pictures.

    Attributes:
        cache_dir: Folder of the weights.
        kit: Folder of the user's own logos, or None.
        detectors: Their names, in the order they run.
        thresholds: The lowest score that counts, by detector.
    """

    cache_dir: str
    kit: str | None = None
    detectors: tuple[str, ...] = ("faces", "text", "logos")
    thresholds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in one picture, and how long each detector took."""

    detections: tuple[Detection, ...]
    seconds: Mapping[str, float]


class Suite:
    """Detectors with their weights loaded."""

    def __init__(self, options: SuiteOptions) -> None:
        self.detectors: list[Detector] = [load_detector(name, _options_of(name, options)) for name in options.detectors]
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="detector")

    def scan(self, image: Image.Image) -> Scan:
        """What all detectors find; one that fails is itself a finding, so that a person looks."""
        picture = Picture(image)
        # onnxruntime and OpenCV let go of the interpreter, so what needs nobody's findings runs side by side.
        alone = [detector for detector in self.detectors if not getattr(detector, "reads_earlier", True)]
        begun = {id(detector): self._threads.submit(_look, detector, picture, ()) for detector in alone[1:]}
        looked = {id(detector): _look(detector, picture, ()) for detector in alone[:1]}
        found: list[Detection] = []
        seconds = {}
        for detector in self.detectors:
            key = id(detector)
            if key in begun:
                looked[key] = begun[key].result()
            detections, seconds[detector.name] = looked.get(key) or _look(detector, picture, tuple(found))
            found += detections
        return Scan(tuple(found), seconds)


def _look(detector: Detector, picture: Picture, earlier: tuple[Detection, ...]) -> tuple[list[Detection], float]:
    """What it finds, or that it failed, and its seconds."""
    started = time.perf_counter()
    try:
        found = detector.detect(picture, earlier)
    except Exception as exc:  # one item of a batch: the other detectors still look
        found = [_failure(detector, picture, exc)]
    return found, time.perf_counter() - started


@lru_cache(maxsize=2)
def load_suite(options: SuiteOptions) -> Suite:
    """The suite with these options, the same one each time.

    Raises:
        UsageError: There is no such detector.
        ModelsMissing: Weights are not installed.
    """
    return Suite(options)


def scan_bytes(data: bytes, options: SuiteOptions) -> Scan:
    """What is found in an encoded picture that is upright and sRGB; for a process pool."""
    with Image.open(io.BytesIO(data)) as image:
        return load_suite(options).scan(image)


def fingerprint(options: SuiteOptions) -> str:
    """Changes whenever the same picture could give other detections; loads no weights."""
    parts: dict[str, Any] = {"options": asdict(options), "versions": [_version(name) for name in options.detectors]}
    parts["options"].pop("cache_dir")
    parts["kit"] = None if options.kit is None else _folder_hash(Path(options.kit))
    parts["brands"] = hashlib.sha256(Path(__file__).with_name("brands.txt").read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _options_of(name: str, options: SuiteOptions) -> dict[str, object]:
    thresholds = dict(options.thresholds)
    flag = {"flag": thresholds[name]} if name in thresholds else {}
    return {"cache_dir": options.cache_dir, "kit": options.kit, **flag}


def _version(name: str) -> str:
    if name not in BUILT_IN:
        from importlib.metadata import entry_points

        from pipeline.detectors import ENTRY_POINT_GROUP

        return ";".join(str(point.dist and point.dist.version) for point in entry_points(group=ENTRY_POINT_GROUP))
    module, _, attribute = BUILT_IN[name].partition(":")
    return str(getattr(import_module(module), attribute).version)


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _failure(detector: Detector, picture: Picture, exc: Exception) -> Detection:
    width, height = picture.size_wh
    label = f"{detector.name} failed: {exc or type(exc).__name__}"
    whole = (0.0, 0.0, float(width), float(height))
    return Detection(Kind.DETECTOR, whole, 1.0, Level.SURE, label, detector.name, detector.version)
