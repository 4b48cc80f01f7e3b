"""Questions to the counts of `pipeline.store.tallies`: sums of small tables, whatever the number of edits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from pipeline.store.database import Database
from pipeline.store.tallies import (
    ACCEPTED,
    ASKED_AGAIN,
    DONE,
    FLAGGED,
    OPEN,
    PACE,
    PAIRS,
    PROMPTS,
    REJECTED,
    SHOWN,
    SPENT,
    WAITS,
    WORDS,
)


class By(StrEnum):
    """What is held against each other."""

    PLACE = "recipe and provider"
    RECIPE = "recipe"
    PROVIDER = "provider"
    AI_MODEL = "ai-model"
    PROMPT = "prompt"
    BATCH = "batch"


_COLUMNS = {
    By.PLACE: ("recipe", "provider"),
    By.RECIPE: ("recipe",),
    By.PROVIDER: ("provider",),
    By.AI_MODEL: ("ai_model",),
    By.PROMPT: ("prompt",),
    By.BATCH: ("batch_id",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of what the counts are to be.

    Attributes:
        batch_id: Of this batch.
        since: From this day (UTC) on.
        until: Until this day (UTC), which counts.
        recipe: Made by this recipe; "" for those made by none.
        provider: Made by this provider.
    """

    batch_id: int | None = None
    since: date | None = None
    until: date | None = None
    recipe: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What people said of pictures; each edit's last word that stands.

    Attributes:
        names: Of which recipe, provider and so on.
    """

    names: tuple[str, ...]
    accepted: int
    rejected: int
    asked_again: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What was charged, and what was approved.

    Attributes:
        names: Of which recipe, provider and so on; or the day.
        unpriced: Charged requests whose price is not known.
        by_policy: Of the approved, those that no person accepted.
    """

    names: tuple[str, ...]
    requests: int
    unpriced: int
    cost_microusd: int
    approved: int
    by_policy: int


def words(counts: Database, of: Counted, by: By, *, most: int) -> list[Words]:
    """What people said, of those first of which they said most."""
    table = PROMPTS if by is By.PROMPT else WORDS
    columns = [table.c[name] for name in _COLUMNS[by]]
    verdicts = [_of_verdict(table, verdict) for verdict in (ACCEPTED, REJECTED, ASKED_AGAIN)]
    statement = _filtered(sa.select(*columns, *verdicts), table, of).group_by(*columns)
    with counts.read() as connection:
        rows = connection.execute(statement.order_by(sa.func.sum(table.c.n).desc(), *columns).limit(most)).all()
    return [Words(tuple(map(str, row[: len(columns)])), *row[len(columns) :]) for row in rows]


def words_by_day(counts: Database, of: Counted) -> list[Words]:
    """What people said on each day on which they said anything."""
    verdicts = [_of_verdict(WORDS, verdict) for verdict in (ACCEPTED, REJECTED, ASKED_AGAIN)]
    statement = _filtered(sa.select(WORDS.c.day, *verdicts), WORDS, of).group_by(WORDS.c.day).order_by(WORDS.c.day)
    with counts.read() as connection:
        return [Words((row[0],), *row[1:]) for row in connection.execute(statement)]


def reasons(counts: Database, of: Counted) -> list[tuple[str, int]]:
    """How often each reason was given for a rejection, the most frequent first."""
    number = sa.func.sum(WORDS.c.n)
    statement = _filtered(sa.select(WORDS.c.reason, number), WORDS, of).where(WORDS.c.verdict == REJECTED)
    with counts.read() as connection:
        rows = connection.execute(statement.group_by(WORDS.c.reason).order_by(number.desc(), WORDS.c.reason))
        return [(str(reason), int(n)) for reason, n in rows]


def flagged(counts: Database, of: Counted, part: str, *, most: int) -> list[tuple[str, str, int, int]]:
    """Kind, name, and how many edits with that were turned down and accepted; of the most frequent.

    Args:
        counts: The counts.
        of: Which.
        part: ``change``, ``label``, ``detector`` or ``nothing``.
        most: So many.
    """
    accepted = _of_verdict(FLAGGED, ACCEPTED)
    down = sa.func.sum(sa.case((FLAGGED.c.verdict != ACCEPTED, FLAGGED.c.n), else_=0))
    columns = (FLAGGED.c.kind, FLAGGED.c.name)
    statement = _filtered(sa.select(*columns, down, accepted), FLAGGED, of).where(FLAGGED.c.part == part)
    with counts.read() as connection:
        rows = connection.execute(statement.group_by(*columns).order_by(down.desc(), *columns).limit(most)).all()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def flagged_reasons(counts: Database, of: Counted) -> list[tuple[str, str, str, int]]:
    """Kind, change, and how often which reason was given for rejecting an edit with that; the most frequent first."""
    number = sa.func.sum(FLAGGED.c.n)
    columns = (FLAGGED.c.kind, FLAGGED.c.name, FLAGGED.c.reason)
    is_said = sa.and_(FLAGGED.c.part.in_(["change", "nothing"]), FLAGGED.c.verdict == REJECTED)
    statement = _filtered(sa.select(*columns, number), FLAGGED, of).where(is_said).group_by(*columns)
    with counts.read() as connection:
        rows = connection.execute(statement.order_by(number.desc(), *columns)).all()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def pace(counts: Database, of: Counted) -> list[tuple[str, int, int, int]]:
    """By person: decisions, those taken back, and the ten minutes in which there was one."""
    sums = (sa.func.sum(PACE.c.n), sa.func.sum(PACE.c.undone), sa.func.count(sa.distinct(PACE.c.slot)))
    statement = _filtered(sa.select(PACE.c.actor, *sums), PACE, of).group_by(PACE.c.actor).order_by(PACE.c.actor)
    with counts.read() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(statement)]


