"""Detectors find things in one picture. Each is one module here, loaded by name like a provider.

A detector sees pictures only. What the edit did to the things found is said by `compare.py`, from the findings on
both pictures; who must look at it is said by the policy.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from pipeline.values import Detection

BUILT_IN = {
    "faces": "pipeline.detectors.faces:FaceDetector",
    "text": "pipeline.detectors.text:TextDetector",
    "logos": "pipeline.detectors.logos:LogoDetector",
}

ENTRY_POINT_GROUP = "picturedesk.detectors"


@runtime_checkable
class Detector(Protocol):
    """Finds one kind of thing.

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


def load_detector(name: str, options: Mapping[str, Any]) -> Detector:
    """The detector of that name, its weights loaded.

    Args:
        name: As in the settings.
        options: The detector's own table of the desk's settings.

    Raises:
        UsageError: No detector has that name.
        ModelsMissing: Its weights are not installed.
    """
    target = BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        factory = getattr(import_module(module), attribute)
    else:
        points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if name not in points:
            known = [*BUILT_IN, *sorted(points)]
            raise UsageError(f"unknown detector {name!r}; choose among: {', '.join(known)}")
        factory = points[name].load()
    detector: Detector = factory(options=options)
    return detector
