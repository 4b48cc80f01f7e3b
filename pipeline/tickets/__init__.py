"""Help desks: tickets with a customer's photograph come in, and go back with what a person approved.

Each kind is one module here, or a stranger's: both come in by name, through `load_help_desk`. A help desk sees values
only, never the desk; it sends each request once and says what went wrong (`HelpDeskFailed`), and
`pipeline.tickets.working` decides what then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from pipeline.errors import UsageError
from pipeline.tickets.options import HelpDeskOptions, Value

BUILT_IN = {
    "zendesk": "pipeline.tickets.zendesk:Zendesk",
    "freshdesk": "pipeline.tickets.freshdesk:Freshdesk",
    "generic": "pipeline.tickets.generic:GenericHelpDesk",
}

ENTRY_POINT_GROUP = "picturedesk.help_desks"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a help desk may use.

    Attributes:
        most_bytes: Of one picture.
        allow_private: Whether its address, and that of its pictures, may be a private one, or plain http.
    """

    most_bytes: int
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message of a help desk that was found to be its own.

    Attributes:
        ticket: The ticket's number: letters, digits, ``.``, ``_`` and ``-``.
        name: The message's own name, the same when it is sent again; "" if it has none.
        said: What else of it has to be kept; JSON values only.
    """

    ticket: str
    name: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture on a ticket.

    Attributes:
        name: The help desk's own for it, which it keeps.
        file_name: As the customer called it; untrusted.
        url: Where its bytes are.
        media_type: As the help desk has it.
        fields: Of the message that brought it, instead of the ticket's; None if it has none of its own.
    """

    name: str
    file_name: str
    url: str
    media_type: str = ""
    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as the help desk has it now.

    Attributes:
        photos: What customers may see, in the order that it came.
        fields: Its own fields by name or number, as text; for the recipe's parameters.
    """

    number: str
    photos: tuple[Photo, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerPicture:
    """A picture that goes back."""

    file_name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to a ticket.

    Attributes:
        reference: Stands in the comment, and in no other: whoever finds it knows that this answer is there.
        outcome: ``approved`` or ``rejected``.
        comment: Plain text with the reference; "" to write none.
        is_public: Whether the customer sees it.
        pictures: What was approved.
        fields: The ticket's fields to set, by name or number.
        tags: To add.
    """

    reference: str
    outcome: str
    comment: str
    is_public: bool
    pictures: Sequence[AnswerPicture]
    fields: Mapping[str, Value]
    tags: Sequence[str]


class HelpDesk(Protocol):
    """What every help desk can do; each request is sent once.

    All but ``delivery`` raise `HelpDeskFailed` if the help desk does not do as it is asked.
    """

    def delivery(self, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Delivery:
        """What a message says.

        Args:
            headers: Of the request, in lower case.
            body: As it came.
            now_s: Seconds since 1970.

        Raises:
            Unauthorized: It is not the help desk's, or too old.
            UsageError: It names no ticket.
        """

    def ticket(self, number: str, said: Mapping[str, Any]) -> Ticket:
        """The ticket as it is now; ``said`` is what its last message told."""

    def photo(self, photo: Photo) -> bytes:
        """A photograph's bytes."""

    def has_answer(self, number: str, reference: str) -> bool:
        """Whether an answer with this reference is there."""

    def answer(self, number: str, answer: Answer, *, is_commented: bool) -> None:
        """Write the comment with its pictures, and set the fields.

        Args:
            number: The ticket's.
            answer: What to write.
            is_commented: The comment is there already: only set what is set besides.
        """

    def close(self) -> None:
        """Let go of connections."""


def load_help_desk(name: str, options: HelpDeskOptions, tools: Tools) -> HelpDesk:
    """The help desk of a table of the settings, ready to be used.

    Args:
        name: The table's.
        options: What it says.
        tools: What it may use.

    Raises:
        UsageError: There is no such kind, a credential is missing, or an option does not fit.
    """
    target = BUILT_IN.get(options.kind)
    if target is not None:
        module, _, attribute = target.partition(":")
        factory = getattr(import_module(module), attribute)
    else:
        points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if options.kind not in points:
            known = ", ".join([*BUILT_IN, *sorted(points)])
            raise UsageError(f"tickets.{name}.kind: found {options.kind!r}; expected one of: {known}")
        factory = points[options.kind].load()
    help_desk: HelpDesk = factory(name=name, options=options, tools=tools)
    return help_desk
