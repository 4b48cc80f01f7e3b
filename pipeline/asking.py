"""What another round would cost, who could make it, and what they make of a mark: told before anybody asks for it.

Nothing is sent. Providers are opened to be asked for their estimate, which is costly, so they are kept.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline import review
from pipeline.desk import Desk
from pipeline.errors import EditError, NotFound, UsageError
from pipeline.opening import open_provider
from pipeline.people import Person
from pipeline.pool import WorkPool
from pipeline.providers import Provider, provider_names
from pipeline.records import EditRecord
from pipeline.sources import is_url
from pipeline.states import Role
from pipeline.store import ledger, reading
from pipeline.values import EditRequest, Instruction, PictureFacts, PictureFile

_UNKNOWN_WH = (4096, 4096)
"""What is not read yet counts as large: an estimate's upper bound must hold."""


class Mark(StrEnum):
    """What a reviewer's mark on the picture is for."""

    MASK = "mask"
    """Only the marked region may change."""
    MARKUP = "markup"
    """It points at what the instruction is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Another round as somebody is about to ask for it.

    Attributes:
        edit_id: Of which edit.
        prompt: The instruction.
        output_id: The output on the screen; the first if None.
        on_output: Start from it, instead of from the picture that the edit started from.
        provider: Who makes it; who made the edit if None.
        mark: What is marked on the picture, if anything.
    """

    edit_id: int
    prompt: str
    output_id: int | None = None
    on_output: bool = False
    provider: str | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody who could make the round.

    Attributes:
        provider: By name.
        ai_model: The model that they would use; "" if they have none to choose from.
        takes_mask: Whether they are told a region; if not, it is put back all the same.
        takes_markup: Whether they see marks that point at what is meant.
        problem: Why they cannot be asked, such as a missing key; "" if they can.
    """

    provider: str
    ai_model: str = ""
    takes_mask: bool = False
    takes_markup: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a round would cost.

    Attributes:
        offer: Who would make it.
        low_microusd: The least; None if the price is not known.
        high_microusd: The most.
        batch_left_microusd: What the batch may still cost, less what is reserved; None without a budget.
        month_left_microusd: What the desk may still spend in this month.
        is_reused: An equal request was answered before: its outputs come again, for nothing.
        problem: Why it would be refused before it is sent; "" if nothing speaks against it.
        offers: Everybody who could be asked, and why some cannot.
    """

    offer: Offer
    low_microusd: int | None = None
    high_microusd: int | None = None
    batch_left_microusd: int | None = None
    month_left_microusd: int | None = None
    is_reused: bool = False
    problem: str = ""
    offers: tuple[Offer, ...] = ()

    @property
    def is_over_budget(self) -> bool:
        """Whether it could cost more than is left."""
        caps = [left for left in (self.batch_left_microusd, self.month_left_microusd) if left is not None]
        return self.high_microusd is not None and any(self.high_microusd > left for left in caps)


