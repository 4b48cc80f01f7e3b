"""The review screen in a real browser, on the real server: looking, deciding, and what can come between."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from pipeline import review
from pipeline.blobs import kept_sha256
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.records import EditRecord
from pipeline.review import Screen
from pipeline.states import DecisionKind, EditState, Role
from pipeline.store import ledger, reading
from tests.desks import HOSTILE, REFUSAL, add_doubtful, build_desk
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page
from tests.e2e.servers import ReviewServer

pytestmark = pytest.mark.browser

MARKED = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    .data.filter(each => each).length"""

EVE = Person("eve", Role.APPROVER)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """``hat``, ``mug`` with hostile text, ``bag`` with two outputs, ``cap``, and ``knife``, which was refused."""
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.fixture
def server(desk: Desk) -> Iterator[ReviewServer]:
    with ReviewServer(desk.root) as started:
        yield started


@pytest.fixture
def screen(browser: Browser, server: ReviewServer) -> Iterator[ReviewScreen]:
    page = new_page(browser)
    yield ReviewScreen(page, server.url).open()
    page.context.close()


def edit_of(desk: Desk, name: str) -> EditRecord:
    return reading.edit(desk.db, review.edit_of_asset(desk, name))


def test_one_key_accepts_two_reject_and_one_takes_back(screen: ReviewScreen, desk: Desk) -> None:
    assert screen.title == "hat"
    screen.press("a")
    screen.wait_for(HOSTILE)
    screen.press("r", "2")
    screen.wait_for("bag")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED
    mug = edit_of(desk, HOSTILE)
    (decision,) = reading.decisions(desk.db, [mug.id])
    assert (decision.kind, decision.reason) == (DecisionKind.REJECT, review.reject_reasons(desk, mug)[1])
    assert decision.shown_ms is not None
    screen.press("u")
    screen.wait_for(HOSTILE)
    assert edit_of(desk, HOSTILE).state is EditState.IN_REVIEW
    screen.press("u")
    screen.wait_for("hat")
    assert edit_of(desk, "hat").state is EditState.IN_REVIEW
    assert screen.problems == []


def test_the_keys_that_streamlit_keeps_for_itself_are_ours(screen: ReviewScreen) -> None:
    screen.press("c", "Escape", "r")
    expect(screen.page.get_by_role("dialog", name="Reason to reject")).to_be_visible()
    screen.press("Escape", "?")
    expect(screen.page.get_by_role("dialog", name="Keys")).to_be_visible()
    screen.press("r", "c", "a", "Escape")
    expect(screen.page.get_by_text("Clear caches")).to_have_count(0)
    assert screen.title == "hat"


def test_a_key_held_down_decides_once(screen: ReviewScreen, desk: Desk) -> None:
    for _ in range(8):
        screen.page.keyboard.down("a")
    screen.page.keyboard.up("a")
    screen.wait_for(HOSTILE)
    screen.wait_until_all_is_sent()
    assert edit_of(desk, HOSTILE).state is EditState.IN_REVIEW


def test_the_pictures_on_the_screen_are_the_stored_bytes(screen: ReviewScreen, desk: Desk) -> None:
    hat = edit_of(desk, "hat")
    assert hat.asset.source is not None
    stored = [hat.asset.source.sha256, hat.outputs[0].picture.sha256]
    for side, sha256 in zip(("Source", "Output"), stored, strict=True):
        url = screen.page.locator(f".stage img[alt={side}]").get_attribute("src")
        assert url is not None
        assert hashlib.sha256(screen.page.request.get(screen.url + url).body()).hexdigest() == sha256


def test_nothing_can_be_decided_while_a_picture_is_missing(browser: Browser, server: ReviewServer, desk: Desk) -> None:
    output = edit_of(desk, "hat").outputs[0].picture.sha256
    screen = ReviewScreen(new_page(browser), server.url)
    screen.page.route(f"**/pictures/{output}*", lambda route: route.abort())
    screen.page.goto(screen.url)
    expect(screen.page.locator(".desk h1")).to_have_text("hat", timeout=WAIT_MS)
    expect(screen.banner()).to_have_text(re.compile("A picture cannot be loaded"), timeout=WAIT_MS)
    screen.press("a", "r", "1")
    assert screen.title == "hat"
    screen.page.unroute_all()
    screen.wait_until_armed()
    screen.press("a")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED
    screen.page.context.close()


