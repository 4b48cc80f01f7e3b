"""Who asks, what can be asked for, and what it cost."""

from pipeline.http_api import acting
from pipeline.http_api.shapes import Costs, CostsQuery, Me, Recipes
from pipeline.states import Role
from review_app.routes.v1.operations import Call, Operation


def _me(call: Call) -> Me:
    return Me(name=call.by.name, role=call.by.role)


def _recipes(call: Call) -> Recipes:
    return acting.recipes(call.desk, by=call.by)


def _costs(call: Call) -> Costs:
    return acting.told_costs(call.desk, call.query.by, by_person=call.by)


OPERATIONS = (
    Operation(
        method="GET",
        path="/me",
        name="getMe",
        summary="See whose token this is.",
        role=Role.VIEWER,
        work=_me,
        answers={200: Me},
        tag="desk",
    ),
    Operation(
        method="GET",
        path="/recipes",
        name="listRecipes",
        summary="List recipes.",
        description="With their parameters, and the reasons to reject.",
        role=Role.VIEWER,
        work=_recipes,
        answers={200: Recipes},
        tag="desk",
    ),
    Operation(
        method="GET",
        path="/costs",
        name="getCosts",
        summary="See costs.",
        role=Role.VIEWER,
        work=_costs,
        query=CostsQuery,
        answers={200: Costs},
        tag="desk",
    ),
)
