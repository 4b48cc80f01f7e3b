"""The sender beside a worker: takes what is due for each endpoint, sends it, books what came of it.

A message is a row before it is sent, and is booked after its answer: who dies between the two leaves it to be sent
again, with the same ``webhook-id``. One sender at a time has an endpoint (`pipeline.store.outgoing`); of one edit one
message at a time is under way, in the order of the history, whatever has to be tried again. A slow receiver holds up
nobody else.
"""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline import logs
from pipeline.desk import Desk
from pipeline.errors import NotFound, StoreError
from pipeline.redacting import redacted
from pipeline.store import listening, outgoing
from pipeline.store.outgoing import Due, Load, Outcome
from pipeline.webhooks import channels, posting, schedule
from pipeline.webhooks.payloads import payload
from pipeline.webhooks.posting import Answer
from pipeline.webhooks.verifying import signed_headers

if TYPE_CHECKING:
    import httpx

AT_ONCE = 8
"""Messages under way to one receiver, each of another edit."""

KEPT_FOR = timedelta(days=7)
"""What was delivered; the history has it for good."""

_LOOK_EVERY_S = 1.0
_AGAIN_S = 5.0
_CLEAN_EVERY_S = 600.0
_FRESH_S = 20.0
"""Who had what is due in hand for longer was asleep, and asks again: another one may have it."""

_LAST_S = 3.0
_GOODBYE_S = 10.0
_GONE = "the receiver answered 410: it wants no more messages"


class Sender:
    """Sends what is due.

    Args:
        desk: Whose history is told.
        clock: Now; the database's own time if None.
        timeout_s: For each request.
    """

    def __init__(
        self, desk: Desk, *, clock: Callable[[], datetime] | None = None, timeout_s: float = posting.TIMEOUT_S
    ) -> None:
        self._desk = desk
        self._db = desk.db
        self._clock = clock
        self._timeout_s = timeout_s
        self._owner = f"sender-{uuid.uuid4().hex[:12]}"
        self._is_stopping = asyncio.Event()
        self._cleaned_at = time.monotonic()

    async def run(self) -> None:
        """Send what is due, and what becomes due, until stopped."""
        tasks: dict[str, asyncio.Task[int]] = {}
        said = ""
        while not self._is_stopping.is_set():
            pause_s = _LOOK_EVERY_S
            try:
                await self._begin(tasks)
                said = ""
            except Exception as exc:  # such as the database being away; whatever it is, others are told all the same
                pause_s = _AGAIN_S
                if str(exc) != said:
                    said = str(exc)
                    logs.say("webhooks.stopped", redacted(f"{type(exc).__name__}: {said}"), level=logging.WARNING)
            await self._rest(pause_s)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=_LAST_S)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        with suppress(StoreError):  # who cannot say so leaves it until the lease is over
            await asyncio.to_thread(outgoing.leave, self._db, owner=self._owner)

    async def once(self) -> int:
        """Send all that is due now; gives how many messages were tried."""
        tasks: dict[str, asyncio.Task[int]] = {}
        await self._begin(tasks)
        return sum(await asyncio.gather(*tasks.values()))

    def stop(self) -> None:
        """Begin nothing more; what is under way has a few seconds, and is sent again otherwise."""
        self._is_stopping.set()

    async def _begin(self, tasks: "dict[str, asyncio.Task[int]]") -> None:
        """A task for each endpoint and channel that has something due, and has none."""
        for name in [name for name, task in tasks.items() if task.done()]:
            tasks.pop(name).result()
        await asyncio.to_thread(_read_on, self._desk)
        for number in await asyncio.to_thread(outgoing.look, self._db, owner=self._owner, moment=self._moment()):
            if (name := str(number)) not in tasks:
                tasks[name] = asyncio.create_task(self._serve(number))
        for name in self._desk.settings.messages:
            if (task_name := f"messages:{name}") not in tasks:
                told = asyncio.to_thread(channels.tell, self._desk, name, owner=self._owner, moment=self._moment())
                tasks[task_name] = asyncio.create_task(told)
        if time.monotonic() - self._cleaned_at > _CLEAN_EVERY_S:
            self._cleaned_at = time.monotonic()
            before = (self._moment() or datetime.now(UTC)) - KEPT_FOR
            await asyncio.to_thread(outgoing.forget, self._db, before=before)

    async def _serve(self, number: int) -> int:
        """Send to one endpoint until nothing is due; gives how many messages were tried."""
        tried = 0
        async with posting.opened_client(allow_private=self._desk.settings.allow_private_webhooks) as client:
            while not self._is_stopping.is_set():
                asked_at = time.monotonic()
                load = await asyncio.to_thread(
                    outgoing.take, self._db, number, owner=self._owner, most=AT_ONCE, moment=self._moment()
                )
                if load is None:
                    break
                if time.monotonic() - asked_at < _FRESH_S:
                    await self._deliver(client, load)
                    tried += len(load.due)
        return tried

    async def _deliver(self, client: "httpx.AsyncClient", load: Load) -> None:
        answers = await asyncio.gather(*(self._send(client, load, due) for due in load.due))
        try:
            await asyncio.to_thread(self._book, load, answers)
        except NotFound:  # the endpoint was removed meanwhile
            return

    async def _send(self, client: "httpx.AsyncClient", load: Load, due: Due) -> Answer:
        body = payload(due, page_url=self._desk.settings.page_url)
        at = self._moment() or datetime.now(UTC)
        headers = signed_headers(load.target.secrets, message_id=due.message_id, at=at, body=body)
        return await posting.post(client, load.target.url, body, headers, timeout_s=self._timeout_s)

    def _book(self, load: Load, answers: list[Answer]) -> None:
        outcomes = [_outcome(due, answer) for due, answer in zip(load.due, answers, strict=True)]
        asked_s = [answer.retry_after_s for answer in answers if answer.retry_after_s and not answer.is_well]
        pause_s = max(asked_s, default=None)
        if not any(answer.is_well for answer in answers):
            pause_s = max(schedule.pause_s(load.target.failures + 1), pause_s or 0)
        number = load.target.id
        outgoing.book(self._db, number, outcomes, pause_s=pause_s, moment=self._moment())
        if load.target.failures == 0 and not any(answer.is_well for answer in answers):
            logs.say("webhook.failing", level=logging.WARNING, webhook=number, status=answers[0].status)
        dead = [each for each in outcomes if not each.is_delivered and each.wait_s is None]
        if dead:
            logs.say("webhook.dead", level=logging.WARNING, webhook=number, deliveries=len(dead))
        if any(answer.status == posting.GONE for answer in answers):
            outgoing.switch(self._db, number, is_on=False, because=_GONE, actor=listening.WHO_NOTES)
            logs.say("webhook.gone", level=logging.WARNING, webhook=number)

    def _moment(self) -> datetime | None:
        return None if self._clock is None else self._clock()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._is_stopping.wait(), seconds)
        except TimeoutError:
            return


