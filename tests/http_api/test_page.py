"""The page about the API: its examples work, and its tables are whole."""

import asyncio
import csv
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.http_api import gateway
from pipeline.runner import Runner
from pipeline.settings import ApiOptions
from pipeline.states import EditState, Role
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from review_app.routes.v1 import OPERATIONS
from review_app.routes.v1.problems import KINDS
from tests.commands import shared_pool
from tests.conftest import REQUIRE_ALL
from tests.desks import drawn_picture
from tests.fake_api.running import eventually
from tests.http_api.serving import Served

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "http-api.md").read_text("utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def shop(api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures of the examples, and the desk's address and token in the environment."""
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    (api.desk.root / "policy.toml").write_text("review_everything = true\n", "utf-8")
    for name, colour in (("hat", "red"), ("mug", "blue"), ("bag", "green")):
        (tmp_path / f"{name}.png").write_bytes(drawn_picture(colour))
    monkeypatch.setenv("DESK", api.url)
    monkeypatch.setenv("TOKEN", str(api.caller(Role.APPROVER).bearer))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), *sys.path)))
    return tmp_path


def test_the_commands_on_the_page_do_what_it_says(api: Served, shop: Path) -> None:
    if shutil.which("curl") is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("curl is missing; run: apt-get install curl")
    for command in examples("bash")[1:]:
        ran = subprocess.run(["bash", "-euc", command], cwd=shop, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        asyncio.run(Runner(api.desk).run())
    edits = list(reading.each_edit(api.desk.db, EditFilter()))
    assert [(edit.asset.name, edit.state.value) for edit in edits] == [
        *(("hat", "approved"), ("mug", "superseded"), ("bag", "in_review"), ("mug", "in_review")),
    ]
    made = edits[0].outputs[0].picture
    assert (shop / "approved-hat.png").read_bytes() == api.desk.blobs.read(made.sha256, made.media_type)


def test_the_programs_on_the_page_do_what_it_says(api: Served, shop: Path) -> None:
    client, gateway_client = examples("python")
    running = start(client, shop)
    work_until_done(api, running)
    assert (shop / "approved" / "hat.png").is_file()
    with (shop / "winter.csv").open() as file:
        assert [(row["asset_id"], row["sku"]) for row in csv.DictReader(file)] == [("hat", ""), ("mug", "M-1")]
    running = start(gateway_client, shop)
    asked_by_gateway = EditFilter(states=frozenset({EditState.QUEUED}))
    (edit_id,) = eventually(lambda: reading.edit_ids(api.desk.db, asked_by_gateway))
    assert reading.edit(api.desk.db, edit_id).asset.batch.startswith(gateway.BATCH)
    asyncio.run(Runner(api.desk).run())
    api.caller(Role.APPROVER).post(f"/edits/{edit_id}/decisions", json={"decision": "accept"})
    assert running.wait(60) == 0
    assert (shop / "approved.png").read_bytes() == (shop / "approved" / "hat.png").read_bytes()


def start(program: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", program], cwd=folder)


def work_until_done(api: Served, running: "subprocess.Popen[bytes]") -> None:
    """Make what the program brings, until it has ended."""
    while running.poll() is None:
        if reading.edit_ids(api.desk.db, EditFilter(states=frozenset({EditState.QUEUED}))):
            asyncio.run(Runner(api.desk).run())
        threading.Event().wait(0.05)
    assert running.returncode == 0


def test_the_tables_on_the_page_name_every_operation_error_and_limit() -> None:
    told = re.findall(r"^\| `(GET|POST) (\S+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert told == [(each.method, each.path, each.role.value) for each in OPERATIONS]
    codes = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert codes == [(kind.code, str(kind.status)) for kind in KINDS.values()]
    (limits,) = examples("toml")
    defaults = ApiOptions()
    found = re.findall(r"^(\w+) = (\d+)", limits, re.MULTILINE)
    assert {name: float(value) for name, value in found} == defaults.model_dump()
