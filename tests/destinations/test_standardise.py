"""The recipe catalogue-standardise, by the local engine itself, makes a picture that its destination takes."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.destinations.checks import check
from pipeline.destinations.derivatives import derive
from pipeline.destinations.preflight import preflight
from pipeline.providers.local.carry_out import make_edit
from pipeline.recipes import builtin_folder, load_recipes
from pipeline.values import EditRequest, OutputPicture
from tests import products
from tests.destinations.drawn import builtin, encoded
from tests.pictures import kept
from tests.providers.local import drawn_shots

RECIPE = load_recipes([builtin_folder()])["catalogue-standardise"]


def standardised(source: bytes, destination: str) -> OutputPicture:
    instruction = RECIPE.fill({}, numbers=builtin(destination).numbers)
    (output,) = make_edit(EditRequest("edit", kept(source), instruction), "").outputs
    return output


@pytest.mark.parametrize(
    ("product", "destination"), [("mug", "amazon-main"), ("bottle", "zalando"), ("carton", "walmart")]
)
def test_what_the_recipe_makes_passes_its_pack(product: str, destination: str) -> None:
    """A shaded item on a grey or coloured ground, with its own shadow: even the advice is kept."""
    output, rules = standardised(products.product(product), destination), builtin(destination)
    assert [(each.rule.name, each.note) for each in preflight(output.data, output.media_type, rules)] == []
    made = derive(output.data, output.media_type, rules, sku="SKU-1")
    assert (made.width, made.height) == rules.making.frame_wh
    assert check(made.data, made.media_type, rules, name=made.name) == []


def test_the_edge_is_white_and_the_shadow_is_still_there() -> None:
    """As JPEG: 24 pixels, 16 of the encoder's blocks and half as much again, are white, and under the mug it is not."""
    output = standardised(encoded(Image.fromarray(drawn_shots.mug().rgb), "JPEG", quality=95), "google-merchant")
    with Image.open(io.BytesIO(output.data)) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (1500, 1500, 3)
    for side in (pixels[:24], pixels[-24:], pixels[:, :24], pixels[:, -24:]):
        assert (side == 255).all()
    assert pixels[1392:1410, 500:900].mean() < 250
    assert preflight(output.data, output.media_type, builtin("google-merchant")) == []


def test_what_a_row_gives_wins_over_the_destinations_number() -> None:
    own = RECIPE.fill({"size": "800"}, numbers=builtin("zalando").numbers)
    operation = {"op": "catalogue", "size": "800x800", "margin": 0.07, "colour": "#ffffff", "shadow": "natural"}
    assert own.operations == (operation,)
    assert "background of 800x800 pixels" in own.prompt
    assert RECIPE.fill({}).operations[0]["size"] == "1024x1024"
    assert RECIPE.fill({}, numbers=builtin("zalando").numbers).operations[0]["size"] == "1801x2600"
