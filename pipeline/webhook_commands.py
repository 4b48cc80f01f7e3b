"""The commands ``picturedesk webhooks ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.desk import Desk

EXIT_NOT_DELIVERED = 1

webhooks_app = typer.Typer(help="Other systems that are told what happens.", no_args_is_help=True)

NumberArgument = Annotated[int, typer.Argument(help="The webhook's number.", metavar="NUMBER")]
EventsOption = Annotated[
    list[str] | None,
    typer.Option("--event", help="One that it is told; may be repeated. All of them if left out.", metavar="EVENT"),
]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who does it; by default you, as the system knows you.", metavar="NAME")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@webhooks_app.command("list", epilog="Example: picturedesk webhooks list --json")
def webhooks_list(context: typer.Context, *, json_: JsonOption = False) -> None:
    """List the webhooks, and the channels of the settings: what they are told, and how it goes."""
    from pipeline import people, webhook_screen
    from pipeline.webhooks import channels, endpoints

    desk, by = _open(context), people.local_person()
    found, told = endpoints.listed(desk, by=by), channels.listed(desk, by=by)
    if json_:
        _print({"webhooks": list(map(endpoints.webhook_json, found)), "channels": list(map(channels.as_json, told))})
    else:
        webhook_screen.print_webhooks(found)
        webhook_screen.print_channels(told)


@webhooks_app.command(
    "add", epilog="Example: picturedesk webhooks add https://shop.example.com/hook --event edit.approved"
)
def webhooks_add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where messages are posted.")],
    *,
    event: EventsOption = None,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Add a webhook, told what happens from now on; its secret is printed once.

    Events: edit.approved, edit.rejected, edit.needs_review, batch.done, budget.reached.
    """
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints
    from pipeline.webhooks.kinds import Message

    chosen = event or [message.value for message in Message]
    made = endpoints.add(_open(context), url, events=chosen, by=local_person(actor))
    if json_:
        _print({**endpoints.webhook_json(made.webhook), "secret": made.secret})
        return
    typer.echo(f"Webhook {made.webhook.id} is told: {', '.join(chosen)}.")
    typer.echo("Its secret, which is not shown again:")
    typer.echo(made.secret)


@webhooks_app.command("change", epilog="Example: picturedesk webhooks change 1 --url https://shop.example.com/new")
def webhooks_change(
    context: typer.Context,
    number: NumberArgument,
    *,
    url: Annotated[str | None, typer.Option(help="Where messages are posted from now on.")] = None,
    event: EventsOption = None,
    actor: ActorOption = None,
) -> None:
    """Post to another URL, or tell other events; what is left out stays as it is."""
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    changed = endpoints.change(_open(context), number, url=url, events=event or None, by=local_person(actor))
    typer.echo(f"Webhook {number} is told: {', '.join(changed.events)}.")


@webhooks_app.command("on", epilog="Example: picturedesk webhooks on 1 --skip-missed")
def webhooks_on(
    context: typer.Context,
    number: NumberArgument,
    *,
    skip_missed: Annotated[
        bool, typer.Option("--skip-missed", help="Tell nothing of what happened while it was off.")
    ] = False,
    actor: ActorOption = None,
) -> None:
    """Switch a webhook on; it is told what it missed."""
    _switch(context, number, is_on=True, skip_missed=skip_missed, actor=actor)


@webhooks_app.command("off", epilog="Example: picturedesk webhooks off 1")
def webhooks_off(context: typer.Context, number: NumberArgument, *, actor: ActorOption = None) -> None:
    """Switch a webhook off; what happens meanwhile is told once it is on again."""
    _switch(context, number, is_on=False, skip_missed=False, actor=actor)


