"""Every operation, read from the application itself: who may call it, and what answers everybody else."""

import json

from pipeline.people import Person
from pipeline.states import Role
from review_app.routes.v1 import OPERATIONS
from review_app.routes.v1.operations import Operation
from tests.http_api.serving import Served, is_problem
from tests.review_app.calling import token

NOT_LET_IN = {
    "nothing": None,
    "another scheme": "Basic cGQ6cGQ=",
    "an unknown token": f"Bearer pd_{'A' * 43}",
    "garbage": "Bearer ...",
    "no token": "Bearer",
}

GATEWAY = {
    "/v1/images/edits": "POST",
    "/v1/tasks/{task:str}": "GET",
    "/v1/files/{task:str}/assets/0": "GET",
    "/v1/models": "GET",
    "/v1/models/{model:path}": "GET",
}


def address(operation: Operation) -> str:
    return f"/api/v1{operation.path.format(batch=1, edit=1, output=1, export='0' * 16)}"


def test_nobody_gets_in_without_a_valid_token_of_the_role(full: Served) -> None:
    """A body is not even read: none of these sends one."""
    nobody = full.caller(None)
    revoked = f"Bearer {token(full.desk, Role.ADMIN, is_revoked=True)}"
    for number, operation in enumerate(OPERATIONS):
        for sent in [*NOT_LET_IN.values(), revoked] if number == 0 else [None]:
            headers = {} if sent is None else {"Authorization": sent}
            answer = nobody.ask(operation.method, address(operation), headers=headers)
            is_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        less = [role for role in Role if not Person("x", role).may(operation.role)]
        for role in less[-1:]:
            answer = full.caller(role).ask(operation.method, address(operation))
            assert f"takes {'an' if operation.role[0] == 'a' else 'a'} {operation.role}" in answer.text
            is_problem(answer, 403, "forbidden")


def test_nobody_gets_through_the_gateway_either(full: Served) -> None:
    nobody = full.caller(None)
    for path, method in GATEWAY.items():
        for sent in NOT_LET_IN.values():
            headers = {} if sent is None else {"Authorization": sent}
            answer = nobody.ask(method, path.replace("{task:str}", "task_5"), headers=headers, params={"ticket": "1.x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert full.caller(Role.VIEWER).ask("POST", "/v1/images/edits").json()["error"]["code"] == "forbidden"
    assert nobody.ask("GET", "/v1/files").json()["error"]["code"] == "not_found"


def test_another_method_and_another_address_are_answered_as_problems_too(full: Served) -> None:
    nobody = full.caller(None)
    for operation in OPERATIONS:
        answer = nobody.ask("DELETE", address(operation))
        is_problem(answer, 405, "method_not_allowed")
        assert operation.method in answer.headers["allow"]
    is_problem(nobody.ask("GET", "/api/v1/nothing/here"), 404, "not_found")
    viewer = full.caller(Role.VIEWER)
    is_problem(viewer.get("/edits/7000"), 404, "not_found")
    is_problem(viewer.get(f"/edits/{'9' * 5000}"), 422, "invalid")
    is_problem(viewer.get("/batches/x"), 422, "invalid")
    is_problem(viewer.get("/edits/1/outputs/7/picture"), 404, "not_found")


def test_the_description_is_open_and_names_every_operation_with_what_it_may_answer(full: Served) -> None:
    answer = full.caller(None).get("/openapi.json")
    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    said = json.loads(answer.text)
    assert said["openapi"] == "3.1.0"
    for operation in OPERATIONS:
        told = said["paths"][operation.path][operation.method.lower()]
        assert {int(status) for status in told["responses"]} == {*operation.answers, *operation.statuses}
        assert str(operation.role) in told["description"]
    assert sum(map(len, said["paths"].values())) == len(OPERATIONS)
    for path in ("/me", "/recipes"):
        is_problem(full.caller(Role.VIEWER).get(path, params={"colour": "red"}), 422, "invalid")
        assert "422" in said["paths"][path]["get"]["responses"]
