"""The provider ``openai-batch``: many edits in one batch, at half price, answered within a day.

Edits that are asked for together are gathered into one file of JSON lines, pictures named by file id. A batch takes
50,000 lines and 200 MB (openai 3.52.0, 2026-11-20); what is more goes into the next one. An edit's task id is the
batch's id and its own name in it, so a restart asks for the answer; and a request that a crash cut off is looked for
in the batches that the service has. No public worked example of edits in a batch was found (2026-11-20).
"""

import asyncio
import json
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import Field

from pipeline.errors import AnswerLost, CannotAsk, EditError, EditFailed, EditRefused, RetryLater
from pipeline.providers import Tools
from pipeline.providers.openai.files import GONE
from pipeline.providers.openai.images import OpenAIOptions, OpenAIProvider
from pipeline.providers.wire import ask, json_body, shortened
from pipeline.values import EditRequest, EditResult, Handle, Instruction

ENDPOINT = "/v1/images/edits"
MAX_LINES = 50_000
MAX_BYTES = 200_000_000

_MARK = "picturedesk"
"""The key in a batch's metadata that tells our batches from others."""

_OPEN = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_PAGE = 100
_UNKNOWN = "batch_unknown"
_SEARCHES = 5
_FILE_ID = re.compile(r"\bfile-\w+")
_TOO_MUCH = "token_limit_exceeded"
_QUEUE_FULL_S = 300.0


class OpenAIBatchOptions(OpenAIOptions):
    """The table ``[providers.openai-batch]``, which begins as ``[providers.openai]``.

    Attributes:
        gather_s: A batch is sent when no further edit has come for so long.
        poll_s: Seconds between two questions about a batch.
        max_lines: Edits in one batch at most.
    """

    gather_s: float = Field(default=5, gt=0)
    poll_s: float = Field(default=30, gt=0)
    max_lines: int = Field(default=MAX_LINES, ge=1, le=MAX_LINES)
    max_in_flight: int | None = Field(default=20_000, ge=1)


@dataclass(slots=True)
class _Line:
    """One edit on its way into a batch."""

    client_id: str
    ai_model: str
    data: bytes
    handle: "asyncio.Future[Handle]"

    def named(self, batch_id: str) -> Handle:
        """Its task id: the batch, its name in it, and the model that its price depends on."""
        return Handle(f"{batch_id}/{self.client_id}/{self.ai_model}")


