"""The tickets on the page Batches."""

from datetime import UTC, datetime, timedelta

from streamlit.testing.v1 import AppTest

from pipeline.desk import Desk
from pipeline.states import TicketState
from pipeline.store import tickets as store
from tests.desks import HOSTILE
from tests.navigation import APP
from tests.review_app.conftest import WAIT_S
from tests.review_app.test_pages import button, cells, markdown, opened

HELP_DESK = '[tickets.support]\nkind = "zendesk"\naddress = "https://example.zendesk.com"\n'


def test_a_failed_ticket_is_listed_as_text_and_tried_again(small_desk: Desk) -> None:
    settings = small_desk.root / "picturedesk.toml"
    settings.write_text(f"{settings.read_text('utf-8')}\n{HELP_DESK}", "utf-8")
    store.receive(small_desk.db, "support", "4711", delivery="1", said={}, actor="support")
    ticket = store.hold(small_desk.db, 1, holder="w", until=datetime.now(UTC) + timedelta(minutes=1))
    assert ticket is not None
    wrong = {"code": "refused_key", "message": HOSTILE, "holder": "w", "actor": "support"}
    store.went_wrong(small_desk.db, ticket, not_before=None, **wrong)

    page = AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S).run()
    opened(page, "batch_list", view="Tickets")
    assert not page.exception
    assert cells(page, "what went wrong") == [HOSTILE]
    assert "203.0.113.9" not in markdown(page)
    button(page, "Try all that failed again").click().run()
    assert not page.exception
    (ticket,) = store.listed(small_desk.db)
    assert (ticket.state, ticket.error) == (TicketState.RECEIVED, None)