def test_five_ways_to_compare_and_a_shared_zoom(screen: ReviewScreen) -> None:
    stage = screen.page.locator(".stage")
    for key, mode, panes in (
        ("2", "wipe", 1),
        ("3", "blink", 1),
        ("4", "ghost", 1),
        ("5", "heat", 1),
        ("1", "side", 2),
    ):
        screen.press(key)
        expect(stage).to_have_attribute("data-mode", mode)
        expect(stage.locator(".pane")).to_have_count(panes)
    screen.press("+", "+")
    widths = [layer.bounding_box() for layer in stage.locator(".layer").all()]
    assert widths[0] is not None
    assert widths[1] is not None
    assert widths[0]["width"] == widths[1]["width"]
    screen.press("n")
    expect(screen.page.locator(".flag.chosen")).to_have_count(1)
    screen.press("f")
    screen.press("c")
    expect(screen.page.locator(".frame.region")).to_have_count(2)


def test_the_wipe_moves_by_key(screen: ReviewScreen) -> None:
    screen.press("2")
    grip = screen.page.get_by_role("slider", name="Wipe")
    grip.focus()
    screen.press("ArrowLeft", "ArrowLeft")
    expect(grip).to_have_attribute("aria-valuenow", "46")
    assert screen.title == "hat"


def test_a_re_prompt_begins_with_what_was_flagged_and_typing_decides_nothing(screen: ReviewScreen, desk: Desk) -> None:
    screen.skip_to("bag")
    screen.press("e")
    field = screen.page.get_by_label("Instruction")
    expect(field).to_have_value("make the bag red")
    expect(screen.page.locator(".price")).to_contain_text("Made on this machine, for nothing.", timeout=WAIT_MS)
    field.fill("")
    screen.page.keyboard.type("make it teal, rescue xerxes")
    assert edit_of(desk, "bag").state is EditState.IN_REVIEW
    screen.press("Control+Enter")
    expect(screen.page.locator(".desk h1")).not_to_have_text("bag", timeout=WAIT_MS)
    screen.wait_until_all_is_sent()
    bag = edit_of(desk, "bag")
    assert (bag.round, bag.state, bag.instruction.prompt) == (2, EditState.QUEUED, "make it teal, rescue xerxes")


def test_a_reason_to_reject_asks_another_provider_again_at_a_known_price(
    browser: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With marks that point at what is meant, which this model takes; and a draft survives a look elsewhere."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    ledger.set_budget(desk.db, edit_of(desk, "bag").asset.batch_id, 5_000_000)
    with ReviewServer(desk.root) as server:
        screen = ReviewScreen(new_page(browser), server.url).open()
        screen.skip_to("bag")
        screen.draw_a_box()
        screen.press("r", "Shift+Digit2")
        drawer, field = screen.page.locator(".drawer"), screen.page.get_by_label("Instruction")
        expect(drawer).to_contain_text("source changed")
        expect(drawer).to_contain_text("Made on this machine", timeout=WAIT_MS)
        screen.page.get_by_label("Made by").select_option("openai")
        expect(drawer).to_contain_text(re.compile(r"About \$0\.0\d+ to \$0\.\d+ at openai gpt-image"), timeout=WAIT_MS)
        expect(drawer).to_contain_text("of the batch's budget is left")
        expect(field).to_have_value(re.compile("^make the bag red. Keep the product exactly as it is in the source"))
        screen.page.get_by_label("point at this").check()
        expect(drawer).to_contain_text("outlined in red")
        field.fill("make what is outlined blue")
        screen.press("Escape", "e")
        expect(field).to_have_value("make what is outlined blue")
        screen.press("Escape", "r", "Shift+Digit2")
        screen.page.get_by_label("Made by").select_option("openai")
        screen.page.get_by_label("point at this").check()
        screen.press("Control+Enter")
        expect(screen.page.locator(".counts")).to_contain_text("1 being made for you", timeout=WAIT_MS)
        assert screen.problems == []
        screen.page.context.close()
    bag = edit_of(desk, "bag")
    assert (bag.round, bag.provider, bag.instruction.prompt) == (2, "openai", "make what is outlined blue")
    assert bag.parent_id is not None
    assert reading.decisions(desk.db, [bag.parent_id])[0].reason == "source changed"
    sha256 = kept_sha256(bag.markup)
    assert sha256
    with Image.open(desk.blobs.path(sha256, "image/png")) as marks:
        assert marks.size == (320, 240)
        red, green, blue, alpha = (band.getextrema() for band in marks.split())
        assert (red, green, blue, alpha) == ((0, 255), (0, 0), (0, 0), (0, 255))
        assert marks.getpixel((160, 120)) == (0, 0, 0, 0)  # an outline: what is meant can be seen


def test_one_of_several_outputs_is_looked_at_and_accepted(screen: ReviewScreen, desk: Desk) -> None:
    screen.skip_to("bag")
    second = edit_of(desk, "bag").outputs[1]
    screen.press(".")
    expect(screen.page.locator(".desk")).to_have_attribute("data-armed", re.compile(f"/{second.id}$"))
    screen.press("a")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "bag").accepted_output_id == second.id


