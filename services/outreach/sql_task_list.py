"""The list of tasks, a page at a time."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, tuple_

from services.chassis.sql import Transaction
from services.outreach.domain import Standing
from services.outreach.resources import Place, TaskFilter
from services.outreach.sql_tasks import standing_of
from services.outreach.tables import TASKS


async def page(
    transaction: Transaction, wanted: TaskFilter, after: Place | None
) -> tuple[list[Standing], Place | None]:
    """Tasks that fit, oldest first, and where to go on; none at the end."""
    conditions = [TASKS.c.status.is_not(None), *_conditions(wanted)]
    if after:
        conditions.append(tuple_(TASKS.c.created_at, TASKS.c.task_id) > tuple_(after.created_at, str(after.task_id)))
    statement = select(TASKS).where(*conditions).order_by(TASKS.c.created_at, TASKS.c.task_id).limit(wanted.limit + 1)
    found = [standing_of(row) for row in await transaction.execute(statement)]
    shown, more = found[: wanted.limit], found[wanted.limit :]
    if not more:
        return shown, None
    last = shown[-1]
    assert last.created_at is not None  # a task that is seen
    return shown, Place(last.created_at, last.task_id)


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.tenant is not None:
        conditions.append(TASKS.c.tenant == wanted.tenant)
    if wanted.status:
        conditions.append(TASKS.c.status.in_(wanted.status))
    if wanted.owner is not None:
        conditions.append(TASKS.c.owner == wanted.owner)
    if wanted.priority:
        conditions.append(TASKS.c.priority.in_(wanted.priority))
    if wanted.due_before is not None:
        conditions.append(TASKS.c.due_at < wanted.due_before)
    if wanted.response_id is not None:
        conditions.append(TASKS.c.response_id == wanted.response_id)
    return conditions
