"""What happens is told once, signed, in order, whatever goes wrong; over real HTTP, on both databases."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import audit, review
from pipeline.desk import Desk
from pipeline.metrics import Metrics
from pipeline.people import local_person
from pipeline.review import Screen
from pipeline.store import batching, outgoing, reading
from pipeline.webhooks import endpoints, schedule
from pipeline.webhooks.kinds import Message
from pipeline.webhooks.sending import Sender, sending
from tests import processes
from tests.desks import HOSTILE
from tests.webhooks.conftest import PAGE, Clock, opened, send
from tests.webhooks.receiver import Receiver, Reply, Request, in_turn

ADA = local_person("ada")
HAT, MUG, BAG, CAP, SOCK, KNIFE = range(1, 7)
ALL = [message.value for message in Message]


def add(desk: Desk, receiver: Receiver, *events: str) -> endpoints.Added:
    return endpoints.add(desk, receiver.url, events=events or ALL, by=ADA)


def decide_on_all(desk: Desk) -> None:
    review.accept(desk, HAT, by=ADA)
    review.reject(desk, MUG, by=ADA, reason="logo", note="for nobody else")
    review.accept(desk, BAG, by=ADA, screen=Screen(output_id=reading.edit(desk.db, BAG).outputs[0].id))
    review.accept(desk, CAP, by=ADA)
    review.reject(desk, KNIFE, by=ADA, reason="other")


def signature(secret: str, request: Request) -> str:
    """By the words of the specification, apart from any library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([request.id.encode(), request.headers["webhook-timestamp"].encode(), request.body])
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def dead(desk: Desk) -> list[outgoing.DeliveryRecord]:
    return endpoints.undelivered(desk, by=ADA)


@pytest.mark.usefixtures("each_database")
def test_what_happens_is_told_signed_and_in_order(tmp_path: Path, receiver: Receiver) -> None:
    """What was before is not told; a batch is done when nothing of it is open, again after an undo."""
    desk = opened(tmp_path / "desk")
    made = add(desk, receiver)
    batching.record_stop(desk.db, [1], code="budget_reached", message="of $1.00", owner="runner-1")
    batching.record_stop(desk.db, [1], code="no_credit", message="the account", owner="runner-1")
    decide_on_all(desk)
    send(desk)
    review.undo(desk, HAT, by=ADA)
    send(desk)
    review.accept(desk, HAT, by=ADA)
    send(desk)
    told = [request.message for request in receiver.requests]
    assert [each["type"] for each in told[:1] + told[6:]] == [
        *("budget.reached", "batch.done", "edit.needs_review", "edit.approved", "batch.done"),
    ]
    edits = [(each["type"], each["data"]["edit"]["id"]) for each in told[1:6]]
    assert sorted(edits, key=lambda each: each[1]) == [
        *(("edit.approved", HAT), ("edit.rejected", MUG), ("edit.approved", BAG), ("edit.approved", CAP)),
        ("edit.rejected", KNIFE),
    ]
    of_mug = next(each for each in told[1:6] if each["data"]["edit"]["id"] == MUG)
    (event,) = [e for e in reading.events(desk.db, [MUG]) if e.kind == "edit.rejected"]
    assert of_mug == {
        "type": "edit.rejected",
        "version": 1,
        "timestamp": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "data": {
            "event": event.id,
            "edit": {"id": MUG, "round": 1},
            "asset": {"id": MUG, "name": HOSTILE, "variant": "", "sku": ""},
            "batch": {"id": 1, "name": "autumn"},
            "state": "rejected",
            "was": "in_review",
            "who": "ada",
            "reason": "logo",
            "links": {"page": f"{PAGE}/asset?edit={MUG}"},
        },
    }
    assert told[0]["data"]["code"] == "budget_reached"
    assert told[6]["data"]["counts"] == {"approved": 4, "rejected": 2}
    assert told[7]["data"]["was"] == "approved"
    for request in receiver.requests:
        assert request.headers["webhook-signature"] == signature(made.secret, request)
        assert abs(float(request.headers["webhook-timestamp"]) - time.time()) < 60
        assert b"for nobody else" not in request.body
        assert made.secret.encode() not in request.body
    assert len({request.id for request in receiver.requests}) == len(receiver.requests)
    assert (send(desk), dead(desk), outgoing.webhook(desk.db, 1).waiting) == (0, [], 0)
    assert audit.verify(desk).is_whole
    desk.close()