def test_a_refused_edit_says_why_and_cannot_be_accepted(screen: ReviewScreen, desk: Desk) -> None:
    screen.skip_to("knife")
    expect(screen.page.locator(".message")).to_contain_text(REFUSAL)
    expect(screen.page.get_by_role("button", name="Accept")).to_be_disabled()
    screen.press("a")
    expect(screen.banner()).to_contain_text("accept")
    screen.press("r", "1")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "knife").state is EditState.REJECTED


def test_typing_decides_nothing_when_a_decision_comes_back_meanwhile(screen: ReviewScreen, desk: Desk) -> None:
    held: list[Route] = []
    screen.page.route("**/api/page/decisions", lambda route: route.continue_() if held else held.append(route))
    screen.press("a")
    screen.wait_for(HOSTILE)
    screen.press("e")
    expect(screen.page.get_by_label("Instruction")).to_be_focused()
    while not held:
        screen.page.wait_for_timeout(20)
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET revision = revision + 1 WHERE id = 1")
    held[0].continue_()
    expect(screen.banner()).to_contain_text("Your decision was not kept (accept)")
    screen.page.keyboard.type("shadow under a cap")
    expect(screen.page.get_by_label("Instruction")).to_have_value(re.compile("shadow under a cap$"))
    assert screen.title == HOSTILE
    screen.press("Escape", "s")
    screen.wait_for("hat")
    assert reading.decisions(desk.db, [1]) == []


def test_who_was_slower_sees_the_edit_again_and_why(screen: ReviewScreen, desk: Desk) -> None:
    """Eve, an approver, takes the claim over while the hat is on this screen."""
    hat = edit_of(desk, "hat")
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET claimed_by = NULL, claim_token = NULL WHERE id = ?", (hat.id,))
    reason = review.reject_reasons(desk, hat)[0]
    review.reject(desk, hat.id, by=EVE, reason=reason, screen=Screen(revision=edit_of(desk, "hat").revision))
    screen.press("a")
    expect(screen.banner()).to_contain_text("Your decision was not kept (accept)", timeout=WAIT_MS)
    assert screen.title == "hat"
    assert edit_of(desk, "hat").state is EditState.REJECTED
    screen.press("s")
    screen.wait_for(HOSTILE)


def test_without_a_network_the_decisions_wait_and_can_be_taken_back(screen: ReviewScreen, desk: Desk) -> None:
    screen.page.context.set_offline(True)
    screen.press("a")
    screen.wait_for(HOSTILE)
    screen.press("a")
    screen.wait_for("bag")
    expect(screen.page.locator(".unsent")).to_have_text("2 unsent: no connection", timeout=WAIT_MS)
    screen.press("u")
    screen.wait_for(HOSTILE)
    assert edit_of(desk, "hat").state is EditState.IN_REVIEW
    screen.page.context.set_offline(False)
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED
    assert edit_of(desk, HOSTILE).state is EditState.IN_REVIEW


