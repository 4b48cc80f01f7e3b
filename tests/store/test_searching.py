"""Finding edits and events among many."""

import pytest

from pipeline.states import EditState
from pipeline.store import Database, chain, reading, running, searching
from pipeline.store.reading import EditFilter
from pipeline.values import Change, Detection, Flag, Kind, Level, Route
from tests.store.conftest import load, produce, row


def flag(kind: Kind, change: Change) -> Flag:
    return Flag(Detection(kind, (0, 0, 2, 2), 0.9, Level.SURE, "", "drawn", "1"), change)


@pytest.fixture
def shop(db: Database) -> Database:
    """Edits 1 to 4: two red hats, a mug with ``100%`` in its name that waits for review, and a bag elsewhere."""
    load(db, row("Red-hat"), row("red_hat"), row("mug 100%"), row("bag", provider="openai"))
    produce(db, 3)
    output = reading.edit(db, 3).outputs[0]
    flags = [flag(Kind.TEXT, Change.LOST), flag(Kind.FACE, Change.KEPT), flag(Kind.TEXT, Change.LOST)]
    route = Route(to_review=True, is_sample=False, reasons=(), policy_hash="p")
    running.route_edit(db, 3, route, {output.id: flags}, owner="runner", best_output_id=output.id)
    return db


def found(db: Database, wanted: EditFilter) -> list[str]:
    names = [line.name for line in searching.search(db, wanted, limit=10)]
    assert reading.count_edits(db, wanted, most=10) == len(names)
    return names


def test_a_line_says_what_a_list_shows(shop: Database) -> None:
    line = searching.search(shop, EditFilter(name_has="mug"), limit=1)[0]
    assert (line.edit_id, line.asset_id, line.name, line.batch) == (3, 3, "mug 100%", "shop")
    assert (line.state, line.round, line.recipe, line.provider) == (EditState.IN_REVIEW, 1, None, "local")
    assert line.flags == ("text lost", "face kept")


def test_pages_follow_each_other_from_the_newest_on(shop: Database) -> None:
    first = searching.search(shop, EditFilter(), limit=3)
    rest = searching.search(shop, EditFilter(), before=first[-1].edit_id, limit=3)
    assert [line.edit_id for line in (*first, *rest)] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (EditFilter(name_has="HAT"), ["red_hat", "Red-hat"]),
        (EditFilter(name_has="red_"), ["red_hat"]),
        (EditFilter(name_has="%"), ["mug 100%"]),
        (EditFilter(name_has="' OR 1=1 --"), []),
        (EditFilter(provider="openai"), ["bag"]),
        (EditFilter(kind=Kind.TEXT, change=Change.LOST), ["mug 100%"]),
        (EditFilter(states=frozenset({EditState.QUEUED}), name_has="a"), ["bag", "red_hat", "Red-hat"]),
    ],
)
def test_every_filter_means_what_it_says(shop: Database, wanted: EditFilter, names: list[str]) -> None:
    assert found(shop, wanted) == names


def test_counting_stops_where_it_is_told(shop: Database) -> None:
    assert reading.count_edits(shop, EditFilter()) == 4
    assert reading.count_edits(shop, EditFilter(), most=2) == 2


def test_batches_are_named_newest_first(shop: Database) -> None:
    assert reading.batch_names(shop) == ["shop"]


def test_events_come_newest_first_by_kind_actor_and_edit(shop: Database) -> None:
    every = reading.latest_events(shop, limit=100)
    assert [event.id for event in every] == list(range(chain.end(shop).length, 0, -1))
    assert {event.kind for event in reading.latest_events(shop, kind="batch.", limit=9)} == {"batch.created"}
    assert reading.latest_events(shop, kind="%", limit=9) == []
    assert {event.actor for event in reading.latest_events(shop, actor="runner", limit=9)} == {"runner"}
    of_mug = reading.latest_events(shop, edit_id=3, limit=9)
    assert [event.kind for event in of_mug] == ["edit.in_review", "edit.produced", "edit.sending", "edit.queued"]
    assert reading.latest_events(shop, before=of_mug[1].id, edit_id=3, limit=1) == [of_mug[2]]


def test_the_chains_end_is_the_last_events_hash(shop: Database) -> None:
    with chain.history(shop) as history:
        assert chain.end(shop).hash == list(history.links())[-1].hash
