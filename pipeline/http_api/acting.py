"""What programs decide: on edits, by the same rules as people at the page, and on batches as a whole."""

from pipeline import batches, costs, deciding_lists
from pipeline.deciding_lists import Decision
from pipeline.desk import Desk
from pipeline.errors import NotFound
from pipeline.http_api.shapes import (
    Acted,
    BatchName,
    BudgetBody,
    BudgetInfo,
    CostLine,
    Costs,
    DecisionBody,
    Moved,
    RecipeInfo,
    Recipes,
)
from pipeline.people import Person
from pipeline.review import Screen
from pipeline.states import Role
from pipeline.store import batching, deciding
from pipeline.store.spending import CostBy, CostRow

_COUNT_S = 2.0
"""Costs are counted for so long at most before they are told."""


def decide(desk: Desk, edit_id: int, said: DecisionBody, *, by: Person) -> Moved:
    """Carry out one decision.

    Raises:
        PicturedeskError: As the functions of `pipeline.review` do.
    """
    decision = Decision(
        verb=said.decision,
        edit_id=edit_id,
        reason=said.reason,
        prompt=said.prompt,
        provider=said.provider,
        on_output=said.on_output,
        mask=said.mask,
        markup=said.markup,
        screen=Screen(revision=said.revision, output_id=said.output),
        even_exported=said.even_exported,
        note=said.note,
    )
    with desk.db.group():
        state = deciding_lists.decide(desk, decision, by=by)
        return Moved(edit=edit_id, state=state, next_round=deciding.next_round(desk.db, edit_id))


def pause(desk: Desk, batch_id: int, *, by: Person) -> Acted:
    """Send nothing more of a batch.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is paused or cancelled already.
    """
    batch = _batch(desk, batch_id)
    batches.pause(desk, batch.name, by=by)
    return Acted(batch=batch, edits=0)


def resume(desk: Desk, batch_id: int, *, by: Person) -> Acted:
    """Go on with a paused, stopped or cancelled batch.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is none of these.
    """
    batch = _batch(desk, batch_id)
    return Acted(batch=batch, edits=batches.resume(desk, batch.name, by=by))


def cancel(desk: Desk, batch_id: int, *, by: Person) -> Acted:
    """Cancel all that a batch has queued.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is cancelled already.
    """
    batch = _batch(desk, batch_id)
    return Acted(batch=batch, edits=batches.cancel(desk, batch.name, by=by))


def set_budget(desk: Desk, batch_id: int, said: BudgetBody, *, by: Person) -> Acted:
    """Say what a batch may cost.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
    """
    batch = _batch(desk, batch_id)
    batches.set_budget(desk, batch.name, said.usd, by=by)
    return Acted(batch=batch, edits=0)


def recipes(desk: Desk, *, by: Person) -> Recipes:
    """What can be asked for by name, and the reasons to reject.

    Raises:
        Forbidden: The person may not.
    """
    by.need(Role.VIEWER, "see recipes")
    found = [RecipeInfo.of(recipe) for _, recipe in sorted(desk.recipes.items())]
    return Recipes(items=found, reject_reasons=list(desk.reject_reasons))


def told_costs(desk: Desk, by: CostBy, *, by_person: Person) -> Costs:
    """What the desk cost, and what is left of its budgets.

    Raises:
        Forbidden: The person may not.
    """
    found = costs.overview(desk, by_person=by_person, by=by, most_s=_COUNT_S)
    summary = found.summary
    return Costs(
        by=by,
        items=list(map(_line, summary.rows)),
        total_usd=summary.total_microusd / 1e6,
        doubtful_usd=summary.doubtful_microusd / 1e6,
        unpriced=summary.unpriced,
        saved_usd=summary.saved_microusd / 1e6,
        approved=summary.approved,
        per_approved_usd=summary.per_approved_usd,
        month=BudgetInfo.of(found.month),
        budgets=[BudgetInfo.of(budget) for budget in found.budgets],
        uncounted=found.uncounted,
    )


def _batch(desk: Desk, batch_id: int) -> BatchName:
    name = batching.name_of(desk.db, batch_id)
    if name is None:
        raise NotFound(f"batch {batch_id}: this desk has none of that number; see GET /api/v1/batches")
    return BatchName(id=batch_id, name=name)


def _line(row: CostRow) -> CostLine:
    same = ("name", "requests", "unpriced", "approved", "doubtful", "reused")
    return CostLine(
        **{name: getattr(row, name) for name in same},
        cost_usd=row.cost_microusd / 1e6,
        doubtful_usd=row.doubtful_microusd / 1e6,
        saved_usd=row.saved_microusd / 1e6,
    )
