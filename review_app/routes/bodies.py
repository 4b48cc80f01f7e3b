"""What a request may say; anything else is refused."""

import base64
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.asking import Mark, Question
from pipeline.claiming import MOST, QueueFilter
from pipeline.deciding_lists import Decision
from pipeline.errors import UsageError
from pipeline.review import Screen
from pipeline.values import Change, Kind

BULK = 500
"""Decisions in one request."""

_PNG_URL = "data:image/png;base64,"
_LONG = 20_000
_ID = Annotated[int, Field(ge=1, lt=2**63)]
_Key = Annotated[str, Field(min_length=8, max_length=200)]
_Word = Annotated[str, Field(max_length=200)]


class Body(BaseModel):
    """What all have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Shape = TypeVar("Shape", bound=Body)


class NoBody(Body):
    """Nothing to say."""


class FilterBody(Body):
    """Which edits."""

    batch: str | None = None
    kind: Kind | None = None
    change: Change | None = None
    recipe: str | None = None
    asked_by: str | None = None

    def queue_filter(self) -> QueueFilter:
        """The same for `pipeline.claiming`."""
        return QueueFilter(self.batch, self.kind, self.change, self.recipe, self.asked_by)


class ClaimsBody(Body):
    """Which edits, how many, and which claims to keep."""

    filter: FilterBody = FilterBody()
    count: int = Field(default=1, ge=0, le=MOST)
    leave_out: Annotated[list[_ID], Field(max_length=10_000)] = []
    renew: Annotated[list[_Word], Field(max_length=1_000)] = []


class ReleaseBody(Body):
    """Claims to give back."""

    tokens: Annotated[list[_Word], Field(max_length=1_000)]


class DecisionBody(Body):
    """One decision: on which edit, as it was shown."""

    edit: _ID
    decision: Literal["accept", "reject", "re-prompt", "escalate", "send-again"]
    revision: int
    key: _Key
    output: _ID | None = None
    claim: _Word | None = None
    shown_ms: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    reason: _Word = ""
    note: Annotated[str, Field(max_length=_LONG)] = ""
    prompt: Annotated[str, Field(max_length=_LONG)] = ""
    on_output: bool = False
    provider: _Word | None = None
    mask: str | None = None
    markup: str | None = None

    def choice(self) -> Decision:
        """The same for `pipeline.deciding_lists`.

        Raises:
            UsageError: The mask or the markup is no PNG in a data URL.
        """
        screen = Screen(
            revision=self.revision,
            output_id=self.output,
            claim=self.claim,
            shown_ms=self.shown_ms,
            idempotency_key=self.key,
        )
        return Decision(
            verb=self.decision,
            edit_id=self.edit,
            reason=self.reason,
            prompt=self.prompt,
            provider=self.provider,
            on_output=self.on_output,
            mask=None if self.mask is None else _png("mask", self.mask),
            markup=None if self.markup is None else _png("markup", self.markup),
            screen=screen,
            note=self.note,
        )


class EstimateBody(Body):
    """Another round, as somebody is about to ask for it."""

    edit: _ID
    prompt: Annotated[str, Field(max_length=_LONG)] = ""
    output: _ID | None = None
    on_output: bool = False
    provider: _Word | None = None
    mark: Mark | None = None

    def question(self) -> Question:
        """The same for `pipeline.asking`."""
        return Question(
            edit_id=self.edit,
            prompt=self.prompt,
            output_id=self.output,
            on_output=self.on_output,
            provider=self.provider,
            mark=self.mark,
        )


class BulkBody(Body):
    """Many decisions."""

    decisions: Annotated[list[DecisionBody], Field(max_length=BULK)]


class UndoBody(Body):
    """Which decision to take back: the last one on this edit, or the person's last."""

    edit: _ID | None = None
    key: _Key | None = None


class BulkUndoBody(Body):
    """Edits whose last decisions are to be taken back together."""

    edits: Annotated[list[_ID], Field(max_length=BULK)]
    key: _Key


def parse(shape: type[Shape], data: bytes) -> Shape:
    """What a request says.

    Raises:
        UsageError: It is no JSON, or says what cannot be; names the places.
    """
    try:
        return shape.model_validate_json(data or b"{}")
    except ValidationError as exc:
        raise UsageError("; ".join(map(_problem, exc.errors(include_url=False)[:5]))) from exc


def _png(name: str, url: str) -> bytes:
    try:
        if not url.startswith(_PNG_URL):
            raise ValueError(f"it begins with {url[: len(_PNG_URL)]!r}")
        return base64.b64decode(url[len(_PNG_URL) :], validate=True)
    except ValueError as exc:
        raise UsageError(f"{name}: expected a PNG as {_PNG_URL}... ({exc})") from exc


def _problem(error: Any) -> str:  # noqa: ANN401 - pydantic's
    where = ".".join(map(str, error["loc"])) or "body"
    return f"{where}: {error['msg'][:1].lower()}{error['msg'][1:]}"
