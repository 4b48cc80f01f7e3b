"""Pictures that the browser reads from the bucket itself."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from pipeline.desk import Desk
from pipeline.direct_reads import DirectReads
from pipeline.store.running import save_picture
from review_app import app, tickets
from review_app.api import routes
from tests.buckets import endpoint, new_bucket, options
from tests.desks import drawn_picture, new_desk, put_picture


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = new_desk(tmp_path / "desk", blobs=new_bucket(), blobs_options=options(), presigned=True)
    yield opened
    opened.close()


def url_of(desk: Desk) -> str:
    facts = put_picture(desk, "teal")
    with desk.db.write() as connection:
        save_picture(connection, facts)
    return f"/api/page/pictures/{facts.sha256}?ticket={tickets.issue(tickets.read_key(desk.root), facts.sha256)}"


def client(desk: Desk) -> TestClient:
    direct = DirectReads(desk)
    middleware = [Middleware(app.SecurityHeaders, pictures_from=direct.origin)]
    return TestClient(Starlette(routes=routes(desk, direct), middleware=middleware), follow_redirects=False)


def test_a_picture_is_read_from_the_bucket_by_a_link_that_ends_soon(desk: Desk) -> None:
    url = url_of(desk)
    answer = client(desk).get(url)
    assert (answer.status_code, answer.headers["cache-control"]) == (302, "private, max-age=240")
    link = answer.headers["location"]
    assert "X-Amz-Expires=600&" in link
    assert httpx.get(link).content == drawn_picture("teal")
    assert httpx.get(link).headers["content-type"] == "image/png"
    assert client(desk).get(url.replace("ticket=", "ticket=1")).status_code == 403


def test_the_page_may_show_pictures_of_that_bucket_and_of_no_other_place(desk: Desk) -> None:
    policy = client(desk).get("/api/page/pictures/x").headers["content-security-policy"]
    assert f"img-src 'self' data: blob: {endpoint()};" in policy
    assert policy.count(urlsplit(endpoint()).netloc) == 1


def test_a_script_gets_the_bytes_from_here(desk: Desk) -> None:
    url = url_of(desk)
    assert client(desk).get(f"{url}&here=1").content == drawn_picture("teal")
    assert client(desk).get(f"{url}&side=160").headers["content-type"] == "image/webp"


def test_a_bucket_that_browsers_may_not_reach_is_not_shown_to_them_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder has no links; an endpoint of one's own, in the settings or in the environment, has none by default."""
    folder = new_desk(tmp_path / "folder", presigned=True)
    assert DirectReads(folder).origin is None
    place, given = new_bucket(), options()
    assert DirectReads(new_desk(tmp_path / "own", blobs=place, blobs_options=given)).origin is None
    del given["aws_endpoint"], given["allow_http"]
    at_the_cloud = new_desk(tmp_path / "cloud", blobs=place, blobs_options=given)
    assert DirectReads(at_the_cloud).origin == "https://s3.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint())
    assert DirectReads(at_the_cloud).origin is None
    assert DirectReads(new_desk(tmp_path / "cloud", blobs=place, presigned=False)).origin is None
