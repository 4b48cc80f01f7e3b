"""Logos: brand names in the text that was read, from a built-in list and the user's own; and the user's own by look.

A mark without letters is found only if the user's brand kit has it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.detectors.brand_names import BrandNames, Line, plain
from pipeline.detectors.kit import SURE_SCORE, BrandKit, Sighting
from pipeline.detectors.options import DetectorOptions, read_options
from pipeline.detectors.picture import Picture
from pipeline.values import Detection, Kind, Level

BRANDS_PATH = Path(__file__).with_name("brands.txt")


class LogoDetector:
    """Finds brand names in what the text detector read; it must run after that one."""

    name = "logos"
    version = "brand-names/3,kit/2"
    options_type = DetectorOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        kit = read_options(DetectorOptions, options, self.name).kit
        words = Path(kit) / "words.txt" if kit else None
        own = [words] if words is not None and words.is_file() else []
        self._names = BrandNames([BRANDS_PATH, *own])
        self._kit = BrandKit(Path(kit)) if kit else None

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Logos of the kit where they are, then each text that names a brand; a logo that is both is said once."""
        found = [self._seen(sighting) for sighting in (self._kit.find(picture) if self._kit else ())]
        known = {plain(logo.label) for logo in found}
        lines = [Line(text.label, text.xyxy) for text in earlier if text.kind is Kind.TEXT]
        for named in self._names.find(lines):
            if plain(named.name) not in known:
                level = Level.SURE if named.score == 1 else Level.FLAG
                found.append(Detection(Kind.LOGO, named.xyxy, named.score, level, named.name, self.name, self.version))
        return found

    def _seen(self, sighting: Sighting) -> Detection:
        level = Level.SURE if sighting.score >= SURE_SCORE else Level.FLAG
        return Detection(Kind.LOGO, sighting.xyxy, sighting.score, level, sighting.label, self.name, self.version)
