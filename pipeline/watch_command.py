"""The command ``picturedesk watch``; as in `pipeline.cli`, it parses, calls one function and prints."""

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError
from pipeline.plurals import number_of

if TYPE_CHECKING:
    from pipeline.inbox import Taken

_LOOK_S = 2.0


def watch(
    context: typer.Context,
    place: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.", metavar="FOLDER|URL")],
    *,
    recipe: Annotated[str | None, typer.Option(help="For pictures that no manifest tells of.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The same in a sentence.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Take what lies there, and end.")] = False,
    steady: Annotated[
        float, typer.Option(help="Seconds for which nothing must have changed.", min=0, max=86_400)
    ] = 10.0,
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave what was taken where it is, with a marker, instead of in done/.")
    ] = False,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Who asks; by default you, as the system knows you.", metavar="NAME")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON object for each drop.")] = False,
) -> None:
    """Make a batch of every drop of pictures: of what lies there when nothing changes any more.

    What is queued by this is made by `picturedesk review`, `picturedesk worker` or `picturedesk run`.
    """
    from pathlib import Path

    from pipeline import inbox
    from pipeline.desk import Desk
    from pipeline.people import local_person
    from pipeline.settings import Inbox

    if recipe and prompt:
        raise UsageError("found both --recipe and --prompt; expected one of the two")
    where = place if "://" in place else str(Path(place).absolute())
    with closing(Desk.open(context.obj, create=True)) as desk:
        said = desk.settings.inbox
        options = dict(said.options) if said is not None else dict(desk.settings.blobs_options)
        wanted = Inbox(
            place=where,
            recipe=recipe,
            prompt=prompt,
            steady_s=steady,
            after="leave" if leave else "move",
            options=options,
        )
        work = inbox.watch(desk, wanted, by=local_person(actor))
        if once:
            for taken in work.until_quiet():
                _print(taken, as_json=json_)
            return
        while True:
            for taken in work.step():
                _print(taken, as_json=json_)
            time.sleep(max(_LOOK_S, work.rest_s))


def _print(taken: "Taken", *, as_json: bool) -> None:
    if as_json:
        told = {"folder": taken.folder, "batches": dict(taken.batches), "bad": dict(taken.bad)}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for name, count in taken.batches.items():
        typer.echo(f"batch {name}: {number_of(count, 'new asset')}")
    for path, why in taken.bad.items():
        typer.echo(f"  {path} was put into bad/: {why}", err=True)
