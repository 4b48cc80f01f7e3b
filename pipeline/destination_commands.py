"""The commands ``picturedesk destinations ...``; as in `pipeline.cli`, each parses, calls one function and prints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.plurals import number_of

if TYPE_CHECKING:
    from pipeline.destinations.checks import Finding
    from pipeline.destinations.files import Checked
    from pipeline.destinations.packs import AnyRule, Pack

EXIT_SOME_FAILED = 1


class _ByName(TyperGroup):
    """A word that is no command is a destination's name: ``destinations ebay`` shows that one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types
        """The command for these words."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


destinations_app = typer.Typer(
    cls=_ByName,
    help="What shops ask of a picture, with their own words; whether files keep it; files made to keep it.",
    invoke_without_command=True,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
FilesArgument = Annotated[list[Path], typer.Argument(help="Pictures.", metavar="FILE...")]
ForOption = Annotated[list[str], typer.Option("--for", help="The destination; may be repeated.", metavar="NAME")]


@destinations_app.callback()
def destinations(context: typer.Context, *, json_: JsonOption = False) -> None:
    """List the destinations that are known: those that come with the desk, and its own."""
    if context.invoked_subcommand is not None:
        return
    packs = _known(context)
    if json_:
        _print_json({"destinations": [_pack_json(pack) for pack in packs.values()]})
        return
    from pipeline.console import open_console, plain

    out = open_console()
    for name in sorted(packs):
        pack = packs[name]
        facts = f"{number_of(len(pack.rules), 'rule')} of {pack.dated}, at most {pack.making.frame}"
        out.print(plain(f"{name:<16}", style="bold"), plain(f"{pack.title}: {facts}"))


@destinations_app.command(
    "show", epilog="Examples: picturedesk destinations amazon-main   picturedesk destinations ebay --json"
)
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The destination.")],
    *,
    json_: JsonOption = False,
) -> None:
    """Show a destination's rules, each with its words, where they stand, and how its file is made."""
    (pack,) = _named(context, [name])
    if json_:
        _print_json(_pack_json(pack))
    else:
        _print_pack(pack)


@destinations_app.command(
    "check",
    epilog="Examples: picturedesk destinations check hat.jpg --for amazon-main   "
    "picturedesk destinations check edited.png --for ebay --source photo.jpg",
)
def check(
    context: typer.Context,
    files: FilesArgument,
    *,
    for_: ForOption,
    source: Annotated[
        Path | None, typer.Option(help="What they were made from, to tell whether the edit added text or a logo.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Hold files as they are against destinations; exit code 1 if one breaks what must be kept."""
    from pipeline import suites
    from pipeline.destinations.files import check_files
    from pipeline.flagging import flag_files

    packs = _named(context, for_)
    flags: Any = [None] * len(files)
    if source is not None:
        suite = suites.ready_suite(context.obj, on_progress=lambda message: typer.echo(message, err=True))
        flags = [found.flags for found in flag_files(files, suite, source=source)]
    checked = list(check_files(files, packs, flags))
    if json_:
        _print_json({"pictures": [_checked_json(each) for each in checked]})
    else:
        _print_checked(checked)
    if not all(each.passes for each in checked):
        raise typer.Exit(EXIT_SOME_FAILED)


@destinations_app.command(
    "make", epilog="Example: picturedesk destinations make approved/*.png --for walmart --for zalando --into files/"
)
def make(
    context: typer.Context,
    files: FilesArgument,
    *,
    for_: ForOption,
    into: Annotated[Path, typer.Option(help="Folder; each destination gets one of its own there.")],
    json_: JsonOption = False,
) -> None:
    """Make the files that destinations take: reduced, padded, encoded and named. The pictures themselves stay."""
    from pipeline.destinations.files import make_files

    made = list(make_files(files, _named(context, for_), into))
    if json_:
        _print_json(
            {
                "files": [
                    {"file": str(path), "destination": pack.name, "width": each.width, "height": each.height}
                    | {"media_type": each.media_type, "bytes": len(each.data), "steps": list(each.steps)}
                    for path, pack, each in made
                ]
            }
        )
        return
    from pipeline.console import open_console, plain

    out = open_console()
    for path, _, each in made:
        out.print(plain(str(path), style="bold"), plain(f"{each.width}x{each.height}, {len(each.data):,} bytes"))
        out.print(plain(f"  {'; '.join(each.steps)}"))


def _known(context: typer.Context) -> "dict[str, Pack]":
    from pipeline.destinations.packs import known_packs

    return known_packs(context.obj)


def _named(context: typer.Context, names: list[str]) -> "list[Pack]":
    from pipeline.destinations.packs import need_packs

    known = _known(context)
    return [known[name] for name in need_packs(names, known)]


def _print_pack(pack: "Pack") -> None:
    from pipeline.console import open_console, plain

    out, making = open_console(), pack.making
    out.print(plain(pack.name, style="bold"), plain(f"{pack.title}, as of {pack.dated}"))
    out.print(plain(" ".join(pack.description.split())))
    made = f"{making.media_type.removeprefix('image/').upper()} of at most {making.frame}"
    shape = f", padded with {making.ground}" if making.pad else ""
    out.print(plain(f"Its file: {made}{shape}, quality {making.quality} to {making.least_quality}, {making.name}"))
    for rule in pack.rules:
        out.print(plain(f"  {rule.name}", style="bold"), plain(f"{rule.weight}: {rule.check} {_limits(rule)}".rstrip()))
        out.print(plain(f'    "{rule.quote}"'))
        if rule.says:
            out.print(plain(f"    {rule.says}"))
        if rule.source:
            out.print(plain(f"    {rule.strength}, read {rule.read}: {rule.source}", style="dim"))


def _print_checked(checked: "list[Checked]") -> None:
    from pipeline.console import open_console, plain

    out = open_console()
    for each in checked:
        verdict = "passes" if each.passes else "could not be read" if each.error else "does not pass"
        out.print(plain(str(each.path), style="bold"), plain(f"{verdict}: {each.pack.name}"))
        if each.error:
            out.print(plain(f"  {each.error}", style="red"))
        for finding in each.findings:
            _print_finding(finding)
        if each.unseen:
            out.print(plain(f"  not looked at, for want of --source: {', '.join(each.unseen)}", style="dim"))


def _print_finding(finding: "Finding") -> None:
    from pipeline.console import open_console, plain

    out = open_console()
    style = "yellow" if finding.is_advice else "red"
    out.print(plain(f"  {finding.rule.weight} {finding.rule.name}: {finding.note}", style=style))
    out.print(plain(f"    {finding.quoted} {finding.rule.source}".rstrip()))


def _limits(rule: "AnyRule") -> str:
    own = rule.model_dump(mode="json", exclude_none=True)
    common = {"name", "quote", "says", "source", "read", "strength", "weight", "check"}
    return ", ".join(f"{key} {_shown(value)}" for key, value in own.items() if key not in common)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pack_json(pack: "Pack") -> dict[str, Any]:
    return pack.model_dump(mode="json", exclude_none=True)


def _checked_json(checked: "Checked") -> dict[str, Any]:
    return {
        "file": str(checked.path),
        "destination": checked.pack.name,
        "passes": checked.passes,
        "error": checked.error,
        "not_looked_at": list(checked.unseen),
        "findings": [
            {"note": finding.note, **finding.rule.model_dump(mode="json", exclude_none=True)}
            for finding in checked.findings
        ],
    }


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
