"""What a run would send and cost, before anything is sent."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import planning
from pipeline.desk import Desk
from pipeline.errors import ManifestError
from pipeline.intake import take_in
from pipeline.store import reading
from tests.desks import new_desk

HEADER = "asset_id,source,prompt,size,quality,n,ai_model\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a picture of 512 x 512."""
    Image.new("RGB", (512, 512), "teal").save(tmp_path / "mug.png")
    return tmp_path


def manifest(shop: Path, *rows: str) -> Path:
    path = shop / "shop.csv"
    path.write_text(HEADER + "\n".join(rows), "utf-8")
    return path


def opened(shop: Path, **options: Any) -> Desk:
    return new_desk(shop / "desk", **{"provider": "openai", **options})


def test_a_row_is_priced_by_hand(shop: Path) -> None:
    """gpt-image-2, medium, 1024x1024: 1,756 tokens out at $30 a million, and 512 x 512 in, 256 tokens at $8."""
    path = manifest(shop, "mug,mug.png,make it blue,1024x1024,medium,1,gpt-image-2")
    (line,) = planning.plan(opened(shop), path)
    assert (line.edits, line.images, line.ai_model, line.unpriced) == (1, 1, "gpt-image-2", 0)
    least = 1_756 * 30 + 256 * 8
    assert least <= line.low_microusd <= line.high_microusd < 1.1 * least


def test_outputs_count_each(shop: Path) -> None:
    one = planning.plan(opened(shop), manifest(shop, "mug,mug.png,make it blue,1024x1024,low,1,"))
    three = planning.plan(opened(shop), manifest(shop, "mug,mug.png,make it blue,1024x1024,low,3,"))
    assert (three[0].images, three[0].high_microusd) == (3, 3 * one[0].high_microusd)


def test_each_model_and_provider_has_its_own_line(shop: Path) -> None:
    path = shop / "shop.csv"
    path.write_text(
        "asset_id,source,prompt,provider,ai_model\na,mug.png,make it blue,openai,gpt-image-2\n"
        "b,mug.png,make it vintage,local,\nc,mug.png,make it red,openai,gpt-image-2.5-flare\n"
    )
    lines = planning.plan(opened(shop), path)
    assert [(line.provider, line.ai_model, line.edits) for line in lines] == [
        ("local", "", 1),
        ("openai", "gpt-image-2", 1),
        ("openai", "gpt-image-2.5-flare", 1),
    ]
    assert lines[0].high_microusd == 0


def test_a_batch_costs_half(shop: Path) -> None:
    path = manifest(shop, "mug,mug.png,make it blue,1024x1024,low,1,gpt-image-2")
    (whole,) = planning.plan(opened(shop), path)
    (half,) = planning.plan(opened(shop, provider="openai-batch"), path)
    assert half.high_microusd * 2 == pytest.approx(whole.high_microusd, abs=2)


def test_the_rate_limit_says_how_long_it_takes(shop: Path) -> None:
    rows = [f"mug-{n},mug.png,make it blue,,,2," for n in range(10)]
    desk = opened(shop, providers={"openai": {"images_per_minute": 5, "requests_per_minute": 100}})
    (line,) = planning.plan(desk, manifest(shop, *rows))
    assert line.minutes == 10 * 2 / 5


def test_without_a_known_price_the_cost_is_unknown_and_not_zero(shop: Path) -> None:
    desk = opened(
        shop,
        provider="compatible",
        providers={"compatible": {"base_url": "http://127.0.0.1:9/v1", "ai_model": "x"}},
    )
    lines = planning.plan(desk, manifest(shop, "mug,mug.png,make it blue,,,,"))
    assert planning.as_json(lines)["unpriced"] == 1


def test_nothing_is_loaded_and_what_is_loaded_is_counted_once(shop: Path) -> None:
    desk, path = opened(shop), manifest(shop, "mug,mug.png,make it blue,,,,", "cap,mug.png,make it red,,,,")
    before = planning.plan(desk, path)
    assert reading.batches(desk.db) == []
    take_in(desk, path, actor="ada")
    assert planning.plan(desk, path) == before
    assert planning.plan(desk, None) == before
    assert before[0].edits == 2


def test_a_retired_model_is_refused_here_already(shop: Path) -> None:
    with pytest.raises(ManifestError, match="shut dall-e-2 down"):
        planning.plan(opened(shop), manifest(shop, "mug,mug.png,make it blue,,,,dall-e-2"))
