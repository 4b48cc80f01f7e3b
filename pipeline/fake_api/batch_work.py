"""Carrying batches out in the background: at half price, answers in any order, and once only over any restart."""

import asyncio
import contextlib
import json
import logging
import random
import time
from typing import Any

from pipeline.fake_api.batch_lines import ENDPOINT, AskedLine, BadInput, MadeLines, read_lines
from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.image_requests import from_json
from pipeline.fake_api.openai_routes import OpenAIRoutes
from pipeline.fake_api.replies import new_request_id
from pipeline.fake_api.service import ApiError, Asked, FakeService
from pipeline.fake_api.stored_files import StoredFiles, new_id

_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_KINDS = {Fate.REFUSE_INPUT: "input", Fate.REFUSE_OUTPUT: "output"}
_TOLD = frozenset({Fate.GARBAGE, Fate.BROKEN_PICTURE})
_VALIDATING, _WORKING, _FINALIZING = 0.1, 0.8, 0.1
"""Shares of `FakeOptions.batch_s`."""
_log = logging.getLogger(__name__)


class BatchWork:
    """The batches that are under way.

    Args:
        service: Bills them.
        files: Keeps them.
        images: Makes their pictures.
    """

    def __init__(self, service: FakeService, files: StoredFiles, images: OpenAIRoutes) -> None:
        self._service = service
        self._files = files
        self._images = images
        self._open: dict[str, dict[str, Any]] = {}
        self._cancelled: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, batch: dict[str, Any]) -> None:
        """Carry a batch out, or go on with it."""
        self._files.keep("batch", batch)
        self._open[batch["id"]] = batch
        self._cancelled[batch["id"]] = asyncio.Event()
        task = asyncio.create_task(self._carry_out(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resume(self) -> None:
        """Go on with what a restart broke off."""
        for batch in self._files.all("batch"):
            if batch["status"] not in _OVER:
                self.start(batch)

    async def aclose(self) -> None:
        """Break off what is under way; a restart goes on with it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def found(self, batch_id: str) -> dict[str, Any] | None:
        """A batch as it stands now."""
        return self._open.get(batch_id) or self._files.found("batch", batch_id)

    def all(self) -> list[dict[str, Any]]:
        """Every batch as it stands now, the newest first."""
        return [self._open.get(batch["id"], batch) for batch in self._files.all("batch")]

    def cancel(self, batch: dict[str, Any]) -> None:
        """Stop a batch that is not over; what is made is kept and billed."""
        if batch["status"] in _OVER or batch["status"] == "cancelling":
            return
        self._move(batch, "cancelling")
        self._cancelled[batch["id"]].set()

    async def _carry_out(self, batch: dict[str, Any]) -> None:
        try:
            await self._go_through(batch)
        except BadInput as exc:
            self._fail(batch, exc.error)
        except Exception as exc:  # a batch that nobody works on any more must not look open for ever
            _log.exception("%s failed", batch["id"])
            self._fail(batch, {"code": "server_error", "message": str(exc), "param": None, "line": None})
        finally:
            del self._open[batch["id"]], self._cancelled[batch["id"]]

    async def _go_through(self, batch: dict[str, Any]) -> None:
        """Each state in turn, from the one that the batch is in; a cancel may come at any await."""
        if batch["status"] == "validating":
            await self._pause(batch, _VALIDATING)
            if self._service.options.batch_outcome == "failed":
                raise BadInput("invalid_json_line", "The batch was failed on demand.", 1)
        lines = await self._lines(batch)
        made = await asyncio.to_thread(MadeLines, self._files, batch["id"])
        _count(batch, made, total=len(lines))
        if batch["status"] == "validating":
            self._move(batch, "in_progress")
        if batch["status"] == "in_progress":
            await self._pause(batch, _WORKING)
            await self._make(batch, lines, made)
        if batch["status"] == "in_progress":
            self._move(batch, "finalizing")
        if batch["status"] == "finalizing":
            await self._pause(batch, _FINALIZING)
        end = "expired" if made.has_expired else "completed"
        if batch["status"] == "cancelling":
            end = "cancelled"
        self._move(batch, end, **made.publish(expires_s=self._expires_s(batch)))

    async def _lines(self, batch: dict[str, Any]) -> list[AskedLine]:
        try:
            lines = await asyncio.to_thread(read_lines, self._files.path(batch["input_file_id"]))
        except BadInput:
            if batch["status"] != "cancelling":
                raise
            return []
        # The order of the answers is not promised; the same one after a restart makes half of a batch the same half.
        random.Random(batch["id"]).shuffle(lines)  # noqa: S311
        return lines

    async def _make(self, batch: dict[str, Any], lines: list[AskedLine], made: MadeLines) -> None:
        is_to_expire = self._service.options.batch_outcome == "expired"
        last = len(lines) // 2 if is_to_expire else len(lines)
        for number, line in enumerate(lines):
            await asyncio.sleep(0)  # the quick engine never waits, and the service must go on answering
            if batch["status"] == "cancelling":
                return
            if line.custom_id in made:
                continue
            if number >= last or time.time() >= batch["expires_at"]:
                made.add(line.custom_id, _expired(line.custom_id), is_good=False)
                made.has_expired = True
            else:
                answer, is_good = await self._answer(batch, line)
                made.add(line.custom_id, answer, is_good=is_good)
            _count(batch, made, total=len(lines))

    async def _answer(self, batch: dict[str, Any], line: AskedLine) -> tuple[bytes, bool]:
        """A line of the output, or of the errors."""
        request_id = new_request_id()
        try:
            asked_body = line.body(self._files.path(batch["input_file_id"]))
            status, body = 200, await self._body(line.custom_id, asked_body, request_id)
        except ApiError as exc:
            status, body = exc.status, json.dumps({"error": exc.error}).encode()
        except Exception:  # around one line: the batch goes on
            _log.exception("line %s of %s failed", line.custom_id, batch["id"])
            status, body = 500, json.dumps({"error": self._service.failure(Fate.SERVER_ERROR, {}).error}).encode()
        head = json.dumps({"id": new_id("batch_req_"), "custom_id": line.custom_id, "error": None})[:-1]
        response = f'"response": {{"status_code": {status}, "request_id": "{request_id}", "body": '
        return b"".join((head.encode(), b", ", response.encode(), body, b"}}\n")), status == 200

    async def _body(self, custom_id: str, asked_body: Any, request_id: str) -> bytes:  # noqa: ANN401 - JSON
        service = self._service
        wanted = await from_json(asked_body, service.studio, self._files, needs_picture=True)
        fate = service.behaviour.fate(wanted.prompt) if "fake:" in wanted.prompt else Fate.ANSWER
        if fate in _KINDS:
            raise service.refusal(_KINDS[fate], {})
        if fate in (Fate.SERVER_ERROR, Fate.OVERLOADED):
            raise service.failure(fate, {})
        # A batch has no connection to drop and no rate limit.
        asked = Asked(custom_id, request_id, "", fate if fate in _TOLD else Fate.ANSWER, {})
        return await self._images.answer(asked, wanted, endpoint=ENDPOINT, is_batch=True)

    async def _pause(self, batch: dict[str, Any], share: float) -> None:
        """Take the time that a batch takes; a cancel ends it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(share * self._service.options.batch_s):
                await self._cancelled[batch["id"]].wait()

    def _expires_s(self, batch: dict[str, Any]) -> int | None:
        seconds: int | None = (batch.get("output_expires_after") or {}).get("seconds")
        return seconds

    def _fail(self, batch: dict[str, Any], error: dict[str, Any]) -> None:
        self._move(batch, "failed", errors={"object": "list", "data": [error]})

    def _move(self, batch: dict[str, Any], status: str, **values: Any) -> None:  # noqa: ANN401 - JSON
        batch |= {"status": status, f"{status}_at": int(time.time()), **values}
        self._files.keep("batch", batch)


def _count(batch: dict[str, Any], made: MadeLines, *, total: int) -> None:
    batch["request_counts"] = {"total": total, "completed": made.completed, "failed": made.failed}


def _expired(custom_id: str) -> bytes:
    message = "This request could not be executed before the completion window expired."
    error = {"code": "batch_expired", "message": message}
    answer = {"id": new_id("batch_req_"), "custom_id": custom_id, "response": None, "error": error}
    return json.dumps(answer).encode() + b"\n"
