"""Detectors find things in one picture. Each is one module here, loaded by name like a provider.

A detector sees pictures only. What the edit did to the things found is said by `changes`, from the findings on
both pictures; who must look at it is said by the policy.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from pipeline.detectors.options import read_options
from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from pipeline.values import Detection

BUILT_IN = {
    "faces": "pipeline.detectors.faces:FaceDetector",
    "text": "pipeline.detectors.text:TextDetector",
    "logos": "pipeline.detectors.logos:LogoDetector",
    "google": "pipeline.detectors.remote.google:GoogleDetector",
    "rekognition": "pipeline.detectors.remote.rekognition:RekognitionDetector",
    "vision": "pipeline.detectors.remote.vision:VisionDetector",
}

ENTRY_POINT_GROUP = "picturedesk.detectors"


@runtime_checkable
class Detector(Protocol):
    """Finds one kind of thing.

    A class whose ``options_type`` is a `DetectorOptions` has its options held against it before a batch begins.

    Attributes:
        name: Its name in the settings and on every detection.
        version: Changes whenever the same picture could give other detections; weights and references included.

    One with a ``reads_earlier`` that is false is given no earlier findings and may run in a thread beside the others.
    """

    name: str
    version: str

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """What is in the picture.

        Args:
            picture: The picture, with its smaller copies made once for all detectors.
            earlier: What the detectors before this one found; the logo detector reads the text in it.
        """


def detector_names() -> list[str]:
    """Every detector that can be chosen, built-in ones first."""
    return [*BUILT_IN, *sorted(point.name for point in entry_points(group=ENTRY_POINT_GROUP))]


def load_detector(name: str, options: Mapping[str, Any]) -> Detector:
    """The detector of that name, its weights loaded.

    Args:
        name: As in the settings.
        options: The detector's own table of the desk's settings, with the desk's ``cache_dir`` and ``kit``.

    Raises:
        UsageError: No detector has that name, its options do not fit, or its key is missing.
        ModelsMissing: Its weights are not installed.
    """
    detector: Detector = _factory(name)(options=options)
    return detector


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse what `load_detector` would refuse, without loading weights.

    Raises:
        UsageError: No detector has that name, its options do not fit, or its key is missing.
    """
    kind = getattr(_factory(name), "options_type", None)
    if kind is not None:
        read_options(kind, options, name)


def threshold_of(name: str, options: Mapping[str, Any]) -> float | None:
    """The lowest score that counts for that detector with these options; None if it has no option ``flag``.

    Raises:
        UsageError: As `check_options`.
    """
    kind = getattr(_factory(name), "options_type", None)
    return None if kind is None else getattr(read_options(kind, options, name), "flag", None)


def bills_looks(name: str) -> bool:
    """Whether that detector is a service, which bills each look."""
    return BUILT_IN.get(name, "").startswith("pipeline.detectors.remote.")


def reads_earlier(detector: object) -> bool:
    """Whether a detector, or its class, is given what the detectors before it found."""
    return bool(getattr(detector, "reads_earlier", True))


def reads_earlier_by_name(name: str) -> bool:
    """The same of the detector with that name; loads no weights.

    Raises:
        UsageError: No detector has that name.
    """
    return reads_earlier(_factory(name))


def _factory(name: str) -> Any:  # noqa: ANN401 - a stranger's class
    target = BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in points:
        raise UsageError(f"unknown detector {name!r}; choose among: {', '.join(detector_names())}")
    return points[name].load()
