"""The routes that a reviewer's screen calls: claim, decide, undo, look."""

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline.desk import Desk
from pipeline.routing import UNSAID
from pipeline.states import EditState, Role
from pipeline.store import ledger, reading
from pipeline.values import Change
from review_app.api import routes
from tests.desks import HOSTILE, SAMPLE_REASON, add_doubtful
from tests.review_app.calling import Caller, decision, local_ticket, ticket

PNG = "image/png"


@pytest.fixture
def client(small_desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(small_desk))) as opened:
        yield opened


@pytest.fixture
def ada(small_desk: Desk, client: TestClient) -> Caller:
    """A reviewer."""
    return Caller(client, ticket(small_desk, Role.REVIEWER, name="ada@example.com"))


@pytest.fixture
def ben(small_desk: Desk, client: TestClient) -> Caller:
    """Another reviewer."""
    return Caller(client, ticket(small_desk, Role.REVIEWER, name="ben@example.com"))


@pytest.fixture
def eve(small_desk: Desk, client: TestClient) -> Caller:
    """An approver."""
    return Caller(client, ticket(small_desk, Role.APPROVER, name="eve@example.com"))


def state(desk: Desk, edit_id: int) -> EditState:
    return reading.edit(desk.db, edit_id).state


def test_claimed_edits_come_with_all_that_the_screen_shows(ada: Caller, small_desk: Desk) -> None:
    answer = ada.post("claims", count=2).json()
    hat, mug = (claim["edit"] for claim in answer["claims"])
    assert answer["progress"] == {"waiting": 5, "decided": 1}
    assert (hat["id"], hat["title"], hat["batch"], hat["state"], hat["round"]) == (1, "hat", "autumn", "in_review", 1)
    assert hat["revision"] == reading.edit(small_desk.db, 1).revision
    assert (hat["cost_usd"], hat["unpriced"], hat["asked_by"]) == (0.04, 0, "ada")
    assert (hat["asset_cost_usd"], hat["asset_unpriced"], hat["doubtful_usd"]) == (0.04, 0, None)
    assert hat["reject_reasons"][0] == "wrong edit"
    assert hat["may"] == {"accept": True, "reject": True, "reprompt": True, "escalate": True, "send_again": False}
    assert (hat["source"]["width"], hat["source"]["height"], hat["source"]["media_type"]) == (320, 240, PNG)
    (flag,) = hat["outputs"][0]["flags"]
    assert (flag["kind"], flag["change"], flag["level"], flag["xyxy"]) == ("face", "kept", "sure", [80, 60, 240, 180])
    assert [(each["id"], each["round"], each["prompt"]) for each in hat["rounds"]] == [(1, 1, "make the hat red")]
    assert mug["title"] == mug["outputs"][0]["flags"][0]["label"] == HOSTILE


def test_the_pictures_of_an_edit_hash_to_their_names(ada: Caller, client: TestClient) -> None:
    (claim,) = ada.claim()
    for picture in (claim["edit"]["source"], claim["edit"]["outputs"][0]["picture"]):
        answer = client.get(picture["url"])
        assert hashlib.sha256(answer.content).hexdigest() == picture["sha256"]
        assert (answer.headers["content-type"], len(answer.content)) == (picture["media_type"], picture["bytes"])
        small = client.get(picture["small_url"])
        assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")


def test_nobody_gets_what_another_looks_at(ada: Caller, ben: Caller) -> None:
    first, second = ada.claim(count=3), ben.claim(count=200)
    assert [claim["edit"]["id"] for claim in first] == [1, 2, 3]
    assert [claim["edit"]["id"] for claim in second] == [4, 6]


