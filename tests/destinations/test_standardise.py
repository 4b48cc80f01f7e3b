"""The recipe catalogue-standardise, by the local engine itself, makes a picture that its destination takes."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.destinations.checks import check
from pipeline.destinations.derivatives import derive
from pipeline.destinations.preflight import preflight
from pipeline.providers.local.carry_out import make_edit
from pipeline.providers.local.catalogue import standardise
from pipeline.recipes import builtin_folder, load_recipes
from pipeline.values import EditRequest, OutputPicture
from tests import products
from tests.destinations.drawn import builtin, encoded
from tests.pictures import kept
from tests.providers.local import drawn_shots

RECIPE = load_recipes([builtin_folder()])["catalogue-standardise"]


def standardised(source: bytes, destination: str, **parameters: str) -> OutputPicture:
    instruction = RECIPE.fill(parameters, numbers=builtin(destination).numbers)
    (output,) = make_edit(EditRequest("edit", kept(source), instruction), "").outputs
    return output


@pytest.mark.parametrize(
    ("product", "destination"), [("mug", "amazon-main"), ("bottle", "zalando"), ("carton", "walmart")]
)
def test_what_the_recipe_makes_passes_its_pack(product: str, destination: str) -> None:
    """A shaded item on a grey or coloured ground of 1024 x 1024, with its own shadow, and not enlarged for nothing."""
    output, rules = standardised(products.product(product), destination), builtin(destination)
    found = preflight(output.data, output.media_type, rules)
    assert [(each.rule.name, each.note) for each in found if not each.is_advice] == []
    made = derive(output.data, output.media_type, rules, sku="SKU-1")
    assert rules.least_wh <= (made.width, made.height) < rules.making.frame_wh
    assert check(made.data, made.media_type, rules, name=made.name) == found


def test_the_edge_is_white_and_the_shadow_is_still_there() -> None:
    """As JPEG: 24 pixels, 16 of the encoder's blocks and half as much again, are white, and under the mug it is not."""
    source = encoded(Image.fromarray(drawn_shots.mug().rgb), "JPEG", quality=95)
    output = standardised(source, "google-merchant", size="1500")
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
    assert RECIPE.fill({}, numbers=builtin("zalando").numbers).operations[0]["size"] == "762x1101 to 1801x2600"
    assert RECIPE.fill({"size": "500 to 1500"}).operations[0]["size"] == "500x500 to 1500x1500"


@pytest.mark.parametrize(
    ("least", "most", "side", "is_enlarged"), [(100, 2000, 350, False), (600, 2000, 600, True), (100, 300, 300, False)]
)
def test_a_frame_is_as_large_as_the_item_allows(least: int, most: int, side: int, is_enlarged: bool) -> None:
    """The bottle is 280 of 400 pixels high: with a tenth free on each side that is a frame of 350."""
    edited = standardise(drawn_shots.bottle().rgb, size_wh=(most, most), least_wh=(least, least), margin=0.1)
    assert edited.rgb.shape[0] == edited.rgb.shape[1] == pytest.approx(side, abs=6)
    assert ([each.rule for each in edited.findings] == ["enlarged"]) is is_enlarged
