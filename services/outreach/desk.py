"""What requests about tasks do: find, change and annotate them, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid5

from schemas.malformed import Fault
from schemas.task import Note, Task
from services.chassis.clock import Clock
from services.chassis.keyring import Claim, Key
from services.chassis.problems import Problem
from services.chassis.records import Outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock
from services.chassis.sql_service import SqlService
from services.outreach import sql_task_list, sql_tasks
from services.outreach.domain import EFFECTS, Changed, Refused, Standing, annotate, change
from services.outreach.handlers import lock_names, note_owner
from services.outreach.opening import tasks_of
from services.outreach.resources import NewNote, TaskAnswer, TaskChange, TaskFilter, TaskPage, place_of
from services.outreach.settling import Ledger, Settling
from services.outreach.sql_tasks import StoredNote

ANY_VERSION: Final = "*"

Step = Callable[[Standing], Changed | Refused]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which task a request is about: its id, whose it must be if that is said, and the versions that were seen."""

    task_id: UUID
    tenant: str | None = None
    versions: str | None = None

    def check(self, standing: Standing | None) -> Standing:
        """The task, if it is there and stands as it was seen.

        Raises:
            Problem: 404 or 412.
        """
        if standing is None or not standing.is_task or self.tenant not in {None, standing.tenant}:
            raise _no_such(self.task_id)
        if self.versions and not {ANY_VERSION, etag_of(standing.version)} & set(_listed(self.versions)):
            raise Problem(
                HTTPStatus.PRECONDITION_FAILED,
                "stale",
                f"If-Match: the task has changed; it is at version {standing.version}",
                headers={"ETag": etag_of(standing.version)},
            )
        return standing


@dataclass(frozen=True, slots=True)
class TaskDesk:
    """What requests about tasks do."""

    service: SqlService
    settling: Settling
    clock: Clock

    async def page(self, wanted: TaskFilter) -> TaskPage:
        """Some tasks, oldest first."""
        after = place_of(wanted.cursor) if wanted.cursor else None
        async with self.service.database.read() as transaction:
            standings, place = await sql_task_list.page(transaction, wanted, after)
            tasks = await tasks_of(transaction, self.settling.keyring, standings)
        answers = [self._answer(one, tasks[one.task_id]) for one in standings if one.task_id in tasks]
        return TaskPage(tasks=answers, next=place.cursor() if place else None)

    async def read(self, wanted: Wanted) -> TaskAnswer:
        """One task.

        Raises:
            Problem: 404.
        """
        async with self.service.database.read() as transaction:
            standing = wanted.check((await sql_tasks.load(transaction, [wanted.task_id])).get(wanted.task_id))
            return await self._opened(transaction, standing)

    async def change(self, wanted: Wanted, changes: TaskChange) -> TaskAnswer:
        """Changes a task as far as its state allows.

        Raises:
            Problem: 404, 409 or 412.
        """
        step = partial(self._changed, wanted, lambda standing: change(standing, changes.words(), self.clock.now()))
        return await self.service.apply(step)

    async def annotate(self, wanted: Wanted, note: NewNote) -> TaskAnswer:
        """Adds a note to a task.

        Raises:
            Problem: 404 or 412.
        """
        return await self.service.apply(partial(self._annotated, wanted, note))

    async def _changed(
        self, wanted: Wanted, step: Step, transaction: Transaction
    ) -> tuple[TaskAnswer, Sequence[Outgoing]]:
        await transaction.run_sync(lock, lock_names([wanted.task_id]))
        standing = wanted.check((await sql_tasks.load(transaction, [wanted.task_id])).get(wanted.task_id))
        outcome = step(standing)
        if isinstance(outcome, Refused):
            field, _, reason = outcome.reason.partition(": ")
            raise Problem(HTTPStatus.CONFLICT, "conflict", outcome.reason, faults=(Fault(field, reason),))
        ledger = Ledger()
        ledger.enter(outcome)
        records = await self.settling.settle(transaction, ledger, self.clock.now())
        return await self._opened(transaction, outcome.standing), records

    async def _annotated(
        self, wanted: Wanted, note: NewNote, transaction: Transaction
    ) -> tuple[TaskAnswer, Sequence[Outgoing]]:
        await transaction.run_sync(lock, lock_names([wanted.task_id]))
        standing = wanted.check((await sql_tasks.load(transaction, [wanted.task_id])).get(wanted.task_id))
        await self._keep(transaction, standing, note)
        return await self._changed(wanted, lambda found: annotate(found, self.clock.now()), transaction)

    async def _keep(self, transaction: Transaction, standing: Standing, note: NewNote) -> None:
        assert standing.request is not None  # a task that is seen
        owner = standing.request.subject or note_owner(standing.task_id)
        key = (await self.settling.keyring.admit([Claim(standing.tenant, owner)]))[standing.tenant, owner]
        if not isinstance(key, Key):
            raise _no_such(standing.task_id)
        now = self.clock.now()
        sealed = self.settling.keyring.seal(key, Note(text=note.text, author=note.author, at=now).to_json())
        note_id = uuid5(EFFECTS, f"note/{standing.task_id}/{standing.version + 1}")
        await sql_tasks.add_notes(transaction, [StoredNote(note_id, standing.task_id, now, sealed)])

    async def _opened(self, transaction: Transaction, standing: Standing) -> TaskAnswer:
        tasks = await tasks_of(transaction, self.settling.keyring, [standing])
        if standing.task_id not in tasks:
            raise _no_such(standing.task_id)
        return self._answer(standing, tasks[standing.task_id])

    def _answer(self, standing: Standing, task: Task) -> TaskAnswer:
        return TaskAnswer(**dict(task), sla_breached=standing.is_overdue(self.clock.now()))


def etag_of(version: int) -> str:
    """The version as a strong validator."""
    return f'"{version}"'


def _listed(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]


def _no_such(task_id: UUID) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "no-such-task", f"no task {task_id}")