def test_claims_can_be_filtered_left_out_renewed_and_given_back(ada: Caller, ben: Caller) -> None:
    (faces,) = ada.claim(filter={"kind": "face", "change": Change.KEPT}, count=5)
    assert faces["edit"]["title"] == "hat"
    assert [claim["edit"]["id"] for claim in ada.claim(count=5, leave_out=[2, 3])] == [4, 6]
    renewed = ada.post("claims", count=0, renew=[faces["token"], "0" * 16]).json()
    assert (renewed["renewed"], renewed["claims"]) == ([faces["token"]], [])
    assert ben.post("claims/release", tokens=[faces["token"]]).json() == {"released": 0}
    assert ada.post("claims/release", tokens=[faces["token"]]).json() == {"released": 1}
    assert [claim["edit"]["id"] for claim in ben.claim(count=5)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "more", "becomes"),
    [
        ("accept", {}, "approved"),
        ("reject", {"reason": "face", "note": "who is this?"}, "rejected"),
        ("re-prompt", {"prompt": "make the hat green"}, "superseded"),
        ("escalate", {}, "in_review"),
    ],
)
def test_a_decision_is_carried_out(
    ada: Caller, small_desk: Desk, kind: str, more: dict[str, Any], becomes: str
) -> None:
    (claim,) = ada.claim()
    answer = ada.post("decisions", **decision(claim, kind, **more))
    assert (answer.status_code, answer.json()) == (200, {"edit": 1, "state": becomes})
    assert state(small_desk, 1) == becomes
    (kept,) = reading.decisions(small_desk.db, [1])
    assert (kept.kind, kept.actor, kept.shown_ms) == (kind, "ada@example.com", 900)
    assert (kept.reason, kept.note) == (more.get("reason", ""), more.get("note", ""))
    assert kept.output_sha256 == claim["edit"]["outputs"][0]["picture"]["sha256"]


def mask_url(size_wh: tuple[int, int]) -> str:
    """A black and white mask as a browser's canvas gives it: the middle is to be edited."""
    image = Image.new("L", size_wh)
    image.paste(255, (100, 80, 140, 120))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_a_region_can_be_asked_for(ada: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    said = decision(claim, "re-prompt", prompt="remove the face", mask=mask_url((320, 240)))
    assert ada.post("decisions", **said).json()["state"] == "superseded"
    _, following = reading.rounds(small_desk.db, reading.edit(small_desk.db, 1).asset.id)
    assert (following.instruction.prompt, following.keeps_outside) == ("remove the face", True)
    assert following.mask is not None


def test_the_price_of_another_round_comes_with_who_could_make_it(
    ada: Caller, small_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (claim,) = ada.claim()
    ledger.set_budget(small_desk.db, reading.edit(small_desk.db, 1).asset.batch_id, 5_000_000)
    asked = {"edit": 1, "prompt": "make the hat green", "output": claim["edit"]["outputs"][0]["id"], "on_output": True}
    here = ada.post("estimate", **asked).json()
    assert (here["provider"], here["low_usd"], here["high_usd"], here["unpriced"]) == ("local", 0, 0, False)
    assert 4.7 < here["budget_left_usd"] < 5
    assert (here["month_left_usd"], here["is_over_budget"], here["reused"], here["problem"]) == (None, False, False, "")
    names = [(each["name"], each["takes_mask"], each["takes_markup"]) for each in here["providers"]]
    assert names == [("local", True, False), ("openai", True, True), ("openai-batch", True, False)]
    circled = ada.post("estimate", **{**asked, "prompt": "circle the damage"}, mark="markup").json()
    assert (circled["providers"][0]["takes_markup"], circled["problem"]) == (True, "")
    there = ada.post("estimate", **asked, provider="openai", mark="markup").json()
    assert 0 < there["low_usd"] < there["high_usd"]
    assert state(small_desk, 1) is EditState.IN_REVIEW


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"provider": "nobody"}, "usage"),
        ({"mark": "scribble"}, "usage"),
        ({"edit": 99}, "not_found"),
        ({"output": 99, "on_output": True}, "not_found"),
    ],
)
def test_a_price_of_nothing_is_refused(ada: Caller, change: dict[str, Any], code: str) -> None:
    assert ada.post("estimate", **{"edit": 1, "prompt": "make it green", **change}).json()["code"] == code


def test_viewers_and_requesters_ask_for_no_price(client: TestClient, small_desk: Desk) -> None:
    for role in (Role.VIEWER, Role.REQUESTER):
        assert Caller(client, ticket(small_desk, role)).post("estimate", edit=1).status_code == 403
    assert Caller(client, None).post("estimate", edit=1).status_code == 401


def test_an_edit_in_doubt_says_what_it_may_have_cost(ada: Caller, small_desk: Desk) -> None:
    lamp = ada.get(f"edits/{add_doubtful(small_desk)}").json()
    assert (lamp["state"], lamp["doubtful_usd"], lamp["cost_usd"]) == ("in_doubt", 0.04, 0)


