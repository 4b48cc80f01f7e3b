"""What ``[tickets.NAME]`` of the settings may say."""

import os
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import UsageError
from pipeline.tickets.comments import check_template

Value = str | int | float | bool

_COMMENT = "The damage is marked on {pictures}, attached here.\n\nReference: {reference}"


class Outcome(BaseModel):
    """What becomes of a ticket when its pictures are decided.

    Attributes:
        comment: What is written, with places of `pipeline.tickets.comments`; "" to write nothing.
        public: Whether the customer sees it; as for the help desk as a whole if None.
        fields: Fields to set, by name or number.
        tags: Tags to add.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    comment: str | None = None
    public: bool | None = None
    fields: dict[str, Value] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @field_validator("comment")
    @classmethod
    def _is_template(cls, text: str | None) -> str | None:
        return text if text is None else check_template(text)


class HelpDeskOptions(BaseModel):
    """A help desk.

    Attributes:
        kind: zendesk, freshdesk, generic, or the name of a stranger's.
        address: Where its API is; for ``generic`` where answers are sent to.
        user: Whose API token it is, for Zendesk: an agent's e-mail address; none for an OAuth token.
        key_variable: Environment variable with the API's key.
        secret_variable: Environment variable with the secret of its messages.
        secret_header: Header in which a message carries that secret, where messages are not signed.
        recipe: What is done to each picture.
        parameters: The recipe's parameters.
        parameters_from: Parameters that are taken from the ticket: which field of it each one is.
        provider: Who makes it; by default as the recipe or the desk says.
        batch: Whether a day's pictures are one batch, or a ticket's.
        comment: What is written to the ticket.
        public: Whether the customer sees what is written.
        settle_s: Seconds that an answer waits for a decision to be taken back.
        even_by_policy: Whether what the policy approved by itself, without a person, may go out.
        attachment_hosts: Where pictures may be fetched besides the help desk's own places: ``host`` or ``*.host``.
        on_approval: What else becomes of a ticket when at least one of its pictures is approved.
        on_rejection: What becomes of it when none is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    address: str
    user: str = ""
    key_variable: str | None = None
    secret_variable: str | None = None
    secret_header: str = "X-Picturedesk-Secret"  # noqa: S105 - its name
    recipe: str = "ticket-damage"
    parameters: dict[str, str] = Field(default_factory=dict)
    parameters_from: dict[str, str] = Field(default_factory=dict)
    provider: str | None = None
    batch: Literal["day", "ticket"] = "day"
    comment: str = _COMMENT
    public: bool = False
    settle_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30
    even_by_policy: bool = False
    attachment_hosts: tuple[str, ...] = ()
    on_approval: Outcome = Outcome()
    on_rejection: Outcome = Outcome(comment="")

    @field_validator("comment")
    @classmethod
    def _is_template(cls, text: str) -> str:
        return check_template(text)

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or "@" in parts.netloc:
            raise ValueError("expected an address such as https://example.zendesk.com")
        return address.rstrip("/")

    def outcome(self, *, is_approved: bool) -> tuple[Outcome, str, bool]:
        """What happens on an approval or a rejection, with the comment's template and whether it is public."""
        found = self.on_approval if is_approved else self.on_rejection
        comment = self.comment if found.comment is None else found.comment
        return found, comment, self.public if found.public is None else found.public


def credential(name: str, variable: str, what: str) -> str:
    """What an environment variable holds.

    Raises:
        UsageError: It is not set.
    """
    found = os.environ.get(variable, "")
    if not found:
        raise UsageError(f"tickets.{name}: {what} is missing; set {variable}")
    return found
