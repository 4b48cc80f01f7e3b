"""The component's modules: served as they are, under a name that changes with them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from review_app import viewing

MODULES = sorted((Path(viewing.__file__).parent / "viewer").glob("*.js"))


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=viewing.routes())) as opened:
        yield opened


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_each_module_and_all_that_it_imports_is_served(client: TestClient, path: Path) -> None:
    folder = viewing.module_url().rsplit("/", 1)[0]
    answer = client.get(f"/{folder}/{path.name}")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    for imported in re.findall(r'from "\./([^"]+)"', answer.text):
        assert client.get(f"/{folder}/{imported}").status_code == 200


@pytest.mark.parametrize("name", ["viewer.css", "..%2fviewing.py", "nothing.js", "%2e%2e%2fapp.py"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    folder = viewing.module_url().rsplit("/", 1)[0]
    assert client.get(f"/{folder}/{name}").status_code == 404


def test_another_version_is_not_served_as_this_one(client: TestClient) -> None:
    answer = client.get("/viewer/0000000000000000/viewer.js")
    assert answer.status_code == 404
    assert "reload" in answer.json()["error"]
