"""Webhooks: where messages go, what was not delivered, and the channels of the settings."""

import streamlit as st

from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.people import Person
from pipeline.states import DeliveryState, Role
from pipeline.store.outgoing import DeliveryRecord, WebhookRecord
from pipeline.webhooks import channels, endpoints
from pipeline.webhooks.kinds import MEANINGS, Message
from review_app.settings import notices

_URL, _EVENTS, _NUMBER, _DELIVERY, _SECRET = (
    f"webhook_{name}" for name in ("url", "events", "number", "one", "secret")
)
_ROWS = 100
_MESSAGES = [message.value for message in Message]


def show(desk: Desk, person: Person) -> None:
    """The section."""
    if not person.may(Role.ADMIN):
        st.text("Only an admin sees where messages go.")
        return
    _webhooks(desk, person)
    _undelivered(desk, person)
    _channels(desk, person)


def _webhooks(desk: Desk, person: Person) -> None:
    st.subheader("Webhooks", divider="gray")
    st.text("Other systems that are told what happens: signed messages, tried again for a day. The worker sends them.")
    secret, shown = (
        st.session_state.pop(_SECRET, None),
        st.container(),
    )  # so what follows stays in place
    if secret is not None:
        shown.success("Keep this secret now, for the receiver to check signatures by: it is not shown again.")
        shown.code(secret, language=None)
    found = endpoints.listed(desk, by=person)
    if found:
        st.dataframe(list(map(_row, found)), hide_index=True, height="content" if len(found) < 12 else 420)
        _changer(desk, person, found)
    _adder(desk, person)
    with st.expander("What each message tells"):
        st.dataframe([{"message": each.value, "when": MEANINGS[each]} for each in Message], hide_index=True)


def _row(record: WebhookRecord) -> dict[str, object]:
    return {
        "number": record.id,
        "URL": record.url,
        "state": endpoints.standing(record),
        "waiting": record.waiting,
        "given up": record.dead,
        "told": ", ".join(each.value for each in record.events),
        "added by": record.created_by,
    }


def _adder(desk: Desk, person: Person) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Post to", placeholder="https://shop.example.com/hook", key=_URL, width=320)
        st.multiselect("What it is told", _MESSAGES, default=_MESSAGES, key=_EVENTS, width=420)
        st.button("Add a webhook", type="primary", on_click=_add, args=[desk, person])


def _add(desk: Desk, person: Person) -> None:
    url, events = st.session_state[_URL], st.session_state[_EVENTS]
    try:
        made = endpoints.add(desk, url, events=events, by=person)
    except PicturedeskError as exc:
        notices.failed(str(exc))
    else:
        st.session_state.update({_SECRET: made.secret, _URL: ""})


def _changer(desk: Desk, person: Person, found: list[WebhookRecord]) -> None:
    def number() -> int:
        return int(st.session_state[_NUMBER])

    def switch(*, is_on: bool) -> None:
        endpoints.switch(desk, number(), is_on=is_on, by=person)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Webhook", [each.id for each in found], index=None, placeholder="none", key=_NUMBER, width=160
        )
        record = next((each for each in found if each.id == chosen), None)
        is_none = record is None
        st.button("Send a test", disabled=is_none, on_click=_try_it, args=[desk, person])
        if record is not None and not record.is_on:
            on = notices.click(lambda: switch(is_on=True), "The webhook is on, and is told what it missed.")
            st.button("Switch it on", on_click=on)
        else:
            off = notices.click(lambda: switch(is_on=False), "The webhook is off; what it misses is kept for it.")
            st.button("Switch it off", disabled=is_none, on_click=off)
        st.button("New secret", disabled=is_none, on_click=_rotate, args=[desk, person])
        remove = notices.click(lambda: endpoints.remove(desk, number(), by=person), "The webhook is removed.")
        st.button("Remove it", disabled=is_none, on_click=remove)


def _try_it(desk: Desk, person: Person) -> None:
    try:
        answer = endpoints.send_test(desk, st.session_state[_NUMBER], by=person)
    except PicturedeskError as exc:
        notices.failed(str(exc))
        return
    if answer.is_well:
        notices.done(f"The receiver took the message, and answered {answer.status}.", answer.text)
    else:
        status = "There was no answer" if answer.status is None else f"The receiver answered {answer.status}"
        notices.failed(answer.text, f"{status}.")


def _rotate(desk: Desk, person: Person) -> None:
    try:
        secret = endpoints.rotate(desk, st.session_state[_NUMBER], by=person)
    except PicturedeskError as exc:
        notices.failed(str(exc))
    else:
        notices.done("For a day messages are signed with the old secret, too.")
        st.session_state[_SECRET] = secret


def _undelivered(desk: Desk, person: Person) -> None:
    st.subheader("What was not delivered", divider="gray")
    found = endpoints.undelivered(desk, limit=_ROWS, by=person)
    if not found:
        st.text("Everything that was tried was delivered.")
        return
    st.dataframe(
        list(map(_line, found)),
        column_config={"edit": st.column_config.LinkColumn(display_text=r"edit=(\d+)$", width="small")},
        hide_index=True,
        height="content" if len(found) < 12 else 420,
    )
    if len(found) == _ROWS:
        st.text(f"These are the newest {_ROWS}; picturedesk webhooks dead --limit 10000 lists more.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = st.selectbox(
            "Delivery", [each.id for each in found], index=None, placeholder="none", key=_DELIVERY, width=160
        )
        again = notices.click(
            lambda: endpoints.resend(desk, [st.session_state[_DELIVERY]], by=person), "It is due again."
        )
        st.button("Send it again", disabled=one is None, on_click=again)
        every = notices.click(lambda: endpoints.resend(desk, by=person), "All that was given up is due again.")
        st.button(
            "Send all that was given up",
            disabled=not any(each.state is DeliveryState.DEAD for each in found),
            on_click=every,
        )
    if (record := next((each for each in found if each.id == one), None)) is not None:
        st.text(f"Message {record.message_id}, last tried {record.tried_at:%Y-%m-%d %H:%M:%S} UTC; the answer:")
        st.code(record.answer or "nothing", language=None, wrap_lines=True)


def _line(record: DeliveryRecord) -> dict[str, object]:
    kind, _, number = record.subject.partition(":")
    return {
        "number": record.id,
        "webhook": record.webhook_id,
        "told": record.kind,
        "happened": record.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "edit": f"asset?edit={number}" if kind == "edit" else None,
        "tries": record.tries,
        "next": endpoints.whats_next(record),
        "last answer": endpoints.last_answer(record),
    }


def _channels(desk: Desk, person: Person) -> None:
    st.subheader("Channels", divider="gray")
    st.text(
        "Teams that are told in groups, by Slack, Teams, e-mail and others: the table [messages] of picturedesk.toml."
    )
    found = channels.listed(desk, by=person)
    if not found:
        st.text("There is none.")
        return
    rows = [
        {
            "channel": each.name,
            "told": ", ".join(event.value for event in each.events),
            "its URL is in": each.at,
            "state": channels.standing(each),
        }
        for each in found
    ]
    st.dataframe(rows, hide_index=True, height="content")
