"""The contact sheet's page, run as Streamlit runs it; the component itself is tested in a browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.claiming import MOST
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app import viewing, workspace


def given(page: AppTest) -> dict[str, Any]:
    """What the page hands to its component."""
    (component,) = page.get("bidi_component")
    return dict(json.loads(component.proto.bytes))


def test_the_sheet_is_a_component_and_the_sidebar_says_which_edits(queue_page: AppTest, small_desk: Desk) -> None:
    queue_page.switch_page("app_pages/contact_sheet.py").run()
    queue_page.selectbox[0].set_value("autumn")
    queue_page.selectbox[1].set_value("logo")
    data = given(queue_page.run())
    assert not queue_page.exception
    assert data["filter"] == {"batch": "autumn", "kind": "logo", "change": None, "recipe": None, "asked_by": None}
    assert (data["ahead"], data["person"]) == (MOST, "ada")
    assert data["module"] == viewing.module_url(viewing.SHEET)
    assert str(small_desk.root) not in json.dumps(data)


def test_who_does_not_review_is_told_so(queue_page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "person", lambda: Person("vera@example.com", Role.VIEWER))
    queue_page.switch_page("app_pages/contact_sheet.py").run()
    assert not queue_page.exception
    assert not queue_page.get("bidi_component")
    assert any("you are a viewer" in each.value for each in queue_page.text)


@pytest.mark.parametrize("component", [viewing.VIEWER, viewing.SHEET], ids=lambda component: component.name)
def test_a_component_finds_all_its_parts_in_its_markup(component: viewing.Component) -> None:
    folder = Path(viewing.__file__).parent / "viewer"
    markup = (folder / f"{component.name}.html").read_text("utf-8")
    modules = [path.read_text("utf-8") for path in folder.glob(f"{component.name}*.js")]
    named = {part for text in modules for part in re.findall(r"\bparts\.(\w+)", text)}
    assert named
    assert [part for part in sorted(named) if f'data-part="{part}"' not in markup] == []
