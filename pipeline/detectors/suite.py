"""All detectors of a desk, loaded once per process."""

import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Self

from PIL import Image

from pipeline.detectors import (
    BUILT_IN,
    Detector,
    check_options,
    detector_names,
    load_detector,
    reads_earlier,
    reads_earlier_by_name,
)
from pipeline.detectors.identity import FaceIdentity
from pipeline.detectors.picture import Picture
from pipeline.detectors.quality import NAME as RULES_NAME
from pipeline.detectors.quality import QualityRules
from pipeline.detectors.reading import LineReader
from pipeline.detectors.weights import installed_weights
from pipeline.errors import UsageError
from pipeline.values import Detection, Kind, Level


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """How to look at pictures.

    Attributes:
        cache_dir: Folder of the weights.
        kit: Folder of the user's own logos, or None.
        detectors: Their names, in the order they run.
        tables: Each detector's own options, by its name, as `frozen_tables` makes them; never a key.
        kit_version: Differs if what is in the kit differs, so that a process that runs on loads it anew.
    """

    cache_dir: str
    kit: str | None = None
    detectors: tuple[str, ...] = ("faces", "text", "logos")
    tables: tuple[tuple[str, str], ...] = ()
    kit_version: str = ""

    def of(self, detector: str) -> dict[str, Any]:
        """All that a detector is told."""
        return {**self.table(detector), "cache_dir": self.cache_dir, "kit": self.kit}

    def table(self, detector: str) -> dict[str, Any]:
        """A detector's own options."""
        own: dict[str, Any] = json.loads(dict(self.tables).get(detector, "{}"))
        return own

    def packed(self) -> dict[str, bytes]:
        """The weights and the kit, for a machine that has neither; by their paths in a folder of their own.

        Raises:
            ModelsMissing: Weights are not installed.
        """
        cache = Path(self.cache_dir)
        files = {f"cache/{path.relative_to(cache)}": path for path in installed_weights(cache)}
        if self.kit is not None:
            kit = Path(self.kit)
            files |= {f"kit/{path.relative_to(kit)}": path for path in sorted(kit.rglob("*")) if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items()}

    def unpacked(self, folder: str) -> Self:
        """The same, for a machine where `packed` was put into this folder."""
        return replace(self, cache_dir=f"{folder}/cache", kit=None if self.kit is None else f"{folder}/kit")


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in one picture.

    Attributes:
        by_detector: What each found, in the order they run.
        seconds: How long each took, by its name.
    """

    by_detector: Mapping[str, tuple[Detection, ...]]
    seconds: Mapping[str, float]

    @property
    def detections(self) -> tuple[Detection, ...]:
        """All that was found."""
        return tuple(chain.from_iterable(self.by_detector.values()))


class Suite:
    """Detectors with their weights loaded."""

    def __init__(self, options: SuiteOptions) -> None:
        self.names = options.detectors
        self.detectors: list[Detector] = [load_detector(name, options.of(name)) for name in self.names]
        runtime = options.table("text").get("runtime", "cpu")
        self.rules = QualityRules.from_options(options.table(RULES_NAME))
        self.reader = LineReader(options.cache_dir, runtime) if "text" in options.detectors else None
        self.identity = FaceIdentity() if options.table("faces").get("identity") else None
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="detector")

    def scan(self, image: Image.Image) -> Scan:
        """What all detectors find in an upright picture."""
        return self.look(Picture(image))

    def look(self, picture: Picture, known: Mapping[str, Sequence[Detection]] | None = None) -> Scan:
        """What all detectors find; one that fails is itself a finding, so that a person looks.

        Args:
            picture: The picture.
            known: What some of them found before, by name; they are not asked again.
        """
        known = known or {}
        todo = [each for name, each in zip(self.names, self.detectors, strict=True) if name not in known]
        # onnxruntime and OpenCV let go of the interpreter, so what needs nobody's findings runs side by side.
        alone = [detector for detector in todo if not reads_earlier(detector)]
        begun = {id(detector): self._threads.submit(_look, detector, picture, ()) for detector in alone[1:]}
        looked = {id(detector): _look(detector, picture, ()) for detector in alone[:1]}
        found = {}
        seconds = {}
        for name, detector in zip(self.names, self.detectors, strict=True):
            if name in known:
                found[name] = tuple(known[name])
                continue
            key = id(detector)
            if key in begun:
                looked[key] = begun[key].result()
            earlier = tuple(chain.from_iterable(found.values()))
            detections, seconds[detector.name] = looked.get(key) or _look(detector, picture, earlier)
            found[name] = tuple(detections)
        return Scan(found, seconds)


def _look(detector: Detector, picture: Picture, earlier: tuple[Detection, ...]) -> tuple[list[Detection], float]:
    """What it finds, or that it failed, and its seconds."""
    started = time.perf_counter()
    try:
        found = detector.detect(picture, earlier)
    except Exception as exc:  # one item of a batch: the other detectors still look
        found = [_failure(detector, picture, exc)]
    return found, time.perf_counter() - started


def frozen_tables(tables: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Options by detector, so that they can be compared and sent to another process."""
    return tuple((name, json.dumps(table, sort_keys=True, default=str)) for name, table in sorted(tables.items()))


