"""A sender in a process of its own, which sends what is due and ends."""

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from pipeline.desk import Desk
from pipeline.webhooks.sending import Sender
from tests.webhooks.conftest import PAGE


def main() -> None:
    with closing(Desk.open(Path(sys.argv[1]), allow_private_webhooks=True, page_url=PAGE)) as desk:
        asyncio.run(Sender(desk).once())
