"""What requests cost: published prices, a desk's own, and sums worked out by hand."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.prices import PER_PICTURE, UNITS, Prices, published, read_prices

DAY = date(2026, 11, 20)
THOUSAND = {"text_in": 1000, "image_in": 1000, "image_out": 1000}


def charge(usage: dict[str, int], ai_model: str = "gpt-image-2.5-flare", **others: Any) -> int | None:
    """At OpenAI, by the published prices."""
    return read_prices().charge_microusd("openai", ai_model, usage, **{"at": DAY, **others})


def own(*entries: dict[str, Any], provider: str = "shop") -> Prices:
    return read_prices({provider: list(entries)})


@pytest.mark.parametrize(
    ("ai_model", "microusd"),
    [
        ("gpt-image-2.6-sunburst", 43_000),  # 5 + 8 + 30 dollars a million, a thousand of each
        ("gpt-image-2.6-flare", 43_000),
        ("gpt-image-2.5-flare", 43_000),
        ("gpt-image-2.5-sunburst-2026-09-08", 43_000),
        ("gpt-image-2", 43_000),
        ("gpt-image-2-2026-04-21", 43_000),
        ("gpt-image-1.5", 45_000),  # 5 + 8 + 32
        ("chatgpt-image-latest", 45_000),
        ("gpt-image-1-mini", 12_500),  # 2 + 2.5 + 8
    ],
)
def test_a_thousand_tokens_of_each_kind_cost_what_the_table_says(ai_model: str, microusd: int) -> None:
    assert charge(THOUSAND, ai_model) == microusd


@pytest.mark.parametrize(
    ("ai_model", "unit", "microusd"),
    [
        ("gpt-image-2.6-sunburst", "cached_text_in", 1250),
        ("gpt-image-2.6-sunburst", "cached_image_in", 2000),
        ("gpt-image-1.5", "text_out", 10_000),
        ("gpt-image-1-mini", "cached_text_in", 200),
        ("gpt-image-1-mini", "cached_image_in", 250),
    ],
)
def test_cached_tokens_and_text_that_comes_back_have_prices_of_their_own(
    ai_model: str, unit: str, microusd: int
) -> None:
    assert charge({unit: 1000}, ai_model) == microusd


def test_an_edit_costs_the_sum_of_its_parts() -> None:
    """200 × 5 + 1024 × 8 + 1756 × 30 = 1000 + 8192 + 52,680."""
    assert charge({"text_in": 200, "image_in": 1024, "image_out": 1756}) == 61_872


def test_a_batch_costs_half() -> None:
    assert charge({"text_in": 200, "image_in": 1024, "image_out": 1756}, is_batch=True) == 30_936


def test_a_sum_is_rounded_once_and_half_to_even() -> None:
    """On gpt-image-1-mini a picture token costs 2.5 millionths, a cached one a quarter of one."""
    mini = "gpt-image-1-mini"
    assert charge({"image_in": 1}, mini) == 2  # 2.5
    assert charge({"image_in": 3}, mini) == 8  # 7.5
    assert charge({"image_in": 1, "cached_image_in": 2}, mini) == 3  # 2.5 + 0.5, and not 2 + 0
    assert charge({"text_in": 1}, is_batch=True) == 2  # half of 5
    assert charge({"text_in": 3}, is_batch=True) == 8  # half of 15


def test_large_sums_are_exact() -> None:
    """A float would lose the last digits: 10^17 + 1 tokens at 5."""
    assert charge({"text_in": 10**17 + 1}) == 5 * 10**17 + 5


def test_nothing_used_costs_nothing() -> None:
    assert charge({}) == 0
    assert charge({"image_in": 0, "text_out": 0}) == 0


@pytest.mark.parametrize(
    ("provider", "ai_model", "usage"),
    [
        ("openai", "gpt-image-9", THOUSAND),
        ("tigers", "gpt-image-2", THOUSAND),
        ("openai", "gpt-image-2.5-flare", {"text_out": 1}),  # it has no price for text that comes back
    ],
)
def test_what_has_no_price_costs_nobody_knows_what(provider: str, ai_model: str, usage: dict[str, int]) -> None:
    """None, and never 0."""
    assert read_prices().charge_microusd(provider, ai_model, usage, at=DAY) is None


def test_a_price_holds_from_its_day_on() -> None:
    for ai_model, first in (
        ("gpt-image-2.6-flare", date(2026, 11, 4)),
        ("gpt-image-2.5-flare", date(2026, 9, 8)),
        ("gpt-image-2", date(2026, 4, 21)),
    ):
        assert charge(THOUSAND, ai_model, at=first - timedelta(days=1)) is None
        assert charge(THOUSAND, ai_model, at=first) == 43_000


def test_every_published_price_has_a_source_and_counts_in_known_units() -> None:
    for price in published():
        assert price.source
        assert "read 20" in price.source or "owner" in price.source
        assert set(price.per_million) <= set(UNITS)
        assert price.batch_factor == Decimal("0.5")


def test_the_last_of_several_prices_that_began_holds() -> None:
    """Whatever their order in the file."""
    prices = own(
        {"picture": 0.03, "from": date(2026, 11, 10)},
        {"picture": 0.05, "from": date(2026, 1, 1)},
        {"picture": 0.02, "from": date(2026, 12, 1)},
    )
    costs = [
        prices.charge_microusd("shop", "any", {PER_PICTURE: 1}, at=day)
        for day in (date(2025, 12, 31), date(2026, 1, 1), date(2026, 11, 9), date(2026, 11, 10), date(2026, 12, 1))
    ]
    assert costs == [None, 50_000, 50_000, 30_000, 20_000]


def test_an_own_price_wins_from_its_day_on() -> None:
    """The contract is a quarter cheaper from 10 November: 20 × 1000."""
    entry = {"ai_models": ["gpt-image-2"], "from": date(2026, 11, 10), "text_in": 4, "image_in": 6, "image_out": 20}
    prices = own(entry, provider="openai")
    before, after = [
        prices.charge_microusd("openai", "gpt-image-2", THOUSAND, at=day)
        for day in (date(2026, 11, 9), date(2026, 11, 10))
    ]
    assert (before, after) == (43_000, 30_000)
    assert prices.charge_microusd("openai", "gpt-image-2.5-flare", THOUSAND, at=DAY) == 43_000


def test_an_own_price_without_a_day_wins_at_once() -> None:
    entry = {"ai_models": ["gpt-image-2"], "text_in": 4, "image_in": 6, "image_out": 20}
    assert own(entry, provider="openai").charge_microusd("openai", "gpt-image-2", THOUSAND, at=DAY) == 30_000


def test_the_example_of_the_price_file_prices_an_edit() -> None:
    """It names ``image_out`` alone; the rest stays as published: 5 + 8 + 27."""
    entry = {"ai_models": ["gpt-image-2"], "from": date(2026, 11, 1), "image_out": 27.0}
    assert own(entry, provider="openai").charge_microusd("openai", "gpt-image-2", THOUSAND, at=DAY) == 40_000


def test_a_price_without_models_holds_for_all_of_them() -> None:
    prices = own({"picture": 0.05}, {"ai_models": ["fine"], "picture": 0.2, "from": date(2026, 1, 1)})
    assert prices.charge_microusd("shop", "coarse", {PER_PICTURE: 2}, at=DAY) == 100_000
    assert prices.charge_microusd("shop", "fine", {PER_PICTURE: 2}, at=DAY) == 400_000


def test_a_price_for_each_picture_leaves_tokens_out() -> None:
    """Some servers tell tokens that they do not bill."""
    prices = own({"picture": 0.05})
    assert prices.charge_microusd("shop", "any", {PER_PICTURE: 2, "image_out": 5000}, at=DAY) == 100_000


def test_a_price_may_have_both_pictures_and_tokens() -> None:
    """2 × 0.01 $ and 1000 × 5 millionths."""
    prices = own({"picture": 0.01, "text_in": 5})
    assert prices.charge_microusd("shop", "any", {PER_PICTURE: 2, "text_in": 1000}, at=DAY) == 25_000


def test_a_picture_whose_tokens_nobody_told_has_no_price_by_tokens() -> None:
    """None, and never 0."""
    assert own({"image_out": 30}).charge_microusd("shop", "any", {PER_PICTURE: 1}, at=DAY) is None


def test_a_decimal_price_is_taken_as_it_is_written() -> None:
    """0.1 dollars, three times: exactly 300,000 millionths."""
    assert own({"picture": 0.1}).charge_microusd("shop", "any", {PER_PICTURE: 3}, at=DAY) == 300_000


def test_an_own_price_says_what_batches_cost() -> None:
    prices = own({"image_out": 30, "batch_factor": 0.75})
    assert prices.charge_microusd("shop", "any", {"image_out": 1000}, at=DAY, is_batch=True) == 22_500


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"image_outs": 30}, "found image_outs; expected only"),
        ({"image_out": -1}, "found -1; expected a price in US dollars"),
        ({"image_out": "cheap"}, "found 'cheap'"),
        ({"image_out": float("nan")}, "found nan"),
        ({"image_out": float("inf")}, "found inf"),
        ({"image_out": True}, "found True"),
        ({"picture": None}, "found None"),
        ({"picture": 1, "from": "2026-11-01"}, "expected a day such as 2026-11-01, without quotes"),
        ({"picture": 1, "from": datetime(2026, 11, 1)}, "expected a day such as 2026-11-01"),
        ({"picture": 1, "ai_models": "gpt-image-2"}, "ai_models: found 'gpt-image-2'; expected a list"),
    ],
)
def test_an_own_price_that_cannot_be_read_is_a_wrong_call_that_says_where(entry: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=r"providers\.shop\.prices") as caught:
        own(entry)
    assert problem in str(caught.value)
