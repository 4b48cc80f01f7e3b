"""Texts and numbers that no database keeps: refused from people, mended from machines, alike on both databases."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import review, tokens
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError, UsageError
from pipeline.manifest import read_manifest
from pipeline.people import Person, local_person
from pipeline.states import EditState, Role
from pipeline.store import Database, access, batching, ledger, reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.texts import is_storable, mended, mended_json, need_storable
from pipeline.values import Change, Detection, Flag, Kind, Level, Route
from tests import postgres
from tests.attempts import begin
from tests.desks import BATCH, build_desk, load_rows
from tests.store.conftest import PICTURE, SOURCE, row

PIECES = ["\0", "\ud83d", "\udc00", "\ufdd0", "\\", '"', "'", "\n", "%", "\u202e", "a", "é", "猫", "\\u0000"]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
"""Most of them have what no database keeps."""

NUMBERS = st.sampled_from([0, 1, -1, 2**63, 10**30, 10**15 + 1])
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
SIMPLE = st.one_of(HOSTILE, FLOATS, NUMBERS, st.none())
EACH = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@given(HOSTILE)
def test_a_mended_text_is_storable_and_a_storable_one_is_as_it_was(text: str) -> None:
    assert is_storable(mended(text))
    assert len(mended(text)) == len(text)
    assert (mended(text) == text) == is_storable(text)
    mended(text).encode()


@EACH
@given(st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner), max_leaves=8))
def test_mended_json_is_json_for_everybody(value: Any) -> None:
    text = json.dumps(mended_json(value), ensure_ascii=False, allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()


def test_a_refusal_says_where() -> None:
    with pytest.raises(UsageError, match="reviewer note: character 3 is NUL"):
        need_storable(reviewer_note="ab\0")
    with pytest.raises(UsageError, match=r"character 1 is half a character \(U\+D83D\)"):
        need_storable(prompt="\ud83d")


@EACH
@given(HOSTILE, HOSTILE, FLOATS, NUMBERS)
def test_nothing_that_a_machine_says_loses_a_paid_answer(
    db: Database, text: str, other: str, score: float, number: int
) -> None:
    """What was paid for is booked, kept and looked at, on both databases with the same words."""
    load_rows(db, [row("hat"), row("cap")], batch=f"b{len(reading.batches(db))}")
    first, second = sorted(reading.edit_ids(db, reading.EditFilter(), limit=1000))[-2:]
    running.save_source(db, first, original_sha256="0" * 64, source=SOURCE, facts={"exif": text, "x": score})
    running.remember(db, "openai", "file", text, expires_at=None)
    assert running.recall(db, "openai", "file") == mended(text)
    found = Detection(Kind.TEXT, (score, 0, 1, 1), score, Level.SURE, text, "reader", other)
    attempt = begin(db, first)
    ledger.save_task_id(db, attempt, text)
    notes = {"said": text, text: [score, number]}
    output = StoredOutput(PICTURE, text, notes, (found,))
    usage = {"text_in": number, "image_out": 7}
    (output_id,) = ledger.finish(
        db,
        attempt,
        owner="runner",
        outputs=[output],
        request_id=text,
        usage=usage,
        cost_microusd=number,
        ai_model=other,
    )
    running.save_scans(db, PICTURE.sha256, {f"print-{first}": [found]})
    flags = {output_id: [Flag(found, Change.INTRODUCED, before=text, remark=other)]}
    route = Route(to_review=True, is_sample=False, reasons=(text,), policy_hash="p")
    running.route_edit(db, first, route, flags, owner="runner", best_output_id=output_id)
    edit = reading.edit(db, first)
    assert edit.state is EditState.IN_REVIEW
    assert edit.outputs[0].name == mended(text)
    assert edit.outputs[0].flags[0].detection.label == mended(text)
    assert math.isfinite(edit.outputs[0].flags[0].detection.score)
    assert edit.unpriced == (abs(number) > 10**15)
    refused = begin(db, second)
    ledger.give_up(
        db, refused, EditState.REFUSED, owner="runner", code="refused", message=text, details={"why": text, "x": score}
    )
    assert reading.edit(db, second).error == mended(text)
    batching.record_stop(db, [edit.asset.batch_id], code="account", message=text, owner="runner")
    stopped = reading.batch_named(db, edit.asset.batch).stopped
    assert stopped is not None
    assert stopped["message"] == mended(text)


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield build_desk(tmp_path / "desk")
        return
    with postgres.desks_are_in_it():
        yield build_desk(tmp_path / "desk")


@EACH
@given(HOSTILE.filter(lambda text: not is_storable(text)))
def test_what_a_person_types_is_refused_and_nothing_is_changed(desk: Desk, text: str) -> None:
    ada = local_person("ada")
    before = [edit.revision for edit in reading.each_edit(desk.db, reading.EditFilter())]
    attempts: list[Callable[[], object]] = [
        lambda: review.accept(desk, 1, by=ada, note=text),
        lambda: review.accept(desk, 1, by=Person(text, Role.ADMIN)),
        lambda: review.reject(desk, 1, by=ada, reason="other", note=text),
        lambda: review.reprompt(desk, 1, by=ada, prompt=f"x{text}x"),
        lambda: review.accept(desk, 1, by=ada, screen=review.Screen(idempotency_key=text)),
        lambda: tokens.make(desk, name=text, role=Role.VIEWER, by=ada),
        lambda: access.set_role(desk.db, "eve", Role.ADMIN, actor=text),
        lambda: load_rows(desk.db, [row("new")], batch=text),
        lambda: load_rows(desk.db, [row("new")], batch="new", actor=text),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError):
            attempt()
    with suppress(PicturedeskError):  # or nothing is found
        assert not access.role_of(desk.db, text)
    with pytest.raises(PicturedeskError):
        reading.batch_named(desk.db, text)
    with pytest.raises(PicturedeskError):
        reading.edit(desk.db, 2**70)
    assert [edit.revision for edit in reading.each_edit(desk.db, reading.EditFilter())] == before
    assert [batch.name for batch in reading.batches(desk.db)] == [BATCH]


@pytest.mark.parametrize("value", ['"a\\u0000b"', '"\\ud83d"', '{"x": ["\\u0000"]}'])
def test_a_manifest_with_such_a_text_says_on_which_line(tmp_path: Path, value: str) -> None:
    file = tmp_path / "shop.jsonl"
    file.write_text(f'{{"asset_id": "a", "source": "a.png", "prompt": "x"}}\n{{"asset_id": "b", "note": {value}}}\n')
    (tmp_path / "a.png").touch()
    found = read_manifest(file, recipes={}, is_known_provider=lambda _: True)
    assert [problem.line for problem in found.problems] == [2]
    assert "no JSON" in found.problems[0].found
