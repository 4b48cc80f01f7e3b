"""Pictures at OpenAI's Files API: sent once for each content and key, and named by id in every edit, variant and round.

``vision`` is the purpose; which purpose an edit's ``file_id`` needs is published nowhere (2026-11-20). Files are kept
for 30 days, the longest that ``expires_after`` takes; both of its keys must be sent (careme issue 769).
"""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

import httpx

from pipeline.errors import EditFailed
from pipeline.providers import Memory
from pipeline.providers.openai.faults import free_fault
from pipeline.providers.wire import Service, ask, json_body
from pipeline.values import PictureFile

KEPT_S = 2_592_000
_MARGIN = timedelta(hours=1)
"""A file that is about to expire is sent again, so that no edit finds it gone."""

GONE = frozenset({"file_not_found", "invalid_file_id", "not_found"})
"""What the service says of a file that it does not have; three spellings were seen."""

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class Uploads:
    """Which pictures the service has already.

    Args:
        client: Knows the service.
        service: Where they go.
        memory: Keeps their ids from run to run.
    """

    def __init__(self, client: httpx.AsyncClient, service: Service, memory: Memory) -> None:
        self._client = client
        self._service = service
        self._memory = memory
        # Ids are an account's own: another key, or another server, starts anew.
        self._account = hashlib.sha256(f"{service.base_url}\n{service.key}".encode()).hexdigest()[:16]
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def id_of(self, picture: PictureFile) -> str:
        """The picture's file id; it is sent if the service does not have it.

        Raises:
            EditError: It could not be sent; nothing was billed.
        """
        name = self._name(picture.facts.sha256)
        async with self._locks.setdefault(name, asyncio.Lock()):
            known = await self._memory.recall(name)
            return known or await self._send(picture, name)

    async def forget(self, picture: PictureFile) -> None:
        """The service does not have it any more."""
        await self._memory.remember(self._name(picture.facts.sha256), "", expires_at=datetime.now(UTC))

    async def forget_id(self, file_id: str) -> None:
        """The service does not have the picture of this id any more, whichever it was."""
        sha256 = await self._memory.recall(self._name(file_id))
        if sha256:
            await self._memory.remember(self._name(sha256), "", expires_at=datetime.now(UTC))

    def _name(self, sha256: str) -> str:
        return f"file:{self._account}:{sha256}"

    async def _send(self, picture: PictureFile, name: str) -> str:
        facts = picture.facts
        file_name = f"{facts.sha256[:16]}.{SUFFIXES[facts.media_type]}"
        response = await ask(
            self._client,
            self._service,
            "POST",
            "/files",
            data={"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": str(KEPT_S)},
            files={"file": (file_name, picture.read(), facts.media_type)},
        )
        if response.status_code != httpx.codes.OK:
            service = self._service
            raise free_fault(response, service.provider, key_variable=service.key_variable, key=service.key)
        body = json_body(response)
        file_id = body.get("id") if isinstance(body, dict) else None
        if not isinstance(file_id, str) or not file_id:
            raise EditFailed("bad_answer", f"{self._service.provider} took a picture and gave no file id; try again")
        expires_at = body.get("expires_at")
        until = datetime.fromtimestamp(expires_at, UTC) if isinstance(expires_at, int) else _in_time()
        await self._memory.remember(name, file_id, expires_at=until - _MARGIN)
        await self._memory.remember(self._name(file_id), facts.sha256, expires_at=until)
        return file_id


def _in_time() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=KEPT_S)
