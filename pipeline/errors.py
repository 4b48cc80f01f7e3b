"""What can go wrong, by what the caller does about it.

::

    PicturedeskError
    ├── UsageError             the call, a setting or a file of the user's is wrong: exit 2
    │   ├── ManifestError      rows of a manifest; carries every problem at once
    │   ├── RowsRefused        pictures of a program's request; carries every problem at once
    │   ├── KeyTaken           an idempotency key belongs to another request
    │   ├── RecipeError        a recipe file or its parameters
    │   ├── PolicyError        a policy file
    │   └── PackError          a destination's file, or a destination that nobody knows
    ├── Unauthorized           nobody knows who asks, or no longer: sign in
    ├── Forbidden              this person's role does not allow it
    ├── PictureError           a file is no picture that we take; its row fails, the batch goes on
    ├── EditError              a provider made no edit
    │   ├── EditRefused        it will not or cannot do this instruction; a person looks at it
    │   ├── EditFailed         this request went wrong; nothing was billed
    │   ├── RetryLater         not now; says when
    │   ├── CannotAsk          an accepted request could not be asked for now; it stays accepted
    │   ├── AnswerLost         sent, and no answer known: it may have been billed
    │   │   └── ServerFailed   the server says that it failed: sent once more, never twice
    │   └── AccountStopped     key, credit or permission: the whole run stops, exit 4
    ├── BudgetReached          the next request could pass the budget: the run stops, exit 3
    ├── ModelsMissing          detectors' weights are not installed
    ├── WorkerCrashed          a picture killed the worker process that had it
    ├── HelpDeskFailed         a help desk did not take or give what it was asked for; says when to ask again, if ever
    └── StoreError
        ├── NotFound           no such batch, edit or picture
        ├── BlobsFailed        the pictures' place is full, cannot be reached, or refuses: the run stops
        ├── Conflict           somebody was faster: the edit is not as the caller saw it
        ├── DeskMoved          it was moved to another database
        └── DatabaseAway       the server cannot be reached now

A message says what happened, to which item, and what to do next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.money import dollars


class PicturedeskError(Exception):
    """Anything that this package raises on purpose; it survives the way back from a worker process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class UsageError(PicturedeskError, ValueError):
    """The call cannot be carried out as it was made."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing wrong with one manifest row.

    Attributes:
        line: Line in the file, the header being line 1; 0 for the file as a whole.
        column: The column's name, or "" for the row as a whole.
        found: What stands there, shortened.
        expected: What should stand there.
    """

    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "manifest"
        column = f", column {self.column}" if self.column else ""
        return f"{where}{column}: found {self.found}; expected {self.expected}"


class ManifestError(UsageError):
    """Rows of a manifest are wrong.

    Attributes:
        problems: Every problem found, in line order.
    """

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class RowsRefused(UsageError):
    """Pictures that a program brought are none that the desk takes; nothing was queued.

    Attributes:
        problems: Where in the request, as a JSON pointer, and what is wrong.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{where}: {what}" if where else what for where, what in self.problems))


class KeyTaken(UsageError):
    """An idempotency key was used for another request."""


class RecipeError(UsageError):
    """A recipe cannot be read, or its parameters do not fit."""


class PolicyError(UsageError):
    """A policy file cannot be read."""


class PackError(UsageError):
    """A destination's rules cannot be read, or there is no such destination."""


class Unauthorized(PicturedeskError):
    """What was sent to say who asks is missing, wrong, or over."""


class Forbidden(PicturedeskError):
    """The person's role does not allow what was asked for."""


class PictureError(PicturedeskError):
    """A file is not a picture that the desk takes.

    Attributes:
        code: Stable name of the reason, such as ``truncated`` or ``animated``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class EditError(PicturedeskError):
    """A provider made no edit.

    Attributes:
        code: Stable name of the reason.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class EditRefused(EditError):
    """The provider will not, or cannot, carry out this instruction on this picture.

    Attributes:
        column: The manifest's column that is at fault, or "" if it is not an option that could be put right there.
        details: What the provider said of it, such as the stage and the categories of its moderation.
    """

    def __init__(self, code: str, message: str, *, column: str = "", details: Mapping[str, Any] | None = None) -> None:
        self.column = column
        self.details = dict(details or {})
        super().__init__(code, message)


