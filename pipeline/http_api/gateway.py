"""Edits that come as a program would send them to OpenAI: put into a batch of the day, and told when a person approved.

An equal request by the same caller within a day, in UTC, is the same edit: a client that sends it again because its
connection broke pays for it once. Under an idempotency key of its own it is another one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline import uploads
from pipeline.desk import Desk
from pipeline.errors import NotFound, UsageError
from pipeline.http_api import submitting
from pipeline.http_api.shapes import Prompt, Shape, Upload, Uploaded, Word
from pipeline.images import converted
from pipeline.manifest import MAX_OUTPUTS, MAX_PROMPT, read_json
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


class GatewayForm(Shape):
    """``POST /v1/images/edits`` as the official client sends it; a field that could not be carried out is not taken.

    What stands for nothing here, as ``background=auto``, is taken as that.
    """

    image: Annotated[list[Upload], Field(min_length=1, max_length=_MOST_IMAGES)]
    prompt: Annotated[Prompt, Field(max_length=MAX_PROMPT)] = ""
    model: Word = OWN
    mask: Upload | None = None
    n: Annotated[int, Field(ge=1, le=MAX_OUTPUTS)] = 1
    size: Word = "auto"
    quality: Word = "auto"
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] | None = None
    user: Word = ""
    background: Literal["auto"] = "auto"
    stream: Literal["false"] = "false"


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


def order(desk: Desk, form: GatewayForm, *, key: str | None, by: Person) -> Task:
    """Put an edit into the batch of the day; an equal one is the same.

    Args:
        desk: The desk.
        form: What is asked for.
        key: The caller's own name for it.
        by: Who asks.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such model.
        RowsRefused: Its pictures or options are none that the desk takes.
        UsageError: It says what cannot be.
    """
    by.need(Role.REQUESTER, "order edits")
    row = {**_instruction(desk, form), **_options(form)}
    pictures = [_uploaded(each, f"image-{number}.png") for number, each in enumerate(form.image, start=1)]
    mask = None if form.mask is None else _uploaded(form.mask, "mask.png")
    name = _name(row, [*pictures, *([mask] if mask else ())], key=key, by=by)
    row |= {"asset_id": name, **({"user": form.user} if form.user else {})}
    batch = f"{BATCH} {datetime.now(UTC):%Y-%m-%d}"
    prepared = submitting.prepare_one(desk, batch, row, pictures=pictures, mask=mask, by=by)
    submitted = submitting.submit(desk, prepared, by=by)
    return _task(desk, submitted.items[0].edit)


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


def _instruction(desk: Desk, form: GatewayForm) -> dict[str, Any]:
    """By the model: a recipe with parameters, or the prompt at a provider's model.

    Raises:
        NotFound: There is no such model.
        UsageError: There is no prompt, or a recipe got one.
    """
    first, _, rest = form.model.partition("/")
    if first == OWN and rest:
        if rest not in desk.recipes:
            raise NotFound(f"model {form.model!r}: this desk has no recipe {rest!r}; see GET /v1/models")
        return {"recipe": rest, "parameters": _parameters(form, rest)}
    if not form.prompt.strip():
        raise UsageError("prompt: found nothing; expected what to do")
    if first == OWN:
        return {"prompt": form.prompt}
    if rest and first in uploads.providers(desk):
        return {"prompt": form.prompt, "provider": first, "ai_model": rest}
    for name in uploads.providers(desk):
        if form.model in _models_of(desk, name):
            return {"prompt": form.prompt, "provider": name, "ai_model": form.model}
    raise NotFound(f"model {form.model!r}: this desk knows none of that name; see GET /v1/models")


def _parameters(form: GatewayForm, recipe: str) -> dict[str, str]:
    """Of a recipe, which says itself what to do: a JSON object as the prompt."""
    if not form.prompt.strip():
        return {}
    try:
        found = read_json(form.prompt)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(
            f"prompt: the recipe {recipe} says itself what to do; send an empty prompt, or its parameters as a JSON "
            f"object; or leave it to the prompt with model {OWN!r}"
        )
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _options(form: GatewayForm) -> dict[str, Any]:
    said = {"size": form.size, "quality": form.quality}
    return {**{name: value for name, value in said.items() if value != "auto"}, "n": form.n}


def _models_of(desk: Desk, provider: str) -> list[str]:
    """What a provider is asked for by settings or prices."""
    own = str(desk.settings.options_of(provider).get("ai_model") or "")
    priced = {name for price in published() if price.provider == provider for name in price.ai_models}
    return sorted({*priced, *([own] if own else ())})


def _uploaded(upload: Any, otherwise: str) -> Uploaded:  # noqa: ANN401 - a form's file
    return upload.filename or otherwise, upload.file


def _name(row: Mapping[str, Any], files: Sequence[Uploaded], *, key: str | None, by: Person) -> str:
    """The same for an equal request of the same caller."""
    digest = hashlib.sha256(json.dumps([by.name, key, row], sort_keys=True).encode())
    for _, file in files:
        digest.update(hashlib.file_digest(file, "sha256").digest())  # type: ignore[arg-type]  # it can be read
        file.seek(0)
    return f"request-{digest.hexdigest()[:20]}"


# What became of it.


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
        return Ending("moderation_blocked", "image_generation_user_error", edit.error or "the provider refused it")
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