def test_without_a_network_a_decision_that_was_sent_is_taken_back_later(screen: ReviewScreen, desk: Desk) -> None:
    """And the edit in doubt, which comes into hand meanwhile, says what it may have cost."""
    add_doubtful(desk)
    screen.press("a")
    screen.wait_for(HOSTILE)
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED
    screen.page.context.set_offline(True)
    screen.press("u")
    expect(screen.page.locator(".unsent")).to_have_text("1 to take back: no connection", timeout=WAIT_MS)
    screen.press("a")
    screen.wait_for("bag")
    expect(screen.page.locator(".unsent")).to_have_text("1 unsent, 1 to take back: no connection")
    assert edit_of(desk, "hat").state is EditState.APPROVED
    screen.page.context.set_offline(False)
    screen.wait_for("hat")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.IN_REVIEW
    assert edit_of(desk, HOSTILE).state is EditState.APPROVED
    screen.skip_to("lamp")
    expect(screen.page.locator(".message")).to_contain_text("Up to $0.040 may have been billed for it. Send it again")
    screen.press("g")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "lamp").state is EditState.QUEUED


def test_a_closed_page_sends_its_decisions_when_it_is_opened_again(
    screen: ReviewScreen, server: ReviewServer, desk: Desk
) -> None:
    server.kill()
    screen.press("a")
    screen.wait_for(HOSTILE)
    again = ReviewScreen(screen.page.context.new_page(), server.url)
    screen.page.close()
    assert edit_of(desk, "hat").state is EditState.IN_REVIEW
    server.start()
    again.open().wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED


def test_an_ended_ticket_is_renewed_without_a_word(screen: ReviewScreen, desk: Desk) -> None:
    refused: list[str] = []

    def once(route: object) -> None:
        if refused:
            route.continue_()  # type: ignore[attr-defined]
            return
        refused.append("decisions")
        route.fulfill(status=401, json={"error": "this ticket is over", "code": "unauthorized"})  # type: ignore[attr-defined]

    screen.page.route("**/api/page/decisions", once)
    screen.press("a")
    screen.wait_for(HOSTILE)
    screen.wait_until_all_is_sent()
    assert refused
    assert edit_of(desk, "hat").state is EditState.APPROVED
    assert any(url.endswith("/api/page/session") for url in screen.requests)


def test_who_is_signed_out_is_told_and_loses_nothing(screen: ReviewScreen, desk: Desk) -> None:
    answer = {"status": 401, "json": {"error": "this ticket is over", "code": "unauthorized"}}
    for path in ("decisions", "session"):
        screen.page.route(f"**/api/page/{path}", lambda route: route.fulfill(**answer))
    screen.press("a")
    screen.wait_for(HOSTILE)
    unsent = screen.page.get_by_role("button", name="1 unsent: sign in again")
    expect(unsent).to_be_visible(timeout=WAIT_MS)
    assert edit_of(desk, "hat").state is EditState.IN_REVIEW
    screen.page.unroute_all()
    unsent.click()
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED


def test_what_is_escalated_says_so_and_what_is_skipped_comes_round_again(screen: ReviewScreen, desk: Desk) -> None:
    screen.press("s")
    screen.wait_for(HOSTILE)
    screen.press("x")
    screen.wait_for("bag")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, HOSTILE).escalated_by is not None
    for title in ("bag", "cap", "knife"):
        screen.wait_for(title)
        screen.press("r", "1")
    expect(screen.page.locator(".desk h1")).not_to_have_text("knife", timeout=WAIT_MS)
    screen.wait_until_armed()
    assert screen.title in ("hat", HOSTILE)


def test_a_region_is_marked_by_key_and_by_hand_and_sent(screen: ReviewScreen, desk: Desk) -> None:
    screen.skip_to(HOSTILE)
    screen.press("k")
    clear = screen.page.get_by_role("button", name="Clear", exact=True)
    expect(clear).to_be_visible()
    assert screen.page.locator("canvas.mask").evaluate(MARKED) > 0
    screen.press("Delete")
    expect(clear).to_be_hidden()
    screen.draw_a_box()
    expect(clear).to_be_visible()
    screen.press("e")
    expect(screen.page.locator(".drawer")).to_contain_text("Only the marked region changes.")
    screen.press("Control+Enter")
    expect(screen.page.locator(".desk h1")).not_to_have_text(HOSTILE, timeout=WAIT_MS)
    screen.wait_until_all_is_sent()
    again = edit_of(desk, HOSTILE)
    assert (again.round, again.state) == (2, EditState.QUEUED)
    assert again.instruction.prompt.startswith("Remove the text")
    assert again.mask is not None


