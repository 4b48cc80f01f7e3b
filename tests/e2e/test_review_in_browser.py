"""A person works the sample batch from the first picture to the download."""

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading
from tests.e2e.conftest import picturedesk

pytestmark = pytest.mark.browser

WAIT_MS = 30_000


def waiting(page: Page) -> int:
    """How many edits the page says are waiting."""
    text = page.get_by_text(re.compile(r"\d+ waiting, \d+ decided")).inner_text(timeout=WAIT_MS)
    return int(text.split()[0])


def screenshots() -> Path | None:
    folder = os.environ.get("PICTUREDESK_SCREENSHOTS")
    return Path(folder) if folder else None


def test_the_sample_batch_is_reviewed_by_clicking_and_downloaded(
    browser: Browser, server: str, sample_desk: Path, tmp_path: Path
) -> None:
    problems: list[str] = []
    page = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True).new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server)
    expect(page.get_by_role("heading", name="Review")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".pd-frame img").nth(1)).to_be_visible(timeout=WAIT_MS)
    _check_pictures_are_untouched(page, server)
    _take_pictures(browser, server)
    first = waiting(page)
    assert first >= 8

    _press(page, "Reject")
    _wait_until(page, first - 1)
    _press(page, "Undo the last decision")
    _wait_until(page, first)
    _press(page, "Reject")
    _wait_until(page, first - 1)

    _unfold(page, "Re-prompt", "New instruction")
    page.get_by_label("New instruction").fill("make it black and white")
    _press(page, "Send as a new round")
    _wait_until_at_most(page, first - 1)

    _accept_everything(page)
    expect(page.get_by_text("Nothing waits for a decision")).to_be_visible(timeout=WAIT_MS)

    page.get_by_role("link", name="Go to the export").click()
    _press(page, "Prepare the export")
    with page.expect_download(timeout=WAIT_MS) as download:
        page.get_by_role("link", name="Download the ZIP").click(timeout=WAIT_MS)
    archive = tmp_path / "export.zip"
    download.value.save_as(archive)
    _check_export(archive, sample_desk)
    assert problems == []


def _accept_everything(page: Page) -> None:
    for _ in range(60):
        if page.get_by_text("Nothing waits for a decision").is_visible():
            if page.get_by_role("button", name="Look again").is_visible():
                _press(page, "Look again")
                page.wait_for_timeout(500)
                continue
            return
        before = waiting(page)
        _press(page, "Accept")
        _wait_until_at_most(page, before)
    raise AssertionError("the queue has no end")


def _press(page: Page, name: str) -> None:
    """Click the one button of that name, once the page is drawn and what was drawn before is gone."""
    button = page.get_by_role("button", name=name)
    _wait_until_drawn(page)
    expect(button).to_have_count(1, timeout=WAIT_MS)
    button.click()


def _unfold(page: Page, title: str, inside: str) -> None:
    """Open what folds; a page that is drawn again at that moment folds it again."""
    for _ in range(20):
        _wait_until_drawn(page)
        if page.get_by_label(inside).is_visible():
            return
        page.get_by_text(title, exact=True).first.click(timeout=WAIT_MS)
        page.wait_for_timeout(500)
    raise AssertionError(f"{title} does not open")


def _wait_until_drawn(page: Page) -> None:
    """Until the script has ended and stays so for a moment."""
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=WAIT_MS)
    page.wait_for_timeout(300)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=WAIT_MS)


def _wait_until(page: Page, n: int) -> None:
    """Until the page says that, and is drawn."""
    expect(page.get_by_text(re.compile(rf"^{n} waiting"))).to_be_visible(timeout=WAIT_MS)
    _wait_until_drawn(page)


def _wait_until_at_most(page: Page, n: int) -> None:
    """The page shows a new state; a re-prompt may come back meanwhile, so the number may stay."""
    page.wait_for_function(
        f"() => {{ const m = document.body.innerText.match(/(\\d+) waiting/); return m && Number(m[1]) <= {n}; }}",
        timeout=WAIT_MS,
    )
    page.wait_for_timeout(300)


def _check_pictures_are_untouched(page: Page, server: str) -> None:
    """What the browser fetches for source and output has the sha256 that its URL names."""
    for each in page.locator(".pd-frame img").all():
        url = each.get_attribute("src")
        assert url is not None
        data = page.request.get(server + url).body()
        assert hashlib.sha256(data).hexdigest() == url.split("?")[0].rsplit("/", 1)[1]


def _check_export(archive: Path, root: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        table = next(name for name in files.namelist() if name.endswith("approved.csv"))
        folder = table.removesuffix("approved.csv")
        rows = list(csv.DictReader(io.StringIO(files.read(table).decode("utf-8"), newline="")))
        assert json.loads(files.read(f"{folder}manifest.json"))["rows"] == len(rows)
        for row in rows:
            data = files.read(folder + row["output_uri"])
            assert hashlib.sha256(data).hexdigest() == row["output_sha256"]
    desk = Desk.open(root)
    approved = list(reading.each_edit(desk.db, reading.EditFilter(states=frozenset({EditState.APPROVED}))))
    assert sorted(row["asset_id"] for row in rows) == sorted(edit.asset.name for edit in approved)
    assert {row["decided_via"] for row in rows} == {"human", "policy"}
    assert any(edit.round == 2 and edit.instruction.prompt == "make it black and white" for edit in approved)
    desk.close()
    counts = json.loads(picturedesk(root, "status", "--json"))["batches"][0]["counts"]
    assert counts["rejected"] == 1
    assert counts["in_review"] == 0


def _take_pictures(browser: Browser, server: str) -> None:
    folder = screenshots()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = context.new_page()
        page.goto(server)
        page.get_by_role("combobox", name="Flag").click(timeout=WAIT_MS)
        page.get_by_role("option", name="logo").click()
        expect(page.get_by_text("mug-catalogue").first).to_be_visible(timeout=WAIT_MS)
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"review-{scheme}.png")
        for name in ("batches", "export", "costs"):
            page.goto(f"{server}/{name}")
            expect(page.get_by_role("heading", name=name.capitalize())).to_be_visible(timeout=WAIT_MS)
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}-{scheme}.png")
        context.close()
