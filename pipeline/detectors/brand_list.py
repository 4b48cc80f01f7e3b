"""Writes brands.txt: ``python -m pipeline.detectors.brand_list SIMPLE_ICONS_JSON``.

The file is ``data/simple-icons.json`` of the npm package simple-icons 16.37.0 (CC0-1.0), read 2026-11-21. What
stands below the second header in brands.txt was written by hand and is kept.
"""

import json
import sys
from pathlib import Path

from pipeline.detectors.logos import BRANDS_PATH, plain

_SECOND = "# Well-known consumer brands"
# Titles that are everyday words: on a photograph they are seldom the brand.
_COMMON = frozenset(
    """about action adventure affine alpine amp anchor angel apache apple arc array ashes atom aurora awesome backbone
    bamboo basecamp bath beats bento blueprint book bootstrap box brave breaker bridge buffer bun bungie cache caffeine
    canvas cash center chai chart chase circle city clear clock cloud code coffee color compass component concourse
    control copper country crystal cube daily data delta demo diamond diagrams direct discover docs dock dragon dress
    echo edge elastic element elements energy enterprise epic essential expert express family fashion fast feather
    fiat figshare files fish flash flask flat flight flow focus folder force form fortress free fresh friend front
    ghost glass glide globe goal gold grab graph green grid groove group guitar hack harbor harmony health hearth
    helm hive home honey hope hotel house ideal india indigo info insight iron jasmine kite label lamp launch leaf less
    level life light limit line link linear list live local loop love magic make mango maps mark market mask master
    matrix maze media medium mercury meta metro milk mill mint mocha monday money moon music natural nest network
    nova number nursery ocean onlyone open orange origin outline oxygen page paper parse party patch path pearl
    penny people phoenix photo picnic pixel planet play pocket point power prime print prisma private pulse pure
    python quest quick radar radio rain raspberry ready reason record react relay remix repair resource rich ring
    river robin rocket root ruby rust safari salt sanity scale school scratch season section semantic sentry serve
    service shadow sharp shell shop signal simple sketch skill slides smart snow society solid sonar spark spell
    spine spring square stack star start steam steel stencil storm stripe studio style sublime summit super surge
    swarm swift sync table target tempo things threads tile time today trading travel tree trim trip tumble union
    unity unsplash verdant victory video vision vital wave weblate welcome wheel wire wish work world zoom zero
    """.split()  # noqa: SIM905
)


def main() -> None:
    """Write the first section anew."""
    icons = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    titles = sorted({icon["title"] for icon in icons}, key=str.casefold)
    good = [title for title in titles if len(plain(title)) >= 4 and plain(title) not in _COMMON]
    old = BRANDS_PATH.read_text(encoding="utf-8") if BRANDS_PATH.is_file() else f"{_SECOND}\n"
    header = "# Titles of simple-icons 16.37.0 (npm), CC0-1.0, taken 2026-11-21"
    second = old[old.index(_SECOND) :]
    BRANDS_PATH.write_text("\n".join([header, *good, "", second]), encoding="utf-8")


if __name__ == "__main__":
    main()
