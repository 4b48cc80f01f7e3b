"""Tokens before a request is sent, against the published tables; sums worked out by hand."""

from typing import Any

import pytest

from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.openai.images import OpenAIProvider
from pipeline.providers.openai.tokens import grid, input_image_tokens, output_tokens, text_tokens
from pipeline.values import EditRequest, Estimate, Instruction, PictureFacts, PictureFile
from tests.pictures import kept

TWO, TWO_5, TWO_6 = "gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst"
SQUARE = (1024, 1024)

# Cells across and down, times (2,000,000 + pixels) / 4,000,000, rounded up. For 1024 × 1024 that factor is
# 3,048,576 / 4,000,000 = 0.762144.
COUNTS = [
    (TWO, "low", SQUARE, 196),  # 16 × 16 = 256; 195.1
    (TWO, "medium", SQUARE, 1756),  # 48 × 48 = 2304; 1755.98
    (TWO, "high", SQUARE, 7024),  # 96 × 96 = 9216; 7023.9
    (TWO_5, "low", SQUARE, 196),
    (TWO_5, "medium", SQUARE, 439),  # 24 × 24 = 576; 438.99
    (TWO_5, "high", SQUARE, 1756),
    (TWO_5, "xhigh", SQUARE, 3122),  # 64 × 64 = 4096; 3121.7
    (TWO_5, "max", SQUARE, 7024),
    (TWO, "high", (1536, 1024), 5488),  # 96 × 64 = 6144, times 3,572,864 / 4,000,000; 5487.9
    (TWO_5, "medium", (1536, 1024), 343),  # 24 × 16 = 384; 342.99
]

# US dollars for each picture at 30 $ per million tokens, as published to four places.
DOLLARS = [
    (TWO, SQUARE, {"low": 0.0059, "medium": 0.0527, "high": 0.2107}),
    (TWO_5, SQUARE, {"low": 0.0059, "medium": 0.0132, "high": 0.0527, "xhigh": 0.0937, "max": 0.2107}),
    (TWO_5, (1536, 1024), {"low": 0.0047, "medium": 0.0103, "high": 0.0412, "xhigh": 0.0738, "max": 0.1646}),
    (TWO_5, (2048, 2048), {"low": 0.0119, "medium": 0.0268, "high": 0.1070, "xhigh": 0.1903, "max": 0.4282}),
    (TWO_5, (3840, 2160), {"low": 0.0111, "medium": 0.0260, "high": 0.1001, "xhigh": 0.1779, "max": 0.4003}),
]


@pytest.mark.parametrize(("ai_model", "quality", "size_wh", "tokens"), COUNTS)
def test_an_output_counts_as_the_calculator_says(
    ai_model: str, quality: str, size_wh: tuple[int, int], tokens: int
) -> None:
    assert output_tokens(ai_model, quality, size_wh) == tokens


@pytest.mark.parametrize(("ai_model", "size_wh", "by_quality"), DOLLARS)
def test_an_output_costs_what_the_price_list_says(
    ai_model: str, size_wh: tuple[int, int], by_quality: dict[str, float]
) -> None:
    for quality, dollars in by_quality.items():
        tokens = output_tokens(ai_model, quality, size_wh)
        assert tokens is not None
        assert round(tokens * 30 / 1_000_000, 4) == dollars, quality


def test_the_same_word_for_quality_is_another_amount_on_another_model() -> None:
    """``high`` of gpt-image-2 is ``max`` of 2.5, and four times its ``high``."""
    assert output_tokens(TWO, "high", SQUARE) == output_tokens(TWO_5, "max", SQUARE) == 4 * 1756


def test_a_snapshot_counts_as_its_model() -> None:
    for name, snapshot in ((TWO, f"{TWO}-2026-04-21"), (TWO_5, f"{TWO_5}-2026-09-08")):
        assert grid(snapshot) == grid(name)


@pytest.mark.parametrize("ai_model", [TWO, TWO_5, TWO_6, "gpt-image-1.5"])
def test_a_picture_counts_the_same_upright_and_lying(ai_model: str) -> None:
    assert output_tokens(ai_model, "high", (1536, 1024)) == output_tokens(ai_model, "high", (1024, 1536))


def test_half_a_cell_is_rounded_to_the_even_one() -> None:
    """24 cells across 2304 are 12.5 down 1200: 12, not 13.

    24 × 12 = 288, times (2,000,000 + 2,764,800) / 4,000,000 = 1.1912: 343.07, so 344. And 24 across 3840 are 13.5 down
    2160: 14. 24 × 14 = 336, times 10,294,400 / 4,000,000 = 2.5736: 864.7, so 865.
    """
    assert output_tokens(TWO_5, "medium", (2304, 1200)) == 344
    assert output_tokens(TWO_5, "medium", (3840, 2160)) == 865


