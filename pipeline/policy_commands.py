"""The commands ``picturedesk policy ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.desk import Desk

policy_app = typer.Typer(
    help="What a person must see: show it, try another one, put it in force.", no_args_is_help=True
)

FileArgument = Annotated[Path, typer.Argument(help="A policy, in the form of policy.toml.", metavar="FILE")]


@policy_app.command("show", epilog="Examples: picturedesk policy show   picturedesk policy show 3f9a0c12d4e5b677")
def policy_show(
    context: typer.Context,
    number: Annotated[
        str | None, typer.Argument(help="Of an earlier policy, as routes and decisions name it.", metavar="HASH")
    ] = None,
) -> None:
    """Print the policy in force, or an earlier one."""
    from pipeline.kept_policies import kept_policy_text
    from pipeline.policies import in_force

    desk = _open(context)
    text = in_force(desk).text if number is None else kept_policy_text(desk.root, number)
    typer.echo(text, nl=not text.endswith("\n"))


@policy_app.command(
    "try", epilog="Examples: picturedesk policy try new.toml   picturedesk policy try new.toml --last 100000 --json"
)
def policy_try(
    context: typer.Context,
    file: FileArgument,
    *,
    last: Annotated[int, typer.Option(help="On so many of the newest decided edits.", min=1, max=1_000_000)] = 10_000,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Say what a policy would have done to past edits: how many more or fewer would have come to people, and which."""
    from pipeline import policy_trial, screen
    from pipeline.people import local_person
    from pipeline.routing import read_policy

    _need_file(file)
    desk = _open(context)
    with screen.trial_bar(last, quiet=json_) as on_progress:
        trial = policy_trial.try_policy(desk, read_policy(file), by=local_person(), last=last, on_progress=on_progress)
    if json_:
        typer.echo(json.dumps(screen.trial_json(trial), indent=2, ensure_ascii=False))
    else:
        screen.print_trial(trial)


@policy_app.command(
    "set", epilog="Example: picturedesk policy show > new.toml, change it, picturedesk policy set new.toml"
)
def policy_set(
    context: typer.Context,
    file: FileArgument,
    *,
    actor: Annotated[
        str | None,
        typer.Option("--actor", help="Who decides; by default you, as the system knows you.", metavar="NAME"),
    ] = None,
) -> None:
    """Put a policy in force; runs and review pages that are at work take it up."""
    from pipeline import policies
    from pipeline.people import local_person
    from pipeline.routing import policy_text

    _need_file(file)
    desk = _open(context)
    before = policies.in_force(desk)
    policy = policies.save(desk, policy_text(file), seen=before.stamp, by=local_person(actor))
    typer.echo(f"Policy {policy.hash} is in force.")


def _open(context: typer.Context) -> "Desk":
    from pipeline.desk import Desk

    return Desk.open(context.obj)


def _need_file(file: Path) -> None:
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file; make one with: picturedesk policy show > {file}")
