"""The commands ``picturedesk gc`` and ``blobs ...``; as in `pipeline.cli`, each parses, calls one function, prints."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import UsageError
from pipeline.plurals import number_of

if TYPE_CHECKING:
    from pipeline.desk import Desk
    from pipeline.housekeeping import Copied

blobs_app = typer.Typer(help="The place where pictures are kept.", no_args_is_help=True)

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@blobs_app.command(
    "copy",
    epilog="Examples: picturedesk blobs copy --to s3://bucket/desk   "
    "picturedesk blobs copy --from data/desk/pictures --to s3://bucket/desk --option aws_region=eu-central-1",
)
def blobs_copy(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="A folder, or a URL such as s3://bucket/prefix.", metavar="PLACE")],
    *,
    from_: Annotated[
        str | None, typer.Option("--from", help="Where pictures are now; by default as the desk says.", metavar="PLACE")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="Of a bucket, besides blobs_options of the settings; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Copy every picture to another place, each held against its sha256; exit 1 if any is damaged or missing.

    Safe to repeat: it goes on where it stopped, and copies what came since. Nothing is removed, and the desk goes on
    with the old place until its setting blobs names the new one.
    """
    from pipeline import screen
    from pipeline.blobs import BlobStore, blob_place
    from pipeline.housekeeping import copy_all
    from pipeline.people import local_person

    desk = _open(context)
    given = {**desk.settings.blobs_options, **dict(map(_option, option or []))}
    target = BlobStore(blob_place(to, root=Path.cwd(), options=given, cache_mb=0))
    source = desk.blobs
    if from_ is not None:
        source = BlobStore(blob_place(from_, root=Path.cwd(), options=given, cache_mb=0))
    with screen.copy_bar(quiet=json_) as on_progress:
        found = copy_all(desk, source, target, by=local_person(), on_progress=on_progress)
    if json_:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        _print_copied(found, to)
    if not found.is_whole:
        raise typer.Exit(1)


def gc(
    context: typer.Context,
    *,
    older_than: Annotated[
        str, typer.Option(help="Leave younger ones alone, and keep what is set aside for so long.", metavar="TIME")
    ] = "7d",
    also: Annotated[
        list[Path] | None, typer.Option(help="Another desk that keeps pictures at the same place; may be repeated.")
    ] = None,
    even_answered: Annotated[
        bool, typer.Option("--even-answered", help="Also pictures that only an answer shared between desks names.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json_: JsonOption = False,
) -> None:
    """Set aside pictures that no row names, and remove those that were set aside before; safe while runs go on."""
    from dataclasses import asdict

    from pipeline.desk import Desk
    from pipeline.housekeeping import collect
    from pipeline.people import local_person

    desk = _open(context)
    others = [Desk.open(each) for each in also or []]
    found = collect(
        desk,
        by=local_person(),
        older_than=_time(older_than),
        others=others,
        even_answered=even_answered,
        dry_run=dry_run,
    )
    if json_:
        typer.echo(json.dumps({"dry_run": dry_run, **asdict(found)}, indent=2))
        return
    would = "would be " if dry_run else ""
    typer.echo(f"{_many(found.removed)} {would}removed for good.")
    typer.echo(f"{_many(found.set_aside)} {would}set aside; gc after {older_than} removes them.")
    for words, tally in (
        (f"{would}brought back, since a row names them", found.restored),
        ("set aside before, not yet for so long", found.waiting),
        ("named by no row, but too young to tell", found.young),
        ("kept", found.kept),
    ):
        if tally.pictures:
            typer.echo(f"{_many(tally)} {words}.")
    if found.half_written:
        typer.echo(f"{found.half_written:,} half-written files removed.")


def _print_copied(found: "Copied", to: str) -> None:
    typer.echo(f"{_many(found.copied)} copied, {found.there.pictures:,} were there, {found.others:,} other files.")
    for words, names in (("damaged", found.damaged), ("missing from both places", found.missing)):
        for name in names:
            typer.echo(f"{words}: {name}")
    if found.is_whole:
        typer.echo("Every picture is there.")
        typer.echo(f'Next: blobs = "{to}" in picturedesk.toml, then once more with --from, for what came since.')


def _many(tally: Any) -> str:  # noqa: ANN401 - housekeeping's Tally, which is imported late
    return f"{number_of(tally.pictures, 'picture')} ({tally.bytes / 1e6:,.1f} MB)"


def _time(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([hdw])", text)
    if match is None:
        raise UsageError(f"--older-than: found {text!r}; expected such as 12h, 7d or 4w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--option: found {text!r}; expected NAME=VALUE, such as aws_region=eu-central-1")
    return name, value


def _open(context: typer.Context) -> "Desk":
    from pipeline.desk import Desk

    return Desk.open(context.obj)
