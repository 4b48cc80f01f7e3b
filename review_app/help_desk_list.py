"""Help desks' tickets: where they stand, and those that went wrong tried again."""

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role, TicketState
from pipeline.tickets import listing
from review_app import paging

_ALL = "all"


def show(desk: Desk, person: Person) -> None:
    """Draw the list, newest first."""
    states = [_ALL, *(state.value for state in TicketState)]
    chosen = st.selectbox("State", states, key="ticket-state")
    before = paging.begin_before(("tickets", chosen))
    wanted = () if chosen == _ALL else (TicketState(chosen),)
    found = listing.listed(desk, by=person, states=wanted, before=before, limit=paging.ROWS)
    if any(each.state in listing.WENT_WRONG for each in found):
        is_allowed = person.may(Role.REQUESTER)
        if st.button("Try all that failed again", icon=":material/refresh:", disabled=not is_allowed):
            listing.retry(desk, [], by=person)
            st.rerun()
    if not found:
        st.text("There is no such ticket.")
    else:
        st.dataframe(
            [
                {
                    "help desk": each.help_desk,
                    "ticket": each.number,
                    "state": each.state.value,
                    "pictures": each.pictures,
                    "answers": each.answers,
                    "since": each.updated_at,
                    "what went wrong": each.error or "",
                }
                for each in found
            ],
            column_config={
                "since": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                "what went wrong": st.column_config.TextColumn(width="large"),
            },
            hide_index=True,
            height=560 if len(found) > 15 else "content",
        )
    paging.turn_buttons(("tickets", chosen), found[-1].id if len(found) == paging.ROWS else None)
