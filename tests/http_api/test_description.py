"""The served description held against the server: whatever it allows, and what it does not, is answered as it says."""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from pipeline.desk import Desk
from pipeline.states import Role
from review_app.routes.v1 import OPERATIONS
from tests.desks import build_desk
from tests.http_api.serving import Served, served

FEW = 2
MANY = 150
"""Requests to each operation, of each kind: what fits the description, and what does not."""

_NOT_HELD: list[Any] = [positive_data_acceptance, negative_data_rejection]
"""What fits a schema may still be no picture, or name a recipe that is not there; and a token that a request was to be
without, so as not to fit, is put back here."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("described") / "desk"
    build_desk(root).close()
    desk = Desk.open(root, api={"requests_per_minute": 10**6})
    with served(desk) as found:
        yield found
    desk.close()


def hold(described: Served, count: int) -> list[str]:
    """Ask everything, so often; gives the operations that were asked, and raises what was answered otherwise."""
    schema = schemathesis.openapi.from_url(f"{described.url}/api/v1/openapi.json")
    headers = {"Authorization": f"Bearer {described.caller(Role.ADMIN).bearer}"}
    asked = []

    def ask(case: Any) -> None:
        asked.append(str(case.operation.definition.raw["operationId"]))
        case.call_and_validate(headers=headers, excluded_checks=_NOT_HELD)

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _examples(operation.as_strategy(generation_mode=mode), ask, count)
    return asked


def _examples(cases: strategies.SearchStrategy[Any], ask: Callable[[Any], None], count: int) -> None:
    settings = hypothesis.settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    settings(hypothesis.given(case=cases)(ask))()


def test_every_operation_answers_as_its_description_says(described: Served) -> None:
    assert set(hold(described, FEW)) == {operation.name for operation in OPERATIONS}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_operation_answers_as_its_description_says_for_long(described: Served) -> None:
    assert set(hold(described, MANY)) == {operation.name for operation in OPERATIONS}
