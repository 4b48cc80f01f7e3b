"""What a file refuses."""

from pipeline.errors import PicturedeskError


class CannotCarry(PicturedeskError):
    """This file cannot carry what was to be put into it."""