def test_a_desks_own_words_for_a_reason_come_with_the_edit(ada: Caller, small_desk: Desk) -> None:
    small_desk.settings.reject_prompts.update({"other": "Make it nicer", "of no list": "never"})
    (claim,) = ada.claim()
    assert claim["edit"]["reject_prompts"] == {"other": "Make it nicer"}


def test_marks_and_a_reason_go_with_a_re_prompt(ada: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    image = Image.new("RGBA", (320, 240))
    image.paste((255, 0, 0, 255), (100, 80, 140, 120))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    said = decision(claim, "re-prompt", prompt="make what is circled blue", markup=url, reason="face")
    assert ada.post("decisions", **said).json()["state"] == "superseded"
    _, following = reading.rounds(small_desk.db, reading.edit(small_desk.db, 1).asset.id)
    assert (following.markup is not None, following.mask, following.keeps_outside) == (True, None, False)
    assert reading.decisions(small_desk.db, [1])[0].reason == "face"


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (mask_url((32, 24)), "32"),
        ("data:image/png;base64,bm8gcGljdHVyZQ==", "edit 1"),
        ("data:image/png;base64,%", "mask"),
        ("data:image/svg+xml;base64,", "mask"),
        ("/etc/passwd", "mask"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(ada: Caller, small_desk: Desk, mask: str, word: str) -> None:
    (claim,) = ada.claim()
    answer = ada.post("decisions", **decision(claim, "re-prompt", prompt="remove the face", mask=mask))
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert word in answer.json()["error"]
    assert state(small_desk, 1) is EditState.IN_REVIEW


def test_a_decision_that_is_sent_twice_counts_once(ada: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    answers = [ada.post("decisions", **decision(claim)) for _ in range(2)]
    assert [(each.status_code, each.json()["state"]) for each in answers] == [(200, "approved")] * 2
    assert len(reading.decisions(small_desk.db, [1])) == 1


def test_a_key_of_another_decision_is_refused(ada: Caller, small_desk: Desk) -> None:
    hat, mug = ada.claim(count=2)
    said = decision(hat)
    assert ada.post("decisions", **said).status_code == 200
    assert ada.post("decisions", **decision(mug, key=said["key"])).status_code == 409
    assert state(small_desk, 2) is EditState.IN_REVIEW


def test_a_conflict_brings_the_edit_back_as_it_is_now(ada: Caller, ben: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    assert ada.post("decisions", **decision(claim, "reject", reason="face")).status_code == 200
    answer = ben.post("decisions", **decision(claim, key="another key"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    now = answer.json()["edit"]
    assert (now["id"], now["state"], now["revision"]) == (1, "rejected", claim["edit"]["revision"] + 1)
    assert now["may"]["accept"] is False
    assert len(reading.decisions(small_desk.db, [1])) == 1


def test_what_another_looks_at_cannot_be_decided_on(ada: Caller, ben: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    answer = ben.post("decisions", **{**decision(claim), "claim": "0" * 16})
    assert answer.status_code == 409
    assert "ada@example.com is looking at it" in answer.json()["error"]
    assert state(small_desk, 1) is EditState.IN_REVIEW


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"decision": "undo"}, "decision"),
        ({"decision": "reject", "reason": "because"}, "because"),
        ({"decision": "re-prompt", "prompt": " "}, "empty prompt"),
        ({"role": "admin"}, "role"),
        ({"key": "short"}, "key"),
        ({"revision": None}, "revision"),
        ({"shown_ms": -1}, "shown_ms"),
        ({"edit": 0}, "edit"),
        ({"edit": 2**70}, "edit"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    ada: Caller, small_desk: Desk, change: dict[str, Any], word: str
) -> None:
    (claim,) = ada.claim()
    answer = ada.post("decisions", **{**decision(claim), **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert word in answer.json()["error"]
    assert state(small_desk, 1) is EditState.IN_REVIEW


def test_an_edit_that_is_not_there_is_not_found(ada: Caller) -> None:
    (claim,) = ada.claim()
    for answer in (ada.post("decisions", **decision(claim, edit=99)), ada.get("edits/99"), ada.get(f"edits/{2**70}")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_of_many_decisions_one_that_fails_leaves_the_others_alone(ada: Caller, small_desk: Desk) -> None:
    claims = ada.claim(count=5)
    said = [decision(claim) for claim in claims[:3]]
    said[1]["revision"] -= 1
    said[2] = decision(claims[2], "escalate")
    said += [decision(claims[3], "reject", reason="no such reason"), decision(claims[3], "reject", reason="other")]
    said.append(decision(claims[4], edit=99, key="of no edit"))
    outcomes = ada.post("decisions/bulk", decisions=said).json()["outcomes"]
    assert [(each["edit"], each.get("state") or each["code"]) for each in outcomes] == [
        (1, "approved"),
        (2, "conflict"),
        (3, "in_review"),
        (4, "usage"),
        (4, "rejected"),
        (99, "not_found"),
    ]
    assert [state(small_desk, n) for n in (1, 2, 3, 4)] == ["approved", "in_review", "in_review", "rejected"]


def test_an_output_with_a_sure_flag_is_accepted_by_itself_but_not_among_many(ada: Caller, small_desk: Desk) -> None:
    """The hat's sure face was there before; the mug's text is new but no more than likely; the bag's logo is lost."""
    said = [decision(claim) for claim in ada.claim(count=3)]
    outcomes = ada.post("decisions/bulk", decisions=said).json()["outcomes"]
    assert [each.get("state") or each["code"] for each in outcomes] == ["approved", "approved", "usage"]
    assert outcomes[2]["error"] == "edit 3 (bag): it has a sure flag (logo lost: ACME); accept it by itself"
    assert (state(small_desk, 3), reading.decisions(small_desk.db, [3])) == (EditState.IN_REVIEW, [])
    assert ada.post("decisions", **said[2]).json()["state"] == "approved"


def test_a_bulk_is_taken_back_together_and_claimed_again(ada: Caller, ben: Caller, small_desk: Desk) -> None:
    hat, mug, _, cap = ada.claim(count=4)
    ada.post("decisions/bulk", decisions=[decision(hat), decision(mug, "reject", reason="other")])
    ada.post("decisions", **decision(cap))
    first, second = (ada.post("undo/bulk", edits=[1, 2, 5], key="undo a bulk").json()["outcomes"] for _ in range(2))
    assert [each["edit"] for each in first] == [1, 2, 5]
    assert len({each["token"] for each in first[:2]} - {None}) == 2
    assert [each["now"]["state"] for each in first] == ["in_review", "in_review", "approved"]
    assert (first[2]["code"], "the policy" in first[2]["error"]) == ("conflict", True)
    assert [each.get("code") for each in second] == [None, None, "conflict"]
    assert len(reading.decisions(small_desk.db, [1, 2])) == 4
    assert [claim["edit"]["id"] for claim in ben.claim(count=9)] == [6]


def test_many_decisions_sent_twice_count_once(ada: Caller, small_desk: Desk) -> None:
    said = [decision(claim) for claim in ada.claim(count=3, leave_out=[3])]
    first, second = (ada.post("decisions/bulk", decisions=said).json() for _ in range(2))
    assert first == second == {"outcomes": [{"edit": n, "state": "approved"} for n in (1, 2, 4)]}
    assert len(reading.decisions(small_desk.db, [1, 2, 4])) == 3


def test_more_than_500_decisions_at_once_are_refused(ada: Caller, small_desk: Desk) -> None:
    (claim,) = ada.claim()
    answer = ada.post("decisions/bulk", decisions=[decision(claim, key=f"number {n}") for n in range(501)])
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert state(small_desk, 1) is EditState.IN_REVIEW


def test_undo_takes_back_ones_last_decision_and_claims_the_edit_again(ada: Caller, ben: Caller) -> None:
    hat, mug = ada.claim(count=2)
    for claim in (hat, mug):
        ada.post("decisions", **decision(claim))
    for edit_id in (2, 1):
        back = ada.post("undo").json()
        assert (back["edit"]["id"], back["edit"]["state"], bool(back["token"])) == (edit_id, "in_review", True)
    assert [claim["edit"]["id"] for claim in ben.claim(count=9)] == [3, 4, 6]
    assert ada.post("decisions", **decision(back, "reject", reason="face")).json()["state"] == "rejected"
    nothing = ben.post("undo")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")


def test_an_undo_that_is_sent_twice_takes_one_decision_back(ada: Caller, small_desk: Desk) -> None:
    for claim in ada.claim(count=2):
        ada.post("decisions", **decision(claim))
    first, second = (ada.post("undo", key="undo of mug").json() for _ in range(2))
    assert (first["edit"], first["token"] == second["token"]) == (second["edit"], False)
    assert (state(small_desk, 1), state(small_desk, 2)) == ("approved", "in_review")
    wrong = ada.post("undo", edit=1, key="undo of mug")
    assert (wrong.status_code, wrong.json()["edit"]["state"]) == (409, "approved")
    assert ada.post("decisions", **decision({**second}, key="after the undo")).json()["state"] == "approved"
    assert ada.post("undo", key="after the undo").status_code == 409
    assert (state(small_desk, 1), state(small_desk, 2)) == ("approved", "approved")


def test_what_somebody_else_decided_is_not_ones_to_undo(ada: Caller, ben: Caller, eve: Caller) -> None:
    (claim,) = ada.claim()
    ada.post("decisions", **decision(claim))
    answer = ben.post("undo", edit=1)
    assert (answer.status_code, answer.json()["edit"]["state"]) == (409, "approved")
    assert eve.post("undo", edit=1).json()["edit"]["state"] == "in_review"


def test_what_was_escalated_is_for_an_approver(ada: Caller, ben: Caller, eve: Caller) -> None:
    (claim,) = ada.claim()
    ada.post("decisions", **decision(claim, "escalate"))
    assert 1 not in [each["edit"]["id"] for each in ben.claim(count=9)]
    seen = ben.get("edits/1").json()
    assert (seen["escalated_by"], any(seen["may"].values())) == ("ada@example.com", False)
    refused = ben.post("decisions", **decision({"edit": seen, "token": "0" * 16}))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    (up,) = eve.claim()
    assert (up["edit"]["id"], up["edit"]["may"]["accept"], up["edit"]["may"]["escalate"]) == (1, True, False)
    assert eve.post("decisions", **decision(up)).json()["state"] == "approved"


def test_a_round_says_which_picture_it_started_from(ada: Caller, small_desk: Desk) -> None:
    """A re-prompt "from the source" starts from it, and its mask has to have its size."""
    (claim,) = ada.claim()
    assert claim["edit"]["input"] is None
    ada.post("decisions", **decision(claim, "re-prompt", prompt="no face", on_output=True))
    _, following = reading.rounds(small_desk.db, 1)
    found = ada.get(f"edits/{following.id}").json()
    assert found["input"]["sha256"] == claim["edit"]["outputs"][0]["picture"]["sha256"] != found["source"]["sha256"]


def test_an_edit_by_itself_comes_with_rounds_and_decisions(ada: Caller) -> None:
    (claim,) = ada.claim()
    ada.post("decisions", **decision(claim, "re-prompt", prompt="make it green", note="too red"))
    found = ada.get("edits/1").json()
    assert [(each["round"], each["state"], each["prompt"]) for each in found["rounds"]] == [
        (1, "superseded", "make the hat red"),
        (2, "queued", "make it green"),
    ]
    assert found["rounds"][1]["picture_url_small"] is None
    (kept,) = found["decisions"]
    assert (kept["decision"], kept["by"], kept["note"]) == ("re-prompt", "ada@example.com", "too red")
    assert kept["at"].endswith("+00:00")


def test_nothing_tells_a_sampled_edit_from_one_that_a_rule_brought(ada: Caller, small_desk: Desk) -> None:
    """``hat`` is here for a rule, ``cap`` as a sample; beside what can be seen on the pictures, both say the same."""
    hat, _, _, cap, _ = (claim["edit"] for claim in ada.claim(count=5))
    assert reading.edit(small_desk.db, 4).route["reasons"] == [SAMPLE_REASON]
    assert hat["reasons"] == cap["reasons"] == [UNSAID]
    assert "sample" not in str(ada.get("edits/4").json())


def test_a_person_alone_on_this_machine_is_asked_for_no_second_look(client: TestClient, small_desk: Desk) -> None:
    alone = Caller(client, local_ticket(small_desk))
    (claim,) = alone.claim()
    alone.post("decisions", **decision(claim, "escalate"))
    (back,) = alone.claim()
    assert (back["edit"]["id"], back["edit"]["escalated_by"], back["edit"]["may"]["accept"]) == (1, "ada", True)