@pytest.mark.parametrize("quality", ["low", "medium"])
def test_the_unpublished_counts_of_2_6_are_bounded_by_four_times_those_of_2_5(quality: str) -> None:
    """Before rounding: 32 × 32 cells are four times 16 × 16, so the difference is less than four tokens."""
    known, bound = output_tokens(TWO_5, quality, SQUARE), output_tokens(TWO_6, quality, SQUARE)
    assert known is not None
    assert bound is not None
    assert 4 * (known - 1) < bound <= 4 * known
    for same in ("high", "xhigh", "max"):
        assert output_tokens(TWO_6, same, SQUARE) == output_tokens(TWO_5, same, SQUARE)


@pytest.mark.parametrize(
    ("quality", "square", "oblong"), [("low", 272, 408), ("medium", 1056, 1584), ("high", 4160, 6240)]
)
def test_older_models_have_fixed_counts(quality: str, square: int, oblong: int) -> None:
    for name in ("gpt-image-1.5", "gpt-image-1-mini"):
        assert output_tokens(name, quality, SQUARE) == square
        assert output_tokens(name, quality, (1024, 1536)) == oblong


@pytest.mark.parametrize(
    ("ai_model", "quality"), [(TWO, "xhigh"), (TWO, "max"), (TWO, "auto"), (TWO_5, "best"), ("gpt-image-1.5", "max")]
)
def test_a_word_that_the_model_does_not_know_has_no_count(ai_model: str, quality: str) -> None:
    assert output_tokens(ai_model, quality, SQUARE) is None


@pytest.mark.parametrize(
    ("size_wh", "tokens"),
    [
        ((1024, 1024), 1024),  # 32 × 32 squares of 32 pixels
        ((1536, 1024), 1536),  # 48 × 32
        ((1537, 1024), 1536),  # 49 × 32 = 1568: the most there is
        ((4000, 3000), 1536),
        ((48, 32), 2),  # one and a half squares count as two
        ((1, 1), 1),
        (None, 1536),  # its size is not known: the most
    ],
)
def test_a_picture_that_is_sent_counts_by_its_squares(size_wh: tuple[int, int] | None, tokens: int) -> None:
    assert input_image_tokens(size_wh) == tokens


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [("", 1), ("red", 2), ("blue", 3), ("make it warmer", 6), ("中文", 3), ("é" * 3, 3)],
)
def test_an_instruction_counts_by_its_bytes(prompt: str, tokens: int) -> None:
    """A third of them, rounded up, and one: 中文 has 6 bytes, 2 + 1; ``make it warmer`` 14, 5 + 1."""
    assert text_tokens(prompt) == tokens


def estimate(*, references: int = 0, options: dict[str, Any] | None = None, **others: Any) -> Estimate:
    """Of an edit of a picture that is said to have 1024 × 1024 pixels."""
    place = kept(b"not looked at").place
    picture = PictureFile(PictureFacts("0" * 64, "image/png", SQUARE, 1000), place)
    given = {"base_url": "http://127.0.0.1:9/v1", **(options or {})}
    row = EditRequest("edit 1", picture, Instruction("make it warmer"), references=(picture,) * references, **others)
    return OpenAIProvider(given, Tools(WorkPool(1))).estimate(row)


def test_an_estimate_of_a_known_size_and_quality_is_narrow() -> None:
    """gpt-image-2.5-flare in medium quality; in millionths of a dollar.

    Least: 1024 × 8 + 439 × 30 = 8192 + 13,170 = 21,362; the text, whose tokens are guessed, is left out.
    Most: 6 × 5 + 2 × 8192 + 13,170 = 29,584; the picture, whose tokens are inferred, counts twice.
    """
    found = estimate(size="1024x1024")
    assert (found.low_microusd, found.high_microusd) == (21_362, 29_584)
    assert (found.images, found.tokens) == (1, 6 + 1024 + 439)
    assert found.ai_model == TWO_5


def test_an_estimate_of_several_outputs_is_as_many_times_as_much() -> None:
    """Each output is billed as a request of its own, its inputs too."""
    found = estimate(size="1024x1024", n=3)
    assert (found.high_microusd, found.images, found.tokens) == (3 * 29_584, 3, 3 * 1469)


def test_an_estimate_counts_every_reference() -> None:
    """Two more pictures, each of them twice: 4 × 1024 × 8 = 32,768."""
    assert estimate(size="1024x1024", references=2).high_microusd == 29_584 + 32_768


def test_an_estimate_of_auto_spans_from_the_cheapest_to_the_dearest() -> None:
    """Quality auto of gpt-image-2 at auto size: low at 1536 × 1024 to high at 1024 × 1024.

    Least: 1024 × 8 + 158 × 30 = 8192 + 4740 = 12,932, for 16 × 11 × 0.893216 is 157.2.
    Most: 30 + 2 × 8192 + 7024 × 30 = 227,134.
    """
    found = estimate(ai_model=TWO, quality="auto", size="auto")
    assert (found.low_microusd, found.high_microusd) == (12_932, 227_134)


def test_an_estimate_of_an_unknown_model_is_unknown() -> None:
    found = estimate(ai_model="gpt-image-9", size="1024x1024", quality="huge")
    assert (found.low_microusd, found.high_microusd) == (None, None)
