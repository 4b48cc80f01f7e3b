"""What a request may say and what an answer says. These models validate, serialise, and are the description."""

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Literal, Self, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline import batches
from pipeline.batches import BatchStatus, Standing
from pipeline.costs import Budget
from pipeline.flag_lines import flag_line
from pipeline.http_api.exporting import ExportState, Form, Job
from pipeline.manifest import COLUMNS, MAX_ID, MAX_OUTPUTS, MAX_PROMPT, MAX_REFERENCES, plain_column
from pipeline.recipes import ParameterType, Recipe
from pipeline.records import EditRecord, OutputRecord
from pipeline.routing import shown_reasons
from pipeline.settings import MAX_USD
from pipeline.states import EditState, Role
from pipeline.store.spending import CostBy
from pipeline.texts import is_storable
from pipeline.values import Change, Flag, Kind, Level, PictureFacts

MOST_ON_A_PAGE = 500


class Shape(BaseModel):
    """What all have in common: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def takes_several(cls, name: str) -> bool:
        """Whether a field of a form or a query may come several times."""
        return name in cls.model_fields and get_origin(cls.model_fields[name].annotation) is list


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("a character that no database keeps (NUL, or half a surrogate pair)")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("printable characters only")
    return text


def read_data_url(text: object) -> object:
    """What a data URL holds; anything else as it is.

    Raises:
        ValueError: It is no Base64.
    """
    return _decoded(text) if isinstance(text, str) and text.startswith("data:") else text


def _decoded(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text.partition(";base64,")[2] if text.startswith("data:") else text, validate=True)
    except ValueError as exc:
        raise ValueError(f"no Base64 ({exc})") from exc


Id = Annotated[int, Field(ge=1, lt=2**63)]
# A length stands before the validator: behind it, pydantic counts "items".
Text = Annotated[str, AfterValidator(_storable)]
Word = Annotated[str, Field(max_length=200), AfterValidator(_storable)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT), AfterValidator(_storable)]
Note = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID, pattern=r"\S"),
    AfterValidator(_storable),
    AfterValidator(_printable),
]
Size = Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$")]
Bytes = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "description": "Base64, or a data URL."}),
]
Url = Annotated[
    str,
    Field(max_length=2_000, pattern=r"^https?://[^\s/]+", description="A public https URL of a picture."),
    AfterValidator(_storable),
]
Destinations = Annotated[list[Word], Field(max_length=20)]
"""Names of packs, such as ``amazon-main``."""

Upload = Annotated[
    Any, SkipValidation, WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"})
]
"""A file of a form: has ``filename`` and ``file``."""


Decided = Literal["accept", "reject", "re-prompt", "escalate", "send-again", "undo"]


# Requests.


class NoQuery(Shape):
    """Nothing to say."""


class BatchPath(Shape):
    """Which batch."""

    batch: Annotated[Id, Field(description="The batch's number.")]


class EditPath(Shape):
    """Which edit."""

    edit: Annotated[Id, Field(description="The edit's number.")]


class OutputPath(EditPath):
    """Which output of which edit."""

    output: Annotated[Id, Field(description="The output's number, as the edit has it.")]


class Page(Shape):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE, description="How many at most.")] = 100
    cursor: Annotated[str, Field(max_length=500, description="``next`` of the page before.")] | None = None


class BatchesQuery(Page):
    """Which batches."""

    name: Annotated[Word, Field(description="Only the batch of this name.")] | None = None


class EditsQuery(Page):
    """Which edits."""

    batch: Annotated[Id, Field(description="Only of this batch.")] | None = None
    state: Annotated[
        list[EditState], Field(max_length=20, description="Only in one of these states; may be given several times.")
    ] = []
    asset_id: Annotated[Word, Field(description="Only of the asset with this name.")] | None = None


class PictureQuery(Shape):
    """In which size."""


class Wanted(Shape):
    """What is to be done to a picture."""

    prompt: Annotated[Prompt, Field(description="What to do, in a sentence; or a recipe.")] | None = None
    recipe: Annotated[Word, Field(description="The name of one of the desk's recipes.")] | None = None
    parameters: Annotated[dict[Word, Text], Field(description="The recipe's parameters.")] = {}
    provider: Annotated[Word, Field(description="Who makes the edit; the desk's usual one if left out.")] | None = None
    ai_model: Annotated[Word, Field(description="The provider's model.")] | None = None
    size: Annotated[Size, Field(description="WIDTHxHEIGHT, or auto.")] | None = None
    quality: Annotated[Word, Field(description="The provider's word for it.")] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_OUTPUTS, description="How many outputs to choose from.")] | None = None


class Reference(Shape):
    """A further picture: a URL, or its bytes."""

    url: Url | None = None
    base64: Bytes | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.base64 is None):
            raise ValueError("expected one of url and base64")
        return self


class Picture(Wanted):
    """One picture to edit; what it does not say stands in the request."""

    asset_id: (
        Annotated[Name, Field(description="Your name for it; made of the file's name, or of its bytes, if left out.")]
        | None
    ) = None
    variant: Annotated[Word, AfterValidator(_printable), Field(description="Which of several versions.")] = ""
    sku: Annotated[Word, AfterValidator(_printable)] = ""
    url: Url | None = None
    base64: Bytes | None = None
    file_name: Annotated[Word, Field(description="Of what is in ``base64``.")] | None = None
    mask: Annotated[Bytes, Field(description="Transparent, or white on black, where it is to be edited.")] | None = None
    references: Annotated[list[Reference], Field(max_length=MAX_REFERENCES)] = []
    destinations: Annotated[Destinations, Field(description="Where it goes, instead of the batch's.")] = []
    extra: Annotated[dict[Word, Text], Field(max_length=100, description="Kept, and exported with it.")] = {}

    @field_validator("extra")
    @classmethod
    def _own(cls, extra: dict[str, str]) -> dict[str, str]:
        taken = [name for name in extra if plain_column(name) in COLUMNS]
        if taken:
            raise ValueError(f"{taken[0]!r} is the name of a field; call it otherwise")
        return extra

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.base64 is None):
            raise ValueError("expected one of url and base64")
        return self


class ForAll(Wanted):
    """What is to be done to all pictures of a request that do not say it themselves."""

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.parameters and not self.recipe:
            raise ValueError("parameters are those of a recipe; expected recipe beside them")
        return self


class Submission(ForAll):
    """Pictures for a batch, as JSON."""

    batch: Annotated[Name, Field(description="The batch's name; it is made if there is none.")]
    budget_usd: Annotated[float, Field(ge=0, le=MAX_USD, description="What the batch may cost.")] | None = None
    destinations: Annotated[Destinations, Field(description="Where the batch's pictures go, from now on.")] = []
    pictures: Annotated[list[Picture], Field(min_length=1)]

    @model_validator(mode="after")
    def _parameters_used(self) -> Self:
        for number, picture in enumerate(self.pictures):
            if picture.parameters and not picture.recipe and (picture.prompt or not self.recipe):
                raise ValueError(f"picture {number}: parameters are those of a recipe; expected recipe beside them")
        return self


class SubmissionForm(ForAll):
    """Pictures for a batch, as a form."""

    batch: Annotated[Name, Field(description="The batch's name; it is made if there is none.")]
    budget_usd: Annotated[float, Field(ge=0, le=MAX_USD, description="What the batch may cost.")] | None = None
    destinations: Annotated[Destinations, Field(description="Where the batch's pictures go, from now on.")] = []
    picture: Annotated[list[Upload], Field(description="Files; each is called by its file name.")] = []
    url: Annotated[list[Url], Field(description="Public https URLs of pictures.")] = []

    @field_validator("parameters", mode="before")
    @classmethod
    def _json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"no JSON ({exc})") from exc

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.picture and not self.url:
            raise ValueError("expected at least one picture or url")
        return self


class DecisionBody(Shape):
    """A decision on an edit."""

    decision: Decided
    output: Annotated[Id, Field(description="Which output; may be left out if there is only one.")] | None = None
    revision: Annotated[
        Annotated[int, Field(ge=0, lt=2**63)] | None,
        Field(description="As the edit was when it was looked at: if it has changed since, 409."),
    ] = None
    reason: Annotated[Word, Field(description="Of the desk's or the recipe's list; must be said to reject.")] = ""
    note: Annotated[Note, Field(description="Free words.")] = ""
    prompt: Annotated[Prompt, Field(description="The new instruction; must be said to re-prompt.")] = ""
    on_output: Annotated[bool, Field(description="Start the next round from the output.")] = False
    provider: Annotated[Word, Field(description="Another provider for the next round.")] | None = None
    mask: Annotated[Bytes, Field(description="A PNG: the next round may change only what is marked.")] | None = None
    markup: Annotated[Bytes, Field(description="A PNG with marks that point at what the prompt means.")] | None = None
    even_exported: Annotated[bool, Field(description="Undo although an export has it; approvers only.")] = False

    @model_validator(mode="after")
    def _used(self) -> Self:
        of_next_round = ("prompt", "on_output", "provider", "mask", "markup")
        unused = [name for name in of_next_round if getattr(self, name) and self.decision != "re-prompt"]
        if unused:
            raise ValueError(f"{unused[0]} is of the next round; expected the decision re-prompt")
        return self


class BudgetBody(Shape):
    """What a batch may cost."""

    usd: Annotated[float, Field(ge=0, le=MAX_USD, description="US dollars, all its runs together.")]


class ExportPath(Shape):
    """Which export."""

    export: Annotated[str, Field(max_length=100, description="As the answer called it that began it.")]


class ExportBody(Shape):
    """What to export."""

    form: Form = Form.CSV
    batch: Annotated[Id, Field(description="Only this batch; all of them if left out.")] | None = None
    since_last: Annotated[bool, Field(description="Only what was approved since the last export of the same.")] = False
    profiles: Annotated[
        list[Word], Field(max_length=20, description="Further lists in the ZIP, such as shopify or google-merchant.")
    ] = []
    public_url: Annotated[
        Annotated[str, Field(max_length=2_000), AfterValidator(_storable)] | None,
        Field(description="Where the pictures will be: https://cdn.example.com/{file}"),
    ] = None

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.profiles and self.form is not Form.ZIP:
            raise ValueError("profiles are files of their own; expected the form zip")
        return self


class CostsQuery(Shape):
    """What to sum by."""

    by: CostBy = CostBy.BATCH


# Answers.


class BatchName(Shape):
    """A batch, by number and name."""

    id: int
    name: str


class Me(Shape):
    """Who asks."""

    name: str
    role: Role


class Parameter(Shape):
    """One thing that a recipe leaves open."""

    name: str
    type: ParameterType
    required: bool
    default: str
    choices: list[str]
    description: str


class RecipeInfo(Shape):
    """A named instruction with parameters."""

    name: str
    title: str
    description: str
    prompt: str
    parameters: list[Parameter]
    reject_reasons: list[str]

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """The same of a recipe."""
        same = ("name", "type", "required", "default", "description")
        return cls(
            name=recipe.name,
            title=recipe.title,
            description=recipe.description,
            prompt=recipe.prompt,
            parameters=[
                Parameter(**{name: getattr(each, name) for name in same}, choices=list(each.choices))
                for each in recipe.parameters
            ],
            reject_reasons=list(recipe.reject_reasons),
        )


class Recipes(Shape):
    """What can be asked for by name."""

    items: list[RecipeInfo]
    reject_reasons: Annotated[list[str], Field(description="The desk's, for any edit.")]


class Moved(Shape):
    """What became of a decision."""

    edit: int
    state: EditState
    next_round: Annotated[int | None, Field(description="The edit that takes its place, after a re-prompt.")]


class Acted(Shape):
    """What became of a batch as a whole."""

    batch: BatchName
    edits: Annotated[int, Field(description="How many were cancelled, or queued again.")]


class Export(Shape):
    """An export of what is approved."""

    id: str
    form: Form
    batch: int | None
    state: ExportState
    asked_by: str
    asked_at: str
    rows: int
    bytes: int
    export_id: Annotated[str, Field(description="Names its content: the same approved pictures give the same.")]
    error: str
    file: Annotated[str | None, Field(description="Where it is, on this server; null before it is done, or if empty.")]

    @classmethod
    def of(cls, job: Job) -> Self:
        """The same of a job."""
        file = f"/api/v1/exports/{job.id}/file" if job.has_file else None
        told = {name: value for name, value in asdict(job).items() if name in cls.model_fields}
        return cls(**told, file=file)


class BudgetInfo(Shape):
    """What was spent of what may be."""

    name: str
    spent_usd: float
    reserved_usd: float
    cap_usd: float | None
    left_usd: float | None

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """The same of a budget."""
        left, cap = budget.left_microusd, budget.cap_microusd
        return cls(
            name=budget.name,
            spent_usd=budget.spent_microusd / 1e6,
            reserved_usd=budget.reserved_microusd / 1e6,
            cap_usd=None if cap is None else cap / 1e6,
            left_usd=None if left is None else left / 1e6,
        )


class CostLine(Shape):
    """What one batch, recipe, provider, model, day or outcome cost."""

    name: str
    requests: int
    unpriced: int
    approved: int
    cost_usd: float
    doubtful: int
    doubtful_usd: float
    reused: int
    saved_usd: float


class Costs(Shape):
    """What the desk cost.

    ``uncounted`` edits, at most, are not in the sums yet; ask again in a while.
    """

    by: CostBy
    items: list[CostLine]
    total_usd: float
    doubtful_usd: float
    unpriced: int
    saved_usd: float
    approved: int
    per_approved_usd: float | None
    month: BudgetInfo
    budgets: list[BudgetInfo]
    uncounted: int


class SubmittedItem(Shape):
    """What became of one picture of a request: the last round on it."""

    asset_id: str
    variant: str
    edit: int


class Submitted(Shape):
    """What came of a request.

    ``unchanged`` pictures were in the batch already, with the same instruction: they are not made, and not paid, again.
    ``renewed`` ones were changed, and get another round. ``kept`` ones were changed, and left alone, since theirs is
    being made, reviewed, or is approved. ``resumed`` ones had been cancelled with the batch.
    """

    batch: BatchName
    added: int
    unchanged: int
    renewed: int
    resumed: int
    kept: list[str]
    items: list[SubmittedItem]


class Counts(Shape):
    """How many of a batch's edits are where; rounds that another one replaced are not counted."""

    queued: int
    in_flight: int
    review: int
    approved: int
    rejected: int
    problems: int
    cancelled: int
    total: int


