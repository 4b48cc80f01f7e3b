"""The contact sheet in a real browser: what is selected, seen and decided, and what is left out of it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from pipeline import review
from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.moves import EDIT
from pipeline.store.running import FLAG
from pipeline.tables import now
from pipeline.values import Change
from tests.desks import HOSTILE, build_desk
from tests.e2e.contact_sheet import ContactSheet
from tests.e2e.review_screen import WAIT_MS, new_page
from tests.e2e.servers import ReviewServer
from tests.many_edits import add_copies

pytestmark = pytest.mark.browser

COPIES = 56
FLAGGED = "item-3"
"""Its sure face is new; all other copies of the hat had theirs before."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """``hat``, ``mug`` with hostile text, ``bag`` with two outputs, ``cap``, ``knife`` that was refused, and copies."""
    opened = build_desk(tmp_path_factory.mktemp("sheet") / "desk")
    copies = add_copies(opened, 1, COPIES)
    output = reading.edit(opened.db, copies[3]).outputs[0].id
    with opened.db.write() as connection:
        connection.execute(sa.update(FLAG).where(FLAG.c.output_id == output).values(change=Change.INTRODUCED))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def server(desk: Desk) -> Iterator[ReviewServer]:
    with ReviewServer(desk.root) as started:
        yield started


@pytest.fixture
def sheet(browser: Browser, server: ReviewServer, desk: Desk) -> Iterator[ContactSheet]:
    opened = ContactSheet(new_page(browser), server.url).open()
    yield opened
    opened.leave()
    assert (opened.problems, opened.elsewhere) == ([], [])


def state(desk: Desk, name: str) -> EditState:
    return reading.edit(desk.db, review.edit_of_asset(desk, name)).state


def test_a_range_is_accepted_at_once_and_taken_back_at_once(sheet: ContactSheet, desk: Desk) -> None:
    expect(sheet.cells).to_have_count(5 + COPIES)
    sheet.wait_until_seen("hat", HOSTILE, "bag", "cap")
    sheet.cell("hat").click()
    sheet.cell("cap").click(modifiers=["Shift"])
    assert sheet.titles("[aria-selected=true]") == ["hat", HOSTILE, "bag", "cap"]
    sheet.press("a")
    expect(sheet.banner()).to_contain_text("Accepted 3. Left out: 1 with several outputs")
    expect(sheet.page.locator('.cell[data-status="accept"]')).to_have_count(3, timeout=WAIT_MS)
    assert sheet.titles("[aria-selected=true]") == ["bag"]
    expect(sheet.cell("hat")).to_have_attribute("aria-label", "hat. face kept, sure. accepted")
    assert [state(desk, name) for name in ("hat", HOSTILE, "bag", "cap")] == [
        *(EditState.APPROVED, EditState.APPROVED),
        *(EditState.IN_REVIEW, EditState.APPROVED),
    ]
    (decision,) = reading.decisions(desk.db, [1])
    assert decision.shown_ms is not None
    assert 0 < decision.shown_ms < WAIT_MS
    sheet.press("u")
    expect(sheet.banner()).to_contain_text("Taken back: 3")
    assert {state(desk, name) for name in ("hat", HOSTILE, "cap")} == {EditState.IN_REVIEW}
    sheet.press("Escape", "Home", "Space", "Shift+ArrowRight", "r", "1")
    expect(sheet.page.locator('.cell[data-status="reject"]')).to_have_count(2, timeout=WAIT_MS)
    reason = review.reject_reasons(desk, reading.edit(desk.db, 1))[0]
    assert [each.reason for each in reading.decisions(desk.db, [1, 2]) if each.kind == "reject"] == [reason] * 2


def test_what_is_flagged_for_sure_or_was_never_in_view_is_left_out(sheet: ContactSheet, desk: Desk) -> None:
    sheet.wait_until_seen("item-0", FLAGGED)
    expect(sheet.cell(FLAGGED).locator(".badge")).to_have_text("Fface+")
    sheet.press("Control+a")
    expect(sheet.page.get_by_role("button", name=re.compile(f"Accept .* of {3 + COPIES}"))).to_be_visible()
    sheet.press("a")
    expect(sheet.banner()).to_contain_text("not seen yet: scroll to them; 1 with a sure flag")
    left = sheet.titles("[aria-selected=true]")
    assert FLAGGED in left
    assert f"item-{COPIES - 1}" in left
    assert "item-0" not in left
    expect(sheet.page.locator('.cell[data-status="sending"]')).to_have_count(0, timeout=WAIT_MS)
    assert state(desk, "item-0") is EditState.APPROVED
    assert {state(desk, name) for name in left} == {EditState.IN_REVIEW, EditState.REFUSED}
    sheet.cell(FLAGGED).dblclick()
    look = sheet.page.get_by_role("dialog", name="Close look")
    expect(look.get_by_role("button", name="Accept")).to_be_enabled(timeout=WAIT_MS)
    expect(look.locator(".stage img")).to_have_count(2)
    expect(look.get_by_role("link")).to_have_attribute("href", f"asset?edit={review.edit_of_asset(desk, FLAGGED)}")
    sheet.press("a")
    expect(look.locator("h1")).to_have_text("item-4")
    sheet.press("Escape")
    expect(look).to_be_hidden()
    expect(sheet.status(sheet.cell(FLAGGED))).to_have_text("accepted")
    assert state(desk, FLAGGED) is EditState.APPROVED
    sheet.cell("bag").dblclick()
    sheet.press(".")
    expect(look.get_by_text("output 2 of 2")).to_be_visible()
    expect(look.get_by_role("button", name="Accept")).to_be_enabled(timeout=WAIT_MS)
    sheet.press("a", "Escape")
    expect(sheet.status(sheet.cell("bag"))).to_have_text("accepted")
    bag = reading.edit(desk.db, review.edit_of_asset(desk, "bag"))
    assert bag.accepted_output_id == bag.outputs[1].id


def test_a_row_that_another_took_comes_back_and_the_server_may_be_away_meanwhile(
    sheet: ContactSheet, server: ReviewServer, desk: Desk
) -> None:
    cells = [sheet.cells.nth(index) for index in range(4, 7)]
    names = [sheet.title(cell) for cell in cells]
    sheet.wait_until_seen(*names)
    last = review.edit_of_asset(desk, names[-1])
    with desk.db.write() as connection:
        theirs = {"claimed_by": "ben", "claim_token": "0" * 16, "claim_until": now() + timedelta(minutes=30)}
        connection.execute(sa.update(EDIT).where(EDIT.c.id == last).values(theirs))
    server.kill()
    try:
        sheet.drag(cells[0], cells[-1])
        assert sheet.titles("[aria-selected=true]") == names
        sheet.press("a")
        expect(sheet.page.locator(".unsent")).to_contain_text("3 unsent: no connection", timeout=WAIT_MS)
    finally:
        server.start()
    expect(sheet.page.locator(".banner.error")).to_contain_text("ben is looking at it", timeout=WAIT_MS)
    expect(sheet.status(cells[-1])).to_contain_text("not kept: edit", timeout=WAIT_MS)
    expect(sheet.status(cells[0])).to_have_text("accepted")
    assert [state(desk, name) for name in (names[0], names[-1])] == [EditState.APPROVED, EditState.IN_REVIEW]
    sheet.problems.clear()  # of the server that was away


@pytest.mark.parametrize(("scheme", "width", "height"), [("light", 1280, 800), ("dark", 1920, 1080)])
def test_the_sheet_is_readable_by_day_and_by_night_and_what_is_left_goes_back(
    browser: Browser, server: ReviewServer, desk: Desk, scheme: str, width: int, height: int
) -> None:
    sheet = ContactSheet(new_page(browser, width=width, height=height, color_scheme=scheme), server.url).open()
    brightness = (
        """each => (getComputedStyle(each).COLOUR.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0)) / 3"""
    )
    paper, ink = (
        sheet.cells.first.evaluate(brightness.replace("COLOUR", name)) for name in ("backgroundColor", "color")
    )
    assert abs(paper - ink) > 150
    assert (paper > ink) is (scheme == "light")
    sheet.press("?")
    expect(sheet.page.get_by_role("dialog", name="Keys")).to_be_visible()
    sheet.press("Escape", "s")
    expect(sheet.page.get_by_text("Given back")).to_be_visible(timeout=WAIT_MS)
    for _ in range(WAIT_MS // 50):
        if not _claims(desk):
            break
        sheet.page.wait_for_timeout(50)
    assert _claims(desk) == 0
    assert sheet.problems == []
    sheet.leave()


def _claims(desk: Desk) -> int:
    """Edits that are in the hand of whoever looks at the sheet."""
    claimed = (
        sa.select(sa.func.count()).select_from(EDIT).where(EDIT.c.claimed_by.is_not(None), EDIT.c.claimed_by != "ben")
    )
    with desk.db.read() as connection:
        return int(connection.execute(claimed).scalar_one())
