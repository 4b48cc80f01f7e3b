"""The commands ``picturedesk db ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.moving import Move, Plan
    from pipeline.store import Database
    from pipeline.store.moving import Contents

db_app = typer.Typer(help="The desk's database: what it holds, its tables' version, another one.", no_args_is_help=True)

FromOption = Annotated[
    str | None,
    typer.Option("--from", help="URL of the database that the desk is in; by default as its settings say."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who does it; by default you, as the system knows you.", metavar="NAME")
]


@db_app.command("status", epilog="Examples: picturedesk db status   picturedesk db status --json")
def db_status(context: typer.Context, *, from_: FromOption = None, json_: JsonOption = False) -> None:
    """Show where the database is, of which version, how large, and how much is in it."""
    with _source(context, from_) as database:
        _print_contents(database, as_json=json_)


@db_app.command("upgrade", epilog="Example: picturedesk db upgrade --from postgresql://owner@db.example.com/desk")
def db_upgrade(context: typer.Context, *, from_: FromOption = None, json_: JsonOption = False) -> None:
    """Bring the tables to this version, as every command does; with --from, by a user who may change them."""
    with _source(context, from_) as database:
        _print_contents(database, as_json=json_)


@db_app.command(
    "migrate",
    epilog="Examples: picturedesk db migrate --to postgresql://desk@db.example.com/desk --dry-run   "
    "picturedesk db migrate --from postgresql://desk@db.example.com/desk --to sqlite:///copy.db   "
    "picturedesk db migrate --undo",
)
def db_migrate(
    context: typer.Context,
    *,
    to: Annotated[str | None, typer.Option("--to", help="URL of the empty database that it goes to.")] = None,
    from_: FromOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be moved, and whether it could be; write nothing.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Go on where the desk was moved away from; what was moved stays there.")
    ] = False,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Move the desk to another database: all or nothing, read back and compared, and the old one marked as moved."""
    from pipeline import moving
    from pipeline.people import local_person

    if undo == (to is not None):
        raise UsageError("name the database that the desk goes to with --to, or give --undo")
    with _source(context, from_) as source:
        if to is None:
            left = moving.undo(source, by=local_person(actor))
            typer.echo(
                json.dumps({"instead_of": left}) if json_ else f"The desk goes on here. A copy is left in {left}"
            )
            return
        with closing(moving.database_at(to, option="--to", is_there=False)) as target:
            if dry_run:
                _print_plan(moving.plan(source, target, by=local_person(actor)), as_json=json_)
                return
            with _bar(quiet=json_) as on_progress:
                done = moving.move(source, target, by=local_person(actor), on_progress=on_progress)
            _print_move(done, as_json=json_)


@contextmanager
def _source(context: typer.Context, url: str | None) -> "Iterator[Database]":
    from pipeline import moving

    with ExitStack() as stack:
        if url is None:
            yield stack.enter_context(closing(moving.database_of(context.obj)))
        else:
            yield stack.enter_context(closing(moving.database_at(url, option="--from", is_there=True)))


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error with what is moved, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("moving", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _print_contents(database: "Database", *, as_json: bool) -> None:
    from pipeline.console import open_console, plain
    from pipeline.store import moving

    found = moving.contents(database)
    where = moving.shown(database.url)
    if as_json:
        _print_json({"database": where, **_contents_json(found)})
        return
    out = open_console()
    out.print(plain(f"{where}: version {found.version}, {found.size_bytes / 1e6:,.1f} MB"))
    out.print(_table_of("rows", found.rows))


def _print_plan(plan: "Plan", *, as_json: bool) -> None:
    from pipeline.console import open_console, plain

    if as_json:
        _print_json({"from": plan.source, "to": plan.target, **_contents_json(plan.contents), "moved": False})
        return
    out = open_console()
    out.print(plain(f"From {plan.source} to {plan.target}, which is empty; nobody is at work on the desk."))
    out.print(_table_of("rows", plan.contents.rows))
    out.print("Nothing was written.")


def _print_move(done: "Move", *, as_json: bool) -> None:
    from rich.table import Table

    from pipeline.console import open_console, plain
    from pipeline.money import dollars

    arrival = done.arrival
    if as_json:
        _print_json(
            {
                "from": done.source,
                "to": done.target,
                "moved": True,
                "was_there": arrival.was_there,
                "tables": {name: asdict(each) for name, each in arrival.tables.items()},
                "ledger": asdict(arrival.money),
                "replaced": arrival.replaced,
                "head": arrival.head,
                "seconds": round(done.seconds, 2),
            }
        )
        return
    out = open_console()
    table = Table()
    for name in ("table", "rows", "sha256 of both"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    for name, each in arrival.tables.items():
        table.add_row(name, f"{each.rows:,}", each.sha256[:16])
    out.print("All of it had arrived before; the old database is marked now." if arrival.was_there else table)
    money = arrival.money
    out.print(
        f"Ledger: {dollars(money.charged_microusd)} charged, {dollars(money.reserved_microusd)} reserved for "
        f"{money.open_requests} open or doubtful requests. The history is whole; its head is {arrival.head[:16]}."
    )
    for column, rows in arrival.replaced.items():
        out.print(plain(f"{column}: characters that this database does not keep were replaced in {rows:,} rows"))
    out.print(plain(f"The desk is in {done.target}; the old database says so, and takes nothing more."))
    out.print(plain(f'→ in picturedesk.toml: database = "{done.target}" (with the password, if it takes one)'))
    out.print("→ pictures stay where they are; to move them to a bucket, too: picturedesk blobs copy")


def _table_of(title: str, rows: Any) -> Any:  # noqa: ANN401 - rich is imported late
    from rich.table import Table

    table = Table("table")
    table.add_column(title, justify="right")
    for name, n in rows.items():
        table.add_row(name, f"{n:,}")
    return table


def _contents_json(found: "Contents") -> dict[str, Any]:
    return {"version": found.version, "size_bytes": found.size_bytes, "rows": dict(found.rows)}


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
