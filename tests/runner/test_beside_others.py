"""A run beside other workers of the same desk."""

import asyncio
from pathlib import Path

from pipeline.runner import Runner
from pipeline.states import EditState
from pipeline.store import running, workers
from tests.attempts import begin, finish, living_worker
from tests.runner.desks import make_desk, run, states
from tests.store.conftest import SOURCE

DONE = {EditState.APPROVED, EditState.IN_REVIEW}


def test_a_run_ends_when_its_batch_does_whoever_makes_it(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    running.save_source(desk.db, 1, original_sha256="0" * 64, source=SOURCE, facts={})
    with living_worker(desk.db, "elsewhere"):
        attempt = begin(desk.db, 1, owner="elsewhere")

        async def story() -> None:
            ours = asyncio.create_task(Runner(desk).run())
            await asyncio.sleep(1)
            assert not ours.done()
            assert states(desk) == [EditState.SENDING, states(desk)[1]]
            workers.leave(desk.db, "elsewhere")
            await ours

        asyncio.run(story())
    assert states(desk)[0] is EditState.IN_DOUBT, "nobody can be asked what became of it"
    assert states(desk)[1] in DONE
    assert finish(desk.db, attempt, []) == []


def test_what_a_worker_left_is_taken_up_by_the_next_run(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    assert running.claim_queued(desk.db, owner="gone", provider="scripted", limit=1, batch_id=None) == [1]
    run(desk)
    assert set(states(desk)) <= DONE
