"""Pictures at the Files API: sent once, remembered by the desk from run to run, and sent anew when they are gone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest

from pipeline.desk import Desk
from pipeline.errors import AccountStopped, EditFailed, RetryLater
from pipeline.lanes import DeskMemory
from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.openai.batch import OpenAIBatchProvider
from pipeline.providers.openai.images import OpenAIProvider
from pipeline.store.journal import Journal
from pipeline.values import EditRequest, EditResult, Instruction, PictureFile
from tests.fake_api.running import RunningFake, running_fake
from tests.pictures import drawn

T = TypeVar("T")
DAY = timedelta(days=1)


@pytest.fixture
def journal(desk: Desk) -> Iterator[Journal]:
    opened = Journal(desk.db)
    yield opened
    opened.close()


Run = Callable[[str, Callable[[OpenAIProvider], Awaitable[Any]]], Any]


@pytest.fixture
def run(desk: Desk, journal: Journal) -> Run:
    """Does something with a new provider each time; what it remembers is in the desk."""

    def with_provider(url: str, work: Callable[[OpenAIProvider], Awaitable[T]]) -> T:
        async def use() -> T:
            tools = Tools(WorkPool(1), DeskMemory(journal, desk, "openai"))
            provider = OpenAIProvider({"base_url": f"{url}/v1", "source": "file"}, tools)
            try:
                return await work(provider)
            finally:
                await provider.aclose()

        return asyncio.run(use())

    return with_provider


RED, BLUE, MASK = drawn(), drawn(colour="blue"), drawn(mode="RGBA", colour=(0, 0, 0, 0))


def edit(source: PictureFile = RED, **others: Any) -> Callable[[OpenAIProvider], Awaitable[EditResult]]:
    """Makes one edit."""

    async def submit(provider: OpenAIProvider) -> EditResult:
        answer = await provider.submit(EditRequest("edit 1", source, Instruction("warmer"), **others))
        assert isinstance(answer, EditResult)
        return answer

    return submit


def uploaded(fake: RunningFake) -> list[str]:
    """Ids of the pictures that the service has, the newest first."""
    with fake.client() as client:
        return [entry.id for entry in client.files.list() if entry.purpose == "vision"]


def test_equal_pictures_are_sent_once_for_several_edits(fake: RunningFake, run: Run) -> None:
    """As a source, as a reference, and from another file."""

    async def edits(provider: OpenAIProvider) -> None:
        await edit(RED)(provider)
        await edit(BLUE, references=(RED,))(provider)
        await edit(drawn())(provider)

    run(fake.url, edits)
    assert len(uploaded(fake)) == 2


def test_equal_pictures_are_sent_once_for_edits_at_the_same_time(fake: RunningFake, run: Run) -> None:
    async def at_once(provider: OpenAIProvider) -> None:
        await asyncio.gather(*[edit(RED, references=(BLUE,))(provider) for _ in range(20)])

    run(fake.url, at_once)
    assert len(uploaded(fake)) == 2
    assert fake.ledger()["billed"] == 20


def test_the_next_run_knows_the_files_of_the_one_before(fake: RunningFake, run: Run) -> None:
    run(fake.url, edit())
    run(fake.url, edit())
    assert len(uploaded(fake)) == 1


def test_a_batch_shares_the_files_of_single_edits(fake: RunningFake, run: Run, desk: Desk, journal: Journal) -> None:
    run(fake.url, edit())

    async def by_batch() -> None:
        tools = Tools(WorkPool(1), DeskMemory(journal, desk, "openai-batch"))
        options = {"base_url": f"{fake.url}/v1", "gather_s": 0.01}
        provider = OpenAIBatchProvider(options, tools)
        await provider.submit(EditRequest("edit 2", RED, Instruction("warmer"), client_id="pd-2"))
        await provider.aclose()

    asyncio.run(by_batch())
    assert len(uploaded(fake)) == 1


def test_another_key_sends_anew(fake: RunningFake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is an account's own; the first account's is still known afterwards."""
    run(fake.url, edit())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    run(fake.url, edit())
    assert len(uploaded(fake)) == 2
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    run(fake.url, edit())
    assert len(uploaded(fake)) == 2


def test_another_service_sends_anew(fake: RunningFake, run: Run) -> None:
    run(fake.url, edit())
    with running_fake() as other:
        run(other.url, edit())
        assert len(uploaded(other)) == 1
    assert len(uploaded(fake)) == 1


@pytest.mark.parametrize(("days", "files"), [(29.9, 1), (29.99, 2), (31, 2)])
def test_a_file_is_sent_anew_an_hour_before_it_expires(
    fake: RunningFake, run: Run, monkeypatch: pytest.MonkeyPatch, days: float, files: int
) -> None:
    """It is kept for 30 days, and 0.01 days are a quarter of an hour."""
    run(fake.url, edit())
    monkeypatch.setattr("pipeline.store.running.now", lambda: datetime.now(UTC) + days * DAY)
    run(fake.url, edit())
    assert len(uploaded(fake)) == files


@pytest.mark.parametrize("lost", ["source", "reference", "mask"])
def test_a_file_that_the_service_lost_is_sent_anew_the_next_time(fake: RunningFake, run: Run, lost: str) -> None:
    row = edit(RED, references=(BLUE,), mask=MASK)
    run(fake.url, row)
    mask, reference, source = uploaded(fake)
    with fake.client() as client:
        client.files.delete({"source": source, "reference": reference, "mask": mask}[lost])
    with pytest.raises(RetryLater) as caught:
        run(fake.url, row)
    assert caught.value.code == "file_gone"
    assert fake.ledger()["billed"] == 1
    run(fake.url, row)
    assert fake.ledger()["billed"] == 2


def test_another_mistake_in_the_row_forgets_no_file(fake: RunningFake, run: Run) -> None:
    run(fake.url, edit())
    with pytest.raises(EditFailed):
        run(fake.url, edit(size="7x7"))
    run(fake.url, edit())
    assert len(uploaded(fake)) == 1


def test_a_wrong_key_stops_at_the_upload_and_remembers_nothing(
    fake: RunningFake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with pytest.raises(AccountStopped, match="set OPENAI_API_KEY"):
        run(fake.url, edit())
    assert uploaded(fake) == []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    run(fake.url, edit())
    assert len(uploaded(fake)) == 1


def test_an_upload_that_broke_off_may_be_sent_again() -> None:
    """It is free: the edit itself has not left."""
    paths: list[str] = []

    def hang_up(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        raise httpx.ReadError("broken", request=request)

    with pytest.raises(RetryLater) as caught:
        asyncio.run(_edit_through(httpx.MockTransport(hang_up)))
    assert caught.value.retry_after_s > 0
    assert paths == ["/v1/files"]


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": 5}, []])
def test_an_upload_without_an_id_fails_the_edit_unbilled(body: Any) -> None:
    with pytest.raises(EditFailed) as caught:
        asyncio.run(_edit_through(httpx.MockTransport(lambda _: httpx.Response(200, json=body))))
    assert caught.value.code == "bad_answer"
    assert caught.value.cost_microusd == 0


async def _edit_through(transport: httpx.AsyncBaseTransport) -> None:
    options = {"base_url": "http://127.0.0.1:9/v1", "source": "file"}
    provider = OpenAIProvider(options, Tools(WorkPool(1)), transport=transport)
    try:
        await edit()(provider)
    finally:
        await provider.aclose()
