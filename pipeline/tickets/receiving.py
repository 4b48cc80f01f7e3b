"""A help desk's message: checked, and kept before it is answered. Everything else is done later, by a worker."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline import logs
from pipeline.desk import Desk
from pipeline.errors import NotFound, StoreError, UsageError
from pipeline.store import tickets as store
from pipeline.tickets import HelpDesk, Tools, load_help_desk

ACTOR = "help desk "
"""What a help desk is called in the history, before its name."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message.

    Attributes:
        ticket: The ticket's number.
        is_new: Whether it had not been taken before.
    """

    ticket: str
    is_new: bool


class Receiver:
    """Takes the messages of a desk's help desks.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._opened: dict[str, HelpDesk] = {}

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Keep what a message tells.

        Args:
            name: The help desk's, as in the message's address.
            headers: Of the request; names in any case.
            body: As it came.

        Raises:
            NotFound: This desk has no such help desk.
            Unauthorized: The message is not the help desk's.
            UsageError: It names no ticket.
            StoreError: The desk cannot take messages now; its log says why.
        """
        lower = {key.lower(): value for key, value in headers.items()}
        delivery = self._help_desk(name).delivery(lower, body, now_s=time.time())
        kept = store.receive(
            self._desk.db,
            name,
            delivery.ticket,
            delivery=delivery.name,
            said=delivery.said,
            actor=f"{ACTOR}{name}",
        )
        return Receipt(delivery.ticket, kept is not None)

    def _help_desk(self, name: str) -> HelpDesk:
        options = self._desk.settings.tickets.get(name)
        if options is None:
            raise NotFound("this desk has no help desk of that name")
        if name not in self._opened:
            try:
                self._opened[name] = load_help_desk(name, options, tools_of(self._desk))
            except UsageError as exc:  # who sends need not know what is not set here
                logs.say("tickets.stopped", str(exc), level=logging.WARNING)
                raise StoreError("the desk cannot take messages now; see its log") from exc
        return self._opened[name]


def tools_of(desk: Desk) -> Tools:
    """What this desk's help desks may use."""
    settings = desk.settings
    return Tools(round(settings.max_source_mb * 1e6), allow_private=settings.allow_private_sources)
