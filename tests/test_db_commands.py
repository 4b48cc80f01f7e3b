"""The commands ``picturedesk db ...``."""

import json
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.store import chain, moving
from tests import postgres
from tests.commands import run_command
from tests.desks import build_desk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build_desk(tmp_path / "desk").close()
    return tmp_path / "desk"


def test_a_desk_is_moved_and_goes_on_by_one_line_in_its_settings(root: Path) -> None:
    """Tried first, then moved, refused, looked at, and gone on with; nothing shows the password."""
    with postgres.empty_desk() as made:
        url = moving.shown(made)  # as SQLAlchemy writes it
        secret = url.replace("postgres@", "postgres:hunter2@")
        db = ["--desk", str(root), "db"]
        tried = json.loads(run_command(*db, "migrate", "--to", secret, "--dry-run", "--json").stdout)
        assert (tried["to"], tried["moved"], tried["rows"]["edit"]) == (url, False, 6)
        assert json.loads(run_command(*db, "status", "--from", url, "--json").stdout)["rows"]["edit"] == 0
        moved = run_command(*db, "migrate", "--to", secret)
        assert moved.exit_code == 0
        assert f'database = "{url}"' in moved.stdout
        assert "$0.20 charged" in moved.stdout
        assert "hunter2" not in moved.stdout + moved.stderr
        refused = run_command("--desk", str(root), "status")
        assert refused.exit_code == 1
        assert url in refused.stderr
        assert run_command("--desk", str(root), "audit", "verify").exit_code == 0
        settings = root / "picturedesk.toml"
        settings.write_text(f'database = "{url}"\n{settings.read_text()}')
        assert "autumn" in run_command("--desk", str(root), "status").stdout
        found = json.loads(run_command(*db, "status", "--json").stdout)
        assert (found["database"], found["rows"]["edit"], found["size_bytes"] > 0) == (url, 6, True)


def test_a_moved_desk_is_taken_back(root: Path, tmp_path: Path) -> None:
    db = ["--desk", str(root), "db"]
    to = f"sqlite:///{tmp_path / 'other.db'}"
    told = json.loads(run_command(*db, "migrate", "--to", to, "--json").stdout)
    assert told["moved"]
    assert told["ledger"] == {
        "charged_microusd": 200_000,
        "spent_microusd": 400_000,  # the batch's purse and the month's
        "reserved_microusd": 0,
        "open_requests": 0,
    }
    assert run_command("--desk", str(root), "status").exit_code == 1
    assert to in run_command(*db, "migrate", "--undo").stdout
    assert run_command("--desk", str(root), "status").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("migrate",), "--to"),
        (("migrate", "--to", "mysql://here/desk"), "expected a URL like"),
        (("migrate", "--to", "sqlite:///x.db", "--undo"), "--undo"),
        (("migrate", "--from", "sqlite:///not-there.db", "--to", "sqlite:///x.db"), "not-there.db"),
        (("status", "--from", "postgresql://nobody@127.0.0.1:1/desk"), "cannot be reached"),
    ],
)
def test_a_wrong_call_is_said_plainly(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_command("--desk", str(root), "db", *arguments)
    assert ran.exit_code != 0
    assert says in ran.stderr
    assert not (tmp_path / "x.db").exists()
    desk = Desk.open(root)
    chain.check_is_here(desk.db)
    desk.close()
