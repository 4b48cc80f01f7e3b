"""Edits: listed, looked at, their pictures."""

from starlette.responses import Response

from pipeline.http_api import acting, looking
from pipeline.http_api.shapes import DecisionBody, Edit, EditPath, Edits, EditsQuery, Moved, OutputPath
from pipeline.states import Role
from pipeline.values import PictureFacts
from review_app.routes.v1.operations import Call, Operation
from review_app.routes.v1.reading import JSON

_PICTURES = "image/*"


def _list(call: Call) -> Edits:
    return looking.list_edits(call.desk, call.query, by=call.by)


def _edit(call: Call) -> Edit:
    return looking.edit(call.desk, call.path.edit, by=call.by)


def _output(call: Call) -> Response:
    path = call.path
    return _picture(call, looking.output_picture(call.desk, path.edit, path.output, by=call.by))


def _source(call: Call) -> Response:
    return _picture(call, looking.source_picture(call.desk, call.path.edit, by=call.by))


def _decide(call: Call) -> Moved:
    return acting.decide(call.desk, call.path.edit, call.body, by=call.by)


def _picture(call: Call, facts: PictureFacts) -> Response:
    """Byte for byte, as it is stored; its name is the hash of its bytes."""
    headers = {"ETag": f'"{facts.sha256}"', "Cache-Control": "private, max-age=86400, immutable"}
    if _is_here(call.etag, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    data = call.desk.blobs.read(facts.sha256, facts.media_type)
    return Response(data, media_type=facts.media_type, headers=headers)


def _is_here(said: str | None, etag: str) -> bool:
    """Whether ``If-None-Match`` names it: one of several, or made weak by a proxy on the way (RFC 9110, 13.1.2)."""
    return said is not None and any(each.strip().removeprefix("W/") in (etag, "*") for each in said.split(","))


OPERATIONS = (
    Operation(
        method="GET",
        path="/edits",
        name="listEdits",
        summary="List edits.",
        description="Oldest first. In the state superseded, another round took the edit's place.",
        role=Role.VIEWER,
        work=_list,
        query=EditsQuery,
        answers={200: Edits},
        tag="edits",
    ),
    Operation(
        method="GET",
        path="/edits/{edit}",
        name="getEdit",
        summary="See an edit.",
        role=Role.VIEWER,
        work=_edit,
        path_shape=EditPath,
        answers={200: Edit},
        tag="edits",
    ),
    Operation(
        method="GET",
        path="/edits/{edit}/outputs/{output}/picture",
        name="getOutputPicture",
        summary="Fetch the picture of an output.",
        description="Byte for byte as the provider made it.",
        role=Role.VIEWER,
        work=_output,
        path_shape=OutputPath,
        answers={200: _PICTURES, 304: ""},
        tag="edits",
    ),
    Operation(
        method="GET",
        path="/edits/{edit}/source",
        name="getSourcePicture",
        summary="Fetch the source of an edit.",
        description="Upright and in sRGB, as providers get it.",
        role=Role.VIEWER,
        work=_source,
        path_shape=EditPath,
        answers={200: _PICTURES, 304: ""},
        tag="edits",
    ),
    Operation(
        method="POST",
        path="/edits/{edit}/decisions",
        name="decide",
        summary="Decide on an edit.",
        description="accept, reject (reason), re-prompt (prompt), escalate, send-again, undo: by the rules that hold "
        "at the page. What was escalated, and what an export has, takes an approver.",
        role=Role.REVIEWER,
        work=_decide,
        path_shape=EditPath,
        bodies={JSON: DecisionBody},
        answers={200: Moved},
        tag="edits",
    ),
)
