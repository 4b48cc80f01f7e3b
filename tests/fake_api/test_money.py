"""What an edit is billed, worked out by hand from the published prices.

Prices in US dollars per million tokens, which is micro-dollars per token (pipeline/prices.toml, read 2026-11-20):
text in 5, image in 8, image out 30 for gpt-image-2 and gpt-image-2.5; a batch halves them.
"""

import pytest

from tests.fake_api.batches import ended, line, start_batch
from tests.fake_api.drawing import data_url, picture
from tests.fake_api.running import RunningFake

FLARE = "gpt-image-2.5-flare"
PROMPT = "make it warmer"
TEXT_IN = 6  # 14 letters, 3 to a token and rounded up make 5, and 1 for the end


def ask(fake: RunningFake, source_wh: tuple[int, int], prompt: str = PROMPT, **others: object) -> dict[str, int]:
    """Ask for one edit; what the service wrote down as its usage, and its ``cost``."""
    with fake.client() as client:
        source = ("red.png", picture(source_wh), "image/png")
        client.images.edit(image=source, prompt=prompt, **{"model": FLARE, "size": "1024x1024", **others})  # type: ignore[call-overload]
    entry = fake.ledger()["entries"][-1]
    return {**entry["usage"], "cost": entry["cost_microusd"]}


def test_one_edit(shared_fake: RunningFake) -> None:
    """A 1024 x 768 source at medium: 32 x 24 patches in, and the published 439 tokens out ($0.0132)."""
    image_in, image_out = 32 * 24, 439
    cost = 6 * 5 + 768 * 8 + 439 * 30
    assert cost == 30 + 6_144 + 13_170 == 19_344
    billed = ask(shared_fake, (1024, 768))
    assert billed == {"text_in": TEXT_IN, "image_in": image_in, "image_out": image_out, "cost": cost}


def test_a_source_that_does_not_fill_its_last_patches_pays_for_them(shared_fake: RunningFake) -> None:
    """65 x 33 pixels are 3 x 2 patches of 32 x 32: 6 tokens."""
    assert ask(shared_fake, (65, 33)) == {"text_in": 6, "image_in": 6, "image_out": 439, "cost": 30 + 48 + 13_170}


def test_a_large_source_is_capped(shared_fake: RunningFake) -> None:
    """2048 x 2048 would be 64 x 64 = 4,096; no picture counts more than 1,536."""
    assert ask(shared_fake, (2048, 2048))["cost"] == 30 + 1_536 * 8 + 13_170


def test_three_outputs_are_billed_as_three_requests(shared_fake: RunningFake) -> None:
    """3 x (6 x 5 + 4 x 8 + 439 x 30) = 3 x 13,232."""
    assert ask(shared_fake, (64, 64), n=3) == {"text_in": 18, "image_in": 12, "image_out": 1_317, "cost": 39_696}


def test_other_scripts_have_more_tokens_to_a_letter(shared_fake: RunningFake) -> None:
    """Nine Russian letters are 18 bytes: 18 / 3 is 6, and 1 for the end."""
    assert ask(shared_fake, (64, 64), "осветлить")["text_in"] == 6 + 1


@pytest.mark.parametrize(
    ("ai_model", "quality", "size", "image_out", "dollars"),
    [
        ("gpt-image-2", "low", "1024x1024", 196, 0.0059),
        ("gpt-image-2", "medium", "1024x1024", 1_756, 0.0527),
        ("gpt-image-2", "high", "1024x1024", 7_024, 0.2107),
        (FLARE, "low", "1024x1024", 196, 0.0059),
        (FLARE, "medium", "1024x1024", 439, 0.0132),
        (FLARE, "high", "1024x1024", 1_756, 0.0527),
        (FLARE, "xhigh", "1024x1024", 3_122, 0.0937),
        (FLARE, "max", "1024x1024", 7_024, 0.2107),
    ],
)
def test_the_output_costs_what_is_published_for_a_picture(
    shared_fake: RunningFake, ai_model: str, quality: str, size: str, image_out: int, dollars: float
) -> None:
    """The same word costs four times as much on another model."""
    billed = ask(shared_fake, (64, 64), model=ai_model, quality=quality, size=size)
    assert billed["image_out"] == image_out
    assert (billed["cost"] - TEXT_IN * 5 - 4 * 8) / 1e6 == pytest.approx(dollars, abs=0.00005)


@pytest.mark.parametrize(
    ("quality", "dollars"), [("low", 0.0047), ("medium", 0.0103), ("high", 0.0412), ("xhigh", 0.0738), ("max", 0.1646)]
)
def test_a_wide_output_costs_what_is_published(shared_fake: RunningFake, quality: str, dollars: float) -> None:
    billed = ask(shared_fake, (64, 64), quality=quality, size="1536x1024")
    assert (billed["cost"] - TEXT_IN * 5 - 4 * 8) / 1e6 == pytest.approx(dollars, abs=0.00005)


def test_a_line_of_a_batch_costs_half_of_it(shared_fake: RunningFake) -> None:
    """Half of 6 x 5 + 768 x 8 + 439 x 30 = 19,344."""
    source = {"image_url": data_url(picture((1024, 768)))}
    with shared_fake.client() as client:
        ended(client, start_batch(client, [line("mug", source, prompt=PROMPT, size="1024x1024")]).id)
    assert shared_fake.ledger()["entries"][-1]["cost_microusd"] == 9_672
