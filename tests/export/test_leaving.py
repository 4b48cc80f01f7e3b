"""What leaves the desk: files for destinations, marked and signed, and what is said of each."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.desk import Desk
from pipeline.destinations.packs import builtin_folder
from pipeline.errors import BlobsFailed
from pipeline.export import ExportSummary, export_approved, verify_export
from pipeline.export.progress import ExportProgress
from pipeline.object_shelf import ObjectShelf
from pipeline.provenance import disclosing
from pipeline.provenance.disclosure import DisclosureClass
from pipeline.provenance.identity import write_trial
from pipeline.store import batching, exports, reading
from pipeline.store.loading import ASSET
from tests import buckets
from tests.conftest import need
from tests.export.test_export import ADA, approve, make_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two approved pictures of 320 x 240, which go to Shopify and to Amazon; the desk signs what leaves it."""
    need("c2pa", 'pip install "picturedesk[provenance]"')
    desk = make_desk(tmp_path / "desk", ["mug", "Mug"])
    batching.set_destinations(desk.db, 1, ["shopify", "amazon-main"], actor="ada")
    write_trial("Shop", desk.root)
    with (desk.root / "picturedesk.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[provenance]\ncertificate = "trial-certificate.pem"\nkey = "trial-key.pem"\n')
    approve(desk, 1, 2)
    return Desk.open(desk.root)


def export(desk: Desk, folder: Path) -> ExportSummary:
    return export_approved(desk, folder, by=ADA)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "files.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def told_by_c2pa(path: Path) -> tuple[str, dict[str, Any], list[str]]:
    """What the library itself says of a file: its state, its own manifest, and its actions."""
    import c2pa

    with c2pa.Reader(path) as reader:
        found, state = json.loads(reader.json()), reader.get_validation_state()
    own = found["manifests"][found["active_manifest"]]
    actions = next(each["data"]["actions"] for each in own["assertions"] if each["label"].startswith("c2pa.actions"))
    return state, own, [each["action"] for each in actions]


def test_every_file_is_signed_with_its_master_as_parent_and_a_changed_one_is_found(tmp_path: Path, desk: Desk) -> None:
    summary = export(desk, tmp_path / "out")
    out = tmp_path / "out"
    assert verify_export(out) == []
    pictures = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.suffix in (".png", ".jpg"))
    assert [name.partition("/")[0] for name in pictures] == ["pictures"] * 2 + ["shopify"] * 2
    for name in pictures:
        state, own, actions = told_by_c2pa(out / name)
        assert state == "Valid", name
        assert actions[:2] == ["c2pa.opened", "c2pa.edited"]
        assert ("c2pa.converted" in actions) == name.startswith("shopify/")
        assert [each["relationship"] for each in own["ingredients"]] == ["parentOf"]

    rows = files_of(out)
    told = {row["file"]: row for row in rows if not row["breaks"]}
    assert sorted(told) == pictures
    for name, row in told.items():
        assert row["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()
        assert (row["c2pa_state"], row["provenance_check"]) == ("untrusted", "ok"), "a trial certificate"
        assert row["digital_source_type"]
    refused = [row for row in rows if row["breaks"]]
    assert (len(refused), summary.unfit) == (2, 2)
    assert {row["destination"] for row in refused} == {"amazon-main"}
    assert all("500" in row["breaks"] for row in refused), "the rule, with its figure"

    masters = {edit.outputs[0].picture.sha256 for edit in reading.each_edit(desk.db, reading.EditFilter())}
    assert {row["master_sha256"] for row in rows} == masters

    derived = out / pictures[-1]
    derived.write_bytes(derived.read_bytes().replace(b"http", b"hxxp", 1))
    assert verify_export(out) == [f"{pictures[-1]} is not as it was written"]


def test_names_that_a_destination_would_mix_up_are_kept_apart_and_stay_so(tmp_path: Path, desk: Desk) -> None:
    names = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        export(desk, folder)
        names.append([row["file"] for row in files_of(folder) if row["destination"] == "shopify"])
    assert names[0] == names[1]
    assert len({name.casefold() for name in names[0]}) == 2


def test_a_file_bears_its_place_among_its_skus_pictures_and_takes_no_name_of_another_export(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["front", "back", "side", "a/b", "a|b", "hat"])
    batching.set_destinations(desk.db, 1, ["outlet", "generic"], actor="ada")
    generic = (builtin_folder() / "generic.toml").read_text("utf-8").replace("long_px = 1000", "long_px = 1")
    for name, pattern in (("generic", "{asset_id}"), ("outlet", "{sku}_{position}")):
        pack = generic.replace('name = "generic"', f'name = "{name}"').replace('"{asset_id}"', f'"{pattern}"')
        (desk.root / "destinations").mkdir(exist_ok=True)
        (desk.root / "destinations" / f"{name}.toml").write_text(pack, "utf-8")
    with desk.db.write() as connection:
        connection.execute(sa.update(ASSET).where(ASSET.c.id <= 3).values(sku="MUG"))
    approve(desk, 1, 3, 4, 6)
    export_approved(desk, tmp_path / "one", by=ADA)
    outlet = [row["file"] for row in files_of(tmp_path / "one") if row["destination"] == "outlet"]
    assert outlet == [f"outlet/{name}.jpg" for name in ("MUG_1", "MUG_2", "a_b_1", "hat_1")]

    approve(desk, 2, 5)  # the mug's second picture comes late, and so does one whose name is like another's
    export_approved(desk, tmp_path / "two", by=ADA, since_last=True)
    made = {row["file"]: row["asset_id"] for row in files_of(tmp_path / "two") if row["destination"]}
    mug = {f"outlet/MUG_{place}.jpg": name for place, name in enumerate(("front", "back", "side"), start=1)}
    assert mug.items() <= made.items(), "what moved is there anew"
    assert "hat" not in made.values()
    assert "generic/a_b.jpg" not in made, "that is another picture's, in the export before"


def test_what_a_person_decided_on_disclosure_goes_along(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    approve(desk, 1, 2)
    export(desk, tmp_path / "before")
    assert not (tmp_path / "before" / "files.csv").exists(), "nothing is to be said of plain copies"
    disclosing.disclose(desk, 2, DisclosureClass.VISIBLE_LABEL, "=a person was added", by=ADA)
    export(desk, tmp_path / "out")
    (row,) = files_of(tmp_path / "out")
    assert (row["file"], row["disclosure_class"], row["disclosure_by"]) == (
        "pictures/hat.png",
        "visible-label",
        ADA.name,
    )
    assert row["disclosure_reason"] == "'=a person was added"
    assert verify_export(tmp_path / "out") == []


def test_an_export_goes_to_a_bucket_and_what_is_there_is_not_sent_again(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ["mug", "hat"])
    desk.settings.export_options.update(buckets.options())
    approve(desk, 1)
    place = buckets.new_bucket()
    told: list[ExportProgress] = []

    def send() -> ExportSummary:
        told.clear()
        folder = tmp_path / "desk" / "exports" / "on-its-way"
        return export_approved(desk, folder, by=ADA, bucket=place, on_progress=told.append, overwrite=True)

    assert send().rows == 1
    assert told[-1] == ("sending", 3, 3), "a picture and two lists"
    approve(desk, 2)
    assert send().rows == 2
    assert ("writing", 2, 2) in told
    assert told[-1] == ("sending", 3, 3), "a new picture, and the lists anew"

    shelf = ObjectShelf(place, buckets.options())
    for stored in shelf.each():
        target = tmp_path / "fetched" / stored.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(shelf.read(stored.name))
    assert verify_export(tmp_path / "fetched") == []
    assert list((tmp_path / "desk" / "exports").iterdir()) == []

    desk.settings.export_options["aws_endpoint"] = "http://127.0.0.1:9"
    before = exports.last_export(desk.db, None)
    with pytest.raises(BlobsFailed):
        send()
    assert exports.last_export(desk.db, None) == before, "what did not arrive was not exported"


def test_a_shops_list_names_what_was_made_for_it_as_it_was_signed_and_leaves_out_what_it_refuses(
    tmp_path: Path, desk: Desk
) -> None:
    with desk.db.write() as connection:
        connection.execute(sa.update(ASSET).values(extra={"title": "A mug"}, sku=ASSET.c.name))
    where = "https://cdn.example.com/{file}?{sha256}"
    out = tmp_path / "out"
    summary = export_approved(desk, out, by=ADA, profiles=("shopify", "amazon", "generic-dam"), public_url=where)

    made = {row["file"]: row for row in files_of(out)}
    with (out / "shopify.csv").open(encoding="utf-8", newline="") as file:
        links = [row["Product image URL"] for row in csv.DictReader(file)]
    (first,) = links
    name = first.removeprefix("https://cdn.example.com/").partition("?")[0]
    assert name.startswith("shopify/")
    assert first.partition("?")[2] == made[name]["sha256"] == sha256_of(out / name)

    with (out / "dam.csv").open(encoding="utf-8", newline="") as file:
        masters = {f"pictures/{row['filename']}": row["sha256"] for row in csv.DictReader(file)}
    assert masters == {f"pictures/{path.name}": sha256_of(path) for path in (out / "pictures").iterdir()}

    with (out / "left-out.csv").open(encoding="utf-8", newline="") as file:
        told = {(row["profile"], row["product"]): row["why"] for row in csv.DictReader(file)}
    assert "amazon-main would refuse mug" in told["amazon", "mug"]
    assert summary.left_out == len(told)
