"""What a worker does for help desks: look at tickets with news, load their pictures, and answer what is decided.

Each step ends in a row, so that a crash loses nothing: a picture that was loaded is not loaded again, and an answer is
marked as begun before it is sent. One that is found begun is looked for at the help desk by its reference, which stands
in no other comment, before it is sent once more. A worker that hangs for longer than it holds a ticket could still send
what another one has sent meanwhile; each request ends after a minute, and a ticket is held for twenty.
"""

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import logs, signals
from pipeline.desk import Desk
from pipeline.errors import BlobsFailed, Conflict, HelpDeskFailed, NotFound, PicturedeskError, StoreError, UsageError
from pipeline.export.names import safe_stem
from pipeline.holders import is_gone, new_holder
from pipeline.intake import read_rows
from pipeline.sources import stamp
from pipeline.store import tickets as store
from pipeline.store.loading import load_rows
from pipeline.store.tickets import DecidedPicture, TicketRecord
from pipeline.tickets import Answer, AnswerPicture, HelpDesk, Photo, Ticket, load_help_desk
from pipeline.tickets.comments import written
from pipeline.tickets.options import HelpDeskOptions
from pipeline.tickets.receiving import ACTOR, tools_of

FOLDER = "tickets"
"""Of the desk: pictures that came with tickets."""

MOST_TRIES = 12
"""Then a person has to look; with the pauses below, that is after some three hours."""

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 1800.0
_STORE_AGAIN_S = 60.0
_HELD = timedelta(minutes=20)
_FREE_EVERY_S = 10.0
_AT_ONCE = 10
_KEPT_DELIVERIES = timedelta(days=2)
_OWN_FILE = re.compile(r"annotated-[A-Z]{2}-[0-9a-f]{12}-[0-9]+\.")
"""A picture that we sent, and that comes back in a reply."""

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