@pytest.mark.usefixtures("each_database")
def test_a_receiver_that_was_away_is_told_all_in_the_order_of_each_edit(tmp_path: Path, clock: Clock) -> None:
    """Each try has the same name and a time of its own; while nobody answers, one request at a time is tried."""
    desk = opened(tmp_path / "desk")
    with Receiver() as receiver:
        add(desk, receiver, "edit.approved", "edit.needs_review")
        receiver.close()
        review.accept(desk, HAT, by=ADA)
        review.undo(desk, HAT, by=ADA)
        review.accept(desk, MUG, by=ADA)
        assert send(desk, clock) == 2
        (found,) = endpoints.listed(desk, by=ADA)
        assert (found.failures, found.waiting, found.failing_since) == (1, 3, clock.now)
        for _ in range(3):
            clock.go_on(minutes=6)
            assert send(desk, clock) == 1
        assert [(each.subject, each.tries) for each in dead(desk)] == [(f"edit:{MUG}", 1), (f"edit:{HAT}", 4)]
        assert "ConnectError" in dead(desk)[0].answer
        receiver.open()
        clock.go_on(minutes=6)
        send(desk, clock)
        told = [(request.type, request.edit) for request in receiver.requests]
        assert sorted(told) == [("edit.approved", HAT), ("edit.approved", MUG), ("edit.needs_review", HAT)]
        assert told.index(("edit.approved", HAT)) < told.index(("edit.needs_review", HAT))
        stamps = {int(request.headers["webhook-timestamp"]) for request in receiver.requests}
        assert stamps == {int(clock.now.timestamp())}
        (found,) = endpoints.listed(desk, by=ADA)
        assert (found.failures, found.waiting, found.failing_since, dead(desk)) == (0, 0, None, [])
    desk.close()


def test_what_a_receiver_refuses_holds_up_its_own_edit_alone_and_is_given_up_after_a_day(
    desk: Desk, receiver: Receiver, clock: Clock
) -> None:
    """It is listed as dead; sent again, it comes under the name that it had."""
    refused = (HAT, "edit.approved")
    receiver.answers = lambda each: Reply(500, "cannot") if (each.edit, each.type) == refused else Reply()
    add(desk, receiver, "edit.approved", "edit.needs_review")
    for edit_id in (HAT, MUG):
        review.accept(desk, edit_id, by=ADA)
        review.undo(desk, edit_id, by=ADA)
    began = clock.now
    send(desk, clock)
    while (failed := dead(desk)[0]).state == "pending":
        clock.now = max(failed.next_at, clock.now + timedelta(seconds=6))
        send(desk, clock)
    receiver.answers = lambda _: Reply()
    tries = [request for request in receiver.requests if (request.edit, request.type) == refused]
    assert len(tries) == schedule.MOST_TRIES
    assert timedelta(hours=20) < clock.now - began < timedelta(hours=32)
    clock.go_on(minutes=6)
    send(desk, clock)
    others = [(request.edit, request.type) for request in receiver.requests if request not in tries]
    assert others == [(MUG, "edit.approved"), (MUG, "edit.needs_review"), (HAT, "edit.needs_review")]
    assert receiver.requests[-1].edit == HAT
    (found,) = dead(desk)
    assert (found.tries, found.status, found.answer) == (schedule.MOST_TRIES, 500, "cannot")
    told = Metrics(desk).text().decode()
    assert 'picturedesk_webhook_deliveries{state="dead"} 1.0' in told
    assert endpoints.resend(desk, by=ADA) == 1
    send(desk, clock)
    assert receiver.requests[-1].id == found.message_id
    assert {request.id for request in tries} == {found.message_id}
    assert dead(desk) == []


