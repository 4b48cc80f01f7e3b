"""What every provider keeps to, whoever wrote it; those over the network speak to the fake service."""

import asyncio
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipeline import providers
from pipeline.errors import AccountStopped, EditError, EditRefused, UsageError
from pipeline.fake_api.behaviour import FakeOptions
from pipeline.images import read_size
from pipeline.pool import WorkPool
from pipeline.prices import read_prices
from pipeline.providers import Provider, Tools, load_provider
from pipeline.values import EditRequest, EditResult, Handle, Instruction, RateLimits
from tests.fake_api.running import RunningFake, running_fake
from tests.pictures import kept

PRICE = [{"picture": 0.05}]
OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "local": lambda _: {},
    "openai": lambda url: {"base_url": f"{url}/v1"},
    "openai-batch": lambda url: {"base_url": f"{url}/v1", "gather_s": 0.01, "poll_s": 0.01},
    "openoctopus": lambda url: {"base_url": f"{url}/octopus/v1", "poll_s": 0.01, "prices": PRICE},
    "compatible": lambda url: {"base_url": f"{url}/v1", "ai_model": "gpt-image-2", "prices": PRICE},
    "tinted": lambda _: {},
}
"""By provider, the options that lead it to the fake service; ``tinted`` is the one of docs/providers.md."""

REMOTE = sorted(set(OPTIONS) - {"local", "tinted"})


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkPool]:
    with WorkPool(1) as opened:
        yield opened


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    with running_fake(FakeOptions(latency_ms=(0, 0), engine="quick", batch_s=0)) as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENOCTOPUS_API_KEY", "PICTUREDESK_COMPATIBLE_KEY"):
        monkeypatch.setenv(name, "ooq_test" if "OCTOPUS" in name else "sk-test")
    monkeypatch.setitem(providers.BUILT_IN, "tinted", "tests.documented_provider:TintedProvider")


Make = Callable[[Callable[[Provider], Any]], Any]


