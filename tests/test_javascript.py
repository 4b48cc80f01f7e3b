"""The review screen's own modules, tested where they run: by Node.js, which needs no browser for them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_ALL

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "tests" / "js"
VIEWER = ROOT / "review_app" / "viewer"


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("Node.js is missing; run: apt-get install nodejs")
    assert found is not None
    return found


@pytest.mark.parametrize("path", sorted(SUITE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_what_needs_no_browser(node: str, path: Path) -> None:
    done = subprocess.run([node, "--test", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(VIEWER.glob("*.js")), ids=lambda path: path.name)
def test_no_text_becomes_markup_and_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    source = path.read_text("utf-8")
    for call in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "//cdn"):
        assert call not in source
    assert "://" not in source.replace("http://www.w3.org/2000/svg", "")
