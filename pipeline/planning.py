"""What a run would send, cost and take, before anything is sent: ``picturedesk run --dry-run``."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.desk import Desk
from pipeline.intake import batch_destinations, batch_name, read_rows
from pipeline.opening import open_provider
from pipeline.pool import WorkPool
from pipeline.providers import Provider
from pipeline.sources import is_url, stamp
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.loading import rows_to_make
from pipeline.values import EditRequest, Estimate, Instruction, ManifestRow, PictureFacts, PictureFile

_UNKNOWN_WH = (4096, 4096)
"""What is not read yet counts as large: an estimate's upper bound must hold."""


@dataclass(slots=True)
class PlanLine:
    """What goes to one model of one provider.

    Attributes:
        edits: Requests.
        images: Pictures asked for.
        tokens: The most that they can come to.
        low_microusd: The least that they can cost, as far as prices are known.
        high_microusd: The most.
        unpriced: Requests whose price is not known.
        minutes: How long the provider's limits make it take; None if no limit is known.
    """

    provider: str
    ai_model: str
    edits: int = 0
    images: int = 0
    tokens: int = 0
    low_microusd: int = 0
    high_microusd: int = 0
    unpriced: int = 0
    minutes: float | None = None


def plan(
    desk: Desk,
    manifest: Path | None,
    *,
    batch: str | None = None,
    prompt: str | None = None,
    recipe: str | None = None,
    allow_outside: bool = False,
    skip_bad: bool = False,
    destinations: Sequence[str] | None = None,
) -> list[PlanLine]:
    """What a run with these arguments would send; loads and sends nothing.

    Edits that an equal one has answered before cost nothing, and are counted here all the same.

    Raises:
        ManifestError: Rows are bad.
        PackError: There is no such destination.
    """
    requests = list(_queued(desk, batch if manifest is None else batch_name(manifest, batch)))
    if manifest is not None:
        goes = batch_destinations(desk, batch_name(manifest, batch), destinations)
        about: dict[str, Any] = {"prompt": prompt, "recipe": recipe, "allow_outside": allow_outside}
        found = read_rows(desk, manifest, **about, skip_bad=skip_bad, destinations=goes)
        rows = rows_to_make(
            desk.db,
            found.rows,
            batch_name=batch_name(manifest, batch),
            default_provider=desk.settings.provider,
            stamp=stamp,
        )
        requests += _of_rows(desk, rows)
    return _summed(desk, requests)


def plan_rows(desk: Desk, rows: Iterable[ManifestRow]) -> list[PlanLine]:
    """What these rows would send; loads and sends nothing, and fetches no URL.

    Raises:
        UsageError: A provider's settings do not fit.
    """
    return _summed(desk, _of_rows(desk, rows))


def as_json(lines: Iterable[PlanLine]) -> dict[str, Any]:
    """A plan in JSON values."""
    listed = list(lines)
    return {
        "edits": sum(line.edits for line in listed),
        "low_usd": sum(line.low_microusd for line in listed) / 1e6,
        "high_usd": sum(line.high_microusd for line in listed) / 1e6,
        "unpriced": sum(line.unpriced for line in listed),
        "providers": [
            {
                "provider": line.provider,
                "ai_model": line.ai_model,
                "edits": line.edits,
                "images": line.images,
                "tokens": line.tokens,
                "low_usd": line.low_microusd / 1e6,
                "high_usd": line.high_microusd / 1e6,
                "unpriced": line.unpriced,
                "minutes_at_the_rate_limit": line.minutes,
            }
            for line in listed
        ],
    }


def _summed(desk: Desk, requests: Iterable[tuple[str, EditRequest]]) -> list[PlanLine]:
    providers: dict[str, Provider] = {}
    lines: dict[tuple[str, str], PlanLine] = {}
    for name, request in requests:
        if name not in providers:
            providers[name] = open_provider(desk, name, WorkPool(1))
        estimate = providers[name].estimate(request)
        line = lines.setdefault((name, estimate.ai_model), PlanLine(name, estimate.ai_model))
        _add(line, estimate)
    for line in lines.values():
        line.minutes = _minutes(line, providers[line.provider])
    return [lines[key] for key in sorted(lines)]


def _add(line: PlanLine, estimate: Estimate) -> None:
    line.edits += 1
    line.images += estimate.images
    line.tokens += estimate.tokens
    if estimate.high_microusd is None or estimate.low_microusd is None:
        line.unpriced += 1
    else:
        line.low_microusd += estimate.low_microusd
        line.high_microusd += estimate.high_microusd


def _minutes(line: PlanLine, provider: Provider) -> float | None:
    limits = provider.limits
    pairs = ((line.edits, limits.requests), (line.images, limits.images), (line.tokens, limits.tokens))
    return max((amount / limit for amount, limit in pairs if limit is not None), default=None)


def _queued(desk: Desk, batch: str | None) -> Iterator[tuple[str, EditRequest]]:
    """What is queued already: of one batch, or of all if there is no manifest either."""
    known = {each.name: each.id for each in reading.batches(desk.db)}
    if batch is not None and batch not in known:
        return
    wanted = reading.EditFilter(states=frozenset({EditState.QUEUED}), batch_id=known.get(batch or ""))
    for record in reading.each_edit(desk.db, wanted):
        source = _unread(record.asset.source_uri)
        if record.asset.source is not None:
            source = PictureFile(record.asset.source, Path())
        request = EditRequest(
            name=record.title,
            source=source,
            instruction=record.instruction,
            references=tuple(map(_unread, record.references)),
            ai_model=record.ai_model,
            size=record.size,
            quality=record.quality,
            n=record.n,
        )
        yield record.provider, request
        for step in record.next_steps:
            yield record.provider, _with(request, step)


def _of_rows(desk: Desk, rows: Iterable[ManifestRow]) -> Iterator[tuple[str, EditRequest]]:
    sizes: dict[str, PictureFile] = {}
    for row in rows:
        for uri in (row.source, *row.references):
            if uri not in sizes:
                sizes[uri] = _unread(uri)
        request = EditRequest(
            name=row.asset_id,
            source=sizes[row.source],
            instruction=row.steps[0],
            references=tuple(sizes[uri] for uri in row.references),
            ai_model=row.ai_model,
            size=row.size,
            quality=row.quality,
            n=row.n,
        )
        for step in row.steps:
            yield row.provider or desk.settings.provider, _with(request, step)


def _with(request: EditRequest, step: Instruction) -> EditRequest:
    return replace(request, instruction=step)


def _unread(uri: str) -> PictureFile:
    """A picture of which only the size is known, from the head of its file."""
    size_wh = _UNKNOWN_WH
    if not is_url(uri):
        try:
            with Image.open(uri) as image:
                size_wh = image.size
        except Exception:
            size_wh = _UNKNOWN_WH
    return PictureFile(PictureFacts("", "", size_wh, 0), Path(uri))
