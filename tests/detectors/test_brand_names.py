"""Brand names in lines that were read."""

from pathlib import Path

import pytest

from pipeline.detectors.brand_names import BrandNames, Line
from pipeline.detectors.logos import BRANDS_PATH


@pytest.fixture(scope="module")
def names() -> BrandNames:
    return BrandNames([BRANDS_PATH])


def own(tmp_path: Path, *lines: str) -> BrandNames:
    (tmp_path / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    return BrandNames([tmp_path / "words.txt"])


@pytest.mark.parametrize(
    ("label", "name", "score"),
    [
        ("Coca Cola", "Coca-Cola", 1.0),
        ("C O C A C O L A", "Coca-Cola", 1.0),
        ("all new from Heineken today", "Heineken", 1.0),
        ("www.puma.com", "Puma", 1.0),
        ("McDonald's", "McDonald's", 1.0),
        ("Levi's Jeans", "Levi's", 1.0),
        ("V0DAF0NE", "Vodafone", 0.95),
        ("Microsott", "Microsoft", 0.9),
        ("HEINEKE", "Heineken", 0.9),
        ("STARBUC", "Starbucks", 0.85),
        ("Nokia’s best", "Nokia", 1.0),
        ("HP", "HP", 1.0),
    ],
)
def test_a_brand_is_found_as_it_is_read(names: BrandNames, label: str, name: str, score: float) -> None:
    assert names.match(label) == (name, score)


@pytest.mark.parametrize(
    "label",
    ["", "!", "hp", "target practice", "the apple of his eye", "just do it", "Summer Sale", "stile", "Welcome", "2026"],
)
def test_everyday_words_are_no_brands(names: BrandNames, label: str) -> None:
    assert names.match(label) is None


def test_a_word_that_is_a_brand_counts_where_it_stands_alone(names: BrandNames) -> None:
    assert names.match("PUMA") == ("Puma", 1.0)
    assert names.match("a puma in the zoo") is None


def test_a_name_over_lines_that_follow_each_other_is_one_name(tmp_path: Path) -> None:
    beside = [Line("Oske", (10, 10, 70, 40)), Line("lby", (75, 10, 160, 40)), Line("lby", (10, 400, 115, 430))]
    (named,) = own(tmp_path, "Oskelby").find(beside)
    assert (named.name, named.xyxy) == ("Oskelby", (10, 10, 160, 40))
    below = [Line("GOLD", (10, 10, 90, 40)), Line("FERN", (12, 46, 92, 76)), Line("TEA", (20, 82, 80, 112))]
    assert [named.xyxy for named in own(tmp_path, "Gold Fern Tea").find(below)] == [(10, 10, 92, 112)]


def test_lines_far_apart_are_not_joined(tmp_path: Path) -> None:
    apart = [Line("Oske", (10, 10, 50, 40)), Line("lby", (300, 10, 400, 40))]
    assert own(tmp_path, "Oskelby").find(apart) == []


def test_a_list_says_how_a_name_counts(tmp_path: Path) -> None:
    listed = own(tmp_path, "# a comment", "Oskelby\talone", "Tarnquill\texact")
    assert listed.match("Oskelby") == ("Oskelby", 1.0)
    assert listed.match("Oskelby tea") is None
    assert listed.match("fine Tarnquill tea") == ("Tarnquill", 1.0)
    assert listed.match("Tarnqull") is None


def test_a_later_list_decides(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Puma\n", encoding="utf-8")
    mine = BrandNames([BRANDS_PATH, tmp_path / "words.txt"])
    assert mine.match("a puma on the shirt") == ("Puma", 1.0)
