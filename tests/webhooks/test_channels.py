"""A team's channel is told in groups, in plain letters, and its URL is told to nobody; Apprise over real HTTP."""

import io
import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import local_person
from pipeline.store import batching
from pipeline.store.listening import Count
from pipeline.webhooks import channels
from pipeline.webhooks.kinds import Message
from pipeline.webhooks.sending import sending
from tests.conftest import need
from tests.desks import HOSTILE, build_desk
from tests.webhooks.conftest import PAGE, Clock, send
from tests.webhooks.receiver import Receiver, Reply
from tests.webhooks.test_posting import certified

ADA = local_person("ada")
HAT, MUG, BAG, CAP, SOCK, KNIFE = range(1, 7)
KEY = "T0PSECRETKEY"


@pytest.fixture
def team(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, each_database: None) -> Iterator[Desk]:
    """A desk with one channel, which is told nothing of what was before."""
    need("apprise", 'pip install "picturedesk[messages]"')
    build_desk(tmp_path / "desk").close()
    monkeypatch.setenv("TEAM", f"json://127.0.0.1:{receiver.port}/{KEY}")
    told = {"team": {"url_env": "TEAM"}}
    desk = Desk.open(tmp_path / "desk", page_url=PAGE, messages=told)
    with sending(desk):  # a worker begins with it, and ends
        pass
    yield desk
    desk.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What comes to the log of the whole process."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    yield heard
    logging.getLogger().removeHandler(handler)


def said(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["message"] for request in receiver.requests]


def test_decisions_are_gathered_for_a_minute_and_the_end_of_a_batch_is_told_at_once(
    team: Desk, receiver: Receiver, clock: Clock
) -> None:
    review.accept(team, HAT, by=ADA)
    review.accept(team, CAP, by=ADA)
    review.reject(team, MUG, by=ADA, reason="logo")
    send(team, clock)
    assert receiver.requests == []
    clock.go_on(seconds=61)
    send(team, clock)
    assert said(receiver) == [f"2 approved, 1 rejected in batch autumn\n{PAGE}/batches"]
    batching.record_stop(team.db, [1], code="no_credit", message="the account", owner="runner-1")
    review.reject(team, BAG, by=ADA, reason="logo")
    review.reject(team, KNIFE, by=ADA, reason="logo")
    clock.go_on(seconds=30)
    send(team, clock)
    assert len(receiver.requests) == 1, "two messages in one minute"
    clock.go_on(seconds=31)
    send(team, clock)
    assert said(receiver)[1:] == [f"2 rejected in batch autumn\nbatch autumn is done\n{PAGE}/batches"]
    send(team, clock)
    assert len(receiver.requests) == 2
    assert json.loads(receiver.requests[0].body)["title"] == "Picturedesk"


def test_a_channel_that_fails_is_told_later_and_its_url_stands_nowhere(
    team: Desk, receiver: Receiver, clock: Clock
) -> None:
    receiver.answers = lambda _: Reply(500, f"no {KEY} here")
    batching.record_stop(team.db, [1], code="month_reached", message="of $1.00", owner="runner-1")
    send(team, clock)
    (found,) = channels.listed(team, by=ADA)
    assert found.record is not None
    assert found.record.failures == 1
    assert found.record.answer
    assert KEY not in json.dumps(channels.as_json(found))
    assert found.at == "TEAM"
    receiver.answers = lambda _: Reply(200)
    clock.go_on(seconds=30)
    send(team, clock)
    assert len(receiver.requests) == 1
    clock.go_on(seconds=120)
    send(team, clock)
    assert said(receiver)[1] == f"batch autumn stopped: a budget is reached\n{PAGE}/batches"
    (found,) = channels.listed(team, by=ADA)
    assert found.record is not None
    assert (found.record.failures, found.record.answer) == (0, "")