def test_410_switches_the_endpoint_off_and_what_it_missed_waits(desk: Desk, receiver: Receiver, clock: Clock) -> None:
    receiver.answers = in_turn([Reply(410)])
    add(desk, receiver)
    review.accept(desk, HAT, by=ADA)
    assert send(desk, clock) == 1
    review.accept(desk, MUG, by=ADA)
    clock.go_on(hours=1)
    assert send(desk, clock) == 0
    (found,) = endpoints.listed(desk, by=ADA)
    assert (found.is_on, found.off_because) == (False, "the receiver answered 410: it wants no more messages")
    (event, *_) = reading.latest_events(desk.db, kind="webhook.", limit=1)
    assert (event.kind, event.actor) == ("webhook.off", "picturedesk")
    assert endpoints.doubtful(desk) == [f"webhook 1: off: {found.off_because}"]
    endpoints.switch(desk, 1, is_on=True, by=ADA)
    send(desk, clock)
    assert sorted(request.edit for request in receiver.requests) == [HAT, HAT, MUG]
    endpoints.switch(desk, 1, is_on=False, by=ADA)
    review.accept(desk, CAP, by=ADA)
    endpoints.switch(desk, 1, is_on=True, skip_missed=True, by=ADA)
    assert send(desk, clock) == 0


def test_a_slow_receiver_is_left_and_holds_up_nobody(desk: Desk, receiver: Receiver, clock: Clock) -> None:
    """And who asks for time gets it."""
    is_over = threading.Event()

    def wait(_: Request) -> None:
        is_over.wait(60)

    with Receiver(lambda _: Reply(before=wait)) as slow:
        add(desk, slow, "edit.approved")
        add(desk, receiver, "edit.approved")
        review.accept(desk, HAT, by=ADA)
        began = time.monotonic()
        assert send(desk, clock, timeout_s=3) == 2
        assert time.monotonic() - began < 30
        (late,) = dead(desk)
        assert (late.webhook_id, late.status, late.answer) == (1, None, "no answer within 3 s")
        assert [request.edit for request in receiver.requests] == [HAT]
        is_over.set()
    receiver.answers = in_turn([Reply(429, headers={"Retry-After": "1800"})])
    review.accept(desk, MUG, by=ADA)
    endpoints.switch(desk, 1, is_on=False, by=ADA)
    send(desk, clock)
    clock.go_on(minutes=29)
    assert send(desk, clock) == 0
    clock.go_on(minutes=2)
    assert send(desk, clock) == 1


def test_no_redirect_is_followed_and_no_private_address_asked(desk: Desk, receiver: Receiver, tmp_path: Path) -> None:
    with Receiver(lambda _: Reply(307, headers={"Location": receiver.url})) as elsewhere:
        add(desk, elsewhere, "edit.approved")
        review.accept(desk, HAT, by=ADA)
        send(desk)
        (found,) = dead(desk)
        assert (found.status, found.answer) == (
            307,
            f"it redirects, which is not followed; change the URL: {receiver.url}",
        )
    careful = Desk(desk.root, desk.settings.model_copy(update={"allow_private_webhooks": False}), desk.db)
    endpoints.change(desk, 1, url=f"http://localhost:{receiver.port}/hook", by=ADA)
    review.accept(careful, MUG, by=ADA)
    send(careful, Clock())
    assert "private address" in dead(desk)[0].answer
    assert receiver.requests == []
    assert endpoints.send_test(careful, 1, by=ADA).status is None


@pytest.mark.usefixtures("each_database")
def test_who_is_killed_before_it_has_booked_leaves_the_message_to_be_sent_again_by_its_name(
    tmp_path: Path, receiver: Receiver, clock: Clock
) -> None:
    desk = opened(tmp_path / "desk")
    add(desk, receiver, "edit.approved")
    review.accept(desk, HAT, by=ADA)
    began: list[int] = []
    receiver.answers = in_turn([Reply(before=lambda _: os.kill(began[0], signal.SIGKILL))])
    process = processes.start("tests.webhooks.once", str(desk.root))
    assert process.pid is not None
    began.append(process.pid)
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert send(desk, clock) == 0, "the other one's lease holds still"
    clock.go_on(seconds=outgoing.LEASE_S + 30)
    assert send(desk, clock) == 1
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert outgoing.webhook(desk.db, 1).waiting == 0
    desk.close()


