"""Lists for shops, feeds and archives, held against the rules that those publish; and what an export vouches for."""

import csv
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.export import export_approved, verify_export
from pipeline.store.loading import ASSET
from tests.commands import run_command
from tests.export.test_export import ADA, approve, make_desk, table

URL = "https://cdn.example.com/shop, autumn/{file}".replace(", ", "-")
AMAZON = {"seller_id": "A2EXAMPLE", "marketplace_id": "A1PA6795UKMFR9"}


def mixed_desk(root: Path) -> Desk:
    """Three products with several pictures and roles, one of them without a title, one with a bad role."""
    names = ["mug front", "mug back", "mug in use", "hat, red", "hat swatch", "=bag", "odd", "late mug"]
    desk = make_desk(root, names)
    own: list[dict[str, Any]] = [
        {"product": "mug", "title": "Mug, 0.3 l", "alt_text": "A mug from the front", "keywords": "mug; blue"},
        {"product": "mug", "role": "main"},
        {"product": "mug", "role": "lifestyle", "alt_text": "+1 coffee"},
        {"product": "Hût (rot)", "title": "=Hat"},
        {"product": "Hût (rot)", "role": "swatch"},
        {"product": "=bag"},
        {"product": "odd", "role": "cover", "title": "Odd"},
        {"product": "mug", "title": "Mug again"},
    ]
    skus = ["SKU-1", "", "", "SKU-2", "", "-SKU", "SKU-4", "SKU-1"]
    with desk.db.write() as connection:
        for number, (extra, sku) in enumerate(zip(own, skus, strict=True), start=1):
            connection.execute(sa.update(ASSET).where(ASSET.c.id == number).values(extra=extra, sku=sku))
    return desk


def lists_of(folder: Path, name: str, separator: str = ",") -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def test_a_mixed_batch_is_taken_by_each_shops_rules(tmp_path: Path) -> None:
    desk = mixed_desk(tmp_path / "desk")
    desk.settings.profiles["amazon"] = AMAZON
    approve(desk, *range(1, 9))
    names = ("shopify", "shopify-legacy", "google-merchant", "amazon", "aem", "generic-dam", "parquet")
    summary = export_approved(desk, tmp_path / "out", by=ADA, profiles=names, public_url=URL)
    out = tmp_path / "out"
    assert verify_export(out) == []

    _check_shopify(lists_of(out, "shopify.csv"))
    legacy = [list(row.values()) for row in lists_of(out, "shopify-legacy.csv")]
    assert legacy == [list(row.values()) for row in lists_of(out, "shopify.csv")]
    assert (out / "shopify-legacy.csv").read_text("utf-8").startswith("Handle,Title,Image Src,Image Position,Image Alt")
    _check_google(lists_of(out, "google-merchant.tsv", "\t"))
    _check_amazon(lists_of(out, "amazon.csv"), json.loads((out / "amazon-listings-1.json").read_text("utf-8")))
    _check_archives(out)
    told = {(row["profile"], row["product"]): row["why"] for row in lists_of(out, "left-out.csv")}
    assert len(told) <= summary.left_out == len(lists_of(out, "left-out.csv"))
    assert "title" in told["shopify", "'=bag"]
    assert "formula" in told["amazon", "'=bag"]
    assert "role is 'cover'" in told["google-merchant", "odd"]
    assert "stand apart" in told["amazon-json", "mug"]


def test_lists_read_the_manifests_columns_whatever_their_case_and_hyphens(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["front", "back"])
    own = {"Product": "Mug", "Title": "A mug", "Alt Text": "As it stands"}
    with desk.db.write() as connection:
        connection.execute(sa.update(ASSET).values(extra=own))
    approve(desk, 1)
    export_approved(desk, tmp_path / "first", by=ADA)
    approve(desk, 2)
    export_approved(desk, tmp_path / "out", by=ADA, profiles=("shopify",), public_url=URL, since_last=True)
    rows = lists_of(tmp_path / "out", "shopify.csv")
    assert [(row["URL handle"], row["Title"], row["Image alt text"]) for row in rows] == [
        ("mug", "A mug", "As it stands"),
        ("mug", "", "As it stands"),
    ]


