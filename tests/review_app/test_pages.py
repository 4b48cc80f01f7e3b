"""The pages, run as Streamlit runs them, on the small desk."""

import json
import time
from html import escape
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline import review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.provenance.disclosure import DisclosureClass
from pipeline.store import reading
from review_app import paging, tickets
from tests.desks import HOSTILE


def button(page: AppTest, label: str) -> Any:
    return next(each for each in page.button if each.label == label)


def shown(page: AppTest) -> str:
    """Everything that the page shows as plain text."""
    return "\n".join(each.value for kind in (page.text, page.code) for each in kind)


def markdown(page: AppTest) -> str:
    """Everything that the page lets Streamlit read as Markdown, labels included."""
    bodies = [each.value for kind in (page.markdown, page.caption, page.title, page.subheader) for each in kind]
    bodies += [each.value for kind in (page.error, page.warning, page.success, page.info) for each in kind]
    widgets = (page.button, page.radio, page.selectbox, page.text_area, page.text_input, page.expander)
    return "\n".join([*bodies, *(each.label for kind in widgets for each in kind)])


def html(page: AppTest) -> str:
    """Everything that the page writes as HTML."""
    return "".join(each.proto.body for each in page.get("html"))


def given(page: AppTest) -> dict[str, Any]:
    """What the page hands to the component."""
    (component,) = page.get("bidi_component")
    return dict(json.loads(component.proto.bytes))


def test_the_queue_is_the_component_for_who_is_here(queue_page: AppTest, small_desk: Desk) -> None:
    assert not queue_page.exception
    assert "deciding as ada" in shown(queue_page)
    data = given(queue_page)
    assert data["person"] == "ada"
    assert data["filter"] == dict.fromkeys(("batch", "kind", "change", "recipe", "asked_by"))
    assert data["reasons"] == list(small_desk.settings.reject_reasons)
    session = tickets.read_session(tickets.read_key(small_desk.root), data["ticket"])
    assert session.name == "ada"
    assert data["expires_at"] > time.time()


def test_the_sidebar_says_which_edits(queue_page: AppTest) -> None:
    queue_page.selectbox[0].set_value("autumn")
    queue_page.selectbox[1].set_value("logo")
    queue_page.toggle[0].set_value(True)
    wanted = given(queue_page.run())["filter"]
    assert wanted == {"batch": "autumn", "kind": "logo", "change": None, "recipe": None, "asked_by": "ada"}


def test_no_picture_and_no_prompt_goes_through_streamlit(queue_page: AppTest) -> None:
    assert HOSTILE not in json.dumps(given(queue_page))
    assert "203.0.113.9" not in markdown(queue_page)


@pytest.mark.parametrize("name", ["export_page", "cost_table", "search_page", "audit_log"])
def test_every_other_page_opens(queue_page: AppTest, name: str) -> None:
    queue_page.switch_page(f"app_pages/{name}.py").run()
    assert not queue_page.exception
    assert len(queue_page.dataframe) >= 1
    assert "203.0.113.9" not in markdown(queue_page)


def test_the_export_is_prepared_and_linked(queue_page: AppTest, small_desk: Desk) -> None:
    queue_page.switch_page("app_pages/export_page.py").run()
    button(queue_page, "Prepare the export").click().run()
    assert (small_desk.root / "exports" / "all.zip").is_file()
    assert "1 picture, " in shown(queue_page)


def test_a_batch_called_all_has_a_download_of_its_own(queue_page: AppTest, small_desk: Desk) -> None:
    with small_desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE batch SET name = 'all'")
    queue_page.switch_page("app_pages/export_page.py").run()
    queue_page.selectbox[0].set_value("all").run()
    button(queue_page, "Prepare the export").click().run()
    assert [path.name for path in (small_desk.root / "exports").glob("*.zip")] == ["all-1.zip"]