@pytest.mark.usefixtures("each_database")
def test_of_many_senders_one_sends_and_nothing_comes_twice(tmp_path: Path, receiver: Receiver) -> None:
    desk = opened(tmp_path / "desk")
    add(desk, receiver, "edit.approved", "edit.needs_review")
    for edit_id in (HAT, MUG, CAP):
        for _ in range(3):
            review.accept(desk, edit_id, by=ADA)
            review.undo(desk, edit_id, by=ADA)

    async def race() -> None:
        while outgoing.is_under_way(desk.db):
            await asyncio.gather(*(Sender(desk).once() for _ in range(4)))

    asyncio.run(race())
    assert max(Counter(request.id for request in receiver.requests).values()) == 1
    for edit_id in (HAT, MUG, CAP):
        told = [request.message["data"]["event"] for request in receiver.requests if request.edit == edit_id]
        assert told == sorted(told)
        assert len(told) == 6
    desk.close()


def test_messages_are_signed_with_two_secrets_while_one_is_changed(
    desk: Desk, receiver: Receiver, clock: Clock
) -> None:
    old = add(desk, receiver, "edit.approved").secret
    new = endpoints.rotate(desk, 1, by=ADA)
    review.accept(desk, HAT, by=ADA)
    send(desk, clock)
    clock.go_on(hours=25)
    review.accept(desk, MUG, by=ADA)
    send(desk, clock)
    first, second = receiver.requests
    assert first.headers["webhook-signature"].split(" ") == [signature(new, first), signature(old, first)]
    assert second.headers["webhook-signature"] == signature(new, second)


def test_a_worker_tells_what_happens_beside_it_and_a_run_what_happened_by_its_end(
    desk: Desk, receiver: Receiver
) -> None:
    add(desk, receiver, "edit.approved", "batch.done")
    with sending(desk):
        review.accept(desk, HAT, by=ADA)
        until = time.monotonic() + 60
        while not receiver.requests and time.monotonic() < until:
            time.sleep(0.02)
    assert [request.edit for request in receiver.requests] == [HAT]
    with sending(desk, until_told=True):
        decide_on_the_rest(desk)
    assert [request.type for request in receiver.requests[-2:]] == ["edit.approved", "batch.done"]


def decide_on_the_rest(desk: Desk) -> None:
    for edit_id in (MUG, KNIFE, BAG):
        review.reject(desk, edit_id, by=ADA, reason="other")
    review.accept(desk, CAP, by=ADA)


def test_no_more_is_read_ahead_than_has_room_and_what_was_delivered_is_forgotten_in_time(
    desk: Desk, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MOST_WAITING", 2)
    receiver.close()
    add(desk, receiver, "edit.approved")
    for edit_id in (HAT, MUG, CAP):
        review.accept(desk, edit_id, by=ADA)
    send(desk, clock)
    assert outgoing.webhook(desk.db, 1).waiting == 2
    receiver.open()
    clock.go_on(minutes=6)
    assert send(desk, clock) == 3
    assert outgoing.forget(desk.db, before=clock.now) == 0
    assert outgoing.forget(desk.db, before=clock.now + timedelta(seconds=1)) == 3


def test_the_waits_between_tries_come_to_a_day() -> None:
    waits = [schedule.wait_s(number) for number in range(1, schedule.MOST_TRIES + 1)]
    assert waits[-1] is None
    total = sum(wait for wait in waits if wait is not None)
    assert 0.8 * 25.6 * 3600 < total < 1.2 * 25.6 * 3600
    assert all(schedule.pause_s(n) <= 360 for n in (1, 5, 5_000))


def test_a_test_message_is_sent_at_once_also_where_the_endpoint_is_off(desk: Desk, receiver: Receiver) -> None:
    made = add(desk, receiver)
    endpoints.switch(desk, 1, is_on=False, by=ADA)
    receiver.answers = in_turn([Reply(200, json.dumps({"x": "y" * 5_000}))])
    answer = endpoints.send_test(desk, 1, by=ADA)
    assert (answer.is_well, answer.status, len(answer.text)) == (True, 200, 500)
    (request,) = receiver.requests
    assert request.message["type"] == "webhook.test"
    assert request.headers["webhook-signature"] == signature(made.secret, request)
    at = datetime.fromisoformat(request.message["timestamp"])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