@contextmanager
def sending(desk: Desk, *, until_told: bool = False) -> Iterator[None]:
    """A sender in a thread of this process, meanwhile.

    Args:
        desk: Whose history is told.
        until_told: For a run that ends: send what is due by then, too, for ten seconds at most.
    """
    if until_told and not (desk.settings.messages or outgoing.is_anywhere(desk.db)):
        yield
        return
    with suppress(StoreError):  # the database is away: the sender begins when it is back
        _read_on(desk)
    begun = threading.Event()
    held: list[tuple[asyncio.AbstractEventLoop, Sender]] = []
    thread = threading.Thread(target=_live, args=(desk, held, begun), name="webhooks", daemon=True)
    thread.start()
    begun.wait()
    try:
        yield
        if until_told:
            with suppress(StoreError):
                _say_goodbye(desk)
    finally:
        loop, sender = held[0]
        loop.call_soon_threadsafe(sender.stop)
        thread.join()


def _read_on(desk: Desk) -> None:
    """Note which batches are done by now, and let a new channel begin behind that."""
    listening.note_done(desk.db)
    if desk.settings.messages:
        listening.begin(desk.db, list(map(channels.listener, desk.settings.messages)))


def _live(desk: Desk, held: list[tuple[asyncio.AbstractEventLoop, Sender]], begun: threading.Event) -> None:
    async def live() -> None:
        sender = Sender(desk)
        held.append((asyncio.get_running_loop(), sender))
        begun.set()
        await sender.run()

    asyncio.run(live())


def _say_goodbye(desk: Desk) -> None:
    """Wait for the sender beside, as long as it has something to send."""
    until = time.monotonic() + _GOODBYE_S
    listening.note_done(desk.db)
    for name in desk.settings.messages:
        channels.tell(desk, name, owner=f"run-{uuid.uuid4().hex[:12]}", gather_s=0)
    while time.monotonic() < until and outgoing.is_under_way(desk.db):
        time.sleep(0.1)


def _outcome(due: Due, answer: Answer) -> Outcome:
    wait_s = None if answer.is_well else schedule.wait_s(due.tries + 1)
    return Outcome(due.id, answer.is_well, answer.status, answer.text, wait_s)