@webhooks_app.command("secret", epilog="Example: picturedesk webhooks secret 1 --keep-hours 48")
def webhooks_secret(
    context: typer.Context,
    number: NumberArgument,
    *,
    keep_hours: Annotated[
        float, typer.Option(help="So long messages are signed with the old secret, too.", min=0, max=720)
    ] = 24,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Give a webhook a new secret, printed once; for a day both count."""
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    keep_old = timedelta(hours=keep_hours)
    secret = endpoints.rotate(_open(context), number, keep_old=keep_old, by=local_person(actor))
    if json_:
        _print({"webhook": number, "secret": secret, "old_counts_for_hours": keep_hours})
        return
    typer.echo(f"The old secret of webhook {number} counts for {keep_hours:g} hours more. The new one:")
    typer.echo(secret)


@webhooks_app.command("remove", epilog="Example: picturedesk webhooks remove 1")
def webhooks_remove(context: typer.Context, number: NumberArgument, *, actor: ActorOption = None) -> None:
    """Remove a webhook, with what it was still to be told."""
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    endpoints.remove(_open(context), number, by=local_person(actor))
    typer.echo(f"Webhook {number} is removed.")


@webhooks_app.command("test", epilog="Example: picturedesk webhooks test 1")
def webhooks_test(
    context: typer.Context, number: NumberArgument, *, actor: ActorOption = None, json_: JsonOption = False
) -> None:
    """Post a message of the type webhook.test at once, and print what came back; exit 1 if it was not taken."""
    from pipeline.console import open_console, plain
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    answer = endpoints.send_test(_open(context), number, by=local_person(actor))
    if json_:
        _print({"webhook": number, "delivered": answer.is_well, "status": answer.status, "answer": answer.text})
    else:
        status = "no answer" if answer.status is None else f"answered {answer.status}"
        open_console().print(plain(f"{status}{': ' if answer.text else ''}{answer.text}"))
    if not answer.is_well:
        raise typer.Exit(EXIT_NOT_DELIVERED)


@webhooks_app.command(
    "dead", epilog="Examples: picturedesk webhooks dead   picturedesk webhooks dead --webhook 1 --json"
)
def webhooks_dead(
    context: typer.Context,
    *,
    webhook: Annotated[int | None, typer.Option(help="Of this webhook alone.", metavar="NUMBER")] = None,
    limit: Annotated[int, typer.Option(help="So many, newest first.", min=1, max=10_000)] = 100,
    json_: JsonOption = False,
) -> None:
    """List messages that were not delivered: those given up, and those that are tried again."""
    from pipeline import webhook_screen
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    found = endpoints.undelivered(_open(context), number=webhook, limit=limit, by=local_person())
    if json_:
        _print({"deliveries": list(map(endpoints.delivery_json, found))})
    else:
        webhook_screen.print_deliveries(found)


@webhooks_app.command(
    "resend", epilog="Examples: picturedesk webhooks resend 12 13   picturedesk webhooks resend --all"
)
def webhooks_resend(
    context: typer.Context,
    deliveries: Annotated[
        list[int] | None,
        typer.Argument(help="Numbers of deliveries, as `webhooks dead` prints them.", metavar="NUMBER"),
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    webhook: Annotated[int | None, typer.Option(help="Of this webhook alone.", metavar="NUMBER")] = None,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Send again what was not delivered, under the same webhook-id; the worker does it."""
    from pipeline.errors import UsageError
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    if bool(deliveries) is all_:
        raise UsageError("expected numbers of deliveries, or --all")
    count = endpoints.resend(_open(context), deliveries or None, number=webhook, by=local_person(actor))
    if json_:
        _print({"due_again": count})
    else:
        typer.echo("1 delivery is due again." if count == 1 else f"{count:,} deliveries are due again.")


def _switch(context: typer.Context, number: int, *, is_on: bool, skip_missed: bool, actor: str | None) -> None:
    from pipeline.people import local_person
    from pipeline.webhooks import endpoints

    endpoints.switch(_open(context), number, is_on=is_on, skip_missed=skip_missed, by=local_person(actor))
    typer.echo(f"Webhook {number} is {'on' if is_on else 'off'}.")


def _open(context: typer.Context) -> "Desk":
    from pipeline.desk import Desk

    return Desk.open(context.obj)


def _print(values: Any) -> None:  # noqa: ANN401 - JSON values
    typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
