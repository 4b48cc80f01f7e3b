"""From an edit's row to the request that a provider sees: its pictures read, checked and kept by their sha256."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from pipeline.blobs import kept_sha256
from pipeline.desk import Desk
from pipeline.images import PictureLimits
from pipeline.keeping import keep_further, keep_source
from pipeline.pool import WorkPool
from pipeline.records import EditRecord
from pipeline.sources import ImportedSource, fetch, is_url, stamp
from pipeline.store import reading, running
from pipeline.store.journal import Journal
from pipeline.values import EditRequest, PictureFacts, PictureFile

_REMEMBERED = 256

T = TypeVar("T")


class Preparer:
    """Makes requests of rows.

    Args:
        desk: Where pictures are kept.
        pool: Where they are decoded.
        journal: Where it is written that a source was read.
        first_frame: Take the first picture of an animated source instead of refusing it.
    """

    def __init__(self, desk: Desk, pool: WorkPool, journal: Journal, *, first_frame: bool) -> None:
        self._desk = desk
        self._pool = pool
        self._journal = journal
        self._first_frame = first_frame
        self._limits = PictureLimits(
            max_bytes=int(desk.settings.max_source_mb * 1e6),
            max_pixels=int(desk.settings.max_source_megapixels * 1e6),
        )
        # Variants of a picture, and rows with the same backdrop, read its file once.
        self._sources: _Remembered[ImportedSource] = _Remembered()
        self._further: _Remembered[PictureFacts] = _Remembered()

    async def source(self, record: EditRecord) -> PictureFacts:
        """The picture that an edit starts from; the asset's source is read on its first use.

        Raises:
            PictureError: It is not a picture that the desk takes.
        """
        if record.input_sha256 is not None:
            return await asyncio.to_thread(reading.picture, self._desk.db, record.input_sha256)
        if record.asset.source is not None:
            return record.asset.source
        uri = record.asset.source_uri
        imported = await self._sources.get((uri, stamp(uri)), lambda: self._imported(uri))
        await self._journal.run(
            running.save_source,
            record.asset.id,
            original_sha256=imported.original_sha256,
            source=imported.picture,
            facts=imported.facts,
        )
        return imported.picture

    async def request(self, record: EditRecord, source: PictureFacts) -> EditRequest:
        """The request of an edit on this source.

        Raises:
            EditFailed: A mask, a markup or a reference cannot be used.
        """
        references = [await self._file(uri, "reference", None) for uri in record.references]
        asset = record.asset
        is_untouched = record.input_sha256 is None and asset.original_sha256 == source.sha256
        return EditRequest(
            name=record.title,
            source=await self._kept(source),
            instruction=record.instruction,
            source_url=asset.source_uri if is_untouched and asset.source_uri.startswith("https://") else None,
            mask=await self.mask(record, source),
            markup=await self._overlay(record.markup, "markup", source),
            references=tuple(references),
            ai_model=record.ai_model,
            size=record.size,
            quality=record.quality,
            n=record.n,
        )

    async def mask(self, record: EditRecord, source: PictureFacts) -> PictureFile | None:
        """The edit's mask, at the size of this source.

        Raises:
            EditFailed: It cannot be used.
        """
        return await self._overlay(record.mask, "mask", source)

    async def _overlay(self, path: str | None, role: str, source: PictureFacts) -> PictureFile | None:
        return None if path is None else await self._file(path, role, source.size_wh)

    async def _file(self, uri: str, role: str, size_wh: tuple[int, int] | None) -> PictureFile:
        key = (uri, stamp(uri), role, size_wh)
        return await self._kept(await self._further.get(key, lambda: self._further_picture(uri, role, size_wh)))

    async def _further_picture(self, uri: str, role: str, size_wh: tuple[int, int] | None) -> PictureFacts:
        data = await self._fetched(uri)
        return await self._pool.run(keep_further, data, uri, role, size_wh, self._desk.blobs.place, self._limits)

    async def _imported(self, uri: str) -> ImportedSource:
        data = await self._fetched(uri)
        return await self._pool.run(keep_source, data, uri, self._desk.blobs.place, self._limits, self._first_frame)

    async def _fetched(self, uri: str) -> bytes | None:
        if (sha256 := kept_sha256(uri)) is not None:
            return await asyncio.to_thread(self._desk.blobs.read, sha256, "image/png")
        if not is_url(uri):
            return None
        return await fetch(uri, self._limits, allow_private=self._desk.settings.allow_private_sources)

    async def _kept(self, facts: PictureFacts) -> PictureFile:
        """A stored picture; on this machine by now, since a provider reads it while others wait."""
        await asyncio.to_thread(self._desk.blobs.fetch, facts.sha256, facts.media_type)
        return self._desk.blobs.picture(facts)


def sent_content(
    request: EditRequest, *, provider: str, version: str, variant: str, round_number: int, keeps_outside: bool = False
) -> dict[str, Any]:
    """All that an answer depends on, pictures by their sha256: what is kept of a request, and names it."""
    return {
        "source": _sha256(request.source),
        "prompt": request.instruction.prompt,
        "operations": [dict(operation) for operation in request.instruction.operations],
        "mask": _sha256(request.mask),
        "markup": _sha256(request.markup),
        "references": [_sha256(reference) for reference in request.references],
        "provider": provider,
        "version": version,
        "ai_model": request.ai_model,
        "size": request.size,
        "quality": request.quality,
        "n": request.n,
        "variant": variant,
        "round": round_number,
        **({"keeps_outside": True} if keeps_outside else {}),
    }


def request_key(content: dict[str, Any]) -> str:
    """Names a request by its content: equal keys need one request, and one payment."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class _Remembered(Generic[T]):
    """The last results by key; whoever asks for one that is being made waits for it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, asyncio.Future[T]] = OrderedDict()

    async def get(self, key: Any, make: Callable[[], Awaitable[T]]) -> T:  # noqa: ANN401 - any hashable
        known = self._kept.get(key)
        if known is None:
            known = asyncio.ensure_future(make())
            self._kept[key] = known
            known.add_done_callback(lambda done: self._forget_failure(key, done))
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        return await asyncio.shield(known)

    def _forget_failure(self, key: Any, done: "asyncio.Future[T]") -> None:  # noqa: ANN401
        if (done.cancelled() or done.exception() is not None) and self._kept.get(key) is done:
            del self._kept[key]


def _sha256(picture: PictureFile | None) -> str | None:
    return None if picture is None else picture.facts.sha256