def test_each_sku_has_its_own_pictures_and_no_two_products_become_one(tmp_path: Path) -> None:
    """A shirt in two colours with one picture of both; products that a shop would take for one, by SKU or handle."""
    told = [
        ("shirt red", "RED", {"product": "shirt", "title": "Shirt"}),
        ("shirt blue", "BLUE", {"product": "shirt"}),
        ("both shirts", "", {"product": "shirt"}),
        ("cup", "CUP 1", {"title": "Cup"}),
        ("mug", "cup-1", {"title": "Mug"}),
        ("hat", "HAT", {"product": "hat", "title": "Hat"}),
        ("cap", "HAT", {"product": "cap", "title": "Cap"}),
        ("dress", "SKU-9", {"product": "Größe 38", "title": "Kleid"}),
    ]
    desk = make_desk(tmp_path / "desk", [name for name, _, _ in told])
    with desk.db.write() as connection:
        for number, (_, sku, extra) in enumerate(told, start=1):
            connection.execute(sa.update(ASSET).where(ASSET.c.id == number).values(extra=extra, sku=sku))
    desk.settings.profiles["amazon"] = AMAZON
    approve(desk, *range(1, 9))
    out = tmp_path / "out"
    url = "https://cdn.example.com/{name}"
    export_approved(desk, out, by=ADA, profiles=("amazon", "google-merchant", "shopify"), public_url=url)

    of_skus = [
        (row["sku"], row["main_image_url"].rpartition("/")[2], row["other_image_url1"].rpartition("/")[2])
        for row in lists_of(out, "amazon.csv")
    ]
    assert of_skus == [
        ("RED", "shirt%20red.png", "both%20shirts.png"),
        ("BLUE", "shirt%20blue.png", "both%20shirts.png"),
        ("CUP 1", "cup.png", ""),
        ("cup-1", "mug.png", ""),
        ("HAT", "hat.png", ""),
        ("SKU-9", "dress.png", ""),
    ]
    feed = json.loads((out / "amazon-listings-1.json").read_text("utf-8"))
    assert [message["sku"] for message in feed["messages"]] == [sku for sku, _, _ in of_skus]
    assert [row["id"] for row in lists_of(out, "google-merchant.tsv", "\t")] == [sku for sku, _, _ in of_skus]
    assert [row["URL handle"] for row in lists_of(out, "shopify.csv")] == ["shirt"] * 3 + ["cup-1", "hat", "cap"]
    left_out = {(row["profile"], row["product"]): row["why"] for row in lists_of(out, "left-out.csv")}
    assert set(left_out) == {
        ("amazon", "cap"),
        ("amazon-json", "cap"),
        ("google-merchant", "cap"),
        ("shopify", "cup-1"),
        ("shopify", "Größe 38"),
    }
    assert left_out["shopify", "cup-1"] == "another product is 'cup-1' in this list, too; give each its own"
    assert "'Größe 38' makes no handle" in left_out["shopify", "Größe 38"], "not the handle 'groe-38'"


def _check_shopify(rows: list[dict[str, str]]) -> None:
    """Handles of small letters, digits and hyphens; titles where an update needs them; positions from 1 on."""
    assert [row["URL handle"] for row in rows] == ["mug"] * 3 + ["hut-rot"] * 2
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["URL handle"]) for row in rows)
    assert [row["Title"] for row in rows] == ["Mug, 0.3 l", "", "", "'=Hat", ""]
    assert [row["Image position"] for row in rows] == ["1", "2", "3", "1", "2"]
    assert rows[0]["Product image URL"].endswith("pictures/mug%20back.png"), "what is to be first"
    assert rows[2]["Image alt text"] == "'+1 coffee"
    assert all(_is_public(row["Product image URL"]) for row in rows)


def _check_google(rows: list[dict[str, str]]) -> None:
    """An id of 50 characters at most, addresses of 2,000, ASCII and without a comma, each with its own ending."""
    assert [row["id"] for row in rows] == ["SKU-1", "SKU-2"]
    mug, hat = rows
    assert (mug["image_link"].rpartition("/")[2], mug["lifestyle_image_link"].rpartition("/")[2]) == (
        "mug%20back.png",
        "mug%20in%20use.png",
    )
    assert len(hat["additional_image_link"].split(",")) == 1
    for row in rows:
        for link in filter(
            None, [row["image_link"], row["lifestyle_image_link"], *row["additional_image_link"].split(",")]
        ):
            assert _is_public(link)
            assert len(link) <= 2_000


