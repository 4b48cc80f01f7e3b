"""Pictures into a batch, over HTTP."""

import base64
import json
from pathlib import Path

from pipeline.states import Role
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from tests.desks import drawn_picture
from tests.http_api.serving import Served, is_problem

RED, BLUE = drawn_picture("red"), drawn_picture("blue")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_pictures_come_as_a_form_as_json_and_by_url_and_twice_is_once(api: Served) -> None:
    shop = api.caller(Role.REQUESTER)
    form = {"batch": "autumn", "prompt": "make it warmer", "url": ["https://example.com/a/cup.png"], "n": "2"}
    files = [("picture", ("hat.png", RED, "image/png")), ("picture", ("hat.jpg", BLUE, "image/png"))]
    answer = shop.post("/batches", data=form, files=files)
    assert answer.status_code == 202, answer.text
    first = answer.json()
    assert [each["asset_id"] for each in first["items"]] == ["hat", "hat-2", "cup"]
    assert (first["added"], first["unchanged"], first["batch"]["name"]) == (3, 0, "autumn")
    assert shop.post("/batches", data=form, files=files).json()["items"] == first["items"]
    again = shop.post("/batches", data=form, files=files).json()
    assert (again["added"], again["unchanged"]) == (0, 3)

    said = {
        "batch": "autumn",
        "prompt": "make it darker",
        "pictures": [
            {"base64": encoded(RED), "asset_id": "mug", "sku": "M-1", "extra": {"shelf": "7"}},
            {"base64": f"data:image/png;base64,{encoded(BLUE)}", "file_name": "../../bag.gif", "prompt": "flip it"},
            {
                "url": "https://example.com/x.png",
                "recipe": "catalogue-standardise",
                "size": "1024x1024",
                "destinations": ["ebay"],
            },
        ],
        "destinations": ["shopify"],
    }
    answer = shop.post("/batches", json=said)
    assert answer.status_code == 202, answer.text
    edits = {edit.asset.name: edit for edit in reading.each_edit(api.desk.db, EditFilter())}
    assert list(edits) == ["hat", "hat-2", "cup", "mug", "bag", "x"]
    assert [edits[name].id for name in ("mug", "bag", "x")] == [each["edit"] for each in answer.json()["items"]]
    assert (edits["mug"].asset.sku, edits["mug"].asset.extra) == ("M-1", {"shelf": "7"})
    assert edits["mug"].instruction.prompt == "make it darker"
    assert edits["bag"].instruction.prompt == "flip it"
    assert (edits["x"].instruction.recipe, edits["x"].size) == ("catalogue-standardise", "1024x1024")
    assert (edits["mug"].asset.destinations, edits["x"].asset.destinations) == (("shopify",), ("ebay",))
    assert shop.get("/batches/1").json()["destinations"] == ["shopify"]
    assert (edits["hat"].n, edits["hat"].asked_by) == (2, "token:requester-machine")
    assert Path(edits["mug"].asset.source_uri).read_bytes() == RED
    uploads = api.desk.root / "uploads" / "autumn"
    assert {Path(edit.asset.source_uri).parent for edit in edits.values() if "http" not in edit.asset.source_uri} == {
        uploads
    }
    assert list((api.desk.root / "uploads" / ".drafts").iterdir()) == []


def test_pictures_without_a_name_are_told_apart_by_what_they_hold(api: Served) -> None:
    """Also in several requests, where the second one was taken for a change of the first."""
    shop = api.caller(Role.REQUESTER)
    named = []
    for data in (RED, BLUE, RED):
        body = {"batch": "autumn", "prompt": "make it warmer", "pictures": [{"base64": encoded(data)}]}
        said = shop.post("/batches", json=body).json()
        named.append((said["added"], said["unchanged"], said["renewed"], said["items"][0]["edit"]))
    assert named == [(1, 0, 0, 1), (1, 0, 0, 2), (0, 1, 0, 1)]


def test_files_of_one_name_are_told_apart_however_many_they_are(api: Served) -> None:
    shop = api.caller(Role.REQUESTER)
    names = ["front.png", "front.png", "front-4.png", "front.png", "front-4.png", *["front.png"] * 60]
    files = [("picture", (name, drawn_picture(f"rgb({number},0,0)"), "image/png")) for number, name in enumerate(names)]
    answer = shop.post("/batches", data={"batch": "autumn", "prompt": "make it warmer"}, files=files)
    assert answer.status_code == 202, answer.text
    given = [each["asset_id"] for each in answer.json()["items"]]
    assert given[:6] == ["front", "front-2", "front-4", "front-5", "front-4-5", "front-6"]
    assert len(set(given)) == len(names)