def test_lists_are_chosen_and_what_they_need_is_said(queue_page: AppTest, small_desk: Desk) -> None:
    queue_page.switch_page("app_pages/export_page.py").run()
    queue_page.multiselect[0].set_value(["google-merchant", "generic-dam"]).run()
    assert "who reads these lists fetches them (google-merchant)" in shown(queue_page), "before anything is written"
    button(queue_page, "Prepare the export").click().run()
    assert "--public-url" in shown(queue_page)
    queue_page.text_input[-1].set_value("https://cdn.example.com/{file}").run()
    assert "fetches them" not in shown(queue_page)
    button(queue_page, "Prepare the export").click().run()
    written = {path.name for path in (small_desk.root / "exports" / "all").iterdir()}
    assert {"google-merchant.tsv", "dam.csv"} <= written
    queue_page.toggle[0].set_value(True).run()
    button(queue_page, "Prepare the export").click().run()
    assert "Nothing was approved since the last export" in shown(queue_page)


def test_the_export_page_says_what_the_last_export_had_and_nobody_approves_any_more(
    queue_page: AppTest, small_desk: Desk
) -> None:
    ada = local_person("ada")
    review.accept(small_desk, 1, by=ada)
    queue_page.switch_page("app_pages/export_page.py").run()
    button(queue_page, "Prepare the export").click().run()
    review.undo(small_desk, 1, by=ada, even_exported=True)
    queue_page.toggle[0].set_value(True).run()
    button(queue_page, "Prepare the export").click().run()
    assert "in the last export: 1 picture; the next export that has something names them" in shown(queue_page)


def opened(page: AppTest, name: str, /, **parameters: str) -> AppTest:
    """Another page, with these parameters in its address."""
    page.switch_page(f"app_pages/{name}.py")
    for each, value in parameters.items():
        page.query_params[each] = value
    return page.run()


def cells(page: AppTest, column: str) -> list[Any]:
    """A column of the page's last table."""
    return list(page.dataframe[-1].value[column])


def test_the_search_lists_the_newest_edits_and_links_their_assets(queue_page: AppTest, small_desk: Desk) -> None:
    page = opened(queue_page, "search_page")
    assert cells(page, "asset") == ["knife", "sock", "cap", "bag", HOSTILE, "hat"]
    assert cells(page, "open")[:2] == ["asset?asset=6", "asset?asset=5"]
    assert "6 edits, newest first." in shown(page)
    first_output = reading.edit(small_desk.db, 3).outputs[0].picture.sha256
    assert "/api/" not in str(cells(page, "output")[0])  # knife has none
    assert cells(page, "output")[3].startswith(f"/api/page/pictures/{first_output}?")


def test_what_is_wrong_with_the_desk_is_said_in_words(queue_page: AppTest, small_desk: Desk) -> None:
    (small_desk.root / "recipes" / "broken.toml").write_text("name = ")
    page = opened(queue_page, "search_page")
    assert not page.exception
    assert [each.value for each in page.error] == ["This page cannot be shown."]
    assert "broken.toml" in shown(page)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"state": "in review", "flag": "logo", "change": "lost", "name": "BA", "batch": "autumn"}, ["bag"]),
        ({"name": "![X]("}, [HOSTILE]),
        ({"provider": "local", "state": "refused"}, ["knife"]),
    ],
)
def test_the_search_reads_its_filters_from_the_address(
    queue_page: AppTest, parameters: dict[str, str], names: list[str]
) -> None:
    page = opened(queue_page, "search_page", **parameters)
    assert cells(page, "asset") == names
    assert "203.0.113.9" not in markdown(page)


def test_a_provider_that_the_settings_do_not_name_can_be_looked_for(queue_page: AppTest) -> None:
    page = opened(queue_page, "search_page", provider="openai")
    assert "0 edits" in shown(page)
    assert not page.dataframe


@pytest.mark.parametrize(
    ("name", "column", "field"), [("search_page", "open", "name"), ("audit_log", "number", "kind")]
)
def test_a_long_table_is_turned_over(
    queue_page: AppTest, monkeypatch: pytest.MonkeyPatch, name: str, column: str, field: str
) -> None:
    """Older lines follow without a gap, and another filter begins at the newest again."""
    page = opened(queue_page, name)
    every = cells(page, column)
    monkeypatch.setattr(paging, "ROWS", 2)
    button(page.run(), "Older").click().run()
    assert cells(page, column) == every[2:4]
    button(page, "Newest").click().run()
    assert cells(page, column) == every[:2]
    button(page, "Older").click().run()
    page.text_input(key=field).set_value("e").run()
    assert "Newest" not in [each.label for each in page.button]