class Stopped(Shape):
    """What stopped a batch, and what to do."""

    code: str
    message: str
    at: str
    what_to_do: str


class Batch(BatchName):
    """How a batch stands."""

    standing: Standing
    counts: Counts
    spent_usd: float
    reserved_usd: Annotated[float, Field(description="The most that open and lost requests can add.")]
    budget_usd: float | None
    unpriced: Annotated[int, Field(description="Requests that were billed at a price that is not known.")]
    destinations: list[str]
    per_minute: float | None
    minutes_left: float | None
    created_at: datetime
    created_by: str
    paused_at: datetime | None
    cancelled_at: datetime | None
    stopped: Stopped | None

    @classmethod
    def of(cls, status: BatchStatus) -> Self:
        """The same of a desk's status."""
        batch = status.batch
        stopped = None
        if batch.stopped is not None:
            told = {name: str(batch.stopped.get(name, "")) for name in ("code", "message", "at")}
            what_to_do = batches.WHAT_TO_DO.get(told["code"], batches.ACCOUNT_TO_DO)
            stopped = Stopped(**told, what_to_do=what_to_do)
        return cls(
            id=batch.id,
            name=batch.name,
            standing=status.standing,
            counts=Counts(**{name: getattr(status, name) for name in Counts.model_fields}),
            spent_usd=status.spent_microusd / 1e6,
            reserved_usd=status.reserved_microusd / 1e6,
            budget_usd=None if status.budget_microusd is None else status.budget_microusd / 1e6,
            unpriced=batch.unpriced,
            destinations=list(batch.destinations),
            per_minute=status.per_minute,
            minutes_left=status.minutes_left,
            created_at=batch.created_at,
            created_by=batch.created_by,
            paused_at=batch.paused_at,
            cancelled_at=batch.cancelled_at,
            stopped=stopped,
        )


