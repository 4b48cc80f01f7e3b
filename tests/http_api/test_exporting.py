"""What is approved, exported and downloaded by a program."""

import csv
import io
import json
import zipfile
from typing import Any

from filelock import FileLock

from pipeline.states import Role
from pipeline.store import reading
from tests.fake_api.running import eventually
from tests.http_api.serving import Caller, Served, is_problem

SOCK = 5


def done(shop: Caller, **said: Any) -> dict[str, Any]:
    """An export, once it has ended."""
    answer = shop.post("/exports", json=said)
    assert answer.status_code == 202, answer.text
    name = answer.json()["id"]

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = shop.get(f"/exports/{name}").json()
        return None if told["state"] == "running" else told

    found = eventually(ended)
    assert found is not None
    return found


def test_what_is_approved_comes_as_table_as_lines_and_with_its_pictures(full: Served) -> None:
    shop = full.caller(Role.REQUESTER)
    picture = reading.edit(full.desk.db, SOCK).outputs[0].picture
    told = done(shop, form="csv", batch=1)
    assert (told["state"], told["rows"], told["batch"]) == ("done", 1, 1)
    answer = shop.get(f"{shop.url}{told['file']}")
    assert answer.headers["content-type"].startswith("text/csv")
    described = shop.get("/openapi.json").json()["paths"]["/exports/{export}/file"]["get"]["responses"]["200"]
    assert list(described["content"]) == ["text/csv", "application/x-ndjson", "application/zip"]
    undo = full.caller(Role.APPROVER).post(f"/edits/{SOCK}/decisions", json={"decision": "undo"})
    assert "even_exported of the HTTP API" in is_problem(undo, 409, "conflict")["detail"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["asset_id"], row["output_sha256"]) == ("sock", picture.sha256)
    lines = shop.get(f"{shop.url}{done(shop, form='jsonl')['file']}")
    assert json.loads(lines.text)["output_sha256"] == picture.sha256
    zipped = done(shop, form="zip", profiles=["generic-dam"])
    with zipfile.ZipFile(io.BytesIO(shop.get(f"{shop.url}{zipped['file']}").content)) as archive:
        (name,) = [each for each in archive.namelist() if "/pictures/" in each]
        assert any("dam" in each for each in archive.namelist())
        assert archive.read(name) == full.desk.blobs.read(picture.sha256, picture.media_type)
    assert zipped["export_id"] == told["export_id"]
    nothing = done(shop, since_last=True)
    assert (nothing["state"], nothing["rows"], nothing["file"]) == ("done", 0, None)
    is_problem(shop.get(f"/exports/{nothing['id']}/file"), 409, "conflict")
    is_problem(shop.post("/exports", json={"profiles": ["shopify"]}), 422, "invalid")
    no_address = is_problem(shop.post("/exports", json={"form": "zip", "profiles": ["shopify"]}), 422, "invalid")
    assert "public_url of the HTTP API" in no_address["detail"]
    for wrong in ({"profiles": ["ebay"]}, {"profiles": ["shopify"]}, {"public_url": "https://cdn.example.com"}):
        is_problem(shop.post("/exports", json={"form": "zip", **wrong}), 422, "invalid")


def test_an_export_that_cannot_be_says_why_and_one_that_was_left_has_failed(api: Served) -> None:
    shop = api.caller(Role.REQUESTER)
    told = done(shop)
    assert (told["state"], told["file"]) == ("failed", None)
    assert "nothing is approved yet" in told["error"]
    is_problem(shop.get(f"/exports/{told['id']}/file"), 409, "conflict")
    is_problem(shop.post("/exports", json={"batch": 99}), 404, "not_found")
    is_problem(shop.post("/exports", json={"form": "xlsx"}), 422, "invalid")
    is_problem(shop.get("/exports/..%2f..%2fdesk.db"), 404, "not_found")
    is_problem(shop.get(f"/exports/{'0' * 16}"), 404, "not_found")
    folder = api.desk.root / "exports" / "api" / told["id"]
    (folder / "job.json").write_text((folder / "job.json").read_text().replace('"failed"', '"running"'))
    with FileLock(folder / "lock"):
        assert shop.get(f"/exports/{told['id']}").json()["state"] == "running"
    left = shop.get(f"/exports/{told['id']}").json()
    assert (left["state"], left["error"]) == ("failed", "its server was stopped; ask for it again")