def test_an_asset_shows_its_rounds_decisions_requests_and_provenance(queue_page: AppTest, small_desk: Desk) -> None:
    ada = local_person("ada")
    review.reject(small_desk, 2, by=ada, reason="other", note=HOSTILE)
    review.reprompt(small_desk, 2, by=ada, prompt="remove the text")
    page = opened(queue_page, "asset_page", asset="2")
    assert not page.exception
    drawn = html(page)
    assert drawn.index("<h2>Round 1</h2>") < drawn.index("<h2>Round 2</h2>")
    decisions, requests = (each.value for each in page.dataframe)
    assert list(decisions["decision"]) == ["reject", "re-prompt"]
    assert decisions["note"][0] == HOSTILE
    assert (requests["their name"][0], requests["cost"][0]) == ("r-1", "$0.0400")
    output = reading.edit(small_desk.db, 2).outputs[0].picture.sha256
    text = shown(page)
    assert output in text
    assert small_desk.policy.hash in text
    assert f"text introduced: {escape(HOSTILE)}, 0.87" in drawn
    assert "remove the text" in text
    assert f"/api/page/pictures/{output}?ticket=" in drawn
    assert "<img src=x" not in drawn
    assert "203.0.113.9" not in markdown(page)


def test_an_asset_is_found_by_an_edit_of_it(queue_page: AppTest) -> None:
    assert "Line 4 of the batch autumn" in shown(opened(queue_page, "asset_page", edit="3"))


@pytest.mark.parametrize(
    "parameters", [{}, {"asset": "99"}, {"asset": "1; DROP"}, {"asset": "9" * 30}, {"edit": "99"}, {"asset": HOSTILE}]
)
def test_an_address_of_no_asset_says_so(queue_page: AppTest, parameters: dict[str, str]) -> None:
    page = opened(queue_page, "asset_page", **parameters)
    assert not page.exception
    assert "desk" in shown(page)
    assert not page.dataframe


def test_a_sampled_asset_does_not_tell_that_it_is_one(queue_page: AppTest) -> None:
    page = opened(queue_page, "asset_page", asset="4")
    assert "sampled" not in shown(page) + html(page)


def test_the_audit_log_is_filtered_by_its_address_and_says_that_all_is_whole(queue_page: AppTest) -> None:
    page = opened(queue_page, "audit_log", edit="4", kind="edit.in")
    assert cells(page, "kind") == ["edit.in_review"]
    assert cells(page, "edit") == ["asset?edit=4"]
    assert "sample" not in cells(page, "what")[0]
    button(page, "Check the history").click().run()
    assert [each.value for each in page.success] == ["The history is whole."]


def test_the_audit_log_says_what_was_changed(queue_page: AppTest, small_desk: Desk) -> None:
    with small_desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE event SET actor = 'eve' WHERE id = 5")
    page = opened(queue_page, "audit_log")
    page.text_input[0].set_value("f" * 64)
    button(page, "Check the history").click().run()
    assert [each.value for each in page.error] == ["The history is not as it was written."]
    assert "event 5 does not follow" in shown(page)
    assert "The noted hash is not in it." in shown(page)


def test_an_approver_records_on_the_asset_page_what_others_are_to_be_told(
    queue_page: AppTest, small_desk: Desk
) -> None:
    page = opened(queue_page, "asset_page", asset="5")
    assert "Nobody has decided on telling others" in shown(page)
    button(page, "Record the decision").click().run()
    assert [each.value for each in page.error] == ["Nothing was changed."]
    assert page.radio(key="disclosure_5").options == [kind.value for kind in DisclosureClass]
    page.radio(key="disclosure_5").set_value("visible-label")
    page.text_input(key="disclosure_reason_5").set_value(HOSTILE)
    button(page, "Record the decision").click().run()
    assert [each.value for each in page.success] == ["The decision is recorded; exports carry it."]
    assert "visible-label, decided for round 1 by ada" in shown(page)
    assert HOSTILE in shown(page)
    assert HOSTILE not in markdown(page) + html(page)
