"""A batch from the page: estimated, started, seen moving, paused, resumed, cancelled; and what went wrong with it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from pipeline import batches
from pipeline.background import background_worker
from pipeline.desk import Desk
from tests.desks import HOSTILE
from tests.e2e.review_screen import WAIT_MS, new_page
from tests.e2e.servers import ReviewServer
from tests.fake_api.held_pictures import HeldPictures, held_pictures

pytestmark = pytest.mark.browser

NOWHERE = "http://127.0.0.1:9/gone.png"


@dataclass(frozen=True, slots=True)
class Batches:
    """The page Batches, with a runner beside it.

    Attributes:
        errors: What the page complained of in the console.
    """

    page: Page
    desk: Desk
    pictures: HeldPictures
    errors: list[str]

    def card(self, name: str) -> Locator:
        """A batch's frame."""
        named = self.page.locator(".pd-batch", has=self.page.get_by_role("heading", name=name, exact=True))
        return self.page.get_by_test_id("stVerticalBlock").filter(has=named).last

    def start(self, name: str, urls: list[str]) -> None:
        """From a list of URLs, up to the estimate."""
        self.view("Start a batch")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_role("radio", name="List of URLs").click()
        self.page.get_by_label("One https address to the line").fill("\n".join(urls))
        self.page.get_by_label("Instruction").fill("make it black and white")
        self.page.get_by_role("button", name="Estimate").click()
        expect(self.page.get_by_role("heading", name="Estimate")).to_be_visible(timeout=WAIT_MS)

    def view(self, name: str) -> None:
        """One of the page's views."""
        self.page.get_by_role("radio", name=name).click()

    def urls(self, name: str, count: int) -> list[str]:
        """Of pictures that nobody else asks for."""
        return [f"{self.pictures.url}/{name}-{number}.png" for number in range(count)]


@pytest.fixture(scope="module")
def shown(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batches]:
    root = tmp_path_factory.mktemp("batches") / "desk"
    desk = Desk.open(root, create=True)
    settings, policy = root / "picturedesk.toml", root / "policy.toml"
    said = settings.read_text("utf-8").replace('["faces", "text", "logos"]', "[]").replace("= 8 ", "= 2 ")
    settings.write_text(f"allow_private_sources = true\n{said}", "utf-8")
    policy.write_text(policy.read_text("utf-8").replace("sample_share = 0.05", "sample_share = 0"), "utf-8")
    with held_pictures(4) as pictures, ReviewServer(root) as server, background_worker(root, enabled=True):
        page = new_page(browser)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(server.url)
        page.get_by_role("link", name="Batches").click()
        expect(page.get_by_role("heading", name="Batches")).to_be_visible(timeout=WAIT_MS)
        yield Batches(page, desk, pictures, errors)
        page.context.close()
    desk.close()


def test_a_list_of_urls_is_estimated_started_paused_and_resumed(shown: Batches) -> None:
    page, name = shown.page, HOSTILE
    shown.start(name, [*shown.urls("hat", 12), NOWHERE])
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("13")
    assert batches.listed(shown.desk) == [], "nothing is queued before the start"
    page.get_by_role("button", name="Start", exact=True).click()
    card = shown.card(name)
    expect(card.get_by_text("running", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(card.get_by_text("4 approved", exact=True)).to_be_visible(timeout=WAIT_MS)
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_text("paused")).to_be_visible(timeout=WAIT_MS)
    shown.pictures.release()
    page.wait_for_timeout(1_500)
    status = batches.status_of(shown.desk, name)
    assert (status.approved, status.queued + status.problems) == (4, 9)
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_text("12 approved", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(card.get_by_text("1 went wrong", exact=True)).to_be_visible(timeout=WAIT_MS)
    shown.view("What went wrong")
    table = page.get_by_test_id("stDataFrame")
    expect(table.locator("[role=gridcell]", has_text="gone")).to_have_count(1, timeout=WAIT_MS)
    assert shown.errors == []


def test_a_batch_is_cancelled_after_a_question_and_can_be_resumed(shown: Batches) -> None:
    shown.pictures.hold()
    shown.start("winter", shown.urls("coat", 20))
    shown.page.get_by_role("button", name="Start", exact=True).click()
    card = shown.card("winter")
    expect(card.get_by_text("running", exact=True)).to_be_visible(timeout=WAIT_MS)
    card.get_by_role("button", name="Cancel").click()
    shown.page.get_by_role("button", name="Cancel the batch").click()
    expect(shown.card("winter").get_by_text("cancelled", exact=True)).to_be_visible(timeout=WAIT_MS)
    assert batches.status_of(shown.desk, "winter").cancelled == 20
    shown.pictures.release()
    card.get_by_role("button", name="Resume").click()
    expect(shown.card("winter").get_by_text("20 approved", exact=True)).to_be_visible(timeout=WAIT_MS)
    assert shown.errors == []


def test_uploaded_pictures_become_a_batch_and_bad_files_are_said(shown: Batches) -> None:
    page = shown.page
    shown.view("Start a batch")
    page.get_by_label("Name").fill("hats")
    page.get_by_role("radio", name="Pictures").click()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    picture = FilePayload(name="hat.png", mimeType="image/png", buffer=buffer.getvalue())
    other = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"no picture")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([picture, other])
    for name in ("hat.png", "notes.txt"):  # while one is on its way, its button says "Cancel upload"
        expect(page.get_by_role("button", name=f"Remove {name}")).to_be_visible(timeout=WAIT_MS)
    page.get_by_label("Instruction").fill("make it black and white")
    page.get_by_role("button", name="Estimate").click()
    expect(page.get_by_text("These rows cannot be made as they are.")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("1")
    page.get_by_role("button", name="Start the good rows").click()
    expect(shown.card("hats").get_by_text("1 approved", exact=True)).to_be_visible(timeout=WAIT_MS)
    assert (Path(shown.desk.root) / "uploads" / "hats" / "hat.png").is_file()
    assert shown.errors == []
