"""Logos: brand names in the text that was read, from a built-in list and the user's own; and the user's own by look.

A mark without letters is found only if the user's brand kit has it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process

from pipeline.detectors.kit import FLAG_INLIERS, SURE_INLIERS, BrandKit, Sighting
from pipeline.detectors.options import DetectorOptions, read_options
from pipeline.detectors.picture import Picture
from pipeline.values import Detection, Kind, Level

BRANDS_PATH = Path(__file__).with_name("brands.txt")

# Our measurement, 2026-11-20: whole lines of five letters or more, 92 alike; a lone word must be the name itself.
_ALIKE = 92
_MIN_FUZZY = 5
_MIN_WORD = 3


class LogoDetector:
    """Finds brand names in what the text detector read; it must run after that one."""

    name = "logos"
    version = "brand-names/2,kit/1"
    options_type = DetectorOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._names = _read_names(BRANDS_PATH)
        kit = read_options(DetectorOptions, options, self.name).kit
        words = Path(kit) / "words.txt" if kit else None
        if words is not None and words.is_file():
            self._names |= _read_names(words)
        self._kit = BrandKit(Path(kit)) if kit else None
        self._long = [name for name in self._names if len(name) >= _MIN_FUZZY]

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Logos of the kit where they are, then each text that names a brand; a logo that is both is said once."""
        found = [self._seen(sighting) for sighting in (self._kit.find(picture) if self._kit else ())]
        known = {plain(logo.label) for logo in found}
        for text in earlier:
            match = self._match(text.label) if text.kind is Kind.TEXT else None
            if match is not None and plain(match[0]) not in known:
                label, score = match
                level = Level.SURE if score == 1 else Level.FLAG
                found.append(Detection(Kind.LOGO, text.xyxy, score, level, label, self.name, self.version))
        return found

    def _seen(self, sighting: Sighting) -> Detection:
        level = Level.SURE if sighting.inliers >= SURE_INLIERS else Level.FLAG
        score = sighting.inliers / (sighting.inliers + FLAG_INLIERS)
        return Detection(Kind.LOGO, sighting.xyxy, score, level, sighting.label, self.name, self.version)

    def _match(self, text: str) -> tuple[str, float] | None:
        whole = plain(text)
        if whole in self._names:
            return self._names[whole], 1.0
        for word in map(plain, re.split(r"[\s\-_.,:;!|/]+", text)):
            if len(word) >= _MIN_WORD and word in self._names:
                return self._names[word], 1.0
        if len(whole) < _MIN_FUZZY:
            return None
        near = process.extractOne(whole, self._long, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        return None if near is None else (self._names[near[0]], near[1] / 100)


def plain(text: str) -> str:
    """Letters and digits only, in lower case, without accents."""
    letters = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", letters)


def _read_names(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {plain(line): line for line in lines if line and not line.startswith("#") and len(plain(line)) >= 2}
