"""The pages, run as Streamlit runs them, on the small desk."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline import claiming, review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.states import DecisionKind, EditState
from pipeline.store import reading
from tests.desks import HOSTILE, REFUSAL, SAMPLE_REASON, add_doubtful

ADA = local_person("ada")
BOB = local_person("bob")


def state(desk: Desk, name: str) -> EditState:
    return reading.edit(desk.db, review.edit_of_asset(desk, name)).state


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


def skip_to(page: AppTest, title: str) -> AppTest:
    for _ in range(6):
        if title in [each.value for each in page.text]:
            return page
        button(page, "Skip").click().run()
    raise AssertionError(f"{title} is not in the queue")


def test_the_first_edit_is_drawn_with_its_flags_and_who_decides(queue_page: AppTest) -> None:
    assert not queue_page.exception
    assert "deciding as ada" in shown(queue_page)
    assert "make the hat red" in shown(queue_page)
    assert queue_page.dataframe[0].value.to_dict("records") == [{"flag": "face kept, 0.87", "level": "sure"}]


def test_accept_decides_what_was_drawn_and_shows_the_next(queue_page: AppTest, small_desk: Desk) -> None:
    button(queue_page, "Accept").click().run()
    assert state(small_desk, "hat") is EditState.APPROVED
    assert HOSTILE in shown(queue_page)


def test_reject_keeps_reason_and_note(queue_page: AppTest, small_desk: Desk) -> None:
    reasons = next(each for each in queue_page.selectbox if each.label == "Reason to reject")
    reasons.set_value(reasons.options[1])
    next(each for each in queue_page.text_input if each.label == "Note").set_value("blurred")
    button(queue_page, "Reject").click().run()
    edit_id = review.edit_of_asset(small_desk, "hat")
    (decision,) = reading.decisions(small_desk.db, [edit_id])
    assert (decision.kind, decision.reason, decision.note) == (DecisionKind.REJECT, reasons.options[1], "blurred")
    assert decision.actor == "ada"


def test_a_re_prompt_queues_another_round(queue_page: AppTest, small_desk: Desk) -> None:
    prompt = next(each for each in queue_page.text_area if each.label == "New instruction")
    assert prompt.value == "make the hat red"
    prompt.set_value("make the hat blue")
    button(queue_page, "Send as a new round").click().run()
    last = reading.edit(small_desk.db, review.edit_of_asset(small_desk, "hat"))
    assert (last.round, last.state, last.instruction.prompt) == (2, EditState.QUEUED, "make the hat blue")
    assert last.input_sha256 is None


def test_undo_brings_the_edit_back(queue_page: AppTest, small_desk: Desk) -> None:
    button(queue_page, "Accept").click().run()
    button(queue_page, "Undo the last decision").click().run()
    assert state(small_desk, "hat") is EditState.IN_REVIEW
    assert "make the hat red" in shown(queue_page)


def test_a_decision_on_what_has_moved_on_is_refused_and_said(queue_page: AppTest, small_desk: Desk) -> None:
    """Another reviewer rejects the hat while this page shows it."""
    hat = review.edit_of_asset(small_desk, "hat")
    reason = review.reject_reasons(small_desk, reading.edit(small_desk.db, hat))[0]
    review.reject(small_desk, hat, by=BOB, reason=reason)
    button(queue_page, "Accept").click().run()
    assert state(small_desk, "hat") is EditState.REJECTED
    assert [each.actor for each in reading.decisions(small_desk.db, [hat])] == ["bob"]
    assert f"edit {hat}" in shown(queue_page)
    assert HOSTILE in shown(queue_page)
    assert not queue_page.exception


def test_one_of_several_outputs_is_chosen(queue_page: AppTest, small_desk: Desk) -> None:
    skip_to(queue_page, "bag")
    choice = next(each for each in queue_page.selectbox if each.label == "Output")
    choice.select_index(1).run()
    button(queue_page, "Accept").click().run()
    bag = reading.edit(small_desk.db, review.edit_of_asset(small_desk, "bag"))
    assert bag.accepted_output_id == bag.outputs[1].id


def test_a_refused_edit_says_why_and_cannot_be_accepted(queue_page: AppTest) -> None:
    skip_to(queue_page, "knife")
    assert REFUSAL in shown(queue_page)
    assert "Accept" not in [each.label for each in queue_page.button]


def test_an_edit_in_doubt_says_what_it_may_have_cost_and_is_sent_again(queue_page: AppTest, small_desk: Desk) -> None:
    lamp = add_doubtful(small_desk)
    skip_to(queue_page, "lamp")
    assert "Requests without an answer: 1, up to $0.0400." in shown(queue_page)
    assert "no answer came" in shown(queue_page)
    assert "Accept" not in [each.label for each in queue_page.button]
    button(queue_page, "Send again").click().run()
    assert reading.edit(small_desk.db, lamp).state is EditState.QUEUED


def test_a_sampled_edit_does_not_say_so(queue_page: AppTest) -> None:
    skip_to(queue_page, "cap")
    assert SAMPLE_REASON not in shown(queue_page)
    assert "sample" not in shown(queue_page)
    assert "Why this is here" in [each.label for each in queue_page.expander]


def test_hostile_text_is_never_markdown(queue_page: AppTest) -> None:
    for title in (HOSTILE, "bag"):
        skip_to(queue_page, title)
        assert "203.0.113.9" not in markdown(queue_page)
    for radio in queue_page.radio:
        assert not [option for option in radio.options if "203.0.113.9" in option]


@pytest.mark.parametrize("name", ["batch_list", "export_page", "cost_table"])
def test_every_other_page_opens(queue_page: AppTest, name: str) -> None:
    queue_page.switch_page(f"app_pages/{name}.py").run()
    assert not queue_page.exception
    assert len(queue_page.dataframe) >= 1
    assert "203.0.113.9" not in markdown(queue_page)


def test_an_empty_queue_says_what_to_do_next(queue_page: AppTest, small_desk: Desk) -> None:
    for edit in claiming.queue(small_desk):
        review.reject(small_desk, edit.id, by=ADA, reason=review.reject_reasons(small_desk, edit)[0])
    queue_page.run()
    assert "Nothing waits for a decision" in [each.value for each in queue_page.subheader]


def test_the_export_is_prepared_and_linked(queue_page: AppTest, small_desk: Desk) -> None:
    queue_page.switch_page("app_pages/export_page.py").run()
    button(queue_page, "Prepare the export").click().run()
    assert (small_desk.root / "exports" / "all.zip").is_file()
    assert "1 picture, " in shown(queue_page)
