"""Numbers of things, as a person reads them."""


def number_of(count: int, noun: str) -> str:
    """``1 picture``, ``1,200 pictures``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