class Batches(Shape):
    """A page of batches, newest first."""

    items: list[Batch]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]


class PictureInfo(Shape):
    """A stored picture."""

    url: Annotated[str, Field(description="Where its bytes are, on this server; takes the same token.")]
    sha256: str
    media_type: str
    width: int
    height: int
    bytes: int

    @classmethod
    def of(cls, facts: PictureFacts, url: str) -> Self:
        """The same of what is stored."""
        width, height = facts.size_wh
        return cls(
            url=url,
            sha256=facts.sha256,
            media_type=facts.media_type,
            width=width,
            height=height,
            bytes=facts.byte_count,
        )


class FlagInfo(Shape):
    """Something that a detector found on an output, and what the edit did to it; boxes are in pixels."""

    kind: Kind
    change: Change
    level: Level
    score: float
    label: Annotated[str, Field(description="What was read or recognised; show it as plain text.")]
    line: Annotated[str, Field(description="The flag in words.")]
    xyxy: list[float]
    source_xyxy: list[float] | None

    @classmethod
    def of(cls, flag: Flag) -> Self:
        """The same of a flag."""
        found = flag.detection
        return cls(
            kind=found.kind,
            change=flag.change,
            level=found.level,
            score=found.score,
            label=found.label,
            line=flag_line(flag),
            xyxy=list(found.xyxy),
            source_xyxy=None if flag.source_xyxy is None else list(flag.source_xyxy),
        )


