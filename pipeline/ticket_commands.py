"""The commands ``picturedesk tickets ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError
from pipeline.plurals import number_of

if TYPE_CHECKING:
    from pipeline.desk import Desk
    from pipeline.store.tickets import TicketRecord

tickets_app = typer.Typer(help="Help desks' tickets: how they stand, and those that went wrong.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
HelpDeskOption = Annotated[str | None, typer.Option("--help-desk", help="Only of this one.", metavar="NAME")]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who decides; by default you, as the system knows you.", metavar="NAME")
]


@tickets_app.command(
    "list", epilog="Examples: picturedesk tickets list   picturedesk tickets list --state failed --json"
)
def tickets_list(
    context: typer.Context,
    *,
    help_desk: HelpDeskOption = None,
    state: Annotated[
        str | None,
        typer.Option(help="Only in this state: received, waiting, answering, answered, empty, failed."),
    ] = None,
    last: Annotated[int, typer.Option(help="So many of the newest.", min=1, max=100_000)] = 100,
    json_: JsonOption = False,
) -> None:
    """List tickets, newest first: where they stand, and what went wrong."""
    from pipeline.people import local_person
    from pipeline.states import TicketState
    from pipeline.tickets import listing

    if state is not None and state not in list(TicketState):
        raise UsageError(f"--state: found {state!r}; expected one of: {', '.join(TicketState)}")
    states = () if state is None else (TicketState(state),)
    found = listing.listed(_open(context), by=local_person(), help_desk=help_desk, states=states, limit=last)
    if json_:
        _print_json({"tickets": [listing.as_json(each) for each in found]})
    else:
        _print_tickets(found)


@tickets_app.command(
    "retry", epilog="Examples: picturedesk tickets retry   picturedesk tickets retry 4711 --help-desk support"
)
def tickets_retry(
    context: typer.Context,
    numbers: Annotated[
        list[str] | None, typer.Argument(help="Tickets' numbers; left out, all that failed.", metavar="[TICKET]...")
    ] = None,
    *,
    help_desk: HelpDeskOption = None,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Let the worker try tickets again that failed, or that wait to be tried again."""
    from pipeline.people import local_person
    from pipeline.tickets import listing

    count = listing.retry(_open(context), numbers or [], by=local_person(actor), help_desk=help_desk)
    if json_:
        _print_json({"retried": count})
    else:
        typer.echo(f"{number_of(count, 'ticket')} will be tried again.")


def _print_tickets(tickets: "Sequence[TicketRecord]") -> None:
    from rich.table import Table

    from pipeline.console import open_console, plain

    table = Table("help desk", "ticket", "state", "pictures", "answers", "since", "what went wrong")
    for each in tickets:
        counts = (str(each.pictures), str(each.answers))
        since = f"{each.updated_at:%Y-%m-%d %H:%M}"
        cells = (each.help_desk, each.number, each.state.value, *counts, since, each.error or "")
        table.add_row(*map(plain, cells))
    open_console().print(table if tickets else "No ticket has come; see docs/tickets.md")


def _open(context: typer.Context) -> "Desk":
    from pipeline.desk import Desk

    return Desk.open(context.obj)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
