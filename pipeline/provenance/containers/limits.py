"""How much of a stranger's metadata is read."""

from typing import Final

MOST_PACKET_BYTES: Final = 1_000_000
"""A longer packet is taken as unreadable: what a picture says of itself has some kilobytes."""
