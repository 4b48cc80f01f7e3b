"""The archive flagged anew: edits in review get their new flags, approved ones are told of, nothing is done twice."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline import audit, review
from pipeline.desk import Desk
from pipeline.errors import Conflict, Forbidden
from pipeline.people import Person, local_person
from pipeline.records import EditRecord
from pipeline.reflagging import reflag
from pipeline.review import Screen
from pipeline.states import EditState, Role
from pipeline.store import reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.store.reading import EditFilter
from pipeline.values import Change, Instruction, Kind, ManifestRow, PictureFacts, Route
from tests.attempts import begin, finish
from tests.commands import run_command, shared_pool
from tests.desks import OWNER, load_rows, new_desk

PLAIN = ("plain-1", "plain-2", "plain-3", "plain-4", "plain-5")
NAMES = ("waiting", "accepted", "passed", *PLAIN)
"""The first three have a word on their output that the source has not, and that nobody was told of."""


@pytest.fixture(autouse=True)
def one_worker_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.reflagging.WorkPool", lambda _: shared_pool())


@pytest.fixture
def archive(tmp_path: Path, weights_cache: Path) -> Iterator[Desk]:
    """Nobody has looked: ``waiting`` and ``accepted`` are in review as samples, the policy has approved the others."""
    desk = new_desk(tmp_path / "desk", detectors=("text",), cache=weights_cache, workers=1)
    rows = [
        ManifestRow(line=n, asset_id=name, variant="", source=f"/{name}.png", steps=(Instruction("say more"),))
        for n, name in enumerate(NAMES, start=2)
    ]
    load_rows(desk.db, rows)
    for number, record in enumerate(reading.each_edit(desk.db, EditFilter())):
        source, name = _put(desk, "", number, "#c0d0e0"), record.asset.name
        running.save_source(desk.db, record.asset.id, original_sha256=source.sha256, source=source, facts={})
        output = _put(desk, "" if name in PLAIN else "CLEARANCE", number, "#e0d0b0")
        attempt = begin(desk.db, record.id, owner=OWNER)
        outputs = finish(desk.db, attempt, [StoredOutput(output, "", {}, ())])
        is_sample = name in NAMES[:2]
        route = Route(to_review=is_sample, is_sample=is_sample, reasons=("r",), policy_hash=desk.policy.hash)
        running.route_edit(desk.db, record.id, route, {outputs[0]: []}, owner=OWNER, best_output_id=outputs[0])
    yield desk
    desk.close()


def test_the_archive_is_held_against_the_detectors_and_the_policy_of_now(archive: Desk) -> None:
    me, before = local_person("ada"), edit(archive, "waiting")

    planned = reflag(archive, by=me, dry_run=True)
    assert (planned.edits, planned.looked, planned.renewed) == (8, 8, 0)
    assert edit(archive, "waiting") == before

    first = reflag(archive, by=me)
    assert (first.edits, first.looked, first.renewed, first.reasoned, first.failed) == (8, 8, 2, 1, {})
    assert [each.title for each in first.listed] == ["passed"]
    assert "CLEARANCE" in first.listed[0].reasons[0]
    (found,) = edit(archive, "waiting").outputs[0].flags
    assert (found.detection.kind, found.change) == (Kind.TEXT, Change.INTRODUCED)
    assert edit(archive, "waiting").route["is_sample"] is False
    assert edit(archive, "passed").state is EditState.APPROVED
    assert edit(archive, "passed").outputs[0].flags == ()
    with pytest.raises(Conflict):
        review.accept(archive, before.id, by=me, screen=Screen(revision=before.revision))
    (event,) = reading.latest_events(archive.db, kind="edit.reflagged", edit_id=before.id, limit=5)
    assert (event.actor, event.data["flags_before"], event.data["flags"]) == ("ada", 0, 1)

    review.accept(archive, edit(archive, "accepted").id, by=me)
    again = reflag(archive, by=me)
    assert (again.looked, again.renewed, [each.title for each in again.listed]) == (0, 0, ["passed"])

    reopened = reflag(archive, by=me, reopen=True)
    assert (reopened.looked, reopened.reopened) == (0, 1)
    assert edit(archive, "passed").state is EditState.IN_REVIEW
    assert [flag.detection.kind for flag in edit(archive, "passed").outputs[0].flags] == [Kind.TEXT]
    assert reflag(archive, by=me).reasoned == 0
    assert edit(archive, "accepted").state is EditState.APPROVED
    assert audit.verify(archive).is_whole


def test_a_pass_that_was_stopped_goes_on_where_it_was(archive: Desk) -> None:
    def stop(done: int, total: int) -> None:
        assert total == len(NAMES)
        os.kill(os.getpid(), signal.SIGINT)

    first = reflag(archive, by=local_person("ada"), on_progress=stop)
    assert first.was_interrupted
    assert 1 <= first.edits < len(NAMES)
    second = reflag(archive, by=local_person("ada"))
    assert (second.edits, second.looked) == (len(NAMES), len(NAMES) - first.looked)


@pytest.mark.soak
def test_a_cluster_streams_the_archive_and_comes_to_the_same(archive: Desk, ray_cluster: None) -> None:
    me = local_person("ada")
    desk = Desk.open(archive.root, detectors=("text",), cache=archive.settings.cache, workers=1, engine="ray")
    first = reflag(desk, by=me)
    assert (first.edits, first.looked, first.renewed, first.reasoned, first.failed) == (8, 8, 2, 1, {})
    assert [flag.detection.label for flag in edit(desk, "waiting").outputs[0].flags] == ["CLEARANCE"]
    again = reflag(archive, by=me)
    assert (again.edits, again.looked, again.renewed) == (8, 0, 0)
    desk.close()


def test_the_command_says_what_came_of_it(archive: Desk) -> None:
    """Of a batch that has nothing, so that nothing is looked at; and the refusals."""
    ran = run_command("--desk", str(archive.root), "reflag", "--dry-run", "--since", "2100-01-01", "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["edits"] == 0
    ran = run_command("--desk", str(archive.root), "reflag", "--dry-run")
    assert "8 edits; 8 of them are to be looked at." in ran.stdout
    assert run_command("--desk", str(archive.root), "reflag", "--batch", "spring").exit_code == 1
    assert (
        "unknown detector 'noses'" in run_command("--desk", str(archive.root), "reflag", "--detectors", "noses").stderr
    )
    with pytest.raises(Forbidden):
        reflag(archive, by=Person("eve", Role.APPROVER))


def edit(desk: Desk, name: str) -> EditRecord:
    (edit_id,) = reading.edit_ids(desk.db, EditFilter(asset_name=name))
    return reading.edit(desk.db, edit_id)


def _put(desk: Desk, word: str, number: int, colour: str) -> PictureFacts:
    noise = np.random.default_rng(number).normal(190, 20, (40, 80, 3)).clip(0, 255).astype(np.uint8)
    ground = Image.fromarray(noise).resize((480, 240), Image.Resampling.BICUBIC)
    image = Image.blend(ground, Image.new("RGB", ground.size, colour), 0.2)
    ImageDraw.Draw(image).text((20, 20), word, fill="black", font=ImageFont.load_default(size=40))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    return PictureFacts(desk.blobs.put(data, "image/png"), "image/png", (480, 240), len(data))
