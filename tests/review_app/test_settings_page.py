"""The page Settings, run as Streamlit runs it: what an admin changes, and what others see of it."""

import io
import os
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pipeline import kit_files, own_recipes, people, policies, rereading, review, tokens
from pipeline.desk import Desk
from pipeline.drawn_products import draw_logo
from pipeline.people import local_person
from pipeline.states import Role
from pipeline.store import outgoing, reading
from pipeline.store.outgoing import Outcome
from pipeline.webhooks import endpoints
from tests.desks import HOSTILE
from tests.navigation import APP
from tests.review_app.conftest import WAIT_S
from tests.review_app.test_pages import button, markdown, opened, shown

ADA = local_person("ada")
SECTIONS = ["Policy", "Recipes", "Brand kit", "People", "Webhooks", "General"]


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of the page takes less time than the files are left alone for."""
    monkeypatch.setattr(rereading, "EVERY_S", 0)


def section(page: AppTest, name: str) -> AppTest:
    found = opened(page, "settings_page", section=name)
    if (chosen := found.segmented_control(key="section")).value != name:
        chosen.set_value(name).run()
    assert not found.exception
    return found


def text_of(page: AppTest) -> str:
    """What stands in the editor of the policy."""
    return page.text_area(key="policy_text").value or ""


def notice(page: AppTest) -> list[str]:
    return [each.value for kind in (page.success, page.error) for each in kind]


def test_a_policy_is_changed_by_fields_and_text_tried_and_saved(queue_page: AppTest, small_desk: Desk) -> None:
    review.reject(small_desk, 1, by=ADA, reason="face")
    page = section(queue_page, "Policy")
    page.pills(key="policy_field_always_review").set_value(["text", "logo"]).run()
    page.number_input(key="policy_field_sample_share").set_value(10.0).run()
    text = text_of(page)
    assert 'always_review = ["text", "logo"]' in text
    assert "sample_share = 0.1\n" in text
    assert "# What a person must see." in text
    page.text_area(key="policy_text").set_value(text.replace("approvals = 1", "approvals = 2")).run()
    assert page.number_input(key="policy_field_approvals").value == 2
    button(page, "Try it on past edits").click().run()
    said = "Of the last 2 edits that were decided, 1 fewer would have come to people; of them, 1 was rejected."
    assert any(said in each.proto.body for each in page.get("html"))
    parts, missed = (table.value for table in page.dataframe)
    assert (parts["fewer"][0], parts["of them not accepted"][0]) == (1, 1)
    assert (missed["open"][0], missed["what people decided"][0]) == ("asset?edit=1", "rejected")
    button(page, "Save").click().run()
    assert "The policy is in force" in notice(page)[0]
    assert policies.in_force(small_desk).text == text.replace("approvals = 1", "approvals = 2")
    assert button(page, "Drop changes").disabled
    (event,) = reading.latest_events(small_desk.db, kind="policy.", limit=5)
    assert event.actor == "ada"


def test_somebody_elses_change_is_not_overwritten(queue_page: AppTest, small_desk: Desk) -> None:
    page = section(queue_page, "Policy")
    page.number_input(key="policy_field_approvals").set_value(3).run()
    policies.save(small_desk, "approvals = 2", seen=policies.in_force(small_desk).stamp, by=local_person("eve"))
    button(page, "Save").click().run()
    assert notice(page) == ["Nothing was changed."]
    assert "somebody changed it meanwhile" in shown(page)
    button(page, "Drop mine, show theirs").click().run()
    assert text_of(page) == "approvals = 2"


def test_what_is_broken_is_said_and_mended(queue_page: AppTest, small_desk: Desk) -> None:
    """By the person's own hand on the page, and by somebody else's in the file."""
    page = section(queue_page, "Policy")
    page.text_area(key="policy_text").set_value("approvals = 1\nmost_bad = 3").run()
    assert "line 2, most_bad: found 3; expected a number from 0 to 1" in shown(page)
    assert button(page, "Save").disabled
    assert button(page, "Try it on past edits").disabled
    assert page.number_input(key="policy_field_approvals").disabled
    button(page, "Drop changes").click().run()
    assert text_of(page).startswith("# What a person must see.")
    path = small_desk.root / "policy.toml"
    path.write_text("approvals = ")
    os.utime(path, (1, 1))
    assert notice(page.run()) == ["This is no policy yet."]
    page.text_area(key="policy_text").set_value("approvals = 2").run()
    assert "nothing to hold this one against" in shown(page)
    button(page, "Save").click().run()
    assert policies.in_force(small_desk).text == "approvals = 2"
    (event,) = reading.latest_events(small_desk.db, kind="policy.", limit=5)
    assert event.data["from"] is None


def test_recipes_and_reasons_are_written(queue_page: AppTest, small_desk: Desk) -> None:
    page = section(queue_page, "Recipes")
    page.selectbox(key="recipe_file").set_value("").run()
    button(page, "Save").click().run()
    assert "sale-badge" in small_desk.recipes
    page.selectbox(key="recipe_file").set_value("sale-badge.toml").run()
    page.text_area[0].set_value("name = 5").run()
    assert "name: found 5; expected text" in shown(page)
    assert button(page, "Save").disabled
    button(page, "Remove this recipe").click().run()
    assert [each.is_own for each in own_recipes.recipe_texts(small_desk)] == [False] * 11
    section(page, "General").text_area[0].set_value("blurred\nother").run()
    button(page, "Save the reasons").click().run()
    assert small_desk.reject_reasons == ("blurred", "other")


def test_a_logo_is_added_judged_and_removed(queue_page: AppTest, small_desk: Desk) -> None:
    """A square alone is too simple to be found by its look, until its name is among the words."""
    kit_files.add(small_desk, HOSTILE, draw_logo("oskelby"), by=ADA)
    page = section(queue_page, "Brand kit")
    page.text_input[0].set_value("Acme")
    square = io.BytesIO()
    Image.new("RGB", (200, 200), "red").save(square, "PNG")
    files: list[Any] = [("a.png", square.getvalue(), "image/png"), (f"{HOSTILE}.png", b"<svg>", "image/png")]
    page.file_uploader[0].set_value(files)
    button(page, "Add to the kit").click().run()
    assert notice(page) == ["Not everything was added."]
    assert f"{HOSTILE}.png: " in shown(page)
    drawn = "".join(each.proto.body for each in page.get("html"))
    assert drawn.count("data:image/webp;base64,") == 2
    assert "Acme" in shown(page)
    assert "203.0.113.9" not in markdown(page)
    assert [word for word in ("too simple", "can be found") if word in markdown(page)] == ["too simple", "can be found"]
    page.text_area[0].set_value("Acme")
    button(page, "Save the names").click().run()
    assert "too simple" not in markdown(page)
    button(page, "Remove this logo").click().run()
    assert len(kit_files.pictures(small_desk)) == 1


def test_roles_and_tokens_are_given_and_taken(queue_page: AppTest, small_desk: Desk) -> None:
    page = section(queue_page, "People")
    assert "nobody signs in" in page.info[0].value
    page.text_input(key="person_name").set_value(HOSTILE)
    button(page, "Give the role").click().run()
    assert [each.role for each in people.listed(small_desk, by=ADA)] == [Role.REVIEWER]
    assert "203.0.113.9" not in markdown(page)
    page.text_input(key="person_name").set_value("nobody@example.com")
    button(page, "Take their role away").click().run()
    assert "has no role of their own" in shown(page)
    page.text_input(key="token_name").set_value("nightly")
    button(page, "Make a token").click().run()
    token = next(each.value for each in page.code if each.value.startswith("pd_"))
    assert tokens.bearer(small_desk, token).name == "token:nightly"
    assert token not in shown(page.run())
    page.selectbox[-1].set_value(1).run()
    button(page, "Revoke it").click().run()
    assert not tokens.listed(small_desk, by=ADA)[0].is_valid


def test_who_is_no_admin_looks_and_changes_nothing(small_desk: Desk) -> None:
    path = small_desk.root / "picturedesk.toml"
    path.write_text(f'{path.read_text()}\n[sign_in]\nproxy_header = "X-Email"\nproxy_name = "desk.example.com"\n')
    people.set_role(small_desk, "bob@example.com", Role.APPROVER, by=ADA)
    page = AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S)
    page.user = {"email": "bob@example.com"}
    page.run()
    for name in SECTIONS:
        section(page, name)
        assert "an admin changes them" in page.info[0].value
        assert page.segmented_control(key="section").value == name
        assert [each.label for each in page.button] == []
        assert (len(page.text_area), len(page.file_uploader)) == (0, 0)
        assert 'sample_seed = "picturedesk"' not in shown(page)


def test_a_webhook_is_added_tried_switched_and_removed(queue_page: AppTest, small_desk: Desk) -> None:
    """What a receiver answers is shown as plain text, and the secret once."""
    page = section(queue_page, "Webhooks")
    page.text_input(key="webhook_url").set_value("ftp://shop.example.com").run()
    button(page, "Add a webhook").click().run()
    assert notice(page) == ["Nothing was changed."]
    page.text_input(key="webhook_url").set_value("https://shop.example.com/hook").run()
    button(page, "Add a webhook").click().run()
    assert "whsec_" in page.code[0].value
    page.run()
    assert "whsec_" not in shown(page)
    assert page.dataframe[0].value["state"][0] == "on"
    page.selectbox(key="webhook_number").set_value(1).run()
    button(page, "Send a test").click().run()
    assert notice(page) == ["There was no answer."]
    assert "the host shop.example.com is not known" in shown(page)
    page.selectbox(key="webhook_number").set_value(1).run()
    button(page, "Switch it off").click().run()
    assert page.dataframe[0].value["state"][0] == "off: switched off by ada"
    button(page, "New secret").click().run()
    assert "whsec_" in page.code[0].value
    button(page, "Remove it").click().run()
    assert endpoints.listed(small_desk, by=ADA) == []


def test_what_was_not_delivered_is_shown_as_it_is_and_sent_again(queue_page: AppTest, small_desk: Desk) -> None:
    endpoints.add(small_desk, "https://shop.example.com/hook", events=["edit.approved"], by=ADA)
    review.accept(small_desk, 1, by=ADA)
    load = outgoing.take(small_desk.db, 1, owner="sender", most=1)
    assert load is not None
    outgoing.book(small_desk.db, 1, [Outcome(load.due[0].id, is_delivered=False, status=500, answer=HOSTILE)])
    page = section(queue_page, "Webhooks")
    line = page.dataframe[2].value
    assert (line["next"][0], line["last answer"][0]) == ("given up", f"500: {HOSTILE}")
    page.selectbox(key="webhook_one").set_value(load.due[0].id).run()
    assert HOSTILE in [each.value for each in page.code]
    assert HOSTILE not in markdown(page)
    button(page, "Send it again").click().run()
    assert notice(page) == ["It is due again."]
    again = outgoing.take(small_desk.db, 1, owner="sender", most=1)
    assert again is not None
    assert (again.due[0].message_id, again.due[0].tries) == (load.due[0].message_id, 0)
