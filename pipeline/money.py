"""Amounts as people and machines read them. What has no known price is unknown, and never nothing."""


def dollars(microusd: int, unpriced: int = 0) -> str:
    """An amount as a person reads it: to the cent, or to four digits below ten cents.

    Args:
        microusd: The amount that is known.
        unpriced: Requests besides whose price is not known.
    """
    usd = microusd / 1e6
    known = f"${usd:,.4f}" if 0 < abs(usd) < 0.1 else f"${usd:,.2f}"
    if unpriced:
        return f"{known} + {unpriced} unknown" if microusd else "unknown"
    return known


def usd(microusd: int, unpriced: int = 0) -> float | None:
    """An amount for machines; None if nothing of it is known."""
    return None if unpriced and not microusd else microusd / 1e6