def test_a_batch_tells_how_it_stands_and_its_edits_what_they_are(full: Served) -> None:
    viewer = full.caller(Role.VIEWER)
    (batch,) = viewer.get("/batches").json()["items"]
    same = viewer.get(f"/batches/{batch['id']}").json()
    assert {**same, "per_minute": None} == {**batch, "per_minute": None}
    assert (batch["name"], batch["standing"]) == ("autumn", "to review")
    assert (batch["counts"]["review"], batch["counts"]["approved"], batch["counts"]["problems"]) == (4, 1, 1)
    assert batch["spent_usd"] == 0.2
    hat = viewer.get("/edits/1").json()
    assert (hat["asset_id"], hat["state"], hat["cost_usd"]) == ("hat", "in_review", 0.04)
    picture = hat["outputs"][0]["picture"]
    fetched = viewer.get(f"{viewer.url}{picture['url']}")
    assert (fetched.headers["content-type"], len(fetched.content)) == ("image/png", picture["bytes"])
    assert fetched.headers["etag"] == f'"{picture["sha256"]}"'
    etag = fetched.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = viewer.get(f"{viewer.url}{picture['url']}", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    another = viewer.get(f"{viewer.url}{picture['url']}", headers={"If-None-Match": '"other"'})
    assert another.status_code == 200
    assert viewer.get(f"{viewer.url}{hat['source']['url']}").status_code == 200
    knife = viewer.get("/edits", params={"state": "refused"}).json()["items"]
    assert [each["error"]["code"] for each in knife] == ["refused"]


def test_a_list_goes_on_where_its_page_ended_and_a_cursor_fits_one_question(full: Served) -> None:
    viewer = full.caller(Role.VIEWER)
    found, cursor = [], None
    while True:
        params = {"limit": 4, "batch": 1} | ({"cursor": cursor} if cursor else {})
        page = viewer.get("/edits", params=params).json()
        found += [each["id"] for each in page["items"]]
        cursor, last = page["next"], cursor
        if cursor is None:
            break
    assert found == [1, 2, 3, 4, 5, 6]
    is_problem(viewer.get("/edits", params={"cursor": last}), 422, "invalid")
    of_two = {"batch": 1, "state": ["in_review", "approved"], "limit": 3}
    first = viewer.get("/edits", params=of_two).json()
    second = viewer.get("/edits", params={**of_two, "cursor": first["next"]}).json()
    assert [each["id"] for each in (*first["items"], *second["items"])] == [1, 2, 3, 4, 5]
    is_problem(viewer.get("/edits", params={"batch": 1, "cursor": "AAAA"}), 422, "invalid")
    assert viewer.get("/batches", params={"name": "winter"}).json() == {"items": [], "next": None}


def test_a_request_that_says_what_cannot_be_is_told_where_and_nothing_is_queued(api: Served) -> None:
    shop = api.caller(Role.REQUESTER)
    picture = {"base64": encoded(RED)}

    def places(**said: object) -> list[str]:
        body = {"batch": "autumn", "prompt": "make it warmer", "pictures": [picture], **said}
        answer = shop.post("/batches", content=json.dumps(body), headers={"Content-Type": "application/json"})
        return [each["pointer"] for each in is_problem(answer, 422, "invalid").get("errors", ())]

    assert places(batch="") == ["/batch"]
    assert places(batch="a\nb") == ["/batch"]
    assert places(colour="red") == ["/colour"]
    assert places(pictures=[]) == ["/pictures"]
    assert places(pictures=[picture, {}]) == ["/pictures/1"]
    assert places(pictures=[{"base64": "no!"}]) == ["/pictures/0/base64"]
    too_long = shop.post("/batches", json={"batch": "x" * 201, "pictures": [picture]})
    assert is_problem(too_long, 422, "invalid")["detail"] == "/batch: string should have at most 200 characters"
    described = shop.get("/openapi.json").json()["components"]["schemas"]
    assert described["Submission"]["properties"]["batch"]["pattern"] == r"\S"
    assert places(pictures=[{**picture, "extra": {"MASK ": "/etc/passwd"}}]) == ["/pictures/0/extra"]
    assert places(pictures=[picture, {"base64": encoded(b"GIF89a no")}]) == ["/pictures/1/base64"]
    assert places(pictures=[{**picture, "asset_id": "hat"}] * 2) == ["/pictures/1/asset_id"]
    assert places(pictures=[{**picture, "n": 2, "provider": "nobody"}]) == ["/pictures/0/provider"]
    assert places(parameters={"text": "SALE"}) == [""]
    assert places(pictures=[{**picture, "parameters": {"text": "SALE"}}]) == [""]
    assert places(prompt=None, parameters={"text": "A"}, pictures=[{**picture, "recipe": "render-text"}]) == [""]
    files = [("picture", (name, RED, "image/png")) for name in ("hat.png", "mug.png")]
    form = {"batch": "autumn", "prompt": "make it warmer", "provider": "nobody"}
    said = is_problem(shop.post("/batches", data=form, files=files), 422, "invalid")
    assert [each["pointer"] for each in said["errors"]] == ["/provider"]
    assert places(pictures=[{"url": "file:///etc/passwd"}]) == ["/pictures/0/url"]
    assert places(pictures=[{**picture, "destinations": ["the-moon"]}]) == ["/pictures/0/destinations"]
    assert places(pictures=[picture] * 101) == [""]
    assert places(prompt=None) == []
    assert places(prompt="  ") == ["/prompt"]
    assert places(recipe="no-such-recipe", prompt=None) == ["/recipe"]
    assert places(recipe="catalogue-standardise", prompt=None, parameters={"colour": "red"}) == ["/parameters"]
    assert places(destinations=["the-moon"]) == ["/destinations"]
    assert places(provider="nobody", pictures=[picture, {"base64": encoded(BLUE)}]) == ["/provider"]
    assert reading.batch_names(api.desk.db) == []
    assert [*(api.desk.root / "uploads" / ".drafts").iterdir()] == []
