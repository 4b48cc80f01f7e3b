"""Packs as data: those that come with the desk, and a desk's own."""

import re
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.destinations.packs import FOLDER, Strength, builtin_folder, known_packs, load_packs, read_pack
from pipeline.errors import PackError

GENERIC = (builtin_folder() / "generic.toml").read_text("utf-8")
NAMES = {"amazon-main", "google-merchant", "ebay", "walmart", "zalando", "shopify", "generic"}


def test_every_rule_says_whose_words_it_has_and_where_and_since_when(tmp_path: Path) -> None:
    packs = known_packs(tmp_path)
    assert set(packs) == NAMES
    for pack in packs.values():
        assert pack.dated >= date(2026, 11, 21)
        for rule in pack.rules:
            assert rule.quote
            if pack.name == "generic":
                assert rule.strength is Strength.OWN
            else:
                assert rule.source.startswith("https://"), (pack.name, rule.name)
                assert rule.read is not None
                is_their_own = re.search(pack.name.split("-")[0], rule.source.split("/")[2]) is not None
                assert is_their_own is (rule.strength is Strength.OFFICIAL), (pack.name, rule.source)


def test_a_pack_is_frozen_and_its_stamp_is_what_it_says(tmp_path: Path) -> None:
    pack, again = known_packs(tmp_path)["walmart"], known_packs(tmp_path)["walmart"]
    assert (pack, pack.stamp) == (again, again.stamp)
    with pytest.raises(ValidationError):
        pack.name = "other"
    (tmp_path / FOLDER).mkdir()
    text = (builtin_folder() / "walmart.toml").read_text("utf-8").replace("5_000_000", "4_000_000")
    (tmp_path / FOLDER / "ours.toml").write_text(text)
    assert known_packs(tmp_path)["walmart"].most_bytes == 4_000_000
    assert known_packs(tmp_path)["walmart"].stamp != pack.stamp


@pytest.mark.parametrize(
    ("name", "least"),
    [("amazon-main", (1000, 1000)), ("zalando", (762, 1101)), ("walmart", (1500, 1500)), ("shopify", (64, 64))],
)
def test_a_recipe_is_given_the_smallest_and_the_largest_size(tmp_path: Path, name: str, least: tuple[int, int]) -> None:
    pack = known_packs(tmp_path)[name]
    assert pack.least_wh == least
    assert pack.numbers["size"] == f"{least[0]}x{least[1]} to {pack.making.frame}"


def test_a_desk_adds_packs_of_its_own(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "outlet.toml").write_text(GENERIC.replace('name = "generic"', 'name = "outlet"'))
    assert set(known_packs(tmp_path)) == {*NAMES, "outlet"}
    (tmp_path / FOLDER / "twice.toml").write_text(GENERIC.replace('name = "generic"', 'name = "outlet"'))
    with pytest.raises(PackError, match=r"twice.toml: outlet.toml has the name 'outlet' too"):
        load_packs([tmp_path / FOLDER])


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "generic"', 'name = "Any Shop"', "name: String should match pattern"),
        ('name = "generic"', 'name = "pictures"', "name: found 'pictures'; expected another"),
        ('check = "size"', 'check = "zoomed"', "rules.0: Input tag 'zoomed' found"),
        ("long_px = 1000", "", "rule zoom: found no limit; expected one of: short_px"),
        ("long_px = 1000", "long_px = 1000\nshort = 3", "rules.0.size.short: Extra inputs are not permitted"),
        ("long_px = 1000", "long_px = 2500", "making: what it makes breaks rule zoom"),
        ('"image/jpeg", "image/png"]', '"image/png"]', "making: what it makes breaks rule format"),
        ("at_most = 25", "at_most = 1", "making: what it makes breaks rule megapixels"),
        ('strength = "own"', 'strength = "official"', "rule zoom: found no source; expected an https URL"),
        ('name = "megapixels"', 'name = "zoom"', "rules: found zoom twice"),
        ('name = "{asset_id}"', 'name = "{asset}"', "making.name: found '{asset}'"),
        ("least_quality = 75", "least_quality = 95", "making.least_quality: found 95; expected at most 92"),
        ("[making]", "[making", "mend the file"),
    ],
)
def test_a_broken_pack_says_what_is_wrong(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GENERIC.replace(before, after, 1))
    with pytest.raises(PackError, match=re.escape(said)):
        read_pack(path)


def test_a_shape_that_must_be_takes_padding(tmp_path: Path) -> None:
    """Otherwise what is made of most pictures would break it."""
    path = tmp_path / "shop.toml"
    path.write_text((builtin_folder() / "walmart.toml").read_text("utf-8").replace("pad = true", "pad = false"))
    with pytest.raises(PackError, match="breaks rule square"):
        read_pack(path)
