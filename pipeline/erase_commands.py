"""The command ``picturedesk erase``; as in `pipeline.cli`, it parses, calls one function and prints."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UsageError
from pipeline.plurals import number_of


def erase(
    context: typer.Context,
    *,
    asset: Annotated[str | None, typer.Option(help="The asset's name; all its variants.", metavar="NAME")] = None,
    batch: Annotated[str | None, typer.Option(help="Only in this batch.", metavar="NAME")] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="What was rejected or exported longer ago than retain_days says.")
    ] = False,
    also: Annotated[
        list[Path] | None, typer.Option(help="Another desk that keeps pictures at the same place; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Who erases; by default you, as the system knows you.", metavar="NAME")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Erase all that the desk knows of an asset, for good; what it cost, and who decided what and when, stay."""
    from pipeline.desk import Desk
    from pipeline.erasure import erase_expired, erase_named
    from pipeline.people import local_person

    if (asset is None) is not expired:
        raise UsageError("expected --asset NAME, or --expired")
    desk, by = Desk.open(context.obj), local_person(actor)
    others = [Desk.open(each) for each in also or []]
    if not yes and not dry_run:
        what = "all that has expired" if asset is None else f"all that is known of {asset!r}"
        typer.confirm(f"Erase {what}? This cannot be taken back.", abort=True)
    if asset is None:
        found = list(erase_expired(desk, by=by, others=others, dry_run=dry_run))
    else:
        found = erase_named(desk, asset, batch=batch, by=by, others=others, dry_run=dry_run)
    if json_:
        typer.echo(json.dumps({"dry_run": dry_run, "erased": [asdict(each) for each in found]}, indent=2))
        return
    would = "would be " if dry_run else ""
    for each in found:
        counts = f"{number_of(each.edits, 'edit')} and {number_of(each.pictures, 'picture')} {would}erased"
        kept = number_of(each.shared, "picture")
        stay = f"; {kept} kept, since something else uses the same bytes" if each.shared else ""
        typer.echo(f"{each.title!r}: {counts}{stay}.")
    assets = number_of(len(found), "asset")
    typer.echo(f"{assets} {would}erased; exported folders, backups and what providers keep are elsewhere.")
