"""The command ``picturedesk export`` and those under it; as in `pipeline.cli`, each parses, calls and prints."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UsageError
from pipeline.plurals import number_of

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

export_app = typer.Typer(invoke_without_command=True, no_args_is_help=False)

_SHOWN = 20
_ON_ITS_WAY = "on-its-way"


@export_app.callback(
    epilog="Examples: picturedesk export --to shop-export --batch shop   picturedesk export --to feed "
    "--profile shopify --profile google-merchant --public-url https://cdn.example.com/shop/{file} --since-last"
)
def export(
    context: typer.Context,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Folder to write; an earlier export there is replaced. Or a bucket, such as s3://bucket/prefix.",
            metavar="PLACE",
        ),
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only this batch.")] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="A further list: shopify, shopify-legacy, google-merchant, amazon, aem, generic-dam or parquet; "
            "may be given several times."
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(help="Where the pictures will be read from, with {file}, {name} or {sha256}.", metavar="PATTERN"),
    ] = None,
    since_last: Annotated[
        bool, typer.Option("--since-last", help="Only what was approved since the last export of the same.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that is no export.")] = False,
    only_csv: Annotated[bool, typer.Option("--csv-only", help="Only the tables, without pictures.")] = False,
    zip_: Annotated[bool, typer.Option("--zip", help="And the same as FOLDER.zip.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who exports; by default you.")] = None,
    json_: JsonOption = False,
) -> None:
    """Write what is approved: pictures, approved.csv, approved.jsonl and a signed manifest with checksums."""
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise UsageError("say where to, with --to FOLDER")
    from dataclasses import asdict

    from pipeline import screen
    from pipeline.desk import Desk
    from pipeline.erasure import EXPORTS
    from pipeline.export import export_approved, write_zip
    from pipeline.people import local_person

    desk, bucket = Desk.open(context.obj), to if "://" in to else None
    if zip_ and bucket:
        raise UsageError("--zip writes a file beside a folder, and a bucket has none; leave it out, or name a folder")
    with screen.export_bar(quiet=json_) as on_progress:
        summary = export_approved(
            desk,
            desk.root / EXPORTS / _ON_ITS_WAY if bucket else Path(to),
            bucket=bucket,
            batch=batch,
            by=local_person(actor),
            overwrite=overwrite,
            only_csv=only_csv,
            profiles=profile or (),
            public_url=public_url,
            since_last=since_last,
            on_progress=on_progress,
        )
    if zip_ and summary.rows:
        write_zip(summary.folder, summary.folder.with_name(f"{summary.folder.name}.zip"))
    if json_:
        typer.echo(json.dumps({**asdict(summary), "folder": bucket or str(summary.folder)}))
    elif not summary.rows:
        typer.echo("Nothing was approved since the last export; nothing was written.")
    else:
        what = number_of(summary.rows, "approved row" if only_csv else "approved picture")
        are = "is" if summary.rows == 1 else "are"
        typer.echo(f"{what} ({summary.bytes / 1e6:.1f} MB) {are} in {bucket or summary.folder}")
        if summary.left_out:
            left_out = number_of(summary.left_out, "time")
            typer.echo(f"Lists had to leave out products, {left_out}; left-out.csv there says why.")
        if summary.unfit:
            unfit = number_of(summary.unfit, "file")
            typer.echo(f"Left out, since a destination would refuse it: {unfit}; files.csv says why.")
    if summary.withdrawn and not json_:
        where = "manifest.json names them" if summary.rows else "the next export that has something names them"
        typer.echo(f"{summary.withdrawn} that the last export had are not approved any more; {where}.")


@export_app.command(
    epilog="Examples: picturedesk export verify shop-export   picturedesk export verify X --key Uo3b..."
)
def verify(
    folder: Annotated[Path, typer.Argument(help="An export.")],
    *,
    key: Annotated[
        str | None, typer.Option(help="The desk's public key, as export key prints it; else the one that it names.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Hold every file against the signed manifest: changed, missing or added files are told."""
    from pipeline.export import signer, verify_export

    problems = verify_export(folder, signed_by=key)
    if json_:
        typer.echo(
            json.dumps(
                {"folder": str(folder), "is_whole": not problems, "signed_by": signer(folder), "problems": problems}
            )
        )
    else:
        for problem in problems[:_SHOWN]:
            typer.echo(problem)
        if len(problems) > _SHOWN:
            typer.echo(f"... and {len(problems) - _SHOWN} more; all of them: --json")
        typer.echo("The export is as it was written." if not problems else f"{number_of(len(problems), 'problem')}.")
        if not problems and key is None:
            typer.echo(
                f"It names the key {signer(folder)} as its own; who was given the desk's key says so with --key."
            )
    if problems:
        raise typer.Exit(1)


@export_app.command(epilog="Example: picturedesk export key")
def key(context: typer.Context) -> None:
    """Print the public key that this desk's exports are signed by; whoever gets them can verify them with it."""
    from pipeline.desk import Desk
    from pipeline.export.signing import public_key

    typer.echo(public_key(Desk.open(context.obj).root))
