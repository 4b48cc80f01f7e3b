"""The page Batches for each role, and the page Export for who may not export."""

import pytest
from streamlit.testing.v1 import AppTest

from pipeline import batches
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import EditState, Role
from pipeline.store import batching, reading
from pipeline.store.reading import EditFilter
from pipeline.values import Instruction, ManifestRow
from tests.attempts import living_worker
from tests.desks import HOSTILE, add_doubtful, load_rows
from tests.review_app.test_pages import button, cells, markdown, opened, shown

ADA = Person("ada", Role.REQUESTER)
ANN = Person("ann", Role.APPROVER)


@pytest.fixture
def queued(small_desk: Desk) -> int:
    """A batch with hostile text for a name, of which two edits are queued; gives its number."""
    rows = [ManifestRow(line=n, asset_id=f"n{n}", variant="", source="", steps=(Instruction("x"),)) for n in (2, 3)]
    return load_rows(small_desk.db, rows, batch=HOSTILE, actor=HOSTILE).batch_id


@pytest.fixture
def page(queue_page: AppTest) -> AppTest:
    return queue_page


def become(monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    monkeypatch.setattr("review_app.workspace.person", lambda: person)


def drawn(page: AppTest) -> str:
    return "".join(each.proto.body for each in page.get("html"))


def labels(page: AppTest) -> list[str]:
    return [each.label for each in page.button]


def test_a_batch_is_drawn_with_what_holds_it_and_its_name_is_only_text(
    page: AppTest, small_desk: Desk, queued: int
) -> None:
    opened(page, "batch_list")
    assert not page.exception
    html = drawn(page)
    assert "waiting for a runner" in html
    assert "picturedesk review, or picturedesk run" in html
    assert "2 queued" in html
    assert "&lt;img src=x" in html
    assert "<img src=x" not in html
    assert "203.0.113.9" not in markdown(page)
    batching.record_stop(small_desk.db, [queued], code="account_exhausted", message=f"add credit {HOSTILE}", owner="r")
    html = drawn(page.run())
    assert "Add credit ![x]" in html
    assert "tries again within a minute" in html
    with living_worker(small_desk.db):
        batching.clear_stop(small_desk.db, queued)
        assert "running" in drawn(page.run())


def test_an_approver_pauses_resumes_and_cancels(
    page: AppTest, small_desk: Desk, queued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, ANN)
    opened(page, "batch_list")
    button(page, "Pause").click().run()
    assert "paused" in drawn(page)
    button(page, "Resume").click().run()
    page.number_input[0].set_value(7.5)
    button(page, "Set the budget").click().run()
    assert batches.status_of(small_desk, HOSTILE).budget_microusd == 7_500_000
    button(page, "Cancel the batch").click().run()
    states = {edit.state for edit in reading.each_edit(small_desk.db, EditFilter(batch_id=queued))}
    assert states == {EditState.CANCELLED}
    done = [(event.kind, event.actor) for event in reading.latest_events(small_desk.db, kind="batch.", limit=4)]
    assert done[::-1] == [(f"batch.{act}", "ann") for act in ("paused", "resumed", "budget", "cancelled")]


def test_who_may_what_is_seen_and_kept(
    page: AppTest, small_desk: Desk, queued: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, ADA)
    assert {"Pause", "Cancel the batch"} <= set(labels(opened(page, "batch_list")))
    assert "Set the budget" not in labels(page)
    pause = button(page, "Pause")
    become(monkeypatch, Person("vic", Role.VIEWER))
    pause.click().run()
    assert batches.status_of(small_desk, HOSTILE).batch.paused_at is None
    assert "that takes a requester" in shown(page), "what was on the page when the role was taken away"
    assert labels(page.run()) == []
    page.segmented_control[0].set_value("Start a batch").run()
    assert "takes a requester" in shown(page)
    assert labels(page) == []
    assert "takes a requester" in shown(opened(page, "export_page"))
    assert "Prepare the export" not in labels(page)


def test_somebody_who_was_faster_is_told_to(page: AppTest, small_desk: Desk, queued: int) -> None:
    opened(page, "batch_list")
    batches.pause(small_desk, HOSTILE, by=ADA)
    button(page, "Pause").click().run()
    assert [each.value for each in page.error] == ["Nothing was changed."]
    assert "is paused already" in shown(page)
    assert "203.0.113.9" not in markdown(page)


def test_what_went_wrong_is_listed_with_what_it_may_have_cost(page: AppTest, small_desk: Desk) -> None:
    lamp = add_doubtful(small_desk)
    opened(page, "batch_list", view="What went wrong")
    assert cells(page, "asset") == ["lamp", "knife"]
    assert cells(page, "open")[0] == f"asset?edit={lamp}"
    assert cells(page, "may have cost") == ["up to $0.0400", ""]
    page.selectbox[0].set_value("autumn").run()
    assert cells(page, "asset") == ["knife"]


def test_the_form_of_a_recipe_asks_for_its_parameters(page: AppTest, small_desk: Desk) -> None:
    opened(page, "batch_list", view="Start a batch")
    page.segmented_control[1].set_value("List of URLs").run()
    page.text_input[0].set_value("hats")
    page.text_area[0].set_value("https://shop.example/hat.jpg\nftp://shop.example/cap.jpg")
    page.selectbox[0].set_value("catalogue-standardise").run()
    assert {"size", "background", "margin", "shadow"} <= set(shown(page).split("\n"))
    page.text_input[2].set_value("#f4f4f4")
    page.multiselect[0].set_value(["zalando", "ebay"])
    button(page, "Estimate").click().run()
    assert [(each.label, each.value) for each in page.metric] == [
        ("edits to make", "1"),
        ("cost", "\\$0.00"),
        ("bad rows", "1"),
    ]
    assert cells(page, "found") == ["ftp://shop.example/cap.jpg"]
    button(page, "Start the good rows").click().run()
    (edit,) = reading.each_edit(small_desk.db, EditFilter(batch_id=reading.batch_id(small_desk.db, "hats")))
    assert "plain #f4f4f4 background of 762x1101 to 1801x2600 pixels" in edit.instruction.prompt
    assert edit.asset.destinations == ("zalando", "ebay")
    assert "for zalando, ebay; started by" in drawn(page)
    assert "hats" in drawn(page), "the page turns to the progress"