def check_suite(options: SuiteOptions) -> None:
    """Refuse, before any picture is looked at, what cannot work; loads no weights.

    Raises:
        UsageError: There is no such detector, its options do not fit, or its key is missing.
    """
    known = [*detector_names(), RULES_NAME]
    QualityRules.from_options(options.table(RULES_NAME))
    for name, table in options.tables:
        if name not in known:
            raise UsageError(f"detector_options.{name}: there is no such detector; there are: {', '.join(known)}")
        of_the_desk = sorted({"cache_dir", "kit"} & set(json.loads(table)))
        if of_the_desk:
            raise UsageError(
                f"detector_options.{name} has no option {of_the_desk[0]!r}; set cache or brand_kit instead"
            )
    for name in options.detectors:
        check_options(name, options.of(name))


@lru_cache(maxsize=2)
def load_suite(options: SuiteOptions) -> Suite:
    """The suite with these options, the same one each time.

    Raises:
        UsageError: There is no such detector, or its options do not fit.
        ModelsMissing: Weights are not installed.
    """
    return Suite(options)


def scan_bytes(data: bytes, options: SuiteOptions, known: Mapping[str, Sequence[Detection]] | None = None) -> Scan:
    """What is found in an encoded picture that is upright and sRGB; for a process pool.

    Args:
        data: The picture.
        options: How to look.
        known: What some of the detectors found before, by name; they are not asked again.
    """
    with Image.open(io.BytesIO(data)) as image:
        return load_suite(options).look(Picture(image), known)


def fingerprints(options: SuiteOptions) -> dict[str, str]:
    """By detector, what changes whenever the same picture could give other detections of it; loads no weights.

    One that reads what others found depends on theirs, too. What costs money for each picture is so asked again only
    if its own options change.
    """
    brands = hashlib.sha256(Path(__file__).with_name("brands.txt").read_bytes()).hexdigest()
    kit = None if options.kit is None else folder_hash(Path(options.kit))
    found: dict[str, str] = {}
    for name in options.detectors:
        parts: list[Any] = [name, _version(name), options.table(name)]
        if name not in BUILT_IN or reads_earlier_by_name(name):
            parts += [kit, brands]
        if reads_earlier_by_name(name):
            parts.append(list(found.values()))
        found[name] = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    return found


def lasting(found: Mapping[str, tuple[Detection, ...]]) -> dict[str, tuple[Detection, ...]]:
    """What may be kept of what detectors found, in the order they run: what failed may work the next time.

    Nor is kept what read the findings of one that failed.
    """
    failed = {name for name, some in found.items() if any(each.kind is Kind.DETECTOR for each in some)}
    names = list(found)
    first = min(map(names.index, failed), default=len(names))
    return {
        name: found[name]
        for index, name in enumerate(names)
        if name not in failed and (index < first or not reads_earlier_by_name(name))
    }


def folder_hash(folder: Path) -> str:
    """What differs if anything in a folder does; 64 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _version(name: str) -> str:
    if name not in BUILT_IN:
        from importlib.metadata import entry_points

        from pipeline.detectors import ENTRY_POINT_GROUP

        return ";".join(str(point.dist and point.dist.version) for point in entry_points(group=ENTRY_POINT_GROUP))
    module, _, attribute = BUILT_IN[name].partition(":")
    return str(getattr(import_module(module), attribute).version)


def _failure(detector: Detector, picture: Picture, exc: Exception) -> Detection:
    width, height = picture.size_wh
    label = f"{detector.name} failed: {exc or type(exc).__name__}"
    whole = (0.0, 0.0, float(width), float(height))
    return Detection(Kind.DETECTOR, whole, 1.0, Level.SURE, label, detector.name, detector.version)
