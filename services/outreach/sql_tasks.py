"""How tasks stand, their notes and what was heard of them, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row, delete, func, select, tuple_, update

from schemas.outreach_request import OutreachRequest
from schemas.sealed import Sealed
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import insert_or_ignore, upsert
from services.outreach.domain import Field, Standing, Withdrawal, Word
from services.outreach.tables import FORGOTTEN, HEARD, HELD, NOTES, PAUSES, TASKS

HeardKey = tuple[str, str, str]
"""Tenant, system and update id."""

Person = tuple[str, str]
"""Tenant and subject."""

_WORDS: Final[TypeAdapter[dict[Field, Word]]] = TypeAdapter(dict[Field, Word])


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note as it is kept."""

    note_id: UUID
    task_id: UUID
    at: datetime
    sealed: Sealed


async def load(transaction: Transaction, task_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """How each of these tasks stands, as far as there is anything to tell."""
    rows = await transaction.execute(select(TASKS).where(TASKS.c.task_id.in_([str(one) for one in task_ids])))
    return {standing.task_id: standing for standing in map(standing_of, rows)}


async def save(transaction: Transaction, standings: Sequence[Standing]) -> None:
    """Writes how tasks stand now."""
    await transaction.run_sync(upsert, TASKS, [_row(standing) for standing in standings])


async def number(transaction: Transaction) -> int:
    """How many tasks there have been, erased ones among them."""
    return int((await transaction.execute(select(func.count()).where(TASKS.c.version > 0))).scalar_one())


async def remove(transaction: Transaction, task_ids: Collection[UUID]) -> None:
    """Deletes tasks and their notes, as if they had never been."""
    await drop_notes(transaction, task_ids)
    await transaction.execute(delete(TASKS).where(TASKS.c.task_id.in_([str(one) for one in task_ids])))


async def clear(transaction: Transaction) -> None:
    """Deletes everything but pauses."""
    for table in (NOTES, TASKS, HEARD, FORGOTTEN):
        await transaction.execute(delete(table))


async def of_people(transaction: Transaction, people: Collection[Person]) -> dict[UUID, str]:
    """The tasks of these people, each with its tenant."""
    rows = await transaction.execute(
        select(TASKS.c.task_id, TASKS.c.tenant).where(tuple_(TASKS.c.tenant, TASKS.c.subject).in_(list(people)))
    )
    return {UUID(row.task_id): row.tenant for row in rows}


async def unpublished(transaction: Transaction, paused: Collection[str], most: int) -> list[UUID]:
    """Tasks that CRMs have not been told of as they stand, and may be."""
    rows = await transaction.execute(
        select(TASKS.c.task_id)
        .where(HELD, ~TASKS.c.erased, TASKS.c.tenant.not_in(paused))
        .order_by(TASKS.c.updated_at)
        .limit(most)
    )
    return [UUID(row.task_id) for row in rows]


async def held(transaction: Transaction) -> int:
    """How many tasks CRMs have not been told of as they stand."""
    waiting = select(func.count()).where(HELD, ~TASKS.c.erased)
    return int((await transaction.execute(waiting)).scalar_one())


async def open_tasks(transaction: Transaction, now: datetime) -> dict[str, tuple[int, int]]:
    """How many tasks are not closed, and how many of them are overdue, by priority."""
    overdue = func.count().filter(TASKS.c.due_at < now)
    rows = await transaction.execute(
        select(TASKS.c.priority, func.count(), overdue)
        .where(TASKS.c.status.in_(["open", "in_progress", "waiting"]))
        .group_by(TASKS.c.priority)
    )
    return {priority: (number, late) for priority, number, late in rows}


async def notes_of(transaction: Transaction, task_ids: Collection[UUID]) -> list[tuple[UUID, Sealed]]:
    """The notes of these tasks, oldest first."""
    rows = await transaction.execute(
        select(NOTES).where(NOTES.c.task_id.in_([str(one) for one in task_ids])).order_by(NOTES.c.at, NOTES.c.note_id)
    )
    return [(UUID(row.task_id), Sealed.model_validate_json(row.sealed)) for row in rows]


async def add_notes(transaction: Transaction, notes: Iterable[StoredNote]) -> None:
    """Keeps notes; one that is there already stays."""
    rows = [
        {
            "note_id": str(note.note_id),
            "task_id": str(note.task_id),
            "at": note.at,
            "sealed": note.sealed.to_json(),
        }
        for note in notes
    ]
    await transaction.run_sync(insert_or_ignore, NOTES, rows)


async def drop_notes(transaction: Transaction, task_ids: Collection[UUID]) -> None:
    """Deletes all notes of these tasks."""
    await transaction.execute(delete(NOTES).where(NOTES.c.task_id.in_([str(one) for one in task_ids])))


async def heard(transaction: Transaction, keys: Collection[HeardKey]) -> set[HeardKey]:
    """Which of these updates have been applied."""
    columns = (HEARD.c.tenant, HEARD.c.system, HEARD.c.update_id)
    rows = await transaction.execute(select(*columns).where(tuple_(*columns).in_(list(keys))))
    return {(row.tenant, row.system, row.update_id) for row in rows}


async def keep_heard(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:  # rows of HEARD
    """Remembers updates as applied."""
    await transaction.run_sync(insert_or_ignore, HEARD, rows)


async def forgotten(transaction: Transaction, people: Collection[Person]) -> set[Person]:
    """Which of these are erased."""
    columns = (FORGOTTEN.c.tenant, FORGOTTEN.c.subject)
    rows = await transaction.execute(select(*columns).where(tuple_(*columns).in_(list(people))))
    return {(row.tenant, row.subject) for row in rows}


async def keep_forgotten(transaction: Transaction, people: Iterable[Person], now: datetime) -> None:
    """Remembers that no task is to be made for these people any more."""
    rows = [{"tenant": tenant, "subject": subject, "since": now} for tenant, subject in people]
    await transaction.run_sync(insert_or_ignore, FORGOTTEN, rows)


async def forget_again_at(transaction: Transaction, task_ids: Collection[UUID], at: datetime | None) -> None:
    """When the tombstones of these tasks are to be written once more, if at all."""
    chosen = TASKS.c.task_id.in_([str(one) for one in task_ids])
    await transaction.execute(update(TASKS).where(chosen).values(forget_again_at=at))


async def to_forget_again(transaction: Transaction, now: datetime, most: int) -> list[tuple[str, UUID]]:
    """Tenant and id of tasks whose tombstones are due once more."""
    rows = await transaction.execute(
        select(TASKS.c.tenant, TASKS.c.task_id).where(TASKS.c.forget_again_at <= now).limit(most)
    )
    return [(row.tenant, UUID(row.task_id)) for row in rows]


async def paused(transaction: Transaction) -> dict[str, datetime]:
    """The tenants whose tasks stay here, and since when."""
    rows = await transaction.execute(select(PAUSES).order_by(PAUSES.c.tenant))
    return {row.tenant: row.since for row in rows}


async def pause(transaction: Transaction, tenant: str, now: datetime) -> None:
    """Keeps a tenant's tasks here; a pause that holds already stays as it is."""
    await transaction.run_sync(insert_or_ignore, PAUSES, [{"tenant": tenant, "since": now}])


async def resume(transaction: Transaction, tenant: str) -> bool:
    """Ends a pause; returns whether there was one."""
    ended = await transaction.execute(delete(PAUSES).where(PAUSES.c.tenant == tenant))
    return bool(ended.rowcount)


def standing_of(row: Row[Any]) -> Standing:  # a row of TASKS
    """How the task of a row stands."""
    return Standing(
        task_id=UUID(row.task_id),
        tenant=row.tenant,
        response_id=row.response_id,
        revision=row.revision,
        version=row.version,
        published=row.published,
        request=OutreachRequest.model_validate_json(row.request) if row.request else None,
        rebuilt=row.rebuilt,
        kind=row.kind,
        assigned=row.assigned,
        withdrawal=Withdrawal(row.withdrawn_because, row.withdrawn_at) if row.withdrawn_at else None,
        words=_WORDS.validate_json(row.words),
        asked_again=row.asked_again,
        erased=row.erased,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _row(standing: Standing) -> dict[str, Any]:  # column values of any type
    seen = standing.is_task
    return {
        "task_id": str(standing.task_id),
        "tenant": standing.tenant,
        "response_id": standing.response_id,
        "subject": standing.request.subject if standing.request else None,
        "revision": standing.revision,
        "version": standing.version,
        "published": standing.published,
        "request": standing.request.to_json() if standing.request else None,
        "rebuilt": standing.rebuilt,
        "kind": standing.kind,
        "assigned": standing.assigned,
        "withdrawn_because": standing.withdrawal.reason if standing.withdrawal else None,
        "withdrawn_at": standing.withdrawal.at if standing.withdrawal else None,
        "words": _WORDS.dump_json(dict(standing.words)),
        "asked_again": standing.asked_again,
        "erased": standing.erased,
        "created_at": standing.created_at,
        "updated_at": standing.updated_at,
        "status": standing.status if seen else None,
        "owner": standing.owner if seen else None,
        "priority": standing.priority if seen else None,
        "due_at": standing.due_at if seen else None,
    }
