"""What every provider keeps to, whoever wrote it."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipeline.errors import EditRefused
from pipeline.images import read_size
from pipeline.pool import WorkPool
from pipeline.providers import Provider, Tools, load_provider
from pipeline.values import EditRequest, EditResult, Instruction
from tests.pictures import kept

INSTRUCTIONS = {"local": "make it vintage"}
"""An instruction that each provider carries out."""


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkPool]:
    with WorkPool(1) as opened:
        yield opened


@pytest.fixture(params=sorted(INSTRUCTIONS))
def provider(request: pytest.FixtureRequest, pool: WorkPool) -> Provider:
    return load_provider(request.param, {}, Tools(pool))


def source(kind: str = "PNG", mode: str = "RGB") -> bytes:
    image = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(image).ellipse((40, 30, 120, 100), fill=(30, 120, 200))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def request_for(provider: Provider, prompt: str | None = None, **options: Any) -> EditRequest:
    instruction = Instruction(INSTRUCTIONS[provider.name] if prompt is None else prompt)
    return EditRequest("edit 1", kept(options.pop("source", source())), instruction, **options)


def submit(provider: Provider, request: EditRequest) -> EditResult:
    answer = asyncio.run(provider.submit(request))
    assert isinstance(answer, EditResult)
    return answer


def test_it_says_what_it_is(provider: Provider) -> None:
    assert isinstance(provider, Provider)
    assert provider.version
    assert provider.max_outputs >= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_answer_is_a_picture(provider: Provider, kind: str) -> None:
    result = submit(provider, request_for(provider, source=source(kind)))
    for output in result.outputs:
        media_type, size_wh = read_size(output.data)
        assert media_type == output.media_type
        assert min(size_wh) > 0


def test_a_repeatable_provider_gives_the_same_bytes_again(provider: Provider) -> None:
    if not provider.is_repeatable:
        pytest.fail("write down here how this provider's answers may be compared")
    first, second = (submit(provider, request_for(provider)) for _ in range(2))
    assert [output.data for output in first.outputs] == [output.data for output in second.outputs]


def test_more_outputs_than_it_can_make_are_refused_before_sending(provider: Provider) -> None:
    with pytest.raises(EditRefused) as caught:
        provider.check(request_for(provider, n=provider.max_outputs + 1))
    assert caught.value.code
    assert str(caught.value)


def test_check_looks_at_no_pixels(provider: Provider) -> None:
    provider.check(request_for(provider, source=b"no picture at all"))


def test_it_can_be_let_go_of(provider: Provider) -> None:
    asyncio.run(provider.aclose())
