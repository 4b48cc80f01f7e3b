"""A desk whose pictures are in a bucket: made, looked at, asked for again, exported; and what an outage does to it."""

import shutil
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline import review
from pipeline.blobs import BlobStore, blob_place, kept_sha256
from pipeline.desk import Desk
from pipeline.errors import AccountStopped, BlobsFailed, RetryLater
from pipeline.export import export_approved, verify_export
from pipeline.housekeeping import copy_all
from pipeline.people import local_person
from pipeline.states import EditState
from pipeline.store import ledger
from pipeline.values import EditRequest, EditResult
from review_app import tickets
from review_app.api import routes
from tests.buckets import StallingLink, new_bucket, options
from tests.fakes import ScriptedProvider, inverted
from tests.runner.desks import edits, make_desk, run
from tests.test_review import png

ADA = local_person("ada")
BRIGHTER = png(alpha=255, at=(0, 0, 32, 48), size=(64, 48))


def test_a_desk_works_on_a_bucket_from_end_to_end(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", blobs=new_bucket(), blobs_options=options())
    run(desk)
    first = edits(desk)[0]
    review.undo(desk, first.id, by=ADA)
    review.reprompt(desk, first.id, by=ADA, prompt="brighter here", mask=BRIGHTER)
    again = edits(desk)[-1]
    assert kept_sha256(again.mask)
    run(desk)
    for edit in edits(desk):
        if edit.state is EditState.IN_REVIEW:
            review.accept(desk, edit.id, by=ADA)
    made = edits(desk)[-1].outputs[0]
    assert made.notes["composited_from"] != made.picture.sha256
    shown = _shown(desk, made.picture.sha256)
    assert shown == desk.blobs.read(made.picture.sha256, "image/png")
    summary = export_approved(desk, tmp_path / "out", by=ADA)
    assert (summary.rows, verify_export(tmp_path / "out")) == (2, [])
    assert shown in [path.read_bytes() for path in (tmp_path / "out" / "pictures").iterdir()]
    assert not (desk.root / "pictures").exists()
    assert desk.answers is not None
    assert {each.name.partition("/")[0] for each in desk.blobs.shelf.each()} >= {"answers"}


def _shown(desk: Desk, sha256: str) -> bytes:
    ticket = tickets.issue(tickets.read_key(desk.root), sha256)
    with TestClient(Starlette(routes=routes(desk))) as client:
        answer = client.get(f"/api/page/pictures/{sha256}", params={"ticket": ticket})
        assert answer.status_code == 200
        small = client.get(f"/api/page/pictures/{sha256}", params={"ticket": ticket, "side": 160})
        assert small.headers["content-type"] == "image/webp"
        return answer.content


def test_a_desk_moves_to_a_bucket_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    """Its folder is gone then; what was made there is reviewed and exported, and what is queued is made."""
    ScriptedProvider.script["two"] = [RetryLater("busy", "not now", retry_after_s=0.2), AccountStopped("key", "no")]
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    run(desk)
    assert [edit.state for edit in edits(desk)][1] is EditState.QUEUED
    place = new_bucket()
    target = BlobStore(blob_place(place, root=tmp_path, options=options(), cache_mb=0))
    assert copy_all(desk, desk.blobs, target, by=ADA, on_progress=lambda _: None).is_whole
    shutil.rmtree(desk.root / "pictures")
    moved = Desk.open(desk.root, provider="scripted", detectors=(), workers=1, blobs=place, blobs_options=options())
    run(moved)
    for edit in edits(moved):
        if edit.state is EditState.IN_REVIEW:
            review.accept(moved, edit.id, by=ADA)
    assert export_approved(moved, tmp_path / "out", by=ADA).rows == 2
    assert verify_export(tmp_path / "out") == []
    assert copy_all(moved, moved.blobs, target, by=ADA, on_progress=lambda _: None).is_whole


def test_what_was_paid_for_while_the_bucket_is_away_is_kept_and_brought_there_later(tmp_path: Path) -> None:
    """The run stops with what to do; nothing is lost, and the next run goes on without paying again."""
    place, link = new_bucket(), StallingLink(10**9)
    desk = make_desk(
        tmp_path,
        *("one", "two"),
        blobs=place,
        blobs_options=options(aws_endpoint=link.endpoint, max_retries=0),
        concurrency=1,
    )

    def answer_and_leave(request: EditRequest) -> EditResult:
        answer = inverted(request)
        link.close()
        return answer

    ScriptedProvider.script = {"one": [answer_and_leave], "two": [answer_and_leave]}
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, BlobsFailed)
    assert "look after it" in str(outcome.stopped_by)
    first, second = edits(desk)
    assert EditState.FAILED not in (first.state, second.state)
    assert ledger.purse(desk.db, "batch:1") == (40_000 * len(ScriptedProvider.sent), 0)
    assert len(list((desk.root / "waiting").rglob("*.png"))) == len(ScriptedProvider.sent)
    again = Desk.open(desk.root, provider="scripted", detectors=(), workers=1, blobs=place, blobs_options=options())
    assert run(again).stopped_by is None
    assert sorted(ScriptedProvider.sent) == ["one", "two"]
    assert {edit.state for edit in edits(again)} <= {EditState.APPROVED, EditState.IN_REVIEW}
    for edit in edits(again):
        again.blobs.verify(edit.outputs[0].picture.sha256, "image/png")
    assert not list((desk.root / "waiting").rglob("*.png"))
