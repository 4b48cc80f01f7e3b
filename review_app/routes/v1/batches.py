"""Batches: submitted to, listed, looked at."""

from pipeline.http_api import acting, looking, submitting
from pipeline.http_api.shapes import (
    Acted,
    Batch,
    Batches,
    BatchesQuery,
    BatchPath,
    BudgetBody,
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


def _pause(call: Call) -> Acted:
    return acting.pause(call.desk, call.path.batch, by=call.by)


def _resume(call: Call) -> Acted:
    return acting.resume(call.desk, call.path.batch, by=call.by)


def _cancel(call: Call) -> Acted:
    return acting.cancel(call.desk, call.path.batch, by=call.by)


def _set_budget(call: Call) -> Acted:
    return acting.set_budget(call.desk, call.path.batch, call.body, by=call.by)


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
    Operation(
        method="POST",
        path="/batches/{batch}/pause",
        name="pauseBatch",
        summary="Pause a batch.",
        description="Nothing more of it is sent; what is being sent comes home and is booked.",
        role=Role.REQUESTER,
        work=_pause,
        path_shape=BatchPath,
        answers={200: Acted},
        tag="batches",
    ),
    Operation(
        method="POST",
        path="/batches/{batch}/resume",
        name="resumeBatch",
        summary="Resume a batch.",
        description="One that is paused, stopped or cancelled goes on; what was cancelled with it is queued again.",
        role=Role.REQUESTER,
        work=_resume,
        path_shape=BatchPath,
        answers={200: Acted},
        tag="batches",
    ),
    Operation(
        method="POST",
        path="/batches/{batch}/cancel",
        name="cancelBatch",
        summary="Cancel a batch.",
        description="All that it has queued; what is being sent comes home and is booked.",
        role=Role.REQUESTER,
        work=_cancel,
        path_shape=BatchPath,
        answers={200: Acted},
        tag="batches",
    ),
    Operation(
        method="POST",
        path="/batches/{batch}/budget",
        name="setBudget",
        summary="Set what a batch may cost.",
        description="A batch that its budget stopped goes on.",
        role=Role.APPROVER,
        work=_set_budget,
        path_shape=BatchPath,
        bodies={JSON: BudgetBody},
        answers={200: Acted},
        tag="batches",
    ),
)
