"""The page Settings in a real browser: a policy is tried and saved, a logo added, a token made, a webhook tried."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from pipeline import kit_files, people, review, tokens
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.states import Role
from pipeline.webhooks.verifying import Verifier
from tests.desks import HOSTILE, build_desk, drawn_picture
from tests.e2e.review_screen import WAIT_MS, ReviewScreen, new_page
from tests.e2e.servers import ReviewServer
from tests.webhooks.conftest import Clock, send
from tests.webhooks.receiver import Receiver, Reply

pytestmark = pytest.mark.browser

ADA = local_person("ada")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = build_desk(tmp_path_factory.mktemp("settings") / "desk")
    file = opened.root / "picturedesk.toml"
    file.write_text(f"allow_private_webhooks = true\n{file.read_text()}")
    review.reject(opened, 1, by=ADA, reason="face")
    people.set_role(opened, HOSTILE, Role.VIEWER, by=ADA)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def url(desk: Desk) -> Iterator[str]:
    with ReviewServer(desk.root) as server:
        yield server.url


@pytest.fixture
def screen(browser: Browser, url: str) -> Iterator[ReviewScreen]:
    page = new_page(browser)
    yield ReviewScreen(page, url)
    page.context.close()


def open_section(screen: ReviewScreen, name: str) -> None:
    screen.page.goto(f"{screen.url}/settings?section={name}")
    expect(screen.page.get_by_role("heading", name="Settings")).to_be_visible(timeout=WAIT_MS)


def test_a_policy_is_tried_on_past_edits_and_saved(screen: ReviewScreen, desk: Desk) -> None:
    open_section(screen, "Policy")
    page, text = screen.page, screen.page.get_by_role("textbox", name="policy.toml")
    kept = page.get_by_test_id("stButtonGroup").filter(has_text="Review even what the edit kept")
    kept.get_by_role("button", name="face", exact=True).click(timeout=WAIT_MS)
    expect(text).to_have_value(_having('always_review = ["logo", "text"]'), timeout=WAIT_MS)
    page.get_by_role("button", name="Try it on past edits").click()
    expect(page.get_by_role("heading", name="1 fewer would have come to people")).to_be_visible(timeout=WAIT_MS)
    missed = page.get_by_test_id("stDataFrame").last
    expect(missed.locator("[role=gridcell]", has_text="hat")).to_have_count(1, timeout=WAIT_MS)
    text.fill("approvals = 0")
    page.get_by_role("heading", name="Settings").click()
    expect(page.get_by_text("line 1, approvals: found 0; expected a whole number from 1 to 100")).to_be_visible(
        timeout=WAIT_MS
    )
    text.fill("approvals = 2")
    page.get_by_role("heading", name="Settings").click()
    expect(page.get_by_role("spinbutton", name="Approvals")).to_have_value("2", timeout=WAIT_MS)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The policy is in force.")).to_be_visible(timeout=WAIT_MS)
    assert (desk.root / "policy.toml").read_text() == "approvals = 2"


def test_a_logo_is_added_and_a_token_made_with_hostile_text_all_around(screen: ReviewScreen, desk: Desk) -> None:
    kit_files.add(desk, HOSTILE, drawn_picture("teal"), by=ADA)
    open_section(screen, "Brand+kit")
    page = screen.page
    page.get_by_role("textbox", name="Whose logo it is").fill("Acme")
    uploaded = {
        "name": f"{HOSTILE[:80]}.png".replace("/", "_"),
        "mimeType": "image/png",
        "buffer": drawn_picture("navy"),
    }
    page.locator("input[type=file]").set_input_files(uploaded)  # type: ignore[arg-type]
    arrived = page.get_by_role("region", name="Pictures").get_by_role("button", name="Remove")
    expect(arrived).to_be_visible(timeout=WAIT_MS)  # until then it says "Cancel upload", and nothing can be added
    page.get_by_role("button", name="Add to the kit").click()
    expect(page.get_by_text("Acme", exact=True)).to_be_visible(timeout=WAIT_MS)
    page.wait_for_function(
        "() => [...document.images].filter(each => /^data:image.webp/.test(each.src) && each.naturalWidth).length === 2"
    )
    open_section(screen, "People")
    page.get_by_role("textbox", name="Which machine").fill("nightly")
    page.get_by_role("button", name="Make a token").click()
    shown = page.get_by_test_id("stCode").first
    expect(shown).to_contain_text("pd_", timeout=WAIT_MS)
    assert tokens.bearer(desk, shown.inner_text().strip()).name == "token:nightly"
    assert [url for url in screen.requests if not url.startswith((screen.url, "data:", "blob:"))] == []
    assert [each for each in screen.problems if "404" not in each] == []


def test_what_a_receiver_answers_is_shown_as_it_is_and_what_it_missed_is_sent_again(
    screen: ReviewScreen, desk: Desk
) -> None:
    page = screen.page
    with Receiver(lambda _: Reply(500, HOSTILE)) as receiver:
        open_section(screen, "Webhooks")
        page.get_by_role("textbox", name="Post to").fill(receiver.url)
        page.get_by_role("button", name="Add a webhook").click()
        expect(page.get_by_test_id("stCode").first).to_contain_text("whsec_", timeout=WAIT_MS)
        secret = page.get_by_test_id("stCode").first.inner_text().strip()
        page.get_by_role("combobox", name="Webhook").click()
        page.get_by_role("option", name="1").click()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_text("The receiver answered 500.")).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text(HOSTILE, exact=True)).to_be_visible()
        assert Verifier([secret]).verify(receiver.requests[0].headers, receiver.requests[0].body)
        sender, clock = Desk.open(desk.root), Clock()
        review.reject(sender, 2, by=ADA, reason="face")
        send_apart(sender, clock)
        open_section(screen, "Webhooks")
        failed = page.get_by_test_id("stDataFrame").nth(2)
        expect(failed.locator("[role=gridcell]", has_text=HOSTILE)).to_have_count(1, timeout=WAIT_MS)
        page.get_by_role("combobox", name="Delivery").click()
        page.get_by_role("option", name="1").click()
        expect(page.get_by_test_id("stCode")).to_have_text(HOSTILE, timeout=WAIT_MS)
        page.get_by_role("button", name="Send it again").click()
        expect(page.get_by_text("It is due again.")).to_be_visible(timeout=WAIT_MS)
        receiver.answers = lambda _: Reply()
        clock.go_on(minutes=6)
        assert send_apart(sender, clock) == 1
        assert receiver.requests[1].id == receiver.requests[2].id
        sender.close()
        open_section(screen, "Webhooks")
        expect(page.get_by_text("Everything that was tried was delivered.")).to_be_visible(timeout=WAIT_MS)
    assert [url for url in screen.requests if not url.startswith((screen.url, "data:", "blob:"))] == []
    assert [each for each in screen.problems if "404" not in each] == []


def send_apart(desk: Desk, clock: Clock) -> int:
    """In a thread of its own: this one has Playwright's event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(send, desk, clock).result()


def _having(part: str) -> re.Pattern[str]:
    return re.compile(re.escape(part))
