"""Logos: the user's own by their look, brand names in the text that was read, and marks of whomever by a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.detectors.boxes import overlap
from pipeline.detectors.brand_names import BrandNames, Line, plain
from pipeline.detectors.inference import NetworkOptions
from pipeline.detectors.kit import SURE_SCORE, BrandKit, Sighting
from pipeline.detectors.marks import MarkFinder
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture
from pipeline.values import Detection, Kind, Level

BRANDS_PATH = Path(__file__).with_name("brands.txt")


_FLAG_SCORE = 0.5
_SAME_PLACE = 0.4


@dataclass(frozen=True, kw_only=True)
class LogoOptions(NetworkOptions):
    """The table ``[detector_options.logos]``.

    Attributes:
        flag: The lowest score that counts.
        marks: Whether to look for marks that nobody named, too.
    """

    flag: Share = _FLAG_SCORE
    marks: bool = True


class LogoDetector:
    """Finds brand names in what the text detector read, and marks; it must run after the other detectors."""

    name = "logos"
    version = f"brand-names/3,kit/3,{MarkFinder.version}"
    options_type = LogoOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(LogoOptions, options, self.name)
        words = Path(read.kit) / "words.txt" if read.kit else None
        own = [words] if words is not None and words.is_file() else []
        self._flag = read.flag
        self._names = BrandNames([BRANDS_PATH, *own])
        self._kit = BrandKit(Path(read.kit), Path(read.cache_dir) if read.cache_dir else None) if read.kit else None
        self._marks = MarkFinder(runtime=read.runtime, flag=read.flag) if read.marks else None

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Logos of the kit, then texts that name a brand, then marks that are neither; each place is said once."""
        found = [self._seen(sighting) for sighting in (self._kit.find(picture) if self._kit else ())]
        known = {plain(logo.label) for logo in found}
        lines = [Line(text.label, text.xyxy) for text in earlier if text.kind is Kind.TEXT]
        for named in self._names.find(lines):
            if plain(named.name) not in known:
                level = Level.SURE if named.score == 1 else Level.FLAG
                found.append(Detection(Kind.LOGO, named.xyxy, named.score, level, named.name, self.name, self.version))
        found = [logo for logo in found if logo.score >= self._flag]
        marks = self._marks.find(picture, earlier) if self._marks else []
        return [
            *found,
            *(mark for mark in marks if not any(overlap(logo.xyxy, mark.xyxy) > _SAME_PLACE for logo in found)),
        ]

    def _seen(self, sighting: Sighting) -> Detection:
        level = Level.SURE if sighting.score >= SURE_SCORE else Level.FLAG
        return Detection(Kind.LOGO, sighting.xyxy, sighting.score, level, sighting.label, self.name, self.version)