class TicketWork:
    """The work on the tickets of a desk; others may do it at the same time.

    Args:
        desk: The desk.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._holder = new_holder()
        self._freed_s = -_FREE_EVERY_S
        self._opened: dict[str, HelpDesk] = {}
        self._paused: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def step(self, is_over: threading.Event | None = None) -> int:
        """Do what there is to do now; gives how many tickets were worked on.

        Args:
            is_over: Set when nothing more is to be begun.
        """
        self._free()
        count = 0
        for name, options in self._desk.settings.tickets.items():
            if time.monotonic() < self._paused.get(name, 0):
                continue
            try:
                help_desk = self._help_desk(name, options)
            except UsageError as exc:  # the others can be worked for
                self._say(name, str(exc))
                continue
            settled = _now() - timedelta(seconds=options.settle_s)
            for each in store.due(self._desk.db, name, decided_before=settled, limit=_AT_ONCE):
                if (is_over is not None and is_over.is_set()) or time.monotonic() < self._paused.get(name, 0):
                    break
                count += self._work(help_desk, options, each)
        return count

    def sweep(self) -> None:
        """Forget messages that nobody can send again: they are older than what is taken."""
        store.forget_deliveries(self._desk.db, before=_now() - _KEPT_DELIVERIES)

    def close(self) -> None:
        """Let go of connections."""
        for each in self._opened.values():
            each.close()

    def _free(self) -> None:
        """What a process of this machine had in hand that has ended need not wait until nobody can have it."""
        if time.monotonic() - self._freed_s >= _FREE_EVERY_S:
            self._freed_s = time.monotonic()
            gone = [each for each in store.holders(self._desk.db) if is_gone(each)]
            if gone:
                store.free(self._desk.db, gone)

    def _help_desk(self, name: str, options: HelpDeskOptions) -> HelpDesk:
        if name not in self._opened:
            check_recipe(self._desk, name, options)
            self._opened[name] = load_help_desk(name, options, tools_of(self._desk))
        return self._opened[name]

    def _say(self, name: str, message: str) -> None:
        if self._said.get(name) != message:
            self._said[name] = message
            logs.say("tickets.stopped", message, level=logging.WARNING)

    def _work(self, help_desk: HelpDesk, options: HelpDeskOptions, seen: TicketRecord) -> bool:
        db, holder = self._desk.db, self._holder
        ticket = store.hold(db, seen.id, holder=holder, until=_now() + _HELD)
        if ticket is None:
            return False
        try:
            if ticket.news > ticket.seen:
                self._look(help_desk, options, ticket)
            else:
                self._answer(help_desk, options, ticket)
        except Conflict:  # somebody else has it by now
            return False
        except PicturedeskError as exc:
            if isinstance(exc, StoreError) and not isinstance(exc, BlobsFailed | NotFound):
                raise
            self._went_wrong(ticket, exc)
        store.let_go(db, ticket.id, holder=holder)
        return True

    def _went_wrong(self, ticket: TicketRecord, exc: PicturedeskError) -> None:
        code, wait_s = "failed", _STORE_AGAIN_S if isinstance(exc, BlobsFailed) else None
        if isinstance(exc, HelpDeskFailed):
            code, wait_s = exc.code, exc.retry_after_s
        if wait_s is not None and ticket.tries + 1 < MOST_TRIES:
            if code == "http_429":
                self._paused[ticket.help_desk] = time.monotonic() + wait_s
            wait_s = max(wait_s, min(_FIRST_PAUSE_S * 2**ticket.tries, _LONGEST_PAUSE_S))
            not_before = _now() + timedelta(seconds=wait_s)
        else:
            not_before = None
        signals.tell("ticket.went_wrong", row=ticket.id, code=code)
        store.went_wrong(
            self._desk.db,
            ticket,
            code=code,
            message=str(exc),
            not_before=not_before,
            holder=self._holder,
            actor=_actor(ticket),
        )

    # In.

    def _look(self, help_desk: HelpDesk, options: HelpDeskOptions, ticket: TicketRecord) -> None:
        """Load the pictures that are not loaded yet, all of them or none."""
        desk = self._desk
        found = help_desk.ticket(ticket.number, ticket.said)
        known = store.known_pictures(desk.db, ticket.id)
        new = [each for each in found.photos if each.name not in known and not _OWN_FILE.match(each.file_name)]
        new = list({each.name: each for each in new}.values())
        if not new:
            store.looked_at(desk.db, ticket, {}, batch_id=None, holder=self._holder, actor=_actor(ticket))
            return
        folder = desk.root / FOLDER / safe_stem(ticket.help_desk) / safe_stem(ticket.number)
        folder.mkdir(parents=True, exist_ok=True)
        files = [_kept(folder, each, help_desk) for each in new]
        manifest = _manifest(folder, ticket, found, new, files, options)
        try:
            reading = read_rows(desk, manifest, prompt=None, recipe=None, allow_outside=False, skip_bad=False)
        finally:
            manifest.unlink(missing_ok=True)  # what customers say is in the database alone, where it can be erased
        with desk.db.group():
            loaded = load_rows(
                desk.db,
                reading.rows,
                batch_name=_batch_name(ticket, options),
                manifest_name=manifest.name,
                manifest_sha256=reading.sha256,
                default_provider=desk.settings.provider,
                actor=_actor(ticket),
                stamp=stamp,
            )
            names = {each.name: _asset_name(ticket, each) for each in new}
            about = {"holder": self._holder, "actor": _actor(ticket)}
            store.looked_at(desk.db, ticket, names, batch_id=loaded.batch_id, **about)

    # Out.

    def _answer(self, help_desk: HelpDesk, options: HelpDeskOptions, ticket: TicketRecord) -> None:
        db, holder = self._desk.db, self._holder
        if ticket.answer is None:
            settled = _now() - timedelta(seconds=options.settle_s)
            reference = f"PD-{secrets.token_hex(6)}"
            planned = store.plan_answer(db, ticket.id, reference=reference, decided_before=settled, holder=holder)
            if planned is None:
                return
            ticket = planned
        assert ticket.answer is not None
        reference = str(ticket.answer["reference"])
        is_there = bool(ticket.answer["begun"]) and help_desk.has_answer(ticket.number, reference)
        if not store.begin_answer(db, ticket, is_there=is_there, holder=holder, until=_now() + _HELD):
            return
        pictures = store.decided_pictures(db, ticket)
        self._check_persons(options, pictures)
        answer = self._written(options, ticket, reference, pictures, is_there=is_there)
        help_desk.answer(ticket.number, answer, is_commented=is_there)
        store.answered(db, ticket, outcome=answer.outcome, holder=holder, actor=_actor(ticket))

    def _check_persons(self, options: HelpDeskOptions, pictures: Sequence[DecidedPicture]) -> None:
        alone = [each for each in pictures if each.picture is not None and not each.decided_by]
        if alone and not options.even_by_policy:
            raise HelpDeskFailed(
                "no_person",
                f"edit {alone[0].edit_id}: the policy approved it by itself, and only what a person approved goes out; "
                "undo that and accept it, or set even_by_policy",
            )

    def _written(
        self,
        options: HelpDeskOptions,
        ticket: TicketRecord,
        reference: str,
        pictures: Sequence[DecidedPicture],
        *,
        is_there: bool,
    ) -> Answer:
        """What is sent; without pictures if they are there, as those of an asset that was erased since are gone."""
        approved = [each for each in pictures if each.picture is not None]
        outcome, template, is_public = options.outcome(is_approved=bool(approved))
        comment = written(template, ticket=ticket.number, reference=reference, pictures=pictures)
        sent = [] if is_there else approved
        return Answer(
            reference=reference,
            outcome="approved" if approved else "rejected",
            comment=comment,
            is_public=is_public,
            pictures=[self._read(reference, count, each) for count, each in enumerate(sent, start=1)],
            fields=outcome.fields,
            tags=outcome.tags,
        )

    def _read(self, reference: str, count: int, decided: DecidedPicture) -> AnswerPicture:
        facts = decided.picture
        assert facts is not None
        name = f"annotated-{reference}-{count}{_SUFFIXES.get(facts.media_type, '')}"
        return AnswerPicture(name, facts.media_type, self._desk.blobs.read(facts.sha256, facts.media_type))


def check_recipe(desk: Desk, name: str, options: HelpDeskOptions) -> None:
    """Refuse a recipe that is not there, that does not fit, or that lets the policy approve by itself.

    Raises:
        UsageError: Says what to set.
    """
    recipe = desk.recipes.get(options.recipe)
    if recipe is None:
        raise UsageError(f"tickets.{name}.recipe: no recipe is called {options.recipe!r}; see: picturedesk recipes")
    known = {parameter.name for parameter in recipe.parameters}
    if unknown := sorted({*options.parameters, *options.parameters_from} - known):
        raise UsageError(f"tickets.{name}: the recipe {recipe.name} has no parameter {', '.join(unknown)}")
    if not (recipe.always_reviewed or options.even_by_policy):
        raise UsageError(
            f"tickets.{name}: a person has to approve what goes to a ticket: set review.always = true in the recipe "
            f"{recipe.name}, or even_by_policy = true here"
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _actor(ticket: TicketRecord) -> str:
    return f"{ACTOR}{ticket.help_desk}"


def _batch_name(ticket: TicketRecord, options: HelpDeskOptions) -> str:
    if options.batch == "ticket":
        return f"{ticket.help_desk}-{ticket.number}"
    return f"{ticket.help_desk}-{ticket.received_at:%Y-%m-%d}"


def _asset_name(ticket: TicketRecord, photo: Photo) -> str:
    return f"{ticket.number}-{safe_stem(photo.name)}"


def _kept(folder: Path, photo: Photo, help_desk: HelpDesk) -> Path:
    """The picture in a file of its own; one that is there already is not fetched again."""
    suffix = Path(photo.file_name).suffix.lower()
    path = folder / f"{safe_stem(photo.name)}{suffix if re.fullmatch(r'[.][a-z0-9]{1,5}', suffix) else ''}"
    if not path.exists():
        data = help_desk.photo(photo)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path


def _manifest(
    folder: Path,
    ticket: TicketRecord,
    found: Ticket,
    photos: Sequence[Photo],
    files: Sequence[Path],
    options: HelpDeskOptions,
) -> Path:
    """The new pictures' rows, as a file that a manifest is read from."""
    same: dict[str, object] = {"recipe": options.recipe, "help_desk": ticket.help_desk, "ticket": ticket.number}
    if options.provider is not None:
        same["provider"] = options.provider
    path = folder / ".rows.jsonl"
    rows = [
        {
            "asset_id": _asset_name(ticket, photo),
            "source": file.name,
            "attachment": photo.file_name,
            "parameters": _parameters(options, found.fields if photo.fields is None else photo.fields),
            **same,
        }
        for photo, file in zip(photos, files, strict=True)
    ]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return path


def _parameters(options: HelpDeskOptions, fields: Mapping[str, str]) -> dict[str, str]:
    given = {name: fields.get(field, "").strip() for name, field in options.parameters_from.items()}
    return {**options.parameters, **{name: value for name, value in given.items() if value}}
