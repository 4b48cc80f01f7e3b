"""The provider of docs/providers.md, word for word; a test holds the two together."""

# begin
import io

from PIL import Image

from pipeline.providers import BaseProvider, Tools
from pipeline.values import EditRequest, EditResult, Estimate, OutputPicture


class TintedProvider(BaseProvider):
    name, version, is_repeatable = "tinted", "1", True

    def __init__(self, options: dict[str, str], tools: Tools) -> None:
        self._colour = options.get("colour", "orange")

    def estimate(self, request: EditRequest) -> Estimate:
        return Estimate(low_microusd=0, high_microusd=0)

    async def submit(self, request: EditRequest) -> EditResult:
        picture = Image.open(io.BytesIO(request.pictures[0].read())).convert("RGB")
        buffer = io.BytesIO()
        Image.blend(picture, Image.new("RGB", picture.size, self._colour), 0.3).save(buffer, "PNG")
        return EditResult((OutputPicture(buffer.getvalue(), "image/png"),))
