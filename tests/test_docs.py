"""The pages that are written from the code are what the code says, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

from tests import command_line_page, local_edits_page

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_about_the_command_line_is_what_the_command_says() -> None:
    written = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert command_line_page.page() == written, "run: python -m tests.command_line_page > docs/command-line.md"


def test_the_page_about_local_edits_is_what_the_provider_says() -> None:
    written = (ROOT / "docs" / "local-edits.md").read_text("utf-8")
    assert local_edits_page.page() == written, "run: python -m tests.local_edits_page > docs/local-edits.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_the_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
