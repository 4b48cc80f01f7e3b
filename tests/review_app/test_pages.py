"""The pages, run as Streamlit runs them, on the small desk."""

import json
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.desk import Desk
from review_app import tickets
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


@pytest.mark.parametrize("name", ["batch_list", "export_page", "cost_table"])
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