@pytest.fixture(params=sorted(OPTIONS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(name: str, pool: WorkPool, fake: RunningFake) -> Make:
    """Calls an async function with the provider, in one event loop, and lets go of it."""

    def use(work: Callable[[Provider], Any]) -> Any:
        return using(name, pool, fake, work)

    return use


def using(name: str, pool: WorkPool, fake: RunningFake, work: Callable[[Provider], Any]) -> Any:
    async def run() -> Any:
        options = OPTIONS[name](fake.url)
        prices = read_prices({name: options.get("prices", [])})
        provider = load_provider(name, options, Tools(pool, prices=prices))
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(run())


def source(kind: str = "PNG", mode: str = "RGB") -> bytes:
    image = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(image).ellipse((40, 30, 120, 100), fill=(30, 120, 200))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def request_for(prompt: str = "make it vintage", data: bytes | None = None, **options: Any) -> EditRequest:
    named = {"client_id": "pd-contract", **options}
    return EditRequest("edit 1", kept(data or source()), Instruction(prompt), **named)


async def made(provider: Provider, request: EditRequest) -> EditResult:
    """An edit's answer, however long the provider takes to give it."""
    answer = await provider.submit(request)
    while isinstance(answer, Handle):
        handle = answer
        assert handle.task_id
        found = await provider.poll(handle)
        if found is not None:
            return found
        await asyncio.sleep(provider.poll_s)
    return answer


def test_it_says_what_it_is(opened: Make, name: str) -> None:
    async def look(provider: Provider) -> None:
        assert isinstance(provider, Provider)
        assert provider.name == name
        assert provider.version
        assert provider.max_outputs >= 1
        assert provider.poll_s > 0
        assert isinstance(provider.limits, RateLimits)

    opened(look)


def test_an_estimate_bounds_the_cost(opened: Make) -> None:
    async def compare(provider: Provider) -> None:
        request = request_for()
        estimate = provider.estimate(request)
        result = await made(provider, request)
        if estimate.high_microusd is not None:
            assert result.cost_microusd is not None
            assert estimate.low_microusd is not None
            assert estimate.low_microusd <= result.cost_microusd <= estimate.high_microusd

    opened(compare)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_answer_is_a_picture(opened: Make, kind: str) -> None:
    async def edit(provider: Provider) -> None:
        result = await made(provider, request_for(data=source(kind)))
        assert result.outputs
        for output in result.outputs:
            media_type, size_wh = read_size(output.data)
            assert media_type == output.media_type
            assert min(size_wh) > 0

    opened(edit)


def test_a_repeatable_provider_gives_the_same_bytes_again(opened: Make) -> None:
    async def twice(provider: Provider) -> None:
        if not provider.is_repeatable:
            return
        first, second = [await made(provider, request_for()) for _ in range(2)]
        assert [output.data for output in first.outputs] == [output.data for output in second.outputs]

    opened(twice)


def test_more_outputs_than_it_can_make_are_refused_before_sending(opened: Make) -> None:
    async def refuse(provider: Provider) -> None:
        with pytest.raises(EditRefused) as caught:
            provider.check(request_for(n=provider.max_outputs + 1))
        assert caught.value.code
        assert str(caught.value)

    opened(refuse)


def test_check_looks_at_no_pixels(opened: Make) -> None:
    async def check(provider: Provider) -> None:
        provider.check(request_for(data=b"no picture at all"))

    opened(check)


def test_what_was_never_sent_is_not_found(opened: Make) -> None:
    """``find`` gives nothing, or says that it never left."""

    async def find(provider: Provider) -> None:
        try:
            assert await provider.find("pd-never-sent") is None
        except EditError as exc:
            assert exc.code == "never_sent"

    opened(find)


@pytest.mark.parametrize("remote", REMOTE)
def test_what_it_books_is_what_is_billed(remote: str, pool: WorkPool, fake: RunningFake) -> None:
    """To the millionth of a dollar, under our own name for the request."""
    client_id = f"pd-billed-{remote}"

    async def edit(provider: Provider) -> EditResult:
        return await made(provider, request_for(client_id=client_id))

    result = using(remote, pool, fake, edit)
    (billed,) = [entry for entry in fake.ledger()["entries"] if entry["client_id"] == client_id]
    if remote == "compatible":  # its price is the desk's own, for each picture
        assert result.cost_microusd == 50_000
    else:
        assert result.cost_microusd == billed["cost_microusd"]
    assert result.ai_model == billed["ai_model"]


@pytest.mark.parametrize("remote", REMOTE)
def test_without_a_key_nothing_is_sent(
    remote: str, pool: WorkPool, fake: RunningFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENOCTOPUS_API_KEY", "PICTUREDESK_COMPATIBLE_KEY"):
        monkeypatch.delenv(variable)
    before = fake.ledger()["billed"]

    async def edit(provider: Provider) -> None:
        with pytest.raises(AccountStopped, match=r"set [A-Z_]+_KEY in the environment"):
            await made(provider, request_for())

    using(remote, pool, fake, edit)
    assert fake.ledger()["billed"] == before


@pytest.mark.parametrize("remote", REMOTE)
def test_moderation_is_a_refusal(remote: str, pool: WorkPool, fake: RunningFake) -> None:
    async def edit(provider: Provider) -> None:
        with pytest.raises(EditRefused) as caught:
            await made(provider, request_for("fake:refuse"))
        assert caught.value.code == "moderation_blocked"

    using(remote, pool, fake, edit)


@pytest.mark.parametrize("remote", REMOTE)
def test_an_unknown_option_is_a_wrong_call(remote: str, pool: WorkPool) -> None:
    with pytest.raises(UsageError, match="colour"):
        load_provider(remote, {"base_url": "http://127.0.0.1:9/v1", "colour": "red"}, Tools(pool))


def test_an_unknown_provider_is_a_wrong_call_that_names_the_known_ones(pool: WorkPool) -> None:
    with pytest.raises(UsageError, match="local, openai, openai-batch, openoctopus, compatible"):
        load_provider("tigers", {}, Tools(pool))
