"""Exports: asked for, looked at, downloaded."""

from starlette.responses import FileResponse, Response

from pipeline.http_api import exporting
from pipeline.http_api.shapes import Export, ExportBody, ExportPath
from pipeline.states import Role
from review_app.routes.v1.operations import Call, Operation
from review_app.routes.v1.reading import JSON


def _start(call: Call) -> Export:
    said = call.body
    wanted = exporting.Wanted(said.form, said.batch, said.since_last, tuple(said.profiles), said.public_url)
    return Export.of(exporting.start(call.desk, wanted, by=call.by))


def _look(call: Call) -> Export:
    return Export.of(exporting.look(call.desk, call.path.export, by=call.by))


def _download(call: Call) -> Response:
    path, job = exporting.file_of(call.desk, call.path.export, by=call.by)
    return FileResponse(path, media_type=exporting.MEDIA_TYPES[job.form], filename=f"approved-{job.id}.{job.form}")


OPERATIONS = (
    Operation(
        method="POST",
        path="/exports",
        name="startExport",
        summary="Export what is approved.",
        description="As CSV, as JSON Lines, or as a ZIP with both, the pictures and checksums; see its state until it "
        "is done.",
        role=Role.REQUESTER,
        work=_start,
        bodies={JSON: ExportBody},
        answers={202: Export},
        problems=(404,),
        tag="exports",
    ),
    Operation(
        method="GET",
        path="/exports/{export}",
        name="getExport",
        summary="See how far an export is.",
        role=Role.VIEWER,
        work=_look,
        path_shape=ExportPath,
        answers={200: Export},
        tag="exports",
    ),
    Operation(
        method="GET",
        path="/exports/{export}/file",
        name="downloadExport",
        summary="Download an export.",
        description="For a week.",
        role=Role.REQUESTER,
        work=_download,
        path_shape=ExportPath,
        answers={200: ", ".join(exporting.MEDIA_TYPES.values())},
        problems=(409,),
        tag="exports",
    ),
)
