"""What the command line prints: tables for people, and the same facts as JSON values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.audit import Audit
from pipeline.batches import BatchStatus
from pipeline.bills import Settlement
from pipeline.console import open_console, plain
from pipeline.costs import CostSummary
from pipeline.deciding_lists import Outcome
from pipeline.doctor import Check
from pipeline.export.progress import ExportProgress
from pipeline.flag_lines import flag_line
from pipeline.flagging import Flagged
from pipeline.housekeeping import Copied
from pipeline.money import dollars
from pipeline.planning import PlanLine
from pipeline.policy_trial import Trial, sentence, time_sentence
from pipeline.recipes import Recipe
from pipeline.records import BatchRecord, EditRecord
from pipeline.runner import RunProgress
from pipeline.states import EditState
from pipeline.store.access import PersonRecord, TokenRecord
from pipeline.store.codec import flag_as_told

_SHOWN = (
    *(EditState.QUEUED, EditState.IN_REVIEW, EditState.APPROVED, EditState.REJECTED, EditState.REFUSED),
    *(EditState.FAILED, EditState.IN_DOUBT),
)
_MAX_PROBLEMS = 20
_MAX_REASONS = 3


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[RunProgress], None]]:
    """A bar on standard error with counts, spend, rate and time left."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    more = (TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[spend]}"), TimeRemainingColumn())
    with Progress(*columns, *more, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("edits", total=None, rate="", spend="")

        def show(progress: RunProgress) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=progress.done,
                total=progress.done + progress.remaining,
                description=_described(progress),
                rate=f"{speed:.1f}/s" if speed else "",
                spend=dollars(progress.cost_microusd, progress.unpriced),
            )

        yield show


@contextmanager
def picture_bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error with how many pictures were looked at, and the time left."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("looking", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="looking" if done < total else "timing")

        yield show