class EditFailed(EditError):
    """The request went wrong, and its edit with it.

    Attributes:
        cost_microusd: What it cost all the same; None if that is not known.
        usage: What the price depends on.
        request_id: The provider's own name for the request, or "".
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        cost_microusd: int | None = 0,
        usage: Mapping[str, int] | None = None,
        request_id: str = "",
    ) -> None:
        self.cost_microusd = cost_microusd
        self.usage = dict(usage or {})
        self.request_id = request_id
        super().__init__(code, message)


class RetryLater(EditError):
    """The provider asks to come back later; nothing was billed.

    Attributes:
        retry_after_s: Seconds to wait before the next request.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(code, message)


class CannotAsk(EditError):
    """A request that was sent could not be asked for now: nothing is known that was not known before.

    Attributes:
        is_hopeless: Whether this run need not try again, such as with another account's key.
    """

    def __init__(self, code: str, message: str, *, is_hopeless: bool = False) -> None:
        self.is_hopeless = is_hopeless
        super().__init__(code, message)


class AnswerLost(EditError):
    """The request left and no answer is known: it may have been billed."""


class ServerFailed(AnswerLost):
    """The server answered that it failed; most likely it billed nothing, but nobody promises that."""


class AccountStopped(EditError):
    """The key, the credit or a permission is missing: no request of this run can succeed."""


class BudgetReached(PicturedeskError):
    """The next request could pass the budget.

    Attributes:
        scope: Whose: ``batch:ID`` or ``month:YYYY-MM``.
        spent_microusd: What has been charged so far.
        reserved_microusd: The most that requests without an answer can still cost.
        limit_microusd: The limit.
    """

    def __init__(self, *, scope: str, spent_microusd: int, reserved_microusd: int, limit_microusd: int) -> None:
        self.scope = scope
        self.spent_microusd = spent_microusd
        self.reserved_microusd = reserved_microusd
        self.limit_microusd = limit_microusd
        cap, remedy = ("budget", "--budget") if scope.startswith("batch") else ("month's cap", "monthly_cap_usd")
        doubtful = f" and {dollars(reserved_microusd)} in doubt" if reserved_microusd else ""
        super().__init__(
            f"the {cap} of {dollars(limit_microusd)} is reached ({dollars(spent_microusd)} spent{doubtful}): the "
            f"next edit could pass it; raise {remedy} and run again: what is queued is kept"
        )


class ModelsMissing(PicturedeskError):
    """The detectors' weights are not installed."""


class WorkerCrashed(PicturedeskError):
    """Worker processes died over one picture, three times."""


class HelpDeskFailed(PicturedeskError):
    """A help desk did not answer as it should.

    Attributes:
        code: Stable name of the reason.
        retry_after_s: Seconds after which to ask again; None if somebody has to put something right first.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: float | None = None) -> None:
        self.code = code
        self.retry_after_s = retry_after_s
        super().__init__(message)


class StoreError(PicturedeskError):
    """The desk's database, or the place of its pictures, did not do what was asked."""


class BlobsFailed(StoreError):
    """The place where pictures are kept is full, cannot be reached, or refuses."""


class NotFound(StoreError):
    """There is no such row."""


class Conflict(StoreError):
    """The row is not in the state that the caller saw."""


class DeskMoved(StoreError):
    """The desk was moved to another database, and nothing more is written to this one.

    Attributes:
        to: The other database's URL, without a password.
    """

    def __init__(self, to: str, at: str) -> None:
        self.to = to
        super().__init__(
            f'this desk was moved to {to} on {at}; go on there: write database = "{to}" into its picturedesk.toml '
            "(with the password, if it takes one). To go on here all the same: picturedesk db migrate --undo"
        )


class DatabaseAway(StoreError):
    """The database's server cannot be reached; what was being written may be there or not."""


def _rebuild(kind: type[PicturedeskError], args: tuple[Any, ...], fields: Mapping[str, Any]) -> PicturedeskError:
    exc = kind.__new__(kind)
    exc.args = args
    exc.__dict__.update(fields)
    return exc
