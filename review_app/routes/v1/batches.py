"""Batches: submitted to, listed, looked at."""

from pipeline.http_api import looking, submitting
from pipeline.http_api.shapes import (
    Batch,
    Batches,
    BatchesQuery,
    BatchPath,
    Submission,
    SubmissionForm,
    Submitted,
)
from pipeline.states import Role
from review_app.routes.v1.operations import Call, Operation
from review_app.routes.v1.reading import FORM, JSON


def _prepare(call: Call) -> submitting.Prepared:
    return submitting.prepare(call.desk, call.body, by=call.by)


def _submit(call: Call) -> Submitted:
    return submitting.submit(call.desk, call.body, by=call.by)


def _list(call: Call) -> Batches:
    return looking.list_batches(call.desk, call.query, by=call.by)


def _batch(call: Call) -> Batch:
    return looking.batch(call.desk, call.path.batch, by=call.by)


OPERATIONS = (
    Operation(
        method="POST",
        path="/batches",
        name="submit",
        summary="Submit pictures to a batch.",
        description="The batch is made if there is none of that name. A picture that the batch has already, with the "
        "same instruction, is not made again. URLs are fetched when their edit is made; private addresses are refused.",
        role=Role.REQUESTER,
        prepare=_prepare,
        work=_submit,
        bodies={JSON: Submission, FORM: SubmissionForm},
        answers={202: Submitted},
        tag="batches",
    ),
    Operation(
        method="GET",
        path="/batches",
        name="listBatches",
        summary="List batches.",
        description="Newest first.",
        role=Role.VIEWER,
        work=_list,
        query=BatchesQuery,
        answers={200: Batches},
        tag="batches",
    ),
    Operation(
        method="GET",
        path="/batches/{batch}",
        name="getBatch",
        summary="See how a batch stands.",
        role=Role.VIEWER,
        work=_batch,
        path_shape=BatchPath,
        answers={200: Batch},
        tag="batches",
    ),
)