@contextmanager
def trial_bar(last: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error with how many past edits were routed again, of ``last`` at most."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("trying", total=last)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def copy_bar(*, quiet: bool) -> Iterator[Callable[[Copied], None]]:
    """How many pictures were copied, on standard error."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("copying", total=None)

        def show(found: Copied) -> None:
            copied = f"{found.copied.pictures:,} copied, {found.copied.bytes / 1e6:,.0f} MB"
            bar.update(task, description=f"{copied}, {found.there.pictures:,} there")

        yield show


@contextmanager
def export_bar(*, quiet: bool) -> Iterator[Callable[[ExportProgress], None]]:
    """A bar on standard error with how much was written or sent, and the time left."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("writing", total=None)

        def show(progress: ExportProgress) -> None:
            bar.update(task, description=progress.step, completed=progress.done, total=progress.total)

        yield show


def print_run(report: Mapping[str, Any]) -> None:
    """What a run came to."""
    out = open_console()
    table = Table(title=plain(f"Batch {report['batch']}") if "batch" in report else "All batches", title_justify="left")
    table.add_column("edits")
    table.add_column("", justify="right")
    for state, n in report["counts"].items():
        if n:
            table.add_row(state.replace("_", " "), str(n))
    for kind, n in report.get("flags", {}).items():
        table.add_row(f"flagged: {kind}", str(n), style="dim")
    table.add_row("cost", dollars(round((report["cost_usd"] or 0) * 1e6), report["unpriced_requests"]))
    out.print(table)
    _print_problems(out, report["problems"], report["skipped_rows"])
    for step in report["next"]:
        out.print(plain(f"→ {step}"))


def print_plan(lines: Sequence[PlanLine]) -> None:
    """What a run would send."""
    out = open_console()
    if not lines:
        out.print("Nothing would be sent: every row is made already.")
        return
    table = Table()
    for name in ("provider", "ai_model", "edits", "pictures", "tokens at most", "cost", "time at the rate limit"):
        table.add_column(name, justify="left" if name in ("provider", "ai_model") else "right")
    for line in lines:
        low, high = dollars(line.low_microusd), dollars(line.high_microusd)
        cost = low if low == high else f"{low} to {high}"
        if line.unpriced:
            cost = "unknown" if line.unpriced == line.edits else f"{cost} and {line.unpriced} unknown"
        took = "no limit known" if line.minutes is None else f"{line.minutes:.1f} min"
        figures = (f"{line.edits:,}", f"{line.images:,}", f"{line.tokens:,}")
        table.add_row(plain(line.provider), plain(line.ai_model or "-"), *figures, cost, took)
    out.print(table)
    out.print("Nothing was sent. Edits that an equal one has answered before will cost nothing.")


def print_full(report: Mapping[str, Any]) -> None:
    """All that is known of an edit."""
    out = open_console()
    asset = " ".join(filter(None, (report["asset_id"], report["variant"])))
    state = report["state"].replace("_", " ")
    out.print(plain(f"edit {report['edit']}: {asset}, round {report['round']}, {state}", style="bold"))
    provider = " ".join(filter(None, (report["provider"], report["ai_model"])))
    out.print(plain(f"{provider}, asked by {report['asked_by']}"))
    out.print(plain(report["prompt"], style="italic"))
    if report["error"]:
        out.print(plain(f"{report['error']['code']}: {report['error']['message']}", style="red"))
    for attempt in report["attempts"]:
        error = attempt["error"]["code"] if attempt["error"] else None
        names = " ".join(filter(None, (attempt["client_id"], attempt["request_id"])))
        words = ", ".join(filter(None, (attempt["state"], _attempt_cost(attempt), error, names)))
        out.print(plain(f"{_moment(attempt['started_at'])}  attempt {attempt['attempt']}: {words}"))
    for event in report["events"]:
        out.print(plain(f"{_moment(event['at'])}  {event['event']} by {event['by']}"))
    for decision in report["decisions"]:
        words = ", ".join(filter(None, (f"{decision['decision']} by {decision['by']}", decision["reason"])))
        out.print(plain(f"{_moment(decision['at'])}  {words} {decision['note']}".rstrip()))
    out.print("What was sent, word for word: --json")


def print_audit(found: Audit) -> None:
    """Whether the history is whole."""
    out = open_console()
    for place in found.breaks:
        out.print(plain(place, style="red"))
    if found.holds_expected is False:
        out.print(plain("The history does not hold the head that was expected: it was written anew.", style="red"))
    words = "whole" if found.is_whole else "not as it was written"
    out.print(f"{found.events:,} events and {found.decisions:,} decisions: {words}.")
    if found.is_whole:
        out.print(plain(f"Head: {found.head}"))
        out.print("Note the head elsewhere; --expect holds a later history against it.")


def audit_json(found: Audit) -> dict[str, Any]:
    """The same as JSON values."""
    return {"whole": found.is_whole, **asdict(found)}


def print_trial(trial: Trial) -> None:
    """What a policy would have done to past edits."""
    out = open_console()
    for line in filter(None, (sentence(trial), time_sentence(trial))):
        out.print(plain(line))
    changed = [part for part in trial.parts["batch"] if part.fewer or part.more]
    if changed:
        table = Table("batch", *(("edits", "came", "would come", "fewer", "of them not accepted", "more")))
        for part in changed[:_MAX_PROBLEMS]:
            counts = (part.edits, part.coming_before, part.coming_after, part.fewer, part.fewer_bad, part.more)
            table.add_row(plain(part.name), *(f"{count:,}" for count in counts))
        out.print(table)
    if trial.missed:
        out.print(plain(f"Look at them: picturedesk show {trial.missed[0]}, and so on: {_numbers(trial.missed)}"))


def _numbers(edit_ids: Sequence[int]) -> str:
    rest = f" and {len(edit_ids) - _MAX_PROBLEMS} more" if len(edit_ids) > _MAX_PROBLEMS else ""
    return ", ".join(map(str, edit_ids[:_MAX_PROBLEMS])) + rest


def trial_json(trial: Trial) -> dict[str, Any]:
    """The same as JSON values."""
    return {"sentence": sentence(trial), **asdict(trial), "saved_s": trial.saved_s}


def print_people(found: Sequence[PersonRecord]) -> None:
    """Who has a role of their own."""
    if not found:
        open_console().print("Nobody has a role of their own; groups have theirs in picturedesk.toml, [sign_in].")
        return
    table = Table("name", "role", "since")
    for person in found:
        table.add_row(plain(person.name), person.role.value, _day(person.created_at))
    open_console().print(table)


def person_json(person: PersonRecord) -> dict[str, Any]:
    """The same as JSON values."""
    return {"name": person.name, "role": person.role.value, "created_at": person.created_at.isoformat()}


def print_tokens(found: Sequence[TokenRecord]) -> None:
    """Machines' tokens."""
    if not found:
        open_console().print("There are no tokens; make one with: picturedesk token make --name NAME --role ROLE")
        return
    table = Table("number", "name", "role", "made", "until", "by")
    for token in found:
        until = "revoked" if token.revoked_at else _day(token.expires_at) if token.expires_at else "for good"
        about = (plain(token.name), token.role.value, _day(token.created_at), until, plain(token.created_by))
        table.add_row(str(token.id), *about)
    open_console().print(table)


def token_json(token: TokenRecord) -> dict[str, Any]:
    """The same as JSON values."""
    moments = ("created_at", "expires_at", "revoked_at")
    return {
        **{name: getattr(token, name) for name in ("id", "name", "created_by")},
        "role": token.role.value,
        "valid": token.is_valid,
        **{name: None if (moment := getattr(token, name)) is None else moment.isoformat() for name in moments},
    }


def print_statuses(found: Sequence[BatchStatus]) -> None:
    """How batches stand, as a whole."""
    if not found:
        open_console().print("Nothing is under way; see all batches with: picturedesk batch list --all")
        return
    table = Table("batch", "is", "queued", "in flight", "review", "approved", "rejected", "problems", "spent", "left")
    for each in found:
        counts = (each.queued, each.in_flight, each.review, each.approved, each.rejected, each.problems)
        spent = dollars(each.spent_microusd)
        if each.budget_microusd is not None:
            spent += f" of {dollars(each.budget_microusd)}"
        left = "" if each.minutes_left is None else f"{each.minutes_left:.0f} min"
        table.add_row(plain(each.batch.name), each.standing.value, *map(str, counts), spent, left)
    out = open_console()
    out.print(table)
    for each in found:
        if each.what_to_do and each.batch.stopped:
            out.print(plain(f"{each.batch.name}: {each.batch.stopped['message']}", style="red"))
            out.print(plain(each.what_to_do))


def status_json(status: BatchStatus) -> dict[str, Any]:
    """The same as JSON values."""
    batch = status.batch
    counts = ("queued", "in_flight", "review", "approved", "rejected", "problems", "cancelled", "total")
    budget = status.budget_microusd
    return {
        "batch": batch.name,
        "standing": status.standing.value,
        "created_at": batch.created_at.isoformat(),
        "created_by": batch.created_by,
        **{name: getattr(status, name) for name in counts},
        "spent_usd": status.spent_microusd / 1e6,
        "reserved_usd": status.reserved_microusd / 1e6,
        "budget_usd": None if budget is None else budget / 1e6,
        "per_minute": status.per_minute,
        "minutes_left": status.minutes_left,
        "stopped": dict(batch.stopped) if batch.stopped else None,
    }


def print_batches(batches: Sequence[BatchRecord]) -> None:
    """How the batches stand."""
    table = Table()
    table.add_column("batch")
    for state in _SHOWN:
        table.add_column(state.replace("_", " "), justify="right")
    table.add_column("cost", justify="right")
    for batch in batches:
        counts = [str(batch.counts.get(state, 0)) for state in _SHOWN]
        table.add_row(plain(batch.name), *counts, dollars(batch.cost_microusd, batch.unpriced))
    open_console().print(table if batches else "There is no batch yet; start one with: picturedesk run MANIFEST")


def print_edits(edits: Iterable[EditRecord]) -> None:
    """Every edit on a line."""
    out = open_console()
    for edit in edits:
        flags = ", ".join(
            sorted({f"{flag.detection.kind} {flag.change}" for output in edit.outputs for flag in output.flags})
        )
        line = f"{edit.id:>6}  {edit.state:<10}  {edit.asset.title}  round {edit.round}"
        out.print(plain("  ".join(filter(None, (line, flags, edit.error)))))


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """What became of decisions."""
    out = open_console()
    for outcome in outcomes:
        what = f"{outcome.decision.verb}: {outcome.error or outcome.state}"
        out.print(plain(f"edit {outcome.decision.edit_id}  {what}"))
    if not outcomes:
        out.print("Nothing waits for a decision.")


def flagged_json(flagged: Flagged) -> dict[str, Any]:
    """What was found in a file, as JSON values."""
    return {
        "file": str(flagged.path),
        "size": list(flagged.size_wh) if flagged.size_wh else None,
        "flags": [flag_as_told(flag) for flag in flagged.flags],
        "error": {"code": flagged.error.code, "message": str(flagged.error)} if flagged.error else None,
    }


def print_flagged(found: Sequence[Flagged]) -> None:
    """What was found in files."""
    out = open_console()
    for each in found:
        out.print(plain(str(each.path), style="bold"))
        if each.error:
            out.print(plain(f"  {each.error}", style="red"))
        for flag in each.flags:
            box = " ".join(f"{edge:.0f}" for edge in flag.detection.xyxy)
            out.print(plain(f"  {flag.detection.level:<4} [{box}]  {flag_line(flag)}"))
        if not each.flags and not each.error:
            out.print("  nothing found")


def print_evaluation(report: Mapping[str, Any]) -> None:
    """How good the detectors are."""
    out = open_console()
    table = Table()
    for name in ("kind", "threshold", "y, n", "recall", "precision", "false alarms"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, figures in report["kinds"].items():
        threshold = "" if figures["threshold"] is None else f"{figures['threshold']:.2f}"
        table.add_row(kind, threshold, *_shares(figures))
        table.add_row("  sure", "", *_shares(figures["sure"]), style="dim", end_section=True)
    out.print(table)
    precise = [
        f"{kind} {figures['average_precision']:.3f}"
        for kind, figures in report["kinds"].items()
        if figures["average_precision"] is not None
    ]
    out.print(f"average precision over all thresholds: {', '.join(precise) or 'nothing to find'}")
    out.print(_timed(report))
    for name, reason in [*report["failed"].items()][:_MAX_PROBLEMS]:
        out.print(plain(f"not looked at: {name}: {reason}", style="red"))
    if len(report["failed"]) > _MAX_PROBLEMS:
        out.print(f"and {len(report['failed']) - _MAX_PROBLEMS} more; see them all with --json")
    _print_worst(out, report)


def print_change_trial(report: Mapping[str, Any]) -> None:
    """Whether the comparison said what drawn edits did."""
    out = open_console()
    table = Table()
    for name in ("edit", "drawn", "flagged", "share"):
        table.add_column(name, justify="left" if name == "edit" else "right")
    for is_harmless in (True, False):
        for name, figures in report["edits"].items():
            if figures["is_harmless"] is is_harmless:
                table.add_row(name, str(figures["drawn"]), str(figures["flagged"]), f"{figures['share']:.3f}")
        table.add_section()
    out.print(table)
    for name, words in (("false_alarm", "harmless edits called a change"), ("caught", "changes caught")):
        low, high = report[f"{name}_interval"]
        found = "none was drawn" if report[name] is None else f"{report[name]:.3f} ({low:.3f}-{high:.3f})"
        out.print(f"{words}: {found}")
    for each in report["wrong"][:_MAX_PROBLEMS]:
        said = "; ".join(each["said"]) or "nothing was said"
        out.print(plain(f"wrong: {each['edit']}  {each['picture']}  {said}", style="dim"))
    for name, reason in report["failed"].items():
        out.print(plain(f"not looked at: {name}: {reason}", style="red"))


def _print_worst(out: Console, report: Mapping[str, Any]) -> None:
    for name, words in (("missed", "missed"), ("false_alarms", "falsely flagged")):
        for kind, found in report.get(name, {}).items():
            for file, score in found:
                out.print(plain(f"{words}: {kind}  {score:.2f}  {file}"))


def _shares(figures: Mapping[str, Any]) -> list[str]:
    """How many pictures are labelled so, then each share over its interval: narrow enough for 80 columns."""
    counts = figures["counts"]
    labelled = f"{counts['hit'] + counts['missed']}, {counts['false_alarm'] + counts['quiet']}"
    shares = ((figures[name], *figures[f"{name}_interval"]) for name in ("recall", "precision", "fpr"))
    return [labelled, *(f"{share:.3f}\n{low:.3f}-{high:.3f}" for share, low, high in shares)]


def _timed(report: Mapping[str, Any]) -> str:
    looked = f"{report['pictures']} pictures"
    if report["interrupted"]:
        return f"interrupted: {looked} were looked at; time and memory were not measured"
    cpu, wall = report["cpu_ms"], report["wall_ms"]
    return (
        f"{looked}; one of 1024 x 1024 takes {cpu['median']:.0f} ms of processor, nine of ten at most "
        f"{cpu['p90']:.0f}; {wall['median']:.0f} ms by the clock; {report['peak_rss_mb']:.0f} MB at most"
    )


def print_flag_outcomes(report: Mapping[str, Any]) -> None:
    """What people decided on flagged edits, and which thresholds that speaks for."""
    out = open_console()
    out.print(f"reviewed edits: {report['reviewed']} of {report['routed']}; rejected or re-prompted: {_rate(report)}")
    table = Table()
    for name in ("flag", "rejected", "of others", "times\nas often", "most for"):
        table.add_column(name, justify="left" if name in ("flag", "most for") else "right")
    for row in report["flags"]:
        lift = f"{row['lift']:.1f}\n{row['lift_interval'][0]:.1f}-{row['lift_interval'][1]:.1f}" if row["lift"] else ""
        reasons = Text("\n").join(plain(f"{reason} {n}") for reason, n in [*row["reasons"].items()][:_MAX_REASONS])
        name = f"{row['kind']} {row['change']}\n{row['level']}"
        table.add_row(name, _part(row), _part(row["without"]), lift, reasons)
    if report["flags"]:
        out.print(table)
    _print_samples(out, report["samples"])
    for detector, found in report["thresholds"].items():
        out.print(plain(f"{detector}: {_proposal(found)}"))
    settings = [found["settings"] for found in report["thresholds"].values() if not found["refused"]]
    if settings:
        out.print("Nothing was changed. To apply one, put it into picturedesk.toml, and look again after a batch:")
        for lines in settings:
            out.print(lines, markup=False, highlight=False)


def _print_samples(out: Console, samples: Mapping[str, Any]) -> None:
    if not samples["reviewed"]:
        out.print("samples: none was decided, so nobody knows what the policy lets through")
        return
    low, high = samples["bad_among_them"]
    out.print(
        f"samples of what the policy approves: {samples['reviewed']}, rejected {_rate(samples)}; so of the "
        f"{samples['approved_unseen']} that nobody looked at, {low:.0f} to {high:.0f} would be"
    )


def _proposal(found: Mapping[str, Any]) -> str:
    if found["refused"]:
        return f"no threshold is proposed: {found['refused']}"
    low, high = found["kept_interval"]
    return (
        f"{found['in_use']:.2f} could be {found['proposed']:.2f}: of {found['rejected']} rejected edits "
        f"{found['kept']:.1%} would still be reviewed (95 %: {low:.1%} to {high:.1%}; chosen on one half and tried on "
        f"the other: {found['kept_on_other_half']:.1%}), and the queue would be {found['spared']} of {found['queue']} "
        f"edits shorter ({found['load_change']:.1%})"
    )


def _part(figures: Mapping[str, Any]) -> str:
    low, high = figures["rate_interval"]
    return f"{figures['rejected']} of {figures['reviewed']}\n{figures['rate']:.0%} ({low * 100:.0f}-{high * 100:.0f})"


def _rate(figures: Mapping[str, Any]) -> str:
    low, high = figures["rate_interval"]
    return f"{figures['rejected']}, {figures['rate']:.1%} ({low:.1%}-{high:.1%})"


def costs_json(summary: CostSummary) -> dict[str, Any]:
    """Costs as JSON values; sums in microusd are exact."""
    return {
        "total_usd": summary.total_microusd / 1e6,
        "total_microusd": summary.total_microusd,
        "doubtful_requests": summary.doubtful,
        "doubtful_microusd": summary.doubtful_microusd,
        "unpriced_requests": summary.unpriced,
        "saved_by_reuse_microusd": summary.saved_microusd,
        "approved": summary.approved,
        "per_approved_usd": summary.per_approved_usd,
        "by": summary.by.value,
        "rows": [
            {
                "name": row.name,
                "requests": row.requests,
                "unpriced_requests": row.unpriced,
                "approved": row.approved,
                **row.tokens,
                "pictures": row.pictures,
                "cost_microusd": row.cost_microusd,
                "doubtful_requests": row.doubtful,
                "doubtful_microusd": row.doubtful_microusd,
                "reused": row.reused,
                "saved_microusd": row.saved_microusd,
            }
            for row in summary.rows
        ],
    }


def print_costs(summary: CostSummary) -> None:
    """What was paid."""
    table = Table()
    table.add_column(summary.by.value.replace("-", "_"))
    for name in ("requests", "approved", "text in", "image in", "cached", "out", "cost", "in doubt", "saved"):
        table.add_column(name, justify="right")
    for row in summary.rows:
        tokens = row.tokens
        table.add_row(
            plain(row.name or "-"),
            *(f"{figure:,}" for figure in (row.requests, row.approved, tokens["text_in"], tokens["image_in"])),
            f"{tokens['cached_text_in'] + tokens['cached_image_in']:,}",
            f"{tokens['text_out'] + tokens['image_out']:,}",
            dollars(row.cost_microusd, row.unpriced),
            dollars(row.doubtful_microusd) if row.doubtful else "",
            dollars(row.saved_microusd) if row.saved_microusd else "",
        )
    out = open_console()
    out.print(table)
    each = "" if summary.per_approved_usd is None else f", {dollars(round(summary.per_approved_usd * 1e6))} each"
    out.print(f"{dollars(summary.total_microusd, summary.unpriced)} for {summary.approved} approved assets{each}")
    if summary.unpriced:
        out.print(f"requests without a known price, not in the sum: {summary.unpriced}; see: picturedesk settle --help")
    if summary.doubtful:
        risk = f"up to {dollars(summary.doubtful_microusd)}" if summary.doubtful_microusd else "an unknown amount"
        out.print(f"in doubt: {risk} for {summary.doubtful} requests without an answer; see: picturedesk settle --help")


def settlement_json(found: Settlement) -> dict[str, Any]:
    """What a bill came to, as JSON values."""
    return {
        "billed": found.billed,
        "not_billed": found.not_billed,
        "queued_again": found.queued_again,
        "still_doubtful": found.still_doubtful,
        "unknown_to_this_desk": list(found.strangers),
        "differences": [
            {"client_id": name, "booked_microusd": booked, "billed_microusd": billed}
            for name, booked, billed in found.differences
        ],
    }


def print_settlement(found: Settlement) -> None:
    """What a bill came to."""
    out = open_console()
    out.print(f"charged now: {found.billed}; not billed: {found.not_billed}; still in doubt: {found.still_doubtful}")
    if found.queued_again:
        out.print(f"→ edits that cost nothing and are queued again: {found.queued_again}; go on with: picturedesk run")
    for name, booked, billed in found.differences[:_MAX_PROBLEMS]:
        out.print(plain(f"{name}: booked {dollars(booked)}, billed {dollars(billed)}", style="red"))
    if found.strangers:
        out.print(f"{len(found.strangers)} requests on the bill are not this desk's")


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON values."""
    return {
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "prompt": recipe.prompt,
        "parameters": [_parameter_json(parameter) for parameter in recipe.parameters],
    }


def print_recipes(recipes: Sequence[Recipe], *, in_full: bool) -> None:
    """Recipes by name, or one with all it takes."""
    out = open_console()
    for recipe in recipes:
        out.print(plain(recipe.name, style="bold"), plain(recipe.title))
        if not in_full:
            continue
        out.print(plain(recipe.description))
        out.print(plain(recipe.prompt, style="italic"))
        for parameter in recipe.parameters:
            facts = _parameter_json(parameter)
            need = "required" if facts["required"] else f"default {facts['default']!r}"
            out.print(plain(f"  {facts['name']}: {facts['type']}, {need}. {facts['description']}"))


def print_checks(checks: Sequence[Check]) -> None:
    """What the doctor found."""
    out = open_console()
    colours = {"ok": "green", "warning": "yellow", "wrong": "red"}
    for check in checks:
        out.print(Text(f"{check.level:<8}", colours[check.level]), plain(f"{check.name}: {check.found}"))


def check_json(check: Check) -> dict[str, Any]:
    """The same for machines."""
    return {"name": check.name, "level": check.level.value, "ok": check.is_ok, "found": check.found}


def _parameter_json(parameter: Any) -> dict[str, Any]:  # noqa: ANN401 - a recipe's parameter
    return {
        "name": parameter.name,
        "type": str(parameter.type),
        "required": parameter.required,
        "default": parameter.default,
        "choices": list(parameter.choices),
        "description": parameter.description,
    }


def _attempt_cost(attempt: Mapping[str, Any]) -> str:
    if attempt["cost_usd"] is not None:
        return f"${attempt['cost_usd']:.6f}"
    if attempt["state"] == "lost":
        return f"up to ${attempt['reserved_usd']:.6f} in doubt" if attempt["reserved_usd"] else "may have been billed"
    return "price unknown" if attempt["state"] == "succeeded" else ""


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S UTC")


def _print_problems(out: Console, problems: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
    for problem in problems[:_MAX_PROBLEMS]:
        where = f"edit {problem['edit']} ({problem['asset_id']}, line {problem['line']})"
        state = problem["state"].replace("_", " ")
        out.print(plain(f"{state}: {where}: {problem.get('message', '')}", style="red"))
    for row in rows[:_MAX_PROBLEMS]:
        text = f"skipped: line {row['line']}, {row['column']}: found {row['found']}; expected {row['expected']}"
        out.print(plain(text, style="red"))
    hidden = max(0, len(problems) - _MAX_PROBLEMS) + max(0, len(rows) - _MAX_PROBLEMS)
    if hidden:
        out.print(f"and {hidden} more; see them all with --json")


def _described(progress: RunProgress) -> str:
    parts = [f"{n} {state.replace('_', ' ')}" for state, n in sorted(progress.states.items())]
    return ", ".join(parts) or "edits"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