def _check_amazon(rows: list[dict[str, str]], feed: dict[str, Any]) -> None:
    """A row and a message for each SKU, which replace pictures and nothing else."""
    assert [row["sku"] for row in rows] == ["SKU-1", "SKU-2"]
    assert list(rows[0]) == ["sku", "main_image_url", *(f"other_image_url{n}" for n in range(1, 9)), "swatch_image_url"]
    assert feed["header"] == {"sellerId": "A2EXAMPLE", "version": "2.0", "issueLocale": "en_US"}
    assert [message["messageId"] for message in feed["messages"]] == [1, 2]
    for message, row in zip(feed["messages"], rows, strict=True):
        assert message.keys() == {"messageId", "sku", "operationType", "productType", "patches"}
        assert (message["operationType"], message["sku"]) == ("PATCH", row["sku"])
        links = [patch["value"][0]["media_location"] for patch in message["patches"]]
        assert links == [link for name, link in row.items() if name != "sku" and link]
        assert all(_is_public(link) for link in links)
        for patch in message["patches"]:
            assert re.fullmatch(r"/attributes/(main|swatch|other)_product_image_locator(_[1-8])?", patch["path"])
            assert patch["value"][0]["marketplace_id"] == "A1PA6795UKMFR9"


def _check_archives(out: Path) -> None:
    aem, dam = lists_of(out, "aem.csv"), lists_of(out, "dam.csv")
    assert next(iter(aem[0])) == "assetPath"
    assert aem[0]["assetPath"] == "/content/dam/picturedesk/pictures/mug front.png"
    assert aem[0]["dc:subject {{String : MULTI}}"] == "mug|blue"
    rows = table(out)
    assert [row["sha256"] for row in dam] == [
        row["output_sha256"] for row in rows if row["asset_id"] not in ("odd", "late mug")
    ]
    parquet = pq.read_table(out / "approved.parquet").to_pylist()
    assert [row["asset_id"] for row in parquet] == [row["asset_id"].removeprefix("'") for row in rows]
    assert [row["cost_usd"] for row in parquet] == [float(row["cost_usd"]) for row in rows]


def _is_public(link: str) -> bool:
    parts = urlsplit(link)
    return link.isascii() and parts.scheme == "https" and bool(parts.hostname) and not re.search(r"[\s,]", link)