@dataclass(slots=True)
class _Batch:
    """What is known of a batch, and where its answers are."""

    asked_at: float = -1e9
    status: str = ""
    problem: EditError | None = None
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    file: Path | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class OpenAIBatchProvider(OpenAIProvider):
    """Edits by OpenAI's Batch API."""

    name = "openai-batch"
    options_kind = OpenAIBatchOptions
    is_batch = True

    def __init__(
        self, options: Mapping[str, Any], tools: Tools, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(options, tools, transport)
        assert isinstance(self.options, OpenAIBatchOptions)
        self._gather_s = self.options.gather_s
        self._max_lines = self.options.max_lines
        self.poll_s = self.options.poll_s
        self._waiting: list[_Line] = []
        self._last_came = 0.0
        self._sender: asyncio.Task[None] | None = None
        self._batches: dict[str, _Batch] = {}
        self._sent: dict[str, str] | None = None
        self._searching = asyncio.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="picturedesk-batch-")
        self._files = asyncio.Semaphore(8)

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Put one edit into the next batch; answers when the batch is made."""
        self.check_key()
        async with self._files:  # holds the pixels of a few pictures at once, however many edits wait
            body = await self.json_form(request)
        line = {"custom_id": request.client_id, "method": "POST", "url": ENDPOINT, "body": body}
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        handle: asyncio.Future[Handle] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Line(request.client_id, self.ai_model(request), data, handle))
        self._last_came = time.monotonic()
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_when_quiet())
        return await handle

    async def poll(self, handle: Handle) -> EditResult | None:
        """The answer, once the batch has ended."""
        batch_id, client_id, ai_model = handle.task_id.split("/", 2)
        batch = await self._looked_at(batch_id, client_id)
        if not batch.status or batch.status in _OPEN:
            return None
        place = batch.answers.get(client_id)
        if place is None:
            raise _unanswered(batch.status, batch_id)
        assert batch.file is not None
        line = await asyncio.to_thread(_line_at, batch.file, place)
        try:
            return self._answer(line, EditRequest(client_id, None, Instruction(""), ai_model=ai_model))
        except EditFailed as exc:
            lost = _FILE_ID.findall(str(exc)) if exc.code in GONE else []
            for file_id in lost:
                await self.uploads.forget_id(file_id)
            if lost:
                message = f"{self.name} does not have an uploaded picture any more; it is sent anew"
                raise RetryLater("file_gone", message, retry_after_s=0) from exc
            raise

    async def _looked_at(self, batch_id: str, client_id: str) -> _Batch:
        """What is known of a batch, asked anew if that is due.

        Raises:
            CannotAsk: Nobody can be asked now, or it is another account's.
            EditError: The batch as a whole came to nothing.
        """
        batch = self._batches.setdefault(batch_id, _Batch())
        async with batch.lock:
            if time.monotonic() - batch.asked_at >= self.poll_s / 2 and not batch.answers and batch.problem is None:
                try:
                    await self._look_at(batch_id, batch)
                except RetryLater as exc:
                    raise CannotAsk(exc.code, str(exc)) from exc
        if batch.problem is None:
            return batch
        if batch.problem.code == _UNKNOWN and not self.is_ours(client_id):
            raise CannotAsk(
                "other_account",
                f"the batch {batch_id} was ordered with another key, or elsewhere; run again with that one",
                is_hopeless=True,
            )
        raise batch.problem

    async def find(self, client_id: str) -> Handle | None:
        """The batch that holds the request, or the certainty that none does.

        Raises:
            RetryLater: No batch holds it: it never left.
            CannotAsk: The batches cannot be read now.
        """
        async with self._searching:
            if self._sent is None:
                try:
                    self._sent = await self._sent_before()
                except RetryLater as exc:
                    raise CannotAsk(exc.code, str(exc)) from exc
        task_id = self._sent.get(client_id)
        if task_id is None and not self.is_ours(client_id):
            return None  # another account's list may have it
        if task_id is None:
            raise RetryLater("never_sent", "no batch holds this edit: it never left", retry_after_s=0)
        return Handle(task_id)

    async def aclose(self) -> None:
        """Close the connections, and remove what was downloaded."""
        if self._sender is not None:
            self._sender.cancel()
        for line in self._waiting:
            line.handle.cancel()
        await super().aclose()
        self._folder.cleanup()

    # Sending.

    async def _send_when_quiet(self) -> None:
        while self._waiting:
            quiet_s = time.monotonic() - self._last_came
            if quiet_s < self._gather_s and not self._is_full():
                await asyncio.sleep(min(self._gather_s - quiet_s, 0.2))
                continue
            lines = self._take()
            try:
                batch_id = await self._create(lines)
            except asyncio.CancelledError:
                for line in lines:
                    line.handle.cancel()
                raise
            except Exception as exc:  # every edit of the batch learns of it, and says it in its own name
                for line in lines:
                    if not line.handle.done():
                        line.handle.set_exception(exc)
                continue
            for line in lines:
                if not line.handle.done():
                    line.handle.set_result(line.named(batch_id))

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._max_lines or sum(len(line.data) for line in self._waiting) >= MAX_BYTES

    def _take(self) -> list[_Line]:
        """As many of the waiting edits as one batch takes."""
        taken, size = 0, 0
        for line in self._waiting[: self._max_lines]:
            size += len(line.data)
            if size > MAX_BYTES and taken:
                break
            taken += 1
        lines, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return lines

    async def _create(self, lines: list[_Line]) -> str:
        response = await ask(
            self.client,
            self.service,
            "POST",
            "/files",
            data={"purpose": "batch"},
            files={"file": ("edits.jsonl", b"".join(line.data for line in lines), "application/jsonl")},
        )
        file_id = self._text(response, "id", self.free_fault)
        order = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {_MARK: lines[0].client_id},
        }
        try:
            response = await ask(self.client, self.service, "POST", "/batches", json=order)
            return self._text(response, "id", self.fault)
        except RetryLater as exc:
            if exc.code in ("not_reached", "rate_limited"):
                raise
            problem = AnswerLost("answer_lost", f"{self.name}: whether the batch was made is not known")
        except AnswerLost as exc:
            problem = exc
        batch_id = await self._ordered(lines[0].client_id)
        if batch_id is None:
            raise problem
        return batch_id

    async def _ordered(self, mark: str) -> str | None:
        """The batch whose order was answered with nothing of use: it may have been made all the same."""
        for _ in range(_SEARCHES):
            await asyncio.sleep(self.poll_s)
            try:
                response = await ask(self.client, self.service, "GET", "/batches", params={"limit": _PAGE})
            except RetryLater:
                continue
            page = json_body(response)
            entries = page.get("data", []) if isinstance(page, dict) else []
            for entry in entries:
                if (entry.get("metadata") or {}).get(_MARK) == mark:
                    return str(entry["id"])
        return None

    def _text(self, response: httpx.Response, name: str, fault: Callable[[httpx.Response], EditError]) -> str:
        if response.status_code != httpx.codes.OK:
            raise fault(response)
        body = json_body(response)
        value = body.get(name) if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            raise EditFailed("bad_answer", f"{self.name} answered without {name}; try again later")
        return value

    # Answers.

    async def _look_at(self, batch_id: str, batch: _Batch) -> None:
        response = await ask(self.client, self.service, "GET", f"/batches/{batch_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            batch.problem = AnswerLost(_UNKNOWN, f"{self.name} does not know the batch {batch_id} any more")
            return
        if response.status_code != httpx.codes.OK:
            raise _no_verdict(self.free_fault(response))
        body = json_body(response)
        if not isinstance(body, dict) or not isinstance(body.get("status"), str):
            return
        batch.asked_at = time.monotonic()
        if body["status"] == "failed":
            batch.problem = _failed(body, batch_id)
        elif body["status"] not in _OPEN:
            try:
                await self._download(batch_id, batch, [body.get("output_file_id"), body.get("error_file_id")])
            except AnswerLost as exc:
                batch.problem = exc
        batch.status = body["status"]

    async def _download(self, batch_id: str, batch: _Batch, file_ids: list[Any]) -> None:
        """Fetch the answers into a file, line by line, and note where each one is."""
        answers: dict[str, tuple[int, int]] = {}
        path = Path(self._folder.name) / batch_id.replace("/", "_")
        with path.open("wb") as file:
            for file_id in file_ids:
                if not isinstance(file_id, str) or not file_id:
                    continue
                try:
                    async with self._lines(file_id) as lines:
                        async for line in lines:
                            client_id = _custom_id(line)
                            if client_id:
                                answers[client_id] = (file.tell(), len(line))
                                file.write(line)
                except EditFailed as exc:
                    raise _no_verdict(exc) from exc
        batch.answers, batch.file = answers, path

    @asynccontextmanager
    async def _lines(self, file_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a file at the service, however long it is."""
        try:
            async with self.client.stream("GET", f"/files/{file_id}/content") as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise self.free_fault(response)
                yield _split(response.aiter_bytes())
        except (httpx.HTTPError, OSError) as exc:
            message = f"{self.name}: the answers could not be fetched"
            raise RetryLater("not_fetched", message, retry_after_s=self.poll_s) from exc

    def _answer(self, line: bytes, request: EditRequest) -> EditResult:
        data = json.loads(line)
        response = data.get("response") or {}
        status = int(response.get("status_code") or 0)
        request_id = str(response.get("request_id") or "")
        body = response.get("body") or {}
        if status == httpx.codes.OK:
            return self.read_answer(body, request, request_id)
        error = data.get("error")
        if isinstance(error, dict) and error.get("code") == "batch_expired":
            raise RetryLater("batch_expired", "the batch expired before this edit", retry_after_s=0)
        if error:
            body, status = {"error": error}, status or 400
        raise _of_line(self.fault(httpx.Response(status or 400, json=body)))

    # After a crash.

    async def _sent_before(self) -> dict[str, str]:
        """The task ids of all edits that our batches hold, by our names for them."""
        found: dict[str, str] = {}
        after = ""
        while True:
            query = {"limit": _PAGE, **({"after": after} if after else {})}
            response = await ask(self.client, self.service, "GET", "/batches", params=query)
            if response.status_code != httpx.codes.OK:
                raise _no_verdict(self.free_fault(response))
            page = json_body(response)
            entries = page.get("data", []) if isinstance(page, dict) else []
            for entry in entries:
                if _MARK in (entry.get("metadata") or {}):
                    await self._read_sent(entry, found)
            if not entries or not page.get("has_more"):
                return found
            after = entries[-1]["id"]

    async def _read_sent(self, entry: Mapping[str, Any], found: dict[str, str]) -> None:
        """The edits of one of our batches; one so old that its lines are gone is nobody's that waits."""
        try:
            async with self._lines(entry["input_file_id"]) as lines:
                async for line in lines:
                    client_id, ai_model = _custom_id(line), json.loads(line)["body"]["model"]
                    found.setdefault(client_id, f"{entry['id']}/{client_id}/{ai_model}")
        except EditFailed as exc:
            if exc.code not in GONE:
                raise


