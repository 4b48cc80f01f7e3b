"""The OpenAPI 3.1 description, made of the operations and of the models that validate and serialise."""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from pipeline.http_api.once import MOST_CHARACTERS
from pipeline.http_api.shapes import NoQuery, Problem, Shape
from review_app.routes.v1.operations import PREFIX, Operation
from review_app.routes.v1.problems import KINDS, MEDIA_TYPE

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS, "pattern": "^[ -~]+$"},
    "description": "Your own name for the request, such as a UUID: sent again within a day, it is not carried out "
    "again, but answered as before, with the header Idempotency-Replayed.",
}
_REF = "#/components/schemas/{model}"
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of what is here already: then 304.",
}


def description(operations: Sequence[Operation]) -> str:
    """All of it, as JSON."""
    shapes = sorted(set(_shapes(operations)), key=lambda each: (each[0].__name__, each[1]))
    references, components = models_json_schema(shapes, ref_template=_REF)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, references)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Picturedesk",
                "version": version("picturedesk"),
                "description": "Put pictures in, decide, get what was approved out. Errors are problem+json "
                "(RFC 9457); `next_step` says what to do. Lists end where `next` is null.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": PREFIX}],
            "security": [{"token": []}],
            "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
            "paths": paths,
            "components": {
                "schemas": components.get("$defs", {}),
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "picturedesk token make --help"}
                },
                "responses": {str(status): _problem(status, references) for status in _statuses(operations)},
            },
        },
        ensure_ascii=False,
    )


References = dict[tuple[Any, Any], Any]


def _shapes(operations: Sequence[Operation]) -> Iterator[tuple[type[Shape], Any]]:
    yield Problem, "serialization"
    for operation in operations:
        yield from ((shape, "validation") for shape in (operation.path_shape, operation.query))
        yield from ((shape, "validation") for shape in operation.bodies.values())
        yield from ((shape, "serialization") for shape in operation.answers.values() if not isinstance(shape, str))


def _statuses(operations: Sequence[Operation]) -> list[int]:
    return sorted({status for operation in operations for status in operation.statuses})


def _described(operation: Operation, references: References) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.description} Takes the role {operation.role}.".strip(),
        "tags": [operation.tag],
        "parameters": [*_parameters(operation.path_shape, "path"), *_parameters(operation.query, "query")],
        "responses": {
            **{str(status): _answer(operation, status, references) for status in operation.answers},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in operation.statuses},
        },
    }
    if 304 in operation.answers:
        said["parameters"].append(_IF_NONE_MATCH)
    if operation.is_write:
        said["parameters"].append(_KEY)
    if operation.bodies:
        content = {
            media_type: {"schema": references[shape, "validation"]} for media_type, shape in operation.bodies.items()
        }
        said["requestBody"] = {"required": True, "content": content}
    return said


def _parameters(shape: type[Shape], place: str) -> Iterator[dict[str, Any]]:
    if shape is NoQuery:
        return
    schema = shape.model_json_schema(ref_template=_REF)
    for name, value in schema["properties"].items():
        told = {key: each for key, each in value.items() if key != "description"}
        yield {
            "name": name,
            "in": place,
            "required": name in schema.get("required", ()),
            "description": value.get("description", ""),
            "schema": told,
        }


def _answer(operation: Operation, status: int, references: References) -> dict[str, Any]:
    shape = operation.answers[status]
    if shape == "":
        return {"description": "It is what the ETag says."}
    if isinstance(shape, str):
        return {"description": "The bytes.", "content": {media_type: {} for media_type in shape.split(", ")}}
    schema = references[shape, "serialization"]
    said = (shape.__doc__ or "").strip().partition("\n\n")[0]
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _problem(status: int, references: References) -> dict[str, Any]:
    titles = "; or: ".join(kind.title for kind in KINDS.values() if kind.status == status)
    said: dict[str, Any] = {
        "description": titles,
        "content": {MEDIA_TYPE: {"schema": references[Problem, "serialization"]}},
    }
    if status in (429, 503):
        said["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return said
