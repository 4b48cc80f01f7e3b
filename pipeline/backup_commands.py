"""The commands ``picturedesk backup`` and ``restore``; as in `pipeline.cli`, each parses, calls and prints."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.plurals import number_of

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where to; an earlier backup there is brought up to date.")],
    *,
    json_: JsonOption = False,
) -> None:
    """Copy the desk into a folder while others work on it: database, then pictures and files; and check the copy."""
    from contextlib import closing

    from pipeline.backing_up import back_up
    from pipeline.desk import Desk
    from pipeline.people import local_person

    with closing(Desk.open(context.obj)) as desk:
        found = back_up(desk, folder, by=local_person())
    if json_:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        holds, copied = number_of(found.pictures, "picture"), number_of(found.copied, "file")
        typer.echo(f"The backup is in {folder}: {holds}, {copied} copied this time.")
        typer.echo(f"Its history ends with {found.head}; note that elsewhere, and it vouches for the whole.")
        if found.elsewhere:
            typer.echo(f"The pictures are in {found.elsewhere} and were not copied; see docs/operations.md.")
        _say_missing(found.missing)
    if found.missing:
        raise typer.Exit(1)


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The backup.")],
    *,
    database: Annotated[
        str | None, typer.Option(help="An empty PostgreSQL database, for a backup of one.", metavar="URL")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Pause nothing: nothing was sent since the backup was made.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Make a desk of a backup, in a new folder that --desk names, and check it; what is queued is paused."""
    from pipeline.backing_up import restore as restore_desk
    from pipeline.people import local_person

    found = restore_desk(folder, context.obj, by=local_person(), database=database, go_on=go_on)
    if json_:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        typer.echo(f"The desk of {found.backup.made_at} is in {context.obj}, and its history is whole.")
        for name in found.paused:
            typer.echo(f"Paused: {name}. What it has queued may have been paid since the backup was made.")
        if found.paused:
            typer.echo("Hold the provider's bill against it with picturedesk settle, then resume on the page Batches.")
        _say_missing(found.missing)
    if found.missing:
        raise typer.Exit(1)


def _say_missing(missing: list[str]) -> None:
    for sha256 in missing:
        typer.echo(f"missing: picture {sha256}", err=True)
