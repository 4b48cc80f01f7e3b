"""How the fake service misbehaves, how it limits, and what it writes down."""

import json
from collections import Counter
from pathlib import Path

import httpx
import openai
import pytest

from pipeline.fake_api.behaviour import SLOW_S, Behaviour, Fate
from tests.fake_api.drawing import data_url, picture
from tests.fake_api.running import RunningFake, quick_options, running_fake


def test_a_dropped_request_is_billed_and_its_connection_breaks(fake_api: RunningFake) -> None:
    with pytest.raises(openai.APIConnectionError):
        fake_api.edit("fake:drop")
    (entry,) = fake_api.ledger()["entries"]
    assert entry["outcome"] == "dropped"
    assert entry["cost_microusd"] > 0


def test_a_request_dropped_before_its_bill_costs_nothing(fake_api: RunningFake) -> None:
    with pytest.raises(openai.APIConnectionError):
        fake_api.edit("fake:drop-unbilled")
    books = fake_api.ledger()
    assert (books["billed"], books["total_microusd"], books["counts"]) == (0, 0, {"dropped_unbilled": 1})


def test_a_dropped_answer_breaks_off_in_the_middle(fake_api: RunningFake) -> None:
    """It begins as a 200 does, so that only the missing rest tells."""
    body = {"prompt": "fake:drop", "images": [{"image_url": data_url(picture())}]}
    headers = {"authorization": "Bearer sk-test"}
    with httpx.stream("POST", f"{fake_api.url}/v1/images/edits", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_the_books_tell_every_fate_apart(fake_api: RunningFake) -> None:
    """What was sent is what was billed and what was counted."""
    fake_api.set(drop=0.2, drop_unbilled=0.1, rate_limited=0.2, server_error=0.1, overloaded=0.1, refused=0.1, seed=7)
    came: Counter[str] = Counter()
    body = {"prompt": "x", "images": [{"image_url": data_url(picture())}]}
    with httpx.Client(headers={"authorization": "Bearer sk-test"}, verify=False) as client:
        for _ in range(100):
            try:
                came[str(client.post(f"{fake_api.url}/v1/images/edits", json=body).status_code)] += 1
            except httpx.RemoteProtocolError:
                came["dropped"] += 1
    books = fake_api.ledger()
    told = books["counts"]
    assert came["429"] == told["rate_limited"]
    assert came["500"] == told["server_error"]
    assert came["503"] == told["overloaded"]
    assert came["400"] == told["refused"]
    assert came["dropped"] == told["dropped"] + told["dropped_unbilled"]
    assert came["200"] + told["dropped"] == books["billed"]
    assert sum(came.values()) == 100


def test_shares_are_drawn_as_told() -> None:
    """Of 10,000 draws a share of 0.2 has a standard deviation of 40; none is off by more than 4 of those."""
    shares = {"drop": 0.05, "drop_unbilled": 0.02, "rate_limited": 0.2, "server_error": 0.1}
    shares |= {"overloaded": 0.03, "refused": 0.1, "refused_output": 0.04, "garbage": 0.01}
    fates = {
        "drop": Fate.DROP_BILLED,
        "drop_unbilled": Fate.DROP_UNBILLED,
        "rate_limited": Fate.RATE_LIMIT,
        "server_error": Fate.SERVER_ERROR,
        "overloaded": Fate.OVERLOADED,
        "refused": Fate.REFUSE_INPUT,
        "refused_output": Fate.REFUSE_OUTPUT,
        "garbage": Fate.GARBAGE,
    }
    behaviour = Behaviour(quick_options(**shares))
    drawn = Counter(behaviour.fate("make it warmer") for _ in range(10_000))
    assert {name: drawn[fates[name]] / 10_000 for name in shares} == pytest.approx(shares, abs=0.016)
    assert drawn[Fate.ANSWER] / 10_000 == pytest.approx(1 - sum(shares.values()), abs=0.02)


def test_a_seed_brings_the_same_draws_again() -> None:
    behaviour = Behaviour(quick_options(seed=5, drop=0.3, refused=0.3))
    first = [behaviour.fate("x") for _ in range(50)]
    going_on = [behaviour.fate("x") for _ in range(50)]
    behaviour.change({"seed": 5})
    assert [behaviour.fate("x") for _ in range(50)] == first
    assert going_on != first


def test_every_word_finds_its_fate_and_spends_no_draw() -> None:
    behaviour, untouched = (Behaviour(quick_options(drop=0.5)) for _ in range(2))
    for fate in Fate:
        assert behaviour.fate(f"brighter, fake:{fate.value}") is fate
    assert [behaviour.fate("x") for _ in range(20)] == [untouched.fate("x") for _ in range(20)]


def test_an_edit_takes_as_long_as_told_and_a_slow_one_a_minute() -> None:
    behaviour = Behaviour(quick_options(latency_ms=(200, 800)))
    taken = [behaviour.latency_s(Fate.ANSWER) for _ in range(1000)]
    assert 0.2 <= min(taken) < 0.25
    assert 0.75 < max(taken) <= 0.8
    assert behaviour.latency_s(Fate.SLOW) == SLOW_S


def test_the_books_go_on_after_a_restart_behind_what_was_written_whole(tmp_path: Path) -> None:
    """A kill in the middle of a line leaves half of it: nobody was answered for that one."""
    file = tmp_path / "books" / "billed.jsonl"
    with running_fake(quick_options(ledger_file=file)) as fake:
        fake.edit()
        fake.edit()
        before = fake.ledger()["entries"]
    with file.open("a") as books:
        books.write('{"id": 3, "at": "2026-11-')
    with running_fake(quick_options(ledger_file=file)) as fake:
        assert fake.ledger()["entries"] == before
        fake.edit()
        after = fake.ledger()["entries"]
    assert [entry["id"] for entry in after] == [1, 2, 3]
    assert [json.loads(line) for line in file.read_text().splitlines()] == after


def test_the_books_are_on_disk_before_the_answer_leaves(tmp_path: Path) -> None:
    file = tmp_path / "billed.jsonl"
    with running_fake(quick_options(ledger_file=file)) as fake:
        for number in range(1, 4):
            fake.edit()
            assert len(file.read_text().splitlines()) == number


def test_the_books_give_their_sum_without_the_entries(fake_api: RunningFake) -> None:
    fake_api.edit()
    short = fake_api.ask("GET", "/fake/ledger?entries=0").json()
    assert short == {name: value for name, value in fake_api.ledger().items() if name != "entries"}


def test_the_books_hold_the_end_of_a_key_and_the_name_that_the_caller_gave(fake_api: RunningFake) -> None:
    fake_api.edit(key="sk-a-long-secret-1234", extra_headers={"x-client-request-id": "edit-17"})
    (entry,) = fake_api.ledger()["entries"]
    assert (entry["key"], entry["client_id"], entry["endpoint"]) == ("1234", "edit-17", "/v1/images/edits")
    assert "secret" not in str(entry)