def test_a_box_without_height_marks_nothing(screen: ReviewScreen) -> None:
    """And a drag leaves no listener behind, which would keep its edit's pictures for as long as the page is open."""
    screen.page.evaluate(
        """() => {
          const count = (by) => (window.listening = (window.listening ?? 0) + by);
          const add = EventTarget.prototype.addEventListener;
          EventTarget.prototype.addEventListener = function (name, work, options) {
            if (name === "pointercancel") {
              count(1);
              options.signal?.addEventListener("abort", () => count(-1));
            }
            return add.call(this, name, work, options);
          };
        }"""
    )
    box = screen.page.locator(".pane[data-side=output]").bounding_box()
    assert box is not None
    screen.press("m")
    screen.page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2)
    screen.page.mouse.down()
    screen.page.mouse.move(box["x"] + 140, box["y"] + box["height"] / 2, steps=3)
    screen.page.mouse.up()
    screen.press("e")
    expect(screen.page.locator(".drawer")).to_contain_text("The whole picture.")
    assert screen.page.evaluate("window.listening") == 0


def test_hostile_text_is_shown_as_text_and_calls_nobody(screen: ReviewScreen) -> None:
    screen.skip_to(HOSTILE)
    expect(screen.page.locator(".side .prompt").first).to_have_text(HOSTILE)
    screen.press("n", "e", "Escape", "r", "Escape", "5")
    screen.skip_to("bag")
    expect(screen.page.locator(".outputs")).to_contain_text("onerror=alert(1)")
    assert [url for url in screen.requests if not url.startswith((screen.url, "data:", "blob:"))] == []
    assert screen.problems == []


def test_leaving_and_another_filter_give_the_claims_back(screen: ReviewScreen, desk: Desk) -> None:
    assert edit_of(desk, "hat").claimed_by is not None
    screen.page.get_by_role("combobox", name="Flag").click()
    screen.page.get_by_role("option", name="logo").click()
    screen.wait_for("bag")
    assert edit_of(desk, "hat").claimed_by is None
    screen.page.get_by_role("link", name="Batches").click()
    expect(screen.page.get_by_role("heading", name="Batches")).to_be_visible(timeout=WAIT_MS)
    for _ in range(WAIT_MS // 100):
        if edit_of(desk, "bag").claimed_by is None:
            break
        screen.page.wait_for_timeout(100)
    assert edit_of(desk, "bag").claimed_by is None


def test_everything_is_reached_by_tab_and_said_aloud(screen: ReviewScreen, desk: Desk) -> None:
    accept = screen.page.get_by_role("toolbar", name="Decision").get_by_role("button", name="Accept")
    screen.page.locator(".desk").focus()
    for _ in range(40):
        screen.press("Tab")
        if accept.evaluate("button => button.getRootNode().activeElement === button"):
            break
    screen.press("Enter")
    screen.wait_for(HOSTILE)
    expect(screen.page.locator("[aria-live=polite]").last).to_contain_text("1 flag: text introduced")
    screen.wait_until_all_is_sent()
    assert edit_of(desk, "hat").state is EditState.APPROVED


def test_in_a_small_window_every_decision_is_in_sight(browser: Browser, server: ReviewServer) -> None:
    screen = ReviewScreen(new_page(browser, width=900, height=700), server.url).open()
    for name in ("Accept", "Reject", "Re-prompt", "Escalate", "Skip", "Undo"):
        button = screen.page.get_by_role("toolbar", name="Decision").get_by_role("button", name=name)
        expect(button).to_be_in_viewport(ratio=1)
    screen.press("i")
    expect(screen.page.locator(".side")).to_be_visible()
    screen.page.context.close()


def test_an_empty_queue_says_so_and_shows_what_comes(screen: ReviewScreen, desk: Desk) -> None:
    for _ in range(4):
        before = screen.title
        screen.press("r", "1")
        expect(screen.page.locator(".desk h1")).not_to_have_text(before, timeout=WAIT_MS)
        screen.wait_until_armed()
    screen.press("r", "1")
    expect(screen.page.get_by_text("Nothing waits for a decision")).to_be_visible(timeout=WAIT_MS)
    screen.wait_until_all_is_sent()
    review.undo(desk, edit_of(desk, "cap").id, by=EVE)
    screen.wait_for("cap")
