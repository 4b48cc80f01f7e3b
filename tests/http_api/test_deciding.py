"""Decisions over HTTP: the rules of the page, and each of them once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.states import Role
from pipeline.store import reading
from tests.desks import build_desk, drawn_picture
from tests.http_api.serving import Served, is_problem, served

HAT, MUG, BAG, CAP, SOCK, KNIFE = 1, 2, 3, 4, 5, 6


@pytest.fixture
def either(tmp_path: Path, each_database: None) -> Iterator[Served]:
    """The small desk, in each kind of database."""
    desk = build_desk(tmp_path / "desk")
    with served(desk) as found:
        yield found
    desk.close()


def named(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_a_write_that_is_sent_twice_under_one_name_is_carried_out_once(either: Served) -> None:
    reviewer = either.caller(Role.REVIEWER)
    said = {"decision": "re-prompt", "prompt": "make it green"}
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(reviewer.post(f"/edits/{HAT}/decisions", json=said, headers=named("one")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.json() for answer in answers] == [{"edit": HAT, "state": "superseded", "next_round": 7}] * 4
    assert sorted(answer.headers.get("idempotency-replayed", "false") for answer in answers) == [
        "false",
        *["true"] * 3,
    ]
    assert len(reading.decisions(either.desk.db, [HAT])) == 1
    other = reviewer.post(f"/edits/{HAT}/decisions", json={**said, "note": "?"}, headers=named("one"))
    is_problem(other, 422, "other_request")
    is_problem(reviewer.post(f"/edits/{MUG}/decisions", json=said, headers=named("one")), 422, "other_request")
    is_problem(reviewer.post(f"/edits/{MUG}/decisions", json=said, headers=named("x" * 300)), 422, "invalid")
    # Another caller's name is another name; and what was refused leaves its name free.
    approver = either.caller(Role.APPROVER)
    is_problem(approver.post(f"/edits/{HAT}/decisions", json=said, headers=named("one")), 409, "conflict")
    undone = approver.post(f"/edits/{HAT}/decisions", json={"decision": "undo"}, headers=named("one"))
    assert undone.json() == {"edit": HAT, "state": "in_review", "next_round": None}


def test_pictures_that_are_sent_twice_under_one_name_are_one_batch(either: Served) -> None:
    """A form has another boundary each time, and is the same."""
    shop = either.caller(Role.REQUESTER)
    form = {"batch": "winter", "prompt": "make it warmer"}
    files = {"picture": ("hat.png", drawn_picture("red"), "image/png")}
    first = shop.post("/batches", data=form, files=files, headers=named("winter-1"))
    again = shop.post("/batches", data=form, files=files, headers=named("winter-1"))
    assert (first.status_code, first.text) == (202, again.text)
    assert (first.json()["added"], again.headers["idempotency-replayed"]) == (1, "true")
    files = {"picture": ("hat.png", drawn_picture("blue"), "image/png")}
    is_problem(shop.post("/batches", data=form, files=files, headers=named("winter-1")), 422, "other_request")
    batch = first.json()["batch"]["id"]
    paused = shop.post(f"/batches/{batch}/pause")
    assert paused.json() == {"batch": {"id": batch, "name": "winter"}, "edits": 0}
    is_problem(shop.post(f"/batches/{batch}/pause"), 409, "conflict")
    assert shop.post(f"/batches/{batch}/resume").status_code == 200
    assert shop.post(f"/batches/{batch}/cancel").json()["edits"] == 1
    assert shop.get(f"/batches/{batch}").json()["standing"] == "cancelled"
    is_problem(shop.post(f"/batches/{batch}/budget", json={"usd": 3}), 403, "forbidden")
    assert either.caller(Role.APPROVER).post(f"/batches/{batch}/budget", json={"usd": 3}).status_code == 200
    assert shop.get(f"/batches/{batch}").json()["budget_usd"] == 3
    is_problem(shop.post("/batches/77/cancel"), 404, "not_found")


def test_a_decision_keeps_the_rules_of_the_page(full: Served) -> None:
    reviewer, before = full.caller(Role.REVIEWER), reading.edit(full.desk.db, BAG)

    def refused(edit: int, status: int, code: str, **said: object) -> str:
        detail: str = is_problem(reviewer.post(f"/edits/{edit}/decisions", json=said), status, code)["detail"]
        return detail

    assert "name one of" in refused(BAG, 422, "invalid", decision="accept")
    assert "it changed since" in refused(BAG, 409, "conflict", decision="accept", output=3, revision=0)
    assert "expected one of: wrong edit" in refused(BAG, 422, "invalid", decision="reject", reason="ugly")
    assert "found an empty prompt" in refused(BAG, 422, "invalid", decision="re-prompt")
    assert "is refused and cannot" in refused(KNIFE, 409, "conflict", decision="escalate")
    assert "not a picture" in refused(HAT, 422, "invalid", decision="re-prompt", prompt="x", mask="AAAA")
    assert "a reviewer and may not" in refused(SOCK, 403, "forbidden", decision="undo", even_exported=True)
    assert "expected the decision re-prompt" in refused(HAT, 422, "invalid", decision="accept", prompt="and warmer")
    refused(HAT, 422, "invalid", decision="delete")
    assert reading.edit(full.desk.db, BAG) == before
    answer = reviewer.post(
        f"/edits/{BAG}/decisions",
        json={"decision": "accept", "output": before.outputs[1].id, "revision": before.revision, "note": "warm"},
    )
    assert answer.json() == {"edit": BAG, "state": "approved", "next_round": None}
    assert reviewer.get(f"/edits/{BAG}").json()["accepted_output"] == before.outputs[1].id
    (decision,) = reading.decisions(full.desk.db, [BAG])
    assert (decision.actor, decision.note) == ("token:reviewer-machine", "warm")


def test_costs_recipes_and_the_caller_are_told(full: Served) -> None:
    viewer = full.caller(Role.VIEWER)
    assert viewer.get("/me").json() == {"name": "token:viewer-machine", "role": "viewer"}
    costs = viewer.get("/costs", params={"by": "outcome"}).json()
    assert (costs["total_usd"], costs["approved"], costs["uncounted"]) == (0.2, 1, 0)
    assert sum(line["cost_usd"] for line in costs["items"]) == pytest.approx(0.2)
    is_problem(viewer.get("/costs", params={"by": "mood"}), 422, "invalid")
    recipes = {each["name"]: each for each in viewer.get("/recipes").json()["items"]}
    assert "replace-background" in recipes
