"""What an operation is: all that its route, its checks and its description are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from pipeline.desk import Desk
from pipeline.http_api.shapes import NoQuery, Shape
from pipeline.people import Person
from pipeline.states import Role

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """A request, parsed.

    Attributes:
        by: Who calls.
        path: What the address says, as the operation's ``path_shape``.
        query: As its ``query``.
        body: As one of its bodies; None if it takes none.
        etag: The value of ``If-None-Match``.
    """

    desk: Desk
    by: Person
    path: Any
    query: Any
    body: Any
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for.

    Attributes:
        method: GET or POST.
        path: Below `PREFIX`, with its parameters in braces.
        name: Stable, as ``operationId``.
        summary: One line.
        role: Who may.
        work: Does it; gives what the first of ``answers`` describes, or a response.
        answers: By status, the shape, or the media types of bytes, with commas between.
        path_shape: Of the path's parameters.
        query: Of the query's.
        bodies: By media type, the shape that a body has.
        prepare: Done with the call before ``work``, and outside its transaction; what it gives is the body that
            ``work`` gets.
        problems: Statuses of errors, besides those that every operation has.
        tag: What it belongs to.
        description: More lines.
    """

    method: str
    path: str
    name: str
    summary: str
    role: Role
    work: Callable[[Call], Shape | Response]
    answers: Mapping[int, type[Shape] | str]
    path_shape: type[Shape] = NoQuery
    query: type[Shape] = NoQuery
    bodies: Mapping[str, type[Shape]] = field(default_factory=dict)
    prepare: Callable[[Call], Any] | None = None
    problems: tuple[int, ...] = ()
    tag: str = ""
    description: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"

    @property
    def status(self) -> int:
        """Of the answer if all goes well."""
        return next(iter(self.answers))

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of every error that it may answer with."""
        found = {401, 403, 422, 429, 500, 503, *self.problems}  # 422: what the query has, and nobody knows
        if self.path_shape is not NoQuery:
            found.add(404)
        if self.is_write:
            found |= {408, 409, 413, 415}
        return tuple(sorted(found))