class Quotes:
    """Tells prices on a desk.

    Args:
        desk: The desk; a provider is opened anew when its settings have changed.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[str, Provider | UsageError]] = {}

    def quote(self, question: Question, *, by: Person) -> Quote:
        """What this round would cost.

        Raises:
            Forbidden: The person may not ask for another round of this edit.
            NotFound: There is no such edit, or it has no such output.
            UsageError: This desk has no such provider.
        """
        edit = reading.edit(self._desk.db, question.edit_id)
        by.need(Role.REVIEWER if edit.escalated_by is None else Role.APPROVER, "ask for another round")
        name, offers = question.provider or edit.provider, tuple(self._offers(edit, question.prompt))
        try:
            provider = self._provider(name)
        except UsageError as exc:
            if name not in {offer.provider for offer in offers}:
                raise
            return Quote(offer=Offer(name, problem=str(exc)), problem=str(exc), offers=offers)
        request = _request(self._desk, edit, question, is_other=name != edit.provider)
        offer = _offer(name, provider, request)
        if question.mark is Mark.MASK and not offer.takes_mask:
            request = replace(request, mask=None)
        return self._priced(edit, request, provider, Quote(offer=offer, problem=offer.problem, offers=offers))

    def _priced(self, edit: EditRecord, request: EditRequest, provider: Provider, quote: Quote) -> Quote:
        steps = [replace(request, instruction=each) for each in (request.instruction, *edit.next_steps)]
        is_reused = len(steps) == 1 and self._is_answered(edit, request, provider)
        estimates = [] if is_reused else [provider.estimate(each) for each in steps]
        high = _sum([each.high_microusd for each in estimates])
        batch_left, month_left = _left(self._desk, edit.asset.batch_id)
        has_cap = batch_left is not None or month_left is not None
        return replace(
            quote,
            low_microusd=_sum([each.low_microusd for each in estimates]),
            high_microusd=high,
            batch_left_microusd=batch_left,
            month_left_microusd=month_left,
            is_reused=is_reused,
            problem=quote.problem or _refusal(provider, request) or (_UNPRICED if has_cap and high is None else ""),
        )

    def _offers(self, edit: EditRecord, prompt: str) -> Iterator[Offer]:
        """Those that can be asked, and those that the desk names and that cannot."""
        settings = self._desk.settings
        named = {edit.provider, settings.provider, *settings.providers}
        for name in provider_names():
            model = edit.ai_model if name == edit.provider else None
            request = EditRequest(edit.title, _unread(_UNKNOWN_WH), Instruction(prompt), ai_model=model)
            try:
                offer = _offer(name, self._provider(name), request)
            except Exception as exc:  # a stranger's, that cannot even be imported: the others are offered
                offer = Offer(name, problem=str(exc))
            if not offer.problem or name in named:
                yield offer

    def _provider(self, name: str) -> Provider:
        options = repr((self._desk.settings.options_of(name), self._desk.settings.providers.get(name)))
        with self._lock:
            known = self._opened.get(name)
            if known is None or known[0] != options:
                known = self._opened[name] = options, self._open(name)
        if isinstance(known[1], UsageError):
            raise known[1]
        return known[1]

    def _open(self, name: str) -> Provider | UsageError:
        try:
            return open_provider(self._desk, name, WorkPool(1))  # the pool starts no process before it is used
        except UsageError as exc:
            return exc

    def _is_answered(self, edit: EditRecord, request: EditRequest, provider: Provider) -> bool:
        """Whether an equal request has its outputs here; not told where the bytes of further pictures matter."""
        if request.mask or request.markup or request.references or request.source is None:
            return False
        from pipeline.preparing import request_key, sent_content  # OpenCV stands behind it

        content = sent_content(
            request,
            provider=provider.name,
            version=provider.version,
            variant=edit.asset.variant,
            round_number=edit.round + 1,
        )
        key = request_key(content)
        answers = self._desk.answers
        return ledger.is_answered(self._desk.db, key) or (answers is not None and answers.get(key) is not None)


_UNPRICED = "its price is not known, and there is a budget: set its price in picturedesk.toml"


def _request(desk: Desk, edit: EditRecord, question: Question, *, is_other: bool) -> EditRequest:
    """The request as far as its price and its options go; overlays and references are not read."""
    source = _source(desk, edit, question)
    mask, markup = _overlays(desk, edit, question.mark)
    return EditRequest(
        name=edit.title,
        source=source,
        instruction=review.next_instruction(edit, question.prompt.strip()),
        mask=replace(source, place=Path("mask")) if mask else None,
        markup=replace(source, place=Path("markup")) if markup else None,
        references=tuple(_unread(_size_wh(uri)) for uri in edit.references),
        ai_model=None if is_other else edit.ai_model,
        size=edit.size,
        quality=None if is_other else edit.quality,
        n=edit.n,
    )


def _source(desk: Desk, edit: EditRecord, question: Question) -> PictureFile:
    if question.on_output:
        found = [output for output in edit.outputs if question.output_id in (None, output.id)]
        if not found:
            raise NotFound(f"{edit.title}: it has no output {question.output_id or 'to start from'}")
        facts = found[0].picture
    elif edit.input_sha256 is not None:
        facts = reading.picture(desk.db, edit.input_sha256)
    elif edit.asset.source is not None:
        facts = edit.asset.source
    else:
        return _unread(_size_wh(edit.asset.source_uri))
    return desk.blobs.picture(facts)


def _overlays(desk: Desk, edit: EditRecord, mark: Mark | None) -> tuple[bool, bool]:
    """Whether the next round has a mask, and a markup: the reviewer's mark, or what the manifest gave."""
    if mark is not None:
        return mark is Mark.MASK, mark is Mark.MARKUP
    return edit.mask is not None and not edit.keeps_outside, review.manifest_markup(edit) is not None


def _offer(name: str, provider: Provider, request: EditRequest) -> Offer:
    assert request.source is not None
    plain = EditRequest(request.name, request.source, request.instruction, ai_model=request.ai_model)
    return Offer(
        name,
        ai_model=provider.estimate(plain).ai_model,
        takes_mask=provider.takes_mask,
        takes_markup=not _problem(provider.check_options, replace(plain, markup=request.source)),
        problem=_key_problem(provider),
    )


def _key_problem(provider: Provider) -> str:
    check_key = getattr(provider, "check_key", None)
    return "" if check_key is None else _problem(check_key)


def _refusal(provider: Provider, request: EditRequest) -> str:
    """Why the provider would not take it, told without asking it."""
    return _problem(provider.check, request) if request.instruction.prompt else ""


def _problem(check: Any, *args: EditRequest) -> str:  # noqa: ANN401 - any method that refuses
    try:
        check(*args)
    except EditError as exc:
        return str(exc)
    return ""


def _left(desk: Desk, batch_id: int) -> tuple[int | None, int | None]:
    """What the batch and the month may still cost, in millionths of a US dollar; None for no limit."""
    own = ledger.budget(desk.db, batch_id)
    caps = (own if own is not None else _microusd(desk.settings.budget_usd), _microusd(desk.settings.monthly_cap_usd))
    scopes = (f"batch:{batch_id}", f"month:{datetime.now(UTC):%Y-%m}")
    batch, month = (
        None if cap is None else max(0, cap - sum(ledger.purse(desk.db, scope)))
        for cap, scope in zip(caps, scopes, strict=True)
    )
    return batch, month


def _microusd(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1e6)


def _sum(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _size_wh(uri: str) -> tuple[int, int]:
    """A picture's size from the head of its file; large if it cannot be read."""
    from PIL import Image

    try:
        if is_url(uri):
            return _UNKNOWN_WH
        with Image.open(uri) as image:
            return image.size
    except Exception:  # whatever a library makes of a file: the run says what is wrong with it
        return _UNKNOWN_WH


def _unread(size_wh: tuple[int, int]) -> PictureFile:
    return PictureFile(PictureFacts("", "", size_wh, 0), Path())
