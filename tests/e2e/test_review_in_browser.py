"""A person works the sample batch from the first picture to the download."""

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading
from tests.e2e.conftest import picturedesk
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page

pytestmark = pytest.mark.browser


@pytest.mark.timeout(900)  # it begins with the whole sample batch, made beside other tests
def test_the_sample_batch_is_reviewed_by_key_and_downloaded(
    browser: Browser, server: str, sample_desk: Path, tmp_path: Path
) -> None:
    screen = ReviewScreen(new_page(browser, width=1440, height=900, accept_downloads=True), server).open()
    page = screen.page
    _check_pictures_are_untouched(screen)
    first = screen.title

    screen.press("r", "1")
    expect(page.locator(".desk h1")).not_to_have_text(first, timeout=WAIT_MS)
    screen.press("u")
    screen.wait_for(first)
    screen.press("r", "1")
    expect(page.locator(".desk h1")).not_to_have_text(first, timeout=WAIT_MS)
    screen.wait_until_armed()

    screen.press("e")
    page.get_by_label("Instruction").fill("make it black and white")
    page.get_by_role("radio", name="the source").check()
    page.get_by_role("button", name="Ask for it").click()

    _accept_everything(screen, sample_desk)
    page.get_by_role("link", name="Go to the export").click()
    _press(page, "Prepare the export")
    with page.expect_download(timeout=WAIT_MS) as download:
        page.get_by_role("link", name="Download the ZIP").click(timeout=WAIT_MS)
    archive = tmp_path / "export.zip"
    download.value.save_as(archive)
    _check_export(archive, sample_desk)
    assert screen.problems == []


def _accept_everything(screen: ReviewScreen, root: Path) -> None:
    """Until nothing waits and nothing is being made; what cannot be accepted is an error here."""
    page = screen.page
    empty = page.get_by_text("Nothing waits for a decision")
    for _ in range(300):
        expect(page.locator('.desk[data-armed*="/"]').or_(empty)).to_be_visible(timeout=WAIT_MS)
        if empty.is_visible():
            screen.wait_until_all_is_sent()
            if _are_all_made(root):
                return
            page.wait_for_timeout(500)
            continue
        before = screen.title
        screen.press("a")
        expect(page.locator(".desk h1")).not_to_have_text(before, timeout=WAIT_MS)
    raise AssertionError("the queue has no end")


def _are_all_made(root: Path) -> bool:
    counts = json.loads(picturedesk(root, "status", "--json"))["batches"][0]["counts"]
    return not any(counts.get(state) for state in ("queued", "sending", "produced", "in_review"))


def _press(page: Page, name: str) -> None:
    """Click the one button of that name, once the page is drawn and what was drawn before is gone."""
    button = page.get_by_role("button", name=name)
    _wait_until_drawn(page)
    expect(button).to_have_count(1, timeout=WAIT_MS)
    button.click()


def _wait_until_drawn(page: Page) -> None:
    """Until the script has ended and stays so for a moment."""
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=WAIT_MS)
    page.wait_for_timeout(300)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=WAIT_MS)


def _check_pictures_are_untouched(screen: ReviewScreen) -> None:
    """What the browser fetches for source and output has the sha256 that its URL names."""
    for each in screen.page.locator(".stage img").all():
        url = each.get_attribute("src")
        assert url is not None
        data = screen.page.request.get(screen.url + url).body()
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