async def _split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Bytes into lines; holds one line at a time."""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            line = bytes(rest[: end + 1])
            del rest[: end + 1]
            if line.strip():
                yield line
    if rest.strip():
        yield bytes(rest)


def _custom_id(line: bytes) -> str:
    try:
        data = json.loads(line)
    except ValueError:
        return ""
    return str(data.get("custom_id") or "") if isinstance(data, dict) else ""


def _line_at(path: Path, place: tuple[int, int]) -> bytes:
    start, length = place
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _failed(body: Mapping[str, Any], batch_id: str) -> EditError:
    errors = (body.get("errors") or {}).get("data") or [{}]
    code, message = str(errors[0].get("code") or ""), shortened(str(errors[0].get("message") or "no reason given"))
    if code == _TOO_MUCH:
        return RetryLater(code, f"the account's batch queue is full ({message})", retry_after_s=_QUEUE_FULL_S)
    return EditFailed(
        code or "batch_failed",
        f"the batch {batch_id} was not accepted ({message}); nothing was billed. Mend it, and use --retry-failed",
    )


def _unanswered(status: str, batch_id: str) -> EditError:
    """An edit whose batch ended without it: it was not made, and is not billed (help article 9197833)."""
    if status == "expired":
        return RetryLater("batch_expired", f"the batch {batch_id} expired before this edit", retry_after_s=0)
    if status == "cancelled":
        return EditFailed("batch_cancelled", f"the batch {batch_id} was cancelled; send again with --retry-failed")
    return AnswerLost("answer_missing", f"the batch {batch_id} ended and has no answer for this edit")


def _no_verdict(error: EditError) -> EditError:
    """A refusal to tell about a batch says nothing of its edits: they may have been made and billed."""
    if isinstance(error, EditFailed | EditRefused):
        return AnswerLost(
            "answers_gone", f"the batch's answers are not to be had any more ({error.code}); they may have been billed"
        )
    return error


def _of_line(error: EditError) -> EditError:
    """An error line of a batch was not billed, so one that nobody is to blame for may be sent again."""
    if isinstance(error, AnswerLost):
        return RetryLater(error.code, f"{error} (in a batch)", retry_after_s=0)
    return error