def test_what_a_profile_needs_is_said_before_anything_is_written(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug"])
    approve(desk, 1)
    for names, url, said in (
        (("shopfy",), None, "no profile is called 'shopfy'"),
        (("shopify",), None, "--public-url"),
        (("shopify",), "cdn.example.com/{file}", "no address of pictures"),
        (("shopify",), "https://cdn.example.com/shop.png", "no address of pictures"),
        (("shopify",), "https://cdn.example.com/{secret}", "no address of pictures"),
        (("shopify",), "https://cdn.example.com/{file", "no address of pictures|expected"),
    ):
        with pytest.raises(UsageError, match=said):
            export_approved(desk, tmp_path / "out", by=ADA, profiles=names, public_url=url)
    with pytest.raises(UsageError, match="leave one out"):
        export_approved(desk, tmp_path / "out", by=ADA, profiles=("aem",), only_csv=True)
    desk.settings.profiles["amazon"] = {"seller_id": ""}
    with pytest.raises(UsageError, match=r"\[profiles.amazon\] seller_id"):
        export_approved(desk, tmp_path / "out", by=ADA, profiles=("amazon",), public_url=URL)
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_an_export_since_the_last_one_has_what_is_new_and_names_what_was_taken_back(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat", "bag"])
    approve(desk, 1, 2)
    first = export_approved(desk, tmp_path / "one", by=ADA, since_last=True)
    assert first.rows == 2
    assert export_approved(desk, tmp_path / "one", by=ADA, since_last=True).rows == 0
    assert verify_export(tmp_path / "one") == [], "the one before is left alone"

    review.undo(desk, 2, by=ADA, even_exported=True)
    told = run_command("--desk", str(desk.root), "export", "--to", str(tmp_path / "none"), "--since-last").stdout
    assert "nothing was written.\n1 that the last export had are not approved any more" in told
    approve(desk, 3)
    assert export_approved(desk, tmp_path / "two", by=ADA, since_last=True).rows == 1
    assert [row["asset_id"] for row in table(tmp_path / "two")] == ["bag"]
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text("utf-8"))
    assert manifest["since"]["export_id"] == first.export_id
    assert [each["asset_id"] for each in manifest["withdrawn"]] == ["hat"]

    approve(desk, 2)
    export_approved(desk, tmp_path / "three", by=ADA, since_last=True)
    assert [row["asset_id"] for row in table(tmp_path / "three")] == ["hat"], "approved again"


def test_since_the_last_one_a_shop_gets_whole_products_and_no_file_takes_anothers_name(tmp_path: Path) -> None:
    desk = mixed_desk(tmp_path / "desk")
    with desk.db.write() as connection:
        connection.execute(sa.update(ASSET).where(ASSET.c.id == 3).values(name="Mug Front"))
    approve(desk, 1, 2, 4)  # two of the mug, the second as its main picture, and the hat
    names = ("shopify", "google-merchant")
    export_approved(desk, tmp_path / "one", by=ADA, profiles=names, public_url=URL)
    approve(desk, 3)  # the mug in use
    export_approved(desk, tmp_path / "plain", by=ADA, since_last=True)
    assert [row["asset_id"] for row in table(tmp_path / "plain")] == ["Mug Front"]

    review.undo(desk, 3, by=ADA, even_exported=True)
    approve(desk, 3)
    summary = export_approved(desk, tmp_path / "two", by=ADA, profiles=names, public_url=URL, since_last=True)
    assert summary.rows == 3, "the mug whole, and no hat"
    assert "mug%20back" in lists_of(tmp_path / "two", "shopify.csv")[0]["Product image URL"]
    (line,) = lists_of(tmp_path / "two", "google-merchant.tsv", "\t")
    assert "mug%20back" in line["image_link"]
    by_name: dict[str, set[bytes]] = {}
    for folder in ("one", "plain", "two"):
        for path in (tmp_path / folder / "pictures").iterdir():
            by_name.setdefault(path.name.casefold(), set()).add(path.read_bytes())
    assert {name: len(found) for name, found in by_name.items()} == dict.fromkeys(by_name, 1)
    assert len(by_name) == 4


def test_what_was_changed_in_an_export_is_found(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    export_approved(desk, tmp_path / "out", by=ADA)
    run = ("--desk", str(desk.root), "export")
    key = run_command(*run, "key").stdout.strip()
    whole = run_command(*run, "verify", str(tmp_path / "out"), "--key", key)
    assert (whole.exit_code, whole.stdout) == (0, "The export is as it was written.\n")

    trusting = run_command(*run, "verify", str(tmp_path / "out"))
    assert f"It names the key {key} as its own" in trusting.stdout

    picture = tmp_path / "out" / "pictures" / "mug.png"
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    (tmp_path / "out" / "pictures" / "more.png").write_bytes(b"")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"rows": 2', '"rows": 3'), "utf-8")
    ran = run_command(*run, "verify", str(tmp_path / "out"), "--json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["problems"] == [
        "manifest.json is not signed by anybody",
        "pictures/mug.png is not as it was written",
        "pictures/more.png was not in the export",
    ]
    (tmp_path / "out" / "more").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "out" / "SHA256SUMS").write_text("", "ascii")
    assert verify_export(tmp_path / "out")[2:] == [
        "SHA256SUMS is missing, or says something else than manifest.json",
        "more was not in the export",
        "pictures/more.png was not in the export",
    ]
    other = run_command("--desk", str(make_desk(tmp_path / "other", ["x"]).root), "export", "key").stdout.strip()
    picture = tmp_path / "again"
    export_approved(desk, picture, by=ADA)
    assert verify_export(picture, signed_by=key) == []
    assert verify_export(picture, signed_by=other) == [f"manifest.json is not signed by {other}"]
