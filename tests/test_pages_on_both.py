"""Every list and page reads what it shows from either database."""

from pathlib import Path

import pytest

from tests.bench.millions import lists_of, pages_of
from tests.desks import build_desk


@pytest.mark.usefixtures("each_database")
def test_every_page_and_list_is_read(tmp_path: Path) -> None:
    desk = build_desk(tmp_path / "desk")
    for page in pages_of(desk).values():
        page()
    assert [line.edit_id for line in lists_of(desk)["search"](4)] == [3, 2, 1]
    assert [line.state for line in lists_of(desk)["problems"](100)] == ["refused"]
    for turn in lists_of(desk).values():
        turn(3)
