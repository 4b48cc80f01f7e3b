"""Who asks, and whether they may again so soon: counted over the API and the gateway together."""

import asyncio

from starlette.requests import Request

from pipeline.desk import Desk
from pipeline.http_api.rates import Rates
from pipeline.people import Person
from review_app.callers import caller
from review_app.routes.v1.problems import too_many
from review_app.routes.v1.reading import LARGE_AT_ONCE


class Admission:
    """The door of a desk.

    Args:
        desk: The desk.
        key: Signs the sessions of people.

    Attributes:
        room: Places for large bodies.
    """

    def __init__(self, desk: Desk, key: bytes) -> None:
        self._desk = desk
        self._key = key
        self.room = asyncio.Semaphore(LARGE_AT_ONCE)
        self._rates = Rates(desk.settings.api.requests_per_minute)

    def person(self, request: Request) -> Person:
        """Who asks.

        Raises:
            Unauthorized: Nobody knows.
            Refused: Too often.
        """
        person = caller(self._desk, self._key, request.headers.get("authorization")).person
        if wait_s := self._rates.take(person.name):
            raise too_many(wait_s)
        return person
