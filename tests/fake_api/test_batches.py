"""Batches that are broken off, cancelled, expired or failed, and what each of them is billed."""

import json
from pathlib import Path

import openai
import pytest

from tests.fake_api.batches import answers, ended, line, start_batch, start_batch_of
from tests.fake_api.drawing import data_url, picture
from tests.fake_api.held_pictures import held_pictures
from tests.fake_api.running import RunningFake, eventually, quick_options, running_fake

SOURCE = {"image_url": data_url(picture())}


def test_a_restart_in_the_middle_bills_no_line_twice(tmp_path: Path) -> None:
    """Three of eight are made, the fourth waits for its picture; then the rest of them come."""
    options = quick_options(folder=tmp_path / "files", ledger_file=tmp_path / "billed.jsonl")
    with held_pictures(allowed=3) as pictures:
        with running_fake(options) as fake, fake.client() as client:
            batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(8)]).id
            eventually(lambda: pictures.waiting)
            made = [entry["client_id"] for entry in fake.ledger()["entries"]]
            under_way = client.batches.retrieve(batch_id)
        assert len(made) == 3
        assert (under_way.status, under_way.output_file_id) == ("in_progress", None)
        assert under_way.request_counts is not None
        assert under_way.request_counts.completed == 3
        pictures.release()
        with running_fake(options) as fake, fake.client() as client:
            batch = ended(client, batch_id)
            good = answers(client, batch.output_file_id)
            billed = [entry["client_id"] for entry in fake.ledger()["entries"]]
    assert (batch.status, batch.error_file_id) == ("completed", None)
    assert billed[:3] == made
    assert sorted(billed) == sorted(good) == [f"{n}" for n in range(8)]


def test_an_answer_that_was_not_written_whole_is_made_again(tmp_path: Path) -> None:
    options = quick_options(folder=tmp_path)
    with held_pictures(allowed=2) as pictures:
        with running_fake(options) as fake, fake.client() as client:
            batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(4)]).id
            eventually(lambda: pictures.waiting)
        (output,) = [file for file in tmp_path.glob("*.data") if b'"batch_req_' in file.read_bytes()]
        output.write_bytes(output.read_bytes()[:-20])
        pictures.release()
        with running_fake(options) as fake, fake.client() as client:
            batch = ended(client, batch_id)
            good = answers(client, batch.output_file_id)
    assert sorted(good) == ["0", "1", "2", "3"]


def test_what_is_being_cancelled_stays_so_after_a_restart(tmp_path: Path) -> None:
    """One line is made, the next waits; what is made is kept and billed, and no other."""
    options = quick_options(folder=tmp_path / "files", ledger_file=tmp_path / "billed.jsonl")
    with held_pictures(allowed=1) as pictures:
        with running_fake(options) as fake, fake.client() as client:
            batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(4)]).id
            eventually(lambda: pictures.waiting)
            assert client.batches.cancel(batch_id).status == "cancelling"
        pictures.release()
        with running_fake(options) as fake, fake.client() as client:
            batch = ended(client, batch_id)
            good = answers(client, batch.output_file_id)
            billed = [entry["client_id"] for entry in fake.ledger()["entries"]]
            assert client.batches.cancel(batch_id).status == "cancelled"
        with running_fake(options) as fake, fake.client() as client:
            ended(client, start_batch(client, [line("other", SOURCE)]).id)
            assert client.batches.retrieve(batch_id) == batch
    assert batch.status == "cancelled"
    assert len(billed) == 1
    assert list(good) == billed


def test_a_cancel_lets_the_line_under_way_end_and_begins_no_other(fake_api: RunningFake) -> None:
    with held_pictures(allowed=1) as pictures, fake_api.client() as client:
        batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(6)]).id
        eventually(lambda: pictures.waiting)
        client.batches.cancel(batch_id)
        pictures.release()
        batch = ended(client, batch_id)
        good = answers(client, batch.output_file_id)
    assert batch.status == "cancelled"
    assert len(good) == 2
    assert [entry["client_id"] for entry in fake_api.ledger()["entries"]] == list(good)


def test_a_batch_that_expires_keeps_and_bills_what_is_made(fake_api: RunningFake) -> None:
    fake_api.set(batch_outcome="expired")
    with fake_api.client() as client:
        batch = ended(client, start_batch(client, [line(f"{n}", SOURCE) for n in range(4)]).id)
        good, bad = answers(client, batch.output_file_id), answers(client, batch.error_file_id)
    assert batch.status == "expired"
    assert (len(good), len(bad)) == (2, 2)
    assert sorted([*good, *bad]) == ["0", "1", "2", "3"]
    assert {each["error"]["code"] for each in bad.values()} == {"batch_expired"}
    assert {each["response"] for each in bad.values()} == {None}
    assert sorted(entry["client_id"] for entry in fake_api.ledger()["entries"]) == sorted(good)


