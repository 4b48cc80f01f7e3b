"""What ``picturedesk webhooks`` does, as somebody types it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.store import reading
from pipeline.webhooks import endpoints
from tests.commands import Ran, run_command
from tests.desks import HOSTILE, build_desk
from tests.webhooks.conftest import Clock, send
from tests.webhooks.receiver import Receiver, Reply

ADA = local_person("ada")
HAT = 1


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_desk(tmp_path / "desk").close()
    settings = tmp_path / "desk" / "picturedesk.toml"
    told = '[messages.team]\nurl_env = "TEAM"\nevents = ["batch.done"]\n'
    settings.write_text(f"allow_private_webhooks = true\n{settings.read_text()}\n{told}")
    return tmp_path / "desk"


def webhooks(root: Path, *arguments: str) -> Ran:
    return run_command("--desk", str(root), "webhooks", *arguments)


def as_json(root: Path, *arguments: str) -> Any:
    ran = webhooks(root, *arguments, "--json")
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_webhook_is_added_tried_changed_and_removed(root: Path, receiver: Receiver) -> None:
    """The secret is printed once, and stands in no event, list or message."""
    assert "there is no webhook" in webhooks(root, "list").stdout
    made = as_json(root, "add", receiver.url, "--event", "edit.approved", "--actor", "ada")
    assert (made["webhook"], made["events"], made["secret"][:6]) == (1, ["edit.approved"], "whsec_")
    listed = as_json(root, "list")
    assert listed["webhooks"] == [{name: value for name, value in made.items() if name != "secret"}]
    assert listed["channels"][0] | {"answer": ""} == {
        "channel": "team",
        "events": ["batch.done"],
        "url_is_in": "TEAM",
        "failures": 0,
        "failing_since": None,
        "answer": "",
    }
    assert as_json(root, "test", "1") == {"webhook": 1, "delivered": True, "status": 204, "answer": ""}
    receiver.answers = lambda _: Reply(503, HOSTILE)
    refused = webhooks(root, "test", "1")
    assert (refused.exit_code, refused.stdout.strip()) == (1, f"answered 503: {HOSTILE}")
    secret = as_json(root, "secret", "1", "--keep-hours", "2")["secret"]
    assert secret != made["secret"]
    assert "edit.approved, batch.done" in webhooks(
        root, "change", "1", "--event", "edit.approved", "--event", "batch.done"
    ).stdout.replace("\n", " ")
    assert webhooks(root, "off", "1").exit_code == webhooks(root, "on", "1", "--skip-missed").exit_code == 0
    assert webhooks(root, "remove", "1").exit_code == 0
    missing = webhooks(root, "test", "1")
    assert (missing.exit_code != 0, "no webhook 1" in missing.stderr) == (True, True)
    desk = Desk.open(root)
    events = reading.latest_events(desk.db, kind="webhook.", limit=9)
    assert [event.kind for event in events] == [
        *("webhook.removed", "webhook.on", "webhook.off", "webhook.changed", "webhook.secret", "webhook.added"),
    ]
    told = json.dumps([event.data for event in events])
    assert made["secret"] not in told
    assert secret not in told
    assert "/hook" not in told
    desk.close()


def test_what_was_not_delivered_is_listed_and_sent_again(root: Path, receiver: Receiver) -> None:
    receiver.answers = lambda _: Reply(500, f"\x1b[31m{HOSTILE}\n" * 3)
    desk, clock = Desk.open(root), Clock()
    endpoints.add(desk, receiver.url, events=["edit.approved"], by=ADA)
    review.accept(desk, HAT, by=ADA)
    send(desk, clock)
    (found,) = as_json(root, "dead")["deliveries"]
    assert (found["delivery"], found["state"], found["tries"], found["status"]) == (1, "pending", 1, 500)
    printed = webhooks(root, "dead", "--webhook", "1").stdout
    assert "edit:1" in printed
    assert "\x1b" not in printed
    assert as_json(root, "resend", "1") == {"due_again": 1}
    assert webhooks(root, "resend", "1").stdout == "1 delivery is due again.\n"
    receiver.answers = lambda _: Reply()
    clock.go_on(minutes=1)
    send(desk, clock)
    assert [request.id for request in receiver.requests] == [found["message_id"]] * 2
    assert webhooks(root, "dead").stdout.strip() == "everything was delivered"
    assert as_json(root, "resend", "--all") == {"due_again": 0}
    desk.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "ftp://shop.example.com"), "expected a URL such as https://shop.example.com/hook"),
        (("add", "https://shop.example.com", "--event", "edit.aproved"), "no event called 'edit.aproved'"),
        (("resend",), "expected numbers of deliveries, or --all"),
        (("resend", "3", "--all"), "expected numbers of deliveries, or --all"),
    ],
)
def test_a_wrong_call_says_what_was_expected(root: Path, arguments: tuple[str, ...], why: str) -> None:
    ran = webhooks(root, *arguments)
    assert (ran.exit_code, why in ran.stderr) == (2, True)
    assert as_json(root, "list")["webhooks"] == []