def test_slack_and_a_mail_server_are_told_in_their_own_forms(
    team: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack's address is another one here; all else is as there. What comes by mail is plain text."""
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{receiver.port}/services")
    receiver.answers = lambda _: Reply(200, "ok")
    batching.record_stop(team.db, [1], code="budget_reached", message="of $1.00", owner="runner-1")
    with MailServer() as mail:
        address = f"mailto://127.0.0.1:{mail.port}/?from=desk@example.com&to=team@example.com&mode=insecure"
        monkeypatch.setenv("TEAM", f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#shop {address}")
        send(team)
    (to_slack,) = receiver.requests
    line = f"batch autumn stopped: a budget is reached\n{PAGE}/batches"
    assert line in json.dumps(json.loads(to_slack.body), ensure_ascii=False).replace("\\n", "\n")
    assert "content-type: text/plain" in mail.received.lower()
    assert "batch autumn stopped: a budget is reached" in mail.received


def test_teams_gets_a_card_with_the_lines_as_they_are(
    team: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow's address, as Teams gives it, and over https as it is there; the host is this one."""
    certificate = certified(tmp_path, "localhost")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "localhost.pem"))
    batching.record_stop(team.db, [1], code="budget_reached", message="of $1.00", owner="runner-1")
    with Receiver(certified=certificate) as teams:
        teams.answers = lambda _: Reply(202)
        monkeypatch.setenv("TEAM", f"workflows://localhost:{teams.port}/0123456789abcdef/{KEY}/")
        send(team)
    (request,) = teams.requests
    assert request.path.startswith("/workflows/0123456789abcdef/triggers/manual/paths/invoke")
    assert f"sig={KEY}" in request.path
    (attachment,) = json.loads(request.body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [part["text"] for part in attachment["content"]["body"] if part["type"] == "TextBlock"]
    assert texts == ["Picturedesk", f"batch autumn stopped: a budget is reached\n{PAGE}/batches"]
    (found,) = channels.listed(team, by=ADA)
    assert found.record is not None
    assert found.record.failures == 0


class MailServer:
    """A server for SMTP, as far as one message takes (RFC 5321)."""

    def __init__(self) -> None:
        self.received = ""
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 ready")
                while line := self.rfile.readline().decode().strip().upper():
                    self._say({"DATA": "354 go on", "QUIT": "221 bye"}.get(line, "250 well"))
                    if line == "DATA":
                        while (part := self.rfile.readline()) != b".\r\n":
                            server.received += part.decode()
                        self._say("250 well")

            def _say(self, what: str) -> None:
                self.wfile.write(f"{what}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        ({"url_env": "NOBODYS"}, "the variable NOBODYS is not set for this worker"),
        ({"url_file": "missing.txt"}, "the file missing.txt cannot be read (FileNotFoundError)"),
        ({"url_file": "nonsense.txt"}, "a URL of the channel cannot be read"),
    ],
)
def test_what_is_wrong_with_a_channel_is_said(
    team: Desk, channel: dict[str, Any], why: str, clock: Clock, log: io.StringIO
) -> None:
    (team.root / "nonsense.txt").write_text("slack://nonsense-with-secret-inside\n")
    desk = Desk.open(team.root, messages={"team": channel})
    batching.record_stop(desk.db, [1], code="budget_reached", message="of $1.00", owner="runner-1")
    send(desk, clock)
    (found,) = channels.listed(desk, by=ADA)
    assert found.record is not None
    assert found.record.answer.startswith(why)
    assert "secret-inside" not in found.record.answer
    assert "secret-inside" not in log.getvalue()
    with pytest.raises(UsageError) as caught:
        channels.check(desk, "team")
    assert str(caught.value).startswith(why)
    desk.close()


def test_names_are_told_as_plain_letters() -> None:
    """No sign of Slack's, of Markdown's or of HTML's is left, no address, and no line that somebody typed."""
    assert channels.plain("shop-1_b (v2)") == "shop-1_b （v2）"
    assert channels.plain("shop.v2") == "shop․v2"
    hostile = (
        f"{HOSTILE}\nall approved <!channel> <@U1|x> [a](https://evil.example/x) www.evil.example _i_ `c` ~s~ &lt;"
    )
    told = channels.text([Count(Message.APPROVED, hostile, 3)], page_url=None)
    assert told.startswith("3 approved in batch ")
    assert not set(told) & set("<>[]()!@#*~`|\\&{}\n\r")
    assert "://" not in told
    assert ".example" not in told
    assert channels.plain("_i_ __b__ a_b") == "＿i＿ ＿＿b＿＿ a_b"
    assert channels.plain("\u202e\x00") == "\N{REPLACEMENT CHARACTER}"


def test_a_long_list_is_cut() -> None:
    lines = channels.text([Count(Message.BATCH_DONE, f"b{n}", 1) for n in range(30)], page_url=None).splitlines()
    assert len(lines) == channels.MOST_LINES + 1
    assert lines[-1] == "and 10 lines more"