def test_a_batch_that_stood_still_for_its_whole_day_expires(tmp_path: Path) -> None:
    """Its day is put into the past by hand, between one line and the next."""
    options = quick_options(folder=tmp_path)
    with held_pictures(allowed=1) as pictures:
        with running_fake(options) as fake, fake.client() as client:
            batch_id = start_batch(client, [line(f"{n}", {"image_url": f"{pictures.url}/{n}"}) for n in range(4)]).id
            eventually(lambda: pictures.waiting)
        entry = tmp_path / f"{batch_id}.batch.json"
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"expires_at": 0}))
        pictures.release()
        with running_fake(options) as fake, fake.client() as client:
            batch = ended(client, batch_id)
            good, bad = answers(client, batch.output_file_id), answers(client, batch.error_file_id)
    assert (batch.status, len(good), len(bad)) == ("expired", 1, 3)


GOOD = json.dumps(line("a", SOURCE)).encode()


@pytest.mark.parametrize(
    ("data", "code", "number"),
    [
        (b"", "empty_file", None),
        (GOOD + b"\n{\n", "invalid_json_line", 2),
        (GOOD + b"\n\n" + GOOD, "duplicate_custom_id", 3),
        (GOOD.replace(b'"custom_id"', b'"name"'), "missing_custom_id", 1),
        (GOOD.replace(b"/v1/images/edits", b"/v1/responses"), "invalid_url", 1),
        (GOOD.replace(b"POST", b"GET"), "invalid_url", 1),
    ],
)
def test_a_file_that_cannot_be_carried_out_fails_as_a_whole(
    shared_fake: RunningFake, data: bytes, code: str, number: int | None
) -> None:
    before = shared_fake.billed()
    with shared_fake.client() as client:
        batch = ended(client, start_batch_of(client, data).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(error.code, error.line) for error in batch.errors.data] == [(code, number)]
    assert shared_fake.billed() == before


def test_a_batch_fails_where_that_is_asked_for(fake_api: RunningFake) -> None:
    fake_api.set(batch_outcome="failed")
    with fake_api.client() as client:
        batch = ended(client, start_batch(client, [line("a", SOURCE)]).id)
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert fake_api.billed() == 0


def test_a_file_that_was_not_sent_for_a_batch_starts_none(shared_fake: RunningFake) -> None:
    with shared_fake.client() as client:
        before = list(client.batches.list())
        uploaded = client.files.create(file=("lines.jsonl", GOOD), purpose="vision")
        with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
            client.batches.create(input_file_id=uploaded.id, endpoint="/v1/images/edits", completion_window="24h")
        assert list(client.batches.list()) == before


def test_a_batch_costs_half(fake_api: RunningFake) -> None:
    fake_api.edit(model="gpt-image-2.5-flare")
    with fake_api.client() as client:
        ended(client, start_batch(client, [line("a", SOURCE)]).id)
    direct, batched = fake_api.ledger()["entries"]
    assert batched["usage"] == direct["usage"]
    assert abs(2 * batched["cost_microusd"] - direct["cost_microusd"]) <= 1, "rounded to whole micro-dollars"


def test_a_batch_has_no_rate_limit_and_no_lot(fake_api: RunningFake) -> None:
    fake_api.set(requests_per_minute=1, rate_limited=1, drop=0)
    with fake_api.client() as client:
        batch = ended(client, start_batch(client, [line(f"{n}", SOURCE) for n in range(5)]).id)
    assert batch.request_counts is not None
    assert batch.request_counts.completed == 5


def test_answers_come_in_another_order_than_they_were_asked_for(shared_fake: RunningFake) -> None:
    names = [f"{n:02}" for n in range(30)]
    with shared_fake.client() as client:
        batch = ended(client, start_batch(client, [line(name, SOURCE) for name in names]).id)
        came = list(answers(client, batch.output_file_id))
    assert came != names
    assert sorted(came) == names


def test_the_output_expires_when_it_was_said(shared_fake: RunningFake) -> None:
    with shared_fake.client() as client:
        uploaded = client.files.create(file=("lines.jsonl", GOOD), purpose="batch")
        started = client.batches.create(
            input_file_id=uploaded.id,
            endpoint="/v1/images/edits",
            completion_window="24h",
            metadata={"desk": "shop"},
            output_expires_after={"anchor": "created_at", "seconds": 7200},
        )
        batch = ended(client, started.id)
        assert batch.output_file_id is not None
        output = client.files.retrieve(batch.output_file_id)
    assert (output.purpose, output.expires_at) == ("batch_output", output.created_at + 7200)
    assert batch.metadata == {"desk": "shop"}
