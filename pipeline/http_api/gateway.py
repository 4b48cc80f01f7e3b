"""Edits that come as a program would send them to OpenAI: put into a batch of the day, and told when a person approved.

An equal request by the same caller within 24 hours is the same edit: a client that sends it again because its
connection broke pays for it once. Under an idempotency key of its own it is another one.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline import uploads
from pipeline.desk import Desk
from pipeline.errors import NotFound, RowsRefused
from pipeline.http_api import once, submitting
from pipeline.http_api.once import Named
from pipeline.http_api.shapes import Prompt, Shape, Text, Upload, Uploaded, Url, Word, read_data_url
from pipeline.images import converted
from pipeline.manifest import MAX_OUTPUTS, read_json
from pipeline.people import Person
from pipeline.prices import published
from pipeline.records import EditRecord, OutputRecord
from pipeline.states import DecisionKind, EditState, Role
from pipeline.store import reading

OWN = "picturedesk"
"""Of the desk's usual provider; ``picturedesk/RECIPE`` for a recipe."""

BATCH = "gateway"

_MOST_IMAGES = 16
_TASK = "task_"
_BLOCKED = "moderation_blocked"

_FIELDS = {
    **{name: f"/{name}" for name in ("prompt", "size", "quality", "n", "mask")},
    **dict.fromkeys(("recipe", "parameters"), "/prompt"),
    **dict.fromkeys(("provider", "ai_model"), "/model"),
}
"""Where a request says what a column says."""


class Order(Shape):
    """What an edit is asked for with; a field that could not be carried out is not taken.

    What stands for nothing here, as ``background=auto``, is taken as that.
    """

    prompt: Prompt = ""
    model: Word = OWN
    n: Annotated[int, Field(ge=1, le=MAX_OUTPUTS)] = 1
    size: Word = "auto"
    quality: Word = "auto"
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] | None = None
    user: Word = ""
    safety_identifier: Word = ""
    background: Literal["auto"] = "auto"


class GatewayForm(Order):
    """``POST /v1/images/edits`` as the official client sends it."""

    image: Annotated[list[Upload], Field(min_length=1, max_length=_MOST_IMAGES)]
    mask: Upload | None = None
    stream: Literal["false"] = "false"

    place: ClassVar[str] = "/image"

    def pictures(self) -> list[Uploaded | str]:
        """What is to be edited first, then further pictures."""
        return [_uploaded(each, f"image-{number}.png") for number, each in enumerate(self.image, start=1)]

    def masked(self) -> Uploaded | None:
        """Where it is to be edited."""
        return None if self.mask is None else _uploaded(self.mask, "mask.png")


class ImageLink(Shape):
    """A picture, as a data URL or at a public https address."""

    image_url: Annotated[bytes | Url, BeforeValidator(read_data_url)] | None = None
    file_id: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.file_id is not None:
            raise ValueError("this desk has no files of OpenAI's; send image_url, a data URL or a public https one")
        if self.image_url is None:
            raise ValueError("expected image_url")
        return self


class GatewayJson(Order):
    """The same as JSON (EditImageBodyJsonParam of openai-openapi, read on 2026-11-20)."""

    images: Annotated[list[ImageLink], Field(min_length=1, max_length=_MOST_IMAGES)]
    mask: ImageLink | None = None
    stream: Literal[False] = False

    place: ClassVar[str] = "/images"

    @field_validator("mask")
    @classmethod
    def _readable(cls, mask: ImageLink | None) -> ImageLink | None:
        if mask is not None and isinstance(mask.image_url, str):
            raise ValueError("expected a data URL; a mask is not fetched")
        return mask

    def pictures(self) -> list[Uploaded | str]:
        """What is to be edited first, then further pictures; what is to be fetched by its address."""
        return [_linked(each, f"image-{number}.png") for number, each in enumerate(self.images, start=1)]

    def masked(self) -> Uploaded | None:
        """Where it is to be edited."""
        found = None if self.mask is None else _linked(self.mask, "mask.png")
        return None if isinstance(found, str) else found


