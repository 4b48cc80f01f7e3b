"""The command ``picturedesk reflag``; as in `pipeline.cli`, it parses, calls one function and prints."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.reflagging import Reflagged

EXIT_SOME_FAILED = 1
EXIT_INTERRUPTED = 130


def reflag(
    context: typer.Context,
    *,
    batch: Annotated[str | None, typer.Option("--batch", help="Only this batch.", metavar="NAME")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was queued on this day (UTC) or later.")
    ] = None,
    detectors: Annotated[
        str | None,
        typer.Option(help="Only these look, as in: logos,text; flags of the others stay. By default the desk's."),
    ] = None,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="Send what would now come to a person back to review, if not exported.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much is to be looked at; look at nothing, change nothing.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Flag the archive anew, by the detectors, brand kit and policy of now. Safe to stop and to repeat."""
    from pipeline import reflagging, screen
    from pipeline.desk import Desk
    from pipeline.people import local_person
    from pipeline.suites import ready_weights

    chosen = None if detectors is None else tuple(name.strip() for name in detectors.split(","))
    desk = Desk.open(context.obj, detectors=chosen)
    ready_weights(desk.settings, on_progress=lambda message: typer.echo(message, err=True))
    with screen.picture_bar(quiet=json_) as on_progress:
        found = reflagging.reflag(
            desk,
            by=local_person(),
            batch=batch,
            since=None if since is None else since.replace(tzinfo=UTC),
            dry_run=dry_run,
            reopen=reopen,
            on_progress=on_progress,
        )
    if json_:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _print(found, dry_run=dry_run)
    if found.was_interrupted:
        typer.echo("interrupted; run the same command again to go on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    if found.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print(found: "Reflagged", *, dry_run: bool) -> None:
    from pipeline.console import open_console, plain

    out = open_console()
    looked = "are to be looked at" if dry_run else "were looked at"
    out.print(f"{found.edits:,} edits; {found.looked:,} of them {looked}.")
    out.print(f"In review: {found.renewed:,} with other flags than before.")
    out.print(f"Approved: {found.reasoned:,} would now come to a person; {found.reopened:,} are in review again.")
    for each in found.listed:
        state = " (exported)" if each.is_exported else ""
        out.print(plain(f"  {each.id}  {each.batch}  {each.title}{state}: {'; '.join(each.reasons)}"))
    if found.reasoned > found.reopened and not dry_run:
        out.print("To look at those that were not exported: picturedesk reflag --reopen")
    for edit_id, why in found.failed.items():
        out.print(plain(f"  {edit_id}  could not be looked at: {why}"))
    if found.left:
        out.print(f"{found.left:,} were changed meanwhile; run the command again for them.")
