"""The pages Insights and Costs, run as Streamlit runs them."""

import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline import costs, insights
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.insights import Wanted
from pipeline.people import Person, local_person
from pipeline.states import Role
from pipeline.store.spending import CostBy
from review_app import workspace
from review_app.workspace import DESK_VARIABLE
from tests.decided_desk import CAP_USD
from tests.desks import HOSTILE
from tests.navigation import APP
from tests.review_app.conftest import WAIT_S
from tests.review_app.test_pages import button, markdown, opened, shown

FRIDAY = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def page(weeks: Desk, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The first page, on three weeks' decisions."""
    monkeypatch.setenv(DESK_VARIABLE, str(weeks.root))
    monkeypatch.setenv("PICTUREDESK_ACTOR", "ada")
    return AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S).run()


def plots(page: AppTest) -> list[Any]:
    return list(page.get("vega_lite_chart"))


def test_the_page_tells_what_the_function_tells(page: AppTest, weeks: Desk) -> None:
    opened(page, "insights_page")
    assert not page.exception
    found = insights.look(weeks, Wanted(), by=local_person("ada"))
    assert "\n".join(found.headline) in shown(page)
    assert len(plots(page)) == 8
    table = page.dataframe[0].value
    assert list(table["decided on"]) == [each.share.whole for each in found.acceptance]
    assert list(table.columns[:5]) == ["recipe", "provider", "decided on", "accepted %", "accepted ≥ %"]
    assert page.metric[0].value == str(found.decided)


def test_the_address_says_of_what(page: AppTest, weeks: Desk) -> None:
    asked = {"batch": "autumn-adverts", "provider": "openai", "since": "2026-11-09", "by": "ai-model"}
    opened(page, "insights_page", **asked)
    assert not page.exception
    wanted = Wanted(batch="autumn-adverts", provider="openai", since=date(2026, 11, 9))
    found = insights.look(weeks, wanted, by=local_person("ada"))
    assert 0 < found.decided < 60
    assert page.metric[0].value == str(found.decided)
    assert list(page.dataframe[0].value["ai model"]) == ["gpt-image-2-mini"]


def test_where_nothing_was_decided_there_the_page_says_what_to_do(page: AppTest) -> None:
    assert "Empty a field above, or take a longer period." in shown(opened(page, "insights_page", until="2020-01-01"))
    assert not page.metric


def test_where_nobody_has_decided_yet_the_page_says_so(queue_page: AppTest) -> None:
    assert "Nobody has decided on a picture yet." in shown(opened(queue_page, "insights_page"))
    assert not queue_page.exception


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
def test_nobody_below_approver_sees_a_persons_pace(page: AppTest, monkeypatch: pytest.MonkeyPatch, role: Role) -> None:
    monkeypatch.setattr(workspace, "person", lambda: Person("vera@example.com", role))
    opened(page, "insights_page")
    assert not page.exception
    tables = "\n".join(each.value.to_csv() for each in page.dataframe)
    assert "all together" in tables
    assert "@example.com" not in tables + shown(page).replace("vera@example.com", "")
    assert "is told to approvers only" in shown(page)


def test_names_that_others_wrote_are_never_markdown(queue_page: AppTest, small_desk: Desk) -> None:
    from pipeline import review

    review.reject(small_desk, 2, by=local_person("ada"), reason="other")
    page = opened(queue_page, "insights_page", by="prompt")
    assert not page.exception
    assert any(HOSTILE in each.value.to_csv() for each in page.dataframe)
    assert "203.0.113.9" not in markdown(page)


def test_costs_say_what_is_left_of_the_month(page: AppTest, weeks: Desk) -> None:
    found = costs.overview(weeks, by_person=local_person("ada"), moment=FRIDAY)
    assert found.month.cap_microusd == CAP_USD * 1e6
    assert found.month.left_microusd == CAP_USD * 1e6 - found.month.spent_microusd - found.month.reserved_microusd
    assert 0 < found.month.reserved_microusd < 100_000  # the answer that was lost
    opened(page, "cost_table")
    assert not page.exception
    assert "left" in shown(page) or "no cap" in shown(page)
    assert len(plots(page)) == 1
    table = page.dataframe[0].value
    assert sum(table["cost $"]) == pytest.approx(found.summary.total_microusd / 1e6)
    row = table.set_index("batch").loc["autumn-catalogue"]
    assert row["$ per approved asset"] == pytest.approx(row["cost $"] / row["approved"])
    page.segmented_control[0].set_value("recipe").run()
    assert set(page.dataframe[0].value["recipe"]) >= {"render-text", "object-cleanup"}


@pytest.mark.parametrize("by", list(CostBy))
def test_counted_costs_are_the_books(weeks: Desk, by: CostBy) -> None:
    """What the page reads off the tallies is what the command sums up from the charges."""
    assert costs.overview(weeks, by_person=local_person("ada"), by=by).summary == costs.summarise(weeks, by=by)


def test_the_ledger_is_a_file_that_sums_up_to_the_total(page: AppTest, weeks: Desk, tmp_path: Path) -> None:
    opened(page, "cost_table")
    button(page, "Prepare the ledger").click().run()
    assert not page.exception
    assert "/api/page/exports/picturedesk-ledger.zip?ticket=" in "".join(each.proto.body for each in page.get("html"))
    with zipfile.ZipFile(weeks.root / "exports" / "picturedesk-ledger.zip") as archive:
        text = io.TextIOWrapper(archive.open("picturedesk-ledger.csv"), "utf-8").read()
    lines = [line.split(",") for line in text.splitlines()[1:]]
    total = sum(round(float(line[-1]) * 1e6) for line in lines if line[1] == "charged")
    assert total == costs.summarise(weeks).total_microusd
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PicturedeskError):
        costs.write_ledger(weeks, tmp_path / "file" / "ledger.zip")
