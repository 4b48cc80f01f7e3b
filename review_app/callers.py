"""Who calls a route: by a session's ticket or a machine's token in the header, never by a cookie."""

from dataclasses import dataclass

from pipeline import people, tokens
from pipeline.desk import Desk
from pipeline.errors import Forbidden, Unauthorized
from pipeline.people import Person
from pipeline.states import Role
from review_app import tickets
from review_app.tickets import Session, SessionTicket


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        person: What they may do, by now: a role that was changed holds at once.
        session: Their session; None for a machine.
    """

    person: Person
    session: Session | None


def caller(desk: Desk, key: bytes, authorization: str | None) -> Caller:
    """Who sent this ``Authorization`` header.

    Raises:
        Unauthorized: It is missing, wrong, or over.
    """
    scheme, _, sent = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        raise Unauthorized(
            "a ticket is needed: open the page, or send a machine's token as Authorization: Bearer pd_..."
        )
    if sent.startswith(tokens.PREFIX):
        return Caller(tokens.bearer(desk, sent), None)
    if "." not in sent:  # as OpenAI's keys
        raise Unauthorized(
            "this token is none of a desk, whose begin with pd_; an admin makes one: picturedesk token make"
        )
    session = tickets.read_session(key, sent)
    return Caller(person_of(desk, session), session)


def person_of(desk: Desk, session: Session) -> Person:
    """Somebody at the page, with the role that they have by now.

    Raises:
        Unauthorized: They have none, or the desk has a sign-in by now.
    """
    if session.is_alone and not desk.settings.sign_in.is_local:
        raise Unauthorized("this desk has a sign-in; reload the page")
    if session.is_alone:
        return Person(session.name, Role.ADMIN, is_alone=True)
    return people.signed_in(desk, session.name, session.granted)


def renewed(key: bytes, who: Caller) -> SessionTicket:
    """The next ticket of a session.

    Raises:
        Forbidden: A machine asks; it has its token.
        Unauthorized: The person signed in too long ago.
    """
    if who.session is None:
        raise Forbidden("a machine needs no ticket: send its token with every request")
    return tickets.issue_session(key, who.session)