class TaskState(StrEnum):
    """How a task stands, in the words of OpenOctopus (openoctopus.com/docs, read on 2026-11-20)."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an edit has no approved picture.

    Attributes:
        code: A stable name.
        type: As OpenAI's errors have it.
    """

    code: str
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Task:
    """An edit that somebody asked the gateway for.

    Attributes:
        id: Its name.
        edit: The last round on it, with its state.
        ending: Why it ended without a picture; None if it did not.
    """

    id: str
    edit_id: int
    edit_state: EditState
    state: TaskState
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An approved picture.

    Attributes:
        data: As the provider made it, unless another kind of file was asked for.
        usage: Tokens of all rounds on it, by the names of `pipeline.prices.UNITS`.
    """

    edit: EditRecord
    data: bytes
    media_type: str
    size_wh: tuple[int, int]
    sha256: str
    usage: Mapping[str, int]
    is_converted: bool


def order(desk: Desk, form: GatewayForm | GatewayJson, *, key: str | None, by: Person) -> Task:
    """Put an edit into the batch of the day; one that is equal to another of the last 24 hours is that.

    Args:
        desk: The desk.
        form: What is asked for.
        key: The caller's own name for it.
        by: Who asks.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such model.
        KeyTaken: The key belongs to another request.
        RowsRefused: Its pictures or options are none that the desk takes.
        UsageError: It says what cannot be.
    """
    by.need(Role.REQUESTER, "order edits")
    row = {**_instruction(desk, form), **_options(form)}
    pictures, mask = form.pictures(), form.masked()
    sha256 = _digest(row, pictures, mask, key=key, by=by)
    named = Named(by.name, key or f"gateway {sha256}", sha256)
    name = f"request-{sha256[:20]}"
    before = once.known(desk, named)
    if before is not None and (found := _still(desk, int(before.body), name)):
        return found
    row |= {"asset_id": name}
    row |= {name: said for name in ("user", "safety_identifier") if (said := getattr(form, name))}
    batch = f"{BATCH} {datetime.now(UTC):%Y-%m-%d}"
    prepared = submitting.prepare_one(
        desk, batch, row, pictures=pictures, mask=mask, at=form.place, fields=_FIELDS, by=by
    )

    def submitted() -> int:
        return submitting.submit(desk, prepared, by=by).items[0].edit

    if before is not None:
        return _task(desk, submitted())
    try:
        kept, _ = once.carry_out(desk, named, lambda: (202, str(submitted())))
    finally:
        uploads.discard(prepared.draft)
    return _task(desk, int(kept.body))


def task(desk: Desk, task_id: str, *, by: Person) -> Task:
    """How an edit stands that was ordered.

    Raises:
        Forbidden: The person may not.
        NotFound: There is none of that name.
    """
    by.need(Role.VIEWER, "see edits")
    number = task_id.removeprefix(_TASK)
    if task_id == number or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise NotFound(f"task {task_id[:40]!r}: this desk has none of that name")
    return _task(desk, int(number))


def result(desk: Desk, found: Task, *, output_format: str | None, by: Person) -> Result:
    """The approved picture of a task that succeeded.

    Args:
        desk: The desk.
        found: The task.
        output_format: png, jpeg or webp; as it is if None.
        by: Who asks.

    Raises:
        Forbidden: The person may not.
        NotFound: The approval was taken back meanwhile.
    """
    by.need(Role.VIEWER, "see pictures")
    edit = reading.edit(desk.db, found.edit_id)
    output = _accepted(edit)
    facts = output.picture
    data, media_type = desk.blobs.read(facts.sha256, facts.media_type), facts.media_type
    wanted = media_type if output_format is None else f"image/{output_format}"
    return Result(
        edit=edit,
        data=data if wanted == media_type else converted(data, wanted),
        media_type=wanted,
        size_wh=facts.size_wh,
        sha256=facts.sha256,
        usage=_usage(desk, edit),
        is_converted=wanted != media_type,
    )


def models(desk: Desk, *, by: Person) -> list[str]:
    """What can be asked for as a model.

    Raises:
        Forbidden: The person may not.
    """
    by.need(Role.VIEWER, "see models")
    usual = [f"{name}/{each}" for name in uploads.providers(desk) for each in _models_of(desk, name)]
    return [OWN, *(f"{OWN}/{name}" for name in sorted(desk.recipes)), *usual]


# What is asked for.


def _instruction(desk: Desk, form: Order) -> dict[str, Any]:
    """By the model: a recipe with parameters, or the prompt at a provider's model.

    Raises:
        NotFound: There is no such model.
        RowsRefused: There is no prompt, or a recipe got one.
    """
    first, _, rest = form.model.partition("/")
    if first == OWN and rest:
        if rest not in desk.recipes:
            raise NotFound(f"model {form.model!r}: this desk has no recipe {rest!r}; see GET /v1/models")
        return {"recipe": rest, "parameters": _parameters(form, rest)}
    if not form.prompt.strip():
        raise RowsRefused([("/prompt", "found nothing; expected what to do")])
    if first == OWN:
        return {"prompt": form.prompt}
    if rest and first in uploads.providers(desk):
        return {"prompt": form.prompt, "provider": first, "ai_model": rest}
    for name in uploads.providers(desk):
        if form.model in _models_of(desk, name):
            return {"prompt": form.prompt, "provider": name, "ai_model": form.model}
    raise NotFound(f"model {form.model!r}: this desk knows none of that name; see GET /v1/models")


def _parameters(form: Order, recipe: str) -> dict[str, str]:
    """Of a recipe, which says itself what to do: a JSON object as the prompt."""
    if not form.prompt.strip():
        return {}
    try:
        found = read_json(form.prompt)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        why = (
            f"the recipe {recipe} says itself what to do; send an empty prompt, or its parameters as a JSON object; or "
            f"leave it to the prompt with model {OWN!r}"
        )
        raise RowsRefused([("/prompt", why)])
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _options(form: Order) -> dict[str, Any]:
    said = {"size": form.size, "quality": form.quality}
    return {**{name: value for name, value in said.items() if value != "auto"}, "n": form.n}


def _models_of(desk: Desk, provider: str) -> list[str]:
    """What a provider is asked for by settings or prices."""
    own = str(desk.settings.options_of(provider).get("ai_model") or "")
    priced = {name for price in published() if price.provider == provider for name in price.ai_models}
    return sorted({*priced, *([own] if own else ())})


def _uploaded(upload: Any, otherwise: str) -> Uploaded:  # noqa: ANN401 - a form's file
    return upload.filename or otherwise, upload.file


def _linked(link: ImageLink, name: str) -> Uploaded | str:
    return link.image_url if isinstance(link.image_url, str) else (name, io.BytesIO(link.image_url or b""))


def _digest(
    row: Mapping[str, Any],
    pictures: Sequence[Uploaded | str],
    mask: Uploaded | None,
    *,
    key: str | None,
    by: Person,
) -> str:
    """The same for an equal request of the same caller; a mask is none of its pictures."""
    said = [[each] if isinstance(each, str) else _sha256(each) for each in pictures]
    whole = [by.name, key, row, said, mask and _sha256(mask)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _sha256(uploaded: Uploaded) -> str:
    _, file = uploaded
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it can be read
    file.seek(0)
    return found


# What became of it.


def _still(desk: Desk, edit_id: int, name: str) -> Task | None:
    """What an equal request came to; None if it was cancelled or erased since, and may be asked for again."""
    found = _task(desk, edit_id)
    is_erased = reading.edit(desk.db, edit_id).asset.name != name
    return None if is_erased or found.state is TaskState.CANCELLED else found


def _task(desk: Desk, edit_id: int) -> Task:
    last = reading.last_round(desk.db, edit_id)
    if last is None:
        raise NotFound(f"task {_TASK}{edit_id}: this desk has none of that name")
    number, state = last
    name = f"{_TASK}{edit_id}"
    match state:
        case EditState.APPROVED:
            return Task(name, number, state, TaskState.SUCCEEDED)
        case EditState.REJECTED | EditState.REFUSED | EditState.FAILED:
            return Task(name, number, state, TaskState.FAILED, _ending(desk, number))
        case EditState.CANCELLED:
            ending = Ending("cancelled", "invalid_request_error", f"edit {number} was cancelled; send it again")
            return Task(name, number, state, TaskState.CANCELLED, ending)
        case EditState.QUEUED:
            return Task(name, number, state, TaskState.QUEUED)
        case _:
            return Task(name, number, state, TaskState.IN_PROGRESS)


def _ending(desk: Desk, edit_id: int) -> Ending:
    edit = reading.edit(desk.db, edit_id)
    if edit.state is EditState.REFUSED:
        code = edit.error_code or _BLOCKED
        kind = "image_generation_user_error" if code == _BLOCKED else "invalid_request_error"
        return Ending(code, kind, edit.error or "the provider refused it")
    if edit.state is EditState.FAILED:
        return Ending(edit.error_code or "failed", "invalid_request_error", edit.error or "it could not be made")
    said = [each for each in reading.decisions(desk.db, [edit_id]) if each.kind is DecisionKind.REJECT]
    why = ": ".join(filter(None, (said[-1].reason, said[-1].note))) if said else ""
    message = f"a reviewer rejected edit {edit_id}{f' ({why})' if why else ''}; change the prompt, and send it again"
    return Ending("rejected_by_reviewer", "image_generation_user_error", message)


def _accepted(edit: EditRecord) -> OutputRecord:
    for output in edit.outputs:
        if output.id == edit.accepted_output_id and edit.state is EditState.APPROVED:
            return output
    raise NotFound(f"edit {edit.id}: it is {edit.state} and has no approved picture; ask for its task")


def _usage(desk: Desk, edit: EditRecord) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in reading.rounds(desk.db, edit.asset.id):
        for attempt in reading.attempts(desk.db, each.id):
            for unit, amount in attempt.usage.items():
                sums[unit] = sums.get(unit, 0) + amount
    return sums
