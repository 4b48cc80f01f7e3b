"""A provider whose answers a test writes down: real pictures, real waiting, no network."""

import asyncio
import io
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageOps

from pipeline.providers import BaseProvider, Tools
from pipeline.values import EditRequest, EditResult, Estimate, Handle, OutputPicture

Answer = EditResult | Handle | Exception


def inverted(request: EditRequest) -> EditResult:
    """The source in negative: a picture that is surely another one."""
    assert request.source is not None
    with Image.open(io.BytesIO(request.source.read())) as image:
        negative = ImageOps.invert(image.convert("RGB"))
    buffer = io.BytesIO()
    negative.save(buffer, "PNG")
    return EditResult((OutputPicture(buffer.getvalue(), "image/png"),), request_id="r-1", cost_microusd=40_000)


class ScriptedProvider(BaseProvider):
    """Answers each prompt as the test's script says; the source in negative otherwise.

    Attributes:
        script: By prompt, what the calls get, one after the other; an exception is raised.
        sent: The prompts that were sent, in order.
    """

    name = "scripted"
    max_outputs = 4
    max_references = 16
    takes_mask = True
    poll_s = 0.01

    script: dict[str, list[Callable[[EditRequest], Answer] | Answer]] = {}  # noqa: RUF012 - the tests' own
    sent: list[str] = []  # noqa: RUF012
    finished: dict[str, EditResult] = {}  # noqa: RUF012

    def __init__(self, options: Mapping[str, Any], tools: Tools) -> None:
        self._price = options.get("price_microusd", 40_000)

    def estimate(self, request: EditRequest) -> Estimate:
        return Estimate(self._price, self._price)

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        self.sent.append(request.instruction.prompt)
        await asyncio.sleep(0.01)
        answers = self.script.get(request.instruction.prompt)
        answer = answers.pop(0) if answers else inverted
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, EditResult | Handle)
        return answer

    async def poll(self, handle: Handle) -> EditResult | None:
        return self.finished.get(handle.task_id)