def shown(counts: Database, of: Counted) -> list[tuple[str, int, int]]:
    """By person: for how long pictures were shown, in milliseconds, how often."""
    columns = (SHOWN.c.actor, SHOWN.c.shown_ms)
    statement = _filtered(sa.select(*columns, sa.func.sum(SHOWN.c.n)), SHOWN, of).group_by(*columns)
    with counts.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


def pairs(counts: Database, of: Counted) -> list[tuple[str, str, bool, bool, int]]:
    """Two people, whether the earlier and whether the later one accepted, and how often."""
    columns = (
        *(PAIRS.c.first, PAIRS.c.second),
        *((PAIRS.c[name] == ACCEPTED).label(name) for name in ("first_verdict", "second_verdict")),
    )
    statement = _filtered(sa.select(*columns, sa.func.sum(PAIRS.c.n)), PAIRS, of)
    with counts.read() as connection:
        rows = connection.execute(statement.group_by(*columns))
        return [(row[0], row[1], bool(row[2]), bool(row[3]), row[4]) for row in rows]


def spent(counts: Database, of: Counted, by: By) -> list[Spent]:
    """What was charged and approved, by anything but the prompt."""
    return _spent(counts, of, _COLUMNS[by])


def spent_by_day(counts: Database, of: Counted) -> list[Spent]:
    """What was charged and approved on each day."""
    return _spent(counts, of, ("day",))


def rounds(counts: Database, of: Counted) -> list[tuple[int, int]]:
    """How many assets were approved in which round."""
    statement = _filtered(sa.select(DONE.c.round, sa.func.sum(DONE.c.n)), DONE, of)
    with counts.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(statement.group_by(DONE.c.round).order_by(DONE.c.round))]


def waits(counts: Database, of: Counted) -> list[tuple[int, int]]:
    """After how many minutes edits were first decided on, how often."""
    statement = _filtered(sa.select(WAITS.c.minutes, sa.func.sum(WAITS.c.n)), WAITS, of)
    with counts.read() as connection:
        rows = connection.execute(statement.group_by(WAITS.c.minutes).order_by(WAITS.c.minutes))
        return [(row[0], row[1]) for row in rows]


def waiting(counts: Database, of: Counted) -> tuple[int, str]:
    """How many edits wait in review, whatever the days, and since which hour the oldest does, as in 2026-11-21 09."""
    wanted = Counted(batch_id=of.batch_id, recipe=of.recipe, provider=of.provider)
    sums = (sa.func.coalesce(sa.func.sum(OPEN.c.n), 0), sa.func.coalesce(sa.func.min(OPEN.c.since), ""))
    with counts.read() as connection:
        row = connection.execute(_filtered(sa.select(*sums), OPEN, wanted)).one()
    return int(row[0]), str(row[1])


def known(counts: Database) -> tuple[list[str], list[str]]:
    """The recipes and the providers that anything was decided on or paid for."""
    with counts.read() as connection:
        recipes, providers = (
            {
                name
                for table in (WORDS, SPENT)
                for name in connection.execute(sa.select(table.c[column]).distinct()).scalars()
            }
            for column in ("recipe", "provider")
        )
    return sorted(recipes), sorted(providers)


def _spent(counts: Database, of: Counted, names: Sequence[str]) -> list[Spent]:
    with counts.read() as connection:
        charged, done = (
            {
                tuple(map(str, row[: len(names)])): row[len(names) :]
                for row in connection.execute(_summed(table, of, names, sums))
            }
            for table, sums in ((SPENT, ("requests", "unpriced", "cost_microusd")), (DONE, ("n", "by_policy")))
        )
    nothing = (0, 0, 0)
    return [
        Spent(each, *charged.get(each, nothing), *done.get(each, nothing[:2])) for each in sorted({*charged, *done})
    ]


def _summed(table: sa.Table, of: Counted, names: Sequence[str], sums: Sequence[str]) -> sa.Select[Any]:
    columns = [table.c[name] for name in names]
    return _filtered(sa.select(*columns, *(sa.func.sum(table.c[each]) for each in sums)), table, of).group_by(*columns)


def _of_verdict(table: sa.Table, verdict: str) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((table.c.verdict == verdict, table.c.n), else_=0))


def _filtered(statement: sa.Select[Any], table: sa.Table, of: Counted) -> sa.Select[Any]:
    for name in ("batch_id", "recipe", "provider"):
        if (value := getattr(of, name)) is not None:
            statement = statement.where(table.c[name] == value)
    if of.since is not None:
        statement = statement.where(table.c.day >= of.since.isoformat())
    if of.until is not None:
        statement = statement.where(table.c.day <= of.until.isoformat())
    return statement
