"""Pictures and downloads: only with a ticket, byte for byte."""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from pipeline.desk import Desk
from pipeline.errors import StoreError, UsageError
from review_app import app, tickets
from review_app.api import EXPORTS, routes
from review_app.workspace import DESK_VARIABLE
from tests.desks import drawn_picture, put_picture


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(desk), middleware=[Middleware(app.SecurityHeaders)])) as opened:
        yield opened


@pytest.fixture
def sha256(desk: Desk) -> str:
    """A picture that the database knows."""
    from pipeline.store.running import save_picture

    facts = put_picture(desk, "teal")
    with desk.db.write() as connection:
        save_picture(connection, facts)
    return facts.sha256


def ticket(desk: Desk, name: str, *, now: float | None = None) -> str:
    return tickets.issue(tickets.read_key(desk.root), name, now=now)


def test_a_picture_comes_byte_for_byte(client: TestClient, desk: Desk, sha256: str) -> None:
    answer = client.get(f"/api/page/pictures/{sha256}", params={"ticket": ticket(desk, sha256)})
    assert answer.status_code == 200
    assert answer.content == drawn_picture("teal")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert {"private", "immutable"} <= set(answer.headers["cache-control"].split(", "))
    assert "set-cookie" not in answer.headers


def test_a_browser_that_has_the_picture_is_told_so(client: TestClient, desk: Desk, sha256: str) -> None:
    answer = client.get(
        f"/api/page/pictures/{sha256}",
        params={"ticket": ticket(desk, sha256)},
        headers={"If-None-Match": f'"{sha256}"'},
    )
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_preview_is_a_small_webp_of_the_same_shape(client: TestClient, desk: Desk, sha256: str) -> None:
    answer = client.get(f"/api/page/pictures/{sha256}", params={"ticket": ticket(desk, sha256), "side": 160})
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["etag"] != f'"{sha256}"'
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("WEBP", (160, 120))


@pytest.mark.parametrize("side", ["", "-1", "abc", "161", "99999"])
def test_a_preview_of_another_size_is_not_made(client: TestClient, desk: Desk, sha256: str, side: str) -> None:
    answer = client.get(f"/api/page/pictures/{sha256}", params={"ticket": ticket(desk, sha256), "side": side})
    assert answer.status_code == 422
    assert "160, 640" in answer.json()["error"]


def test_an_unknown_picture_and_a_lost_file_are_not_found(client: TestClient, desk: Desk, sha256: str) -> None:
    unknown = "0" * 64
    assert client.get(f"/api/page/pictures/{unknown}?ticket={ticket(desk, unknown)}").status_code == 404
    desk.blobs.path(sha256, "image/png").unlink()
    for more in ("", "&side=160"):
        answer = client.get(f"/api/page/pictures/{sha256}?ticket={ticket(desk, sha256)}{more}")
        assert answer.status_code == 404
        assert "file is missing" in answer.json()["error"]


def test_a_prepared_export_is_downloaded(client: TestClient, desk: Desk) -> None:
    path = f"/api/page/exports/all.zip?ticket={ticket(desk, 'export/all')}"
    assert client.get(path).status_code == 404
    (desk.root / EXPORTS).mkdir()
    (desk.root / EXPORTS / "all.zip").write_bytes(b"PK zip")
    answer = client.get(path)
    assert answer.content == b"PK zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="all.zip"'


def test_every_answer_forbids_what_a_hostile_text_would_need(client: TestClient) -> None:
    headers = client.get("/healthz").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["img-src"] == "'self' data: blob:"
    assert "unsafe-inline" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_key_is_made_once_and_for_its_owner_only(desk: Desk) -> None:
    key = tickets.read_key(desk.root)
    assert tickets.read_key(desk.root) == key
    assert len(key) == 32
    assert stat.S_IMODE((desk.root / tickets.KEY_FILE).stat().st_mode) == 0o600


def test_a_key_that_was_not_written_whole_signs_nothing(tmp_path: Path) -> None:
    """As a full disk leaves it: whoever knows that the key is empty could sign in as an admin."""
    (tmp_path / tickets.KEY_FILE).touch()
    with pytest.raises(StoreError, match="0 bytes instead of 32"):
        tickets.read_key(tmp_path)


def test_a_key_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Path) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        with pytest.raises(OSError, match="No space"):
            tickets.read_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(tickets.read_key(tmp_path)) == 32


def test_only_a_browser_that_calls_this_machine_is_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's page whose name points here (DNS rebinding) sends its own Host."""
    monkeypatch.setenv(DESK_VARIABLE, "set so that it is put back")
    served = app.create_app(desk.root, host="127.0.0.2")
    for host, status in (("localhost", 200), ("127.0.0.1", 200), ("127.0.0.2", 200), ("evil.example", 400)):
        answer = TestClient(served, base_url=f"http://{host}:8501").get("/healthz")
        assert (host, answer.status_code) == (host, status)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org", ""])
def test_no_address_that_others_reach_is_served(desk: Desk, host: str) -> None:
    with pytest.raises(UsageError, match="nobody signs in on this desk"):
        app.serve(desk.root, host=host, open_browser=False)
