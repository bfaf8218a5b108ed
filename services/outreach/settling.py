"""What follows from changes of tasks: they are stored, CRMs are told unless that is paused, customers are asked again.

A pause keeps changes here; so a task has a version and a version that was published, and whoever differs is held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.topic import join_key
from schemas.topics import SURVEY_REQUESTS, TASKS
from services.chassis.business import Sections
from services.chassis.keyring import Keyring
from services.chassis.records import Cause, Outgoing, outgoing
from services.chassis.sql import Transaction
from services.outreach import sql_tasks
from services.outreach.domain import Changed, Forgotten, Noted, Standing, ask_again, newest
from services.outreach.opening import tasks_of
from services.outreach.settings import OutreachSection

EVERYBODY: Final = "*"
"""Stands for all tenants in a pause: no tenant may be named so."""

ROLLED_AFTER: Final = (TASKS.compaction_lag or timedelta()) + timedelta(minutes=1)
"""When a tombstone is written once more: the segment it stands in is only closed, and compacted, by a later record."""


@dataclass(slots=True)
class Ledger:
    """How tasks stand in the course of one transaction, and what has become of each."""

    standings: dict[UUID, Standing] = field(default_factory=dict)
    changed: dict[UUID, str | None] = field(default_factory=dict)
    touched: set[UUID] = field(default_factory=set)
    forgotten: set[UUID] = field(default_factory=set)

    def enter(self, outcome: Changed | Noted | Forgotten, trace: str | None = None) -> None:
        """Notes what became of a task, and the trace it belongs to."""
        task_id = outcome.standing.task_id
        self.standings[task_id] = outcome.standing
        self.touched.add(task_id)
        if isinstance(outcome, Changed):
            self.changed[task_id] = trace
        elif isinstance(outcome, Forgotten):
            self.forgotten.add(task_id)


@dataclass(frozen=True, slots=True)
class Settling:
    """Stores what became of tasks and returns what to publish."""

    sections: Sections[OutreachSection]
    keyring: Keyring

    async def settle(self, transaction: Transaction, ledger: Ledger, now: datetime) -> list[Outgoing]:
        """Writes the ledger's tasks; tells CRMs of what changed unless paused."""
        surveys = self._ask_again(ledger, now)
        tasks = await self._tell(transaction, ledger, now)
        await sql_tasks.save(transaction, [ledger.standings[task_id] for task_id in ledger.touched])
        return [*tasks, *surveys, *await self._forget(transaction, ledger, now)]

    def _ask_again(self, ledger: Ledger, now: datetime) -> list[Outgoing]:
        records = []
        for task_id, trace in ledger.changed.items():
            standing = ledger.standings[task_id]
            after = self.sections.of(standing.tenant).ask_again_after if self.sections.knows(standing.tenant) else None
            survey = ask_again(standing, after)
            if survey:
                ledger.standings[task_id] = replace(standing, asked_again=True)
                cause = Cause("outreach", now, trace)
                records.append(outgoing(SURVEY_REQUESTS, survey, str(survey.request_id), cause))
        return records

    async def _tell(self, transaction: Transaction, ledger: Ledger, now: datetime) -> list[Outgoing]:
        paused = await sql_tasks.paused(transaction) if ledger.changed else {}
        told = [
            ledger.standings[task_id]
            for task_id in ledger.changed
            if task_id not in ledger.forgotten and not paused.keys() & {EVERYBODY, ledger.standings[task_id].tenant}
        ]
        tasks = await tasks_of(transaction, self.keyring, told)
        records = []
        for standing in told:
            ledger.standings[standing.task_id] = replace(standing, published=standing.version)
            task = tasks.get(standing.task_id)
            if task:
                fitting = task.model_copy(update={"notes": newest(task.notes)})
                cause = Cause("outreach", now, ledger.changed[standing.task_id])
                records.append(outgoing(TASKS, fitting, f"{task.task_id}/{task.version}", cause))
        return records

    async def _forget(self, transaction: Transaction, ledger: Ledger, now: datetime) -> list[Outgoing]:
        if not ledger.forgotten:
            return []
        forgotten = [ledger.standings[task_id] for task_id in ledger.forgotten]
        await sql_tasks.drop_notes(transaction, ledger.forgotten)
        told = [standing for standing in forgotten if standing.version]
        again_at = now + ROLLED_AFTER
        await sql_tasks.forget_again_at(transaction, [standing.task_id for standing in told], again_at)
        return tombstones([(standing.tenant, standing.task_id) for standing in told])


def tombstones(tasks: Iterable[tuple[str, UUID]]) -> list[Outgoing]:
    """What erases these tasks, tenant and id, from the topic."""
    keys = [join_key((tenant, str(task_id))) for tenant, task_id in tasks]
    return [Outgoing(TASKS.name, key, key, None, ()) for key in keys]