class Output(Shape):
    """A picture that an edit produced."""

    id: int
    name: str
    picture: PictureInfo
    flags: list[FlagInfo]

    @classmethod
    def of(cls, output: OutputRecord) -> Self:
        """The same of a stored output."""
        url = f"/api/v1/edits/{output.edit_id}/outputs/{output.id}/picture"
        flags = [FlagInfo.of(flag) for flag in output.flags]
        return cls(id=output.id, name=output.name, picture=PictureInfo.of(output.picture, url), flags=flags)


class Fault(Shape):
    """Why an edit has no picture."""

    code: str
    message: str


class Edit(Shape):
    """One round on an asset. In the state superseded, another round took its place: the asset's last one counts."""

    id: int
    batch: BatchName
    asset_id: str
    variant: str
    sku: str
    state: EditState
    revision: Annotated[int, Field(description="Grows with every change; a decision may name the one that it saw.")]
    round: int
    parent: int | None
    prompt: str
    recipe: str | None
    parameters: dict[str, str]
    provider: str
    ai_model: str | None
    size: str | None
    quality: str | None
    n: int
    asked_by: str
    cost_usd: float
    unpriced: int
    reasons: Annotated[list[str], Field(description="Why a person must look.")]
    error: Fault | None
    source: PictureInfo | None
    outputs: list[Output]
    accepted_output: int | None
    approvals: list[str]
    escalated_by: str | None
    destinations: list[str]
    extra: dict[str, str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, edit: EditRecord) -> Self:
        """The same of a stored edit."""
        asset, instruction = edit.asset, edit.instruction
        flags = [flag for output in edit.outputs for flag in output.flags]
        same = (
            *("id", "state", "revision", "round", "provider", "ai_model", "size", "quality", "n", "asked_by"),
            *("unpriced", "escalated_by", "created_at", "updated_at"),
        )
        return cls(
            **{name: getattr(edit, name) for name in same},
            batch=BatchName(id=asset.batch_id, name=asset.batch),
            asset_id=asset.name,
            variant=asset.variant,
            sku=asset.sku,
            parent=edit.parent_id,
            prompt=instruction.prompt,
            recipe=instruction.recipe,
            parameters=dict(instruction.parameters),
            cost_usd=edit.cost_microusd / 1e6,
            reasons=list(shown_reasons(edit.route.get("reasons", ()), flags, outputs=len(edit.outputs))),
            error=None if not edit.error else Fault(code=edit.error_code or "", message=edit.error),
            source=None if asset.source is None else PictureInfo.of(asset.source, f"/api/v1/edits/{edit.id}/source"),
            outputs=[Output.of(output) for output in edit.outputs],
            accepted_output=edit.accepted_output_id,
            approvals=list(edit.approvals),
            destinations=list(asset.destinations),
            extra=dict(asset.extra),
        )


class Edits(Shape):
    """A page of edits, oldest first."""

    items: list[Edit]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]


class FieldProblem(Shape):
    """One thing that is wrong in a request."""

    pointer: Annotated[str, Field(description="Where, as a JSON pointer into the request.")]
    detail: str


class Problem(Shape):
    """What went wrong, and what to do next (RFC 9457, https://www.rfc-editor.org/rfc/rfc9457, read on 2026-11-21)."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="A stable name for a program.")]
    next_step: str
    errors: list[FieldProblem] | None = None


def problems_of(errors: Iterable[Any]) -> list[FieldProblem]:
    """What pydantic says is wrong, place by place."""
    found = []
    for error in errors:
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error["loc"])
        detail = error["msg"].removeprefix("Value error, ")
        found.append(FieldProblem(pointer=pointer, detail=f"{detail[:1].lower()}{detail[1:]}"))
    return found


Uploaded = tuple[str, BinaryIO]
"""A file's name and what it holds."""
