"""Secrets that came into an error, a URL, a header or a setting come out nowhere."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from pipeline import logs, signals
from pipeline.desk import Desk
from pipeline.redacting import SHOWN, redacted
from tests.commands import run_command

SECRETS = {
    "a provider's key": ("sk-proj-Zx81QmLp20", "the key {} was refused"),
    "a machine's token": ("pd_c2VjcmV0LXRva2Vu", "token {}"),
    "a header": ("eyJhbGciOi.J9e30.Zm9v", "{{'authorization': 'Bearer {}'}}"),
    "a database's password": ("hunter2&co", "cannot connect to postgresql://desk:{}@db.example.com/desk"),
    "a presigned signature": ("6f1ed002ab55", "GET https://s3.example.com/p/a.png?X-Amz-Expires=60&X-Amz-Signature={}"),
    "a shared access signature": ("Zm9vYmFy%3D", "https://x.example.com/a.png?sv=2026&sig={}&se=1"),
    "a picture's ticket": ("1790000000.abcdef", "/api/page/pictures/00ff?side=160&ticket={}"),
    "a setting": ("correct-horse", "providers.openai: {{'api_key': '{}', 'quality': 'high'}}"),
    "a variable": ("battery-staple", "AWS_SECRET_ACCESS_KEY={} picturedesk run"),
    "a password in words": ("s3cr3t", 'host=db password="{}" dbname=desk'),
}
KEPT = (
    "this token is unknown, over or revoked; an admin makes one: picturedesk token make --help",
    "text tokens: 1200, key: value pairs are fine, and https://example.com/a.png?id=5&size=2 stays",
    "edit 17 (SKU-204): OpenAI refused the key; set OPENAI_API_KEY or choose --provider local",
    "database: found 'mysql://x'; expected a URL like sqlite:///desk.db or postgresql://user@host/name",
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_taken_out_and_what_stands_round_it_stays(name: str) -> None:
    secret, text = SECRETS[name]
    assert redacted(text.format(secret)) == text.format(SHOWN)
    assert redacted(redacted(text.format(secret))) == text.format(SHOWN)


@pytest.mark.parametrize("text", KEPT)
def test_what_only_sounds_like_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_secret_of_the_environment_is_known_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOPUS_API_KEY", "no-form-of-its-own")
    assert redacted("sent no-form-of-its-own to the service") == f"sent {SHOWN} to the service"


@contextmanager
def stderr() -> Iterator[io.StringIO]:
    """Standard error of a process that has just begun; the log is taken down afterwards."""
    handlers, taken = logging.root.handlers[:], io.StringIO()
    with patch.object(sys, "stderr", taken), patch("pipeline.signals._LISTENERS", []):
        yield taken
    logging.root.handlers[:] = handlers


def test_every_line_is_json_with_the_same_fields_and_without_secrets() -> None:
    with stderr() as taken:
        logs.set_up(logs.LogForm.JSON, worker="w1")
        signals.tell(
            "request.ended", edit=7, batch=2, provider="openai", outcome="failed", code="timeout", seconds=1.23456
        )
        for secret, text in SECRETS.values():
            logs.say("page.failed", text.format(secret), edit=1)
            sys.stderr.write(f"a server says: {text.format(secret)}\n")
        try:
            raise ValueError("the key sk-proj-Zx81QmLp20 was refused")
        except ValueError:
            logs.LOGGER.exception("went wrong")
    lines = [json.loads(line) for line in taken.getvalue().splitlines()]
    assert {"time", "level", "event", "worker"} <= set.intersection(*map(set, lines))
    first = {name: value for name, value in lines[0].items() if name != "time"}
    assert first == {
        "level": "warning", "event": "request.ended", "edit": 7, "batch": 2, "provider": "openai",
        "outcome": "failed", "code": "timeout", "seconds": 1.2346, "worker": "w1",
    }  # fmt: skip
    assert "ValueError" in lines[-1]["trace"]
    assert [secret for secret, _ in SECRETS.values() if secret in taken.getvalue()] == []


def test_a_command_that_fails_over_a_secret_does_not_tell_it(tmp_path: Path) -> None:
    Desk.open(tmp_path, create=True).close()
    settings = tmp_path / "picturedesk.toml"
    settings.write_text('database_password = "hunter2-and-more"\n[providers]\nopenai = "sk-proj-Zx81QmLp20"\n')
    for command in (["doctor", "--json"], ["status"], ["run", "--json"]):
        ran = run_command("--desk", str(tmp_path), *command)
        assert ran.exit_code == 2
        assert "database_password" in ran.stderr
        assert [each for each in ("hunter2", "Zx81") if each in ran.stdout + ran.stderr] == []


def test_the_worker_beside_the_page_writes_json_if_asked(tmp_path: Path) -> None:
    """As a process: whatever the libraries print is in the same form."""
    Desk.open(tmp_path, create=True).close()
    (tmp_path / "picturedesk.toml").write_text('detectors = []\nprovider = "nobody"\n')
    command = [sys.executable, "-m", "pipeline.cli", "--desk", str(tmp_path), "work", "--log-format", "json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert all(json.loads(line)["event"] for line in done.stderr.splitlines())
