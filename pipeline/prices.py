"""What a request costs: dated prices as data, and exact sums of them.

Sums are made in decimals and rounded once, half to even, to whole millionths of a US dollar.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

FILE = Path(__file__).parent / "prices.toml"

UNITS = ("text_in", "cached_text_in", "image_in", "cached_image_in", "text_out", "image_out")
"""What tokens are told apart by; each has a price per million tokens."""

PER_PICTURE = "picture"
"""A price for each picture made, for providers that count no tokens."""

_OTHER_KEYS = frozenset({"provider", "ai_models", "from", "batch_factor", "source", PER_PICTURE})


@dataclass(frozen=True, slots=True)
class Price:
    """What one provider's models cost from a day on.

    Attributes:
        provider: The provider's name.
        ai_models: The models that it holds for; every one if empty.
        start: The first day.
        per_million: US dollars per million tokens, by the names of `UNITS`.
        per_picture: US dollars per picture made, or None.
        batch_factor: What the Batch API multiplies it by; None if it does not say.
        source: Where it was read, and when.
    """

    provider: str
    ai_models: frozenset[str]
    start: date
    per_million: Mapping[str, Decimal]
    per_picture: Decimal | None
    batch_factor: Decimal | None
    source: str

    def microusd(self, usage: Mapping[str, int], *, is_batch: bool) -> int | None:
        """The price of this usage; None if it holds something that has no price here."""
        total = Decimal(0)
        if self.per_picture is None and usage.get(PER_PICTURE) and not any(usage.get(unit) for unit in UNITS):
            return None  # priced by tokens, and nobody told them
        for unit, amount in usage.items():
            if not amount:
                continue
            if unit == PER_PICTURE:
                if self.per_picture is not None:
                    total += self.per_picture * amount * 1_000_000
            elif unit in self.per_million:
                total += self.per_million[unit] * amount
            elif unit in UNITS and self.per_picture is None:
                return None
        if is_batch and self.batch_factor is not None:
            total *= self.batch_factor
        return int(total.to_integral_value(ROUND_HALF_EVEN))

    def over(self, published: "Price | None") -> "Price":
        """This one, with what it does not say as published; a price for each picture stands alone."""
        if published is None or self.per_picture is not None:
            return self
        factor = published.batch_factor if self.batch_factor is None else self.batch_factor
        return replace(self, per_million={**published.per_million, **self.per_million}, batch_factor=factor)


class Prices:
    """All known prices.

    Args:
        published: Of everybody.
        own: Of this desk alone; from their day on they win over the published ones.
    """

    def __init__(self, published: Iterable[Price], own: Iterable[Price] = ()) -> None:
        self._published = sorted(published, key=lambda price: price.start)
        self._own = sorted(own, key=lambda price: price.start)

    def price(self, provider: str, ai_model: str, at: date) -> Price | None:
        """The price that holds for a model on a day; None if none is known."""
        published, own = (_last(prices, provider, ai_model, at) for prices in (self._published, self._own))
        return published if own is None else own.over(published)

    def charge_microusd(
        self, provider: str, ai_model: str, usage: Mapping[str, int], *, at: date, is_batch: bool = False
    ) -> int | None:
        """What a request cost, in millionths of a US dollar; None if its price is not known: never 0 by guess."""
        price = self.price(provider, ai_model, at)
        return None if price is None else price.microusd(usage, is_batch=is_batch)


@cache
def published() -> tuple[Price, ...]:
    """The prices that come with this version."""
    data = tomllib.loads(FILE.read_text("utf-8"), parse_float=Decimal)
    return tuple(_price(entry, entry["provider"], str(FILE)) for entry in data["price"])


def read_prices(own: Mapping[str, Iterable[Mapping[str, Any]]] | None = None) -> Prices:
    """The published prices, and a desk's own, which win over them from their day on.

    Args:
        own: By provider, entries as in ``prices.toml`` without ``provider``.

    Raises:
        UsageError: An entry of the desk's own cannot be read.
    """
    extra = [
        _price(entry, name, f"providers.{name}.prices") for name, entries in (own or {}).items() for entry in entries
    ]
    return Prices(published(), extra)


def _last(prices: Iterable[Price], provider: str, ai_model: str, at: date) -> Price | None:
    """The one that began last."""
    found = None
    for price in prices:
        names_it = not price.ai_models or ai_model in price.ai_models
        if price.provider == provider and names_it and price.start <= at:
            found = price
    return found


def _price(entry: Mapping[str, Any], provider: str, where: str) -> Price:
    unknown = sorted(set(entry) - _OTHER_KEYS - set(UNITS))
    if unknown:
        known = ", ".join(("ai_models", "from", PER_PICTURE, *UNITS, "batch_factor"))
        raise UsageError(f"{where}: found {', '.join(unknown)}; expected only {known}")
    start, names = entry.get("from", date.min), entry.get("ai_models", [])
    if not isinstance(names, list):
        raise UsageError(f'{where}.ai_models: found {names!r}; expected a list such as ["gpt-image-2"]')
    if not isinstance(start, date) or isinstance(start, datetime):
        raise UsageError(f"{where}.from: found {start!r}; expected a day such as 2026-11-01, without quotes")
    return Price(
        provider=provider,
        ai_models=frozenset(map(str, names)),
        start=start,
        per_million={unit: _amount(entry[unit], f"{where}.{unit}") for unit in UNITS if unit in entry},
        per_picture=_amount(entry[PER_PICTURE], f"{where}.{PER_PICTURE}") if PER_PICTURE in entry else None,
        batch_factor=_amount(entry["batch_factor"], f"{where}.batch_factor") if "batch_factor" in entry else None,
        source=str(entry.get("source", where)),
    )


def _amount(value: object, where: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and amount >= 0):
        raise UsageError(f"{where}: found {value!r}; expected a price in US dollars")
    return amount
