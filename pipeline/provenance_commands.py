"""The commands ``picturedesk provenance ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError
from pipeline.provenance.disclosure import DisclosureClass

if TYPE_CHECKING:
    from pipeline.provenance.credentials import CredentialsReader, Parent
    from pipeline.provenance.reading import Verdict

provenance_app = typer.Typer(
    help="What files say of their origin, who signs that, and what others are to be told.", no_args_is_help=True
)


@provenance_app.command(
    "show",
    epilog="Examples: picturedesk provenance show exports/pictures/*.jpg   picturedesk provenance show a.png --json",
)
def provenance_show(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Pictures, of this desk or from anywhere.", metavar="FILE...")],
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines: one line for each file.")] = False,
) -> None:
    """Print what files say of their origin, and whether that is as it was signed; exits with 1 if one is not."""
    from pipeline.provenance.reading import verify

    reader = _reader(context.obj)
    is_wrong = False
    for number, file in enumerate(files):
        try:
            verdict = verify(file.read_bytes(), reader)
        except OSError as exc:
            raise UsageError(f"{file}: {exc.strerror}; name files that can be read") from exc
        is_wrong |= verdict.is_wrong
        if json_:
            typer.echo(json.dumps({"file": str(file), **verdict.as_json()}, ensure_ascii=False))
        else:
            typer.echo("\n" * bool(number) + _told(str(file), verdict))
    if is_wrong:
        raise typer.Exit(1)


@provenance_app.command("make-certificate", epilog='Example: picturedesk provenance make-certificate "Shop Ltd"')
def provenance_make_certificate(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose; readers show it.")],
    *,
    to: Annotated[Path | None, typer.Option("--to", help="A folder; by default the desk's.", metavar="FOLDER")] = None,
) -> None:
    """Make a certificate for trials, with its key; nobody trusts it, and every reader says so."""
    from pipeline.provenance.identity import TRIAL_DAYS, write_trial

    certificate, key = write_trial(name, to or context.obj)
    typer.echo(f"The certificate is in {certificate}, its key in {key}: keep that to yourself.")
    typer.echo(f"It signs for {TRIAL_DAYS} days, and nobody trusts it: readers say that the signer is not known.")
    typer.echo("For one that others trust, see docs/provenance.md. To sign with this one, in picturedesk.toml:")
    typer.echo("[provenance]")
    for what, path in (("certificate", certificate), ("key", key)):
        typer.echo(f"{what} = {json.dumps(path.name if to is None else str(path.absolute()))}")


@provenance_app.command(
    "disclose",
    epilog='Examples: picturedesk provenance disclose visible-label --edit 17 --reason "a person was added"   '
    'picturedesk provenance disclose machine-mark --batch shop --reason "new backgrounds only"',
)
def provenance_disclose(
    context: typer.Context,
    kind: Annotated[DisclosureClass, typer.Argument(help="What others are to be told.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence.", metavar="TEXT")],
    edit: Annotated[list[int] | None, typer.Option("--edit", help="Of this edit; may be repeated.", min=1)] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", help="Of all edits of this batch without a decision of their own.")
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option("--actor", help="Who decides; by default you, as the system knows you.", metavar="NAME"),
    ] = None,
) -> None:
    """Record a person's decision on whether others are to be told that pictures were edited; exports carry it."""
    from pipeline.desk import Desk
    from pipeline.people import local_person
    from pipeline.provenance.disclosing import disclose, disclose_batch

    if bool(edit) == bool(batch):
        raise UsageError("name edits with --edit, or a batch with --batch")
    desk, by = Desk.open(context.obj), local_person(actor)
    if batch:
        disclose_batch(desk, batch, kind, reason, by=by)
        typer.echo(f"{kind.value} is recorded for the batch {batch}.")
    for each in edit or ():
        disclose(desk, each, kind, reason, by=by)
        typer.echo(f"{kind.value} is recorded for edit {each}.")


def _reader(root: Path) -> "CredentialsReader":
    """With the desk's trust list, if there is a desk; files can be looked at anywhere."""
    from pipeline.provenance.credentials import CredentialsReader
    from pipeline.provenance.identity import read_trust_list
    from pipeline.settings import FILE_NAME, read_settings

    if not (root / FILE_NAME).exists():
        return CredentialsReader()
    return CredentialsReader(read_trust_list(read_settings(root).provenance, root))


def _told(name: str, verdict: "Verdict") -> str:
    """For people; what others wrote is kept to one line each, and cannot steer a terminal."""
    from pipeline.provenance.xmp import DIGITAL_SOURCE_TYPE

    found = verdict.credentials
    lines = [
        ("digital source type", verdict.source_type or "none"),
        ("says that a model had a part", "yes" if verdict.says_ai else "no"),
        *((each.partition(":")[2], text) for each, text in verdict.fields.items() if each != DIGITAL_SOURCE_TYPE),
        ("credentials", found.state.value),
        ("signed by", found.signed_by),
        ("actions", ", ".join(found.actions)),
        ("made by", ", ".join(found.software)),
        *(("parent", f"{parent.title} ({parent.media_type}): {_signed(parent)}") for parent in found.parents),
        *(("problem", problem) for problem in (*found.problems, *verdict.problems)),
    ]
    return "\n".join([name, *(f"  {what}: {_printable(text)}" for what, text in lines if text)])


def _signed(parent: "Parent") -> str:
    return f"{parent.state.value}, signed by {parent.signed_by}" if parent.signed_by else "not signed"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:1_000]
