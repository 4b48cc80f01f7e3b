"""A provider with what a desk has for it: its options and its prices."""

from pipeline.desk import Desk
from pipeline.pool import WorkPool
from pipeline.prices import read_prices
from pipeline.providers import Forgetful, Memory, Provider, Tools, load_provider


def open_provider(desk: Desk, name: str, pool: WorkPool, memory: Memory | None = None) -> Provider:
    """The provider of that name, ready to be used.

    Args:
        desk: Whose options and prices.
        name: As a manifest names it.
        pool: Where it works on pictures.
        memory: What it remembers from run to run; for this run alone if None.

    Raises:
        UsageError: There is none, or its options do not fit.
    """
    prices = read_prices(desk.settings.own_prices())
    return load_provider(name, desk.settings.options_of(name), Tools(pool, memory or Forgetful(), prices))
