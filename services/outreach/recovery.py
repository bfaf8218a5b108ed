"""Rebuilds tasks from topics, so that no CRM gets a second one and what is erased stays erased.

What CRMs were last told of a task is how it stood, with its notes. Requests and words of CRMs are read again from their
beginning: what the task says already changes nothing, and a request without a task makes it, under the same id.
Erasures come first, since the keyring may have been restored as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from schemas.malformed import Malformed
from schemas.personal_data import PersonalData
from schemas.sealed import Sealed
from schemas.task import Note, Task
from schemas.topic import split_key
from schemas.topics import ERASURES, OUTREACH, TASK_UPDATES, TASKS
from services.chassis.consuming import Batch
from services.chassis.keyring import Claim, Erased, Key, Keyring
from services.chassis.logs import logger
from services.chassis.records import Outgoing, Raw, Received
from services.chassis.recovering import AT_ONCE, Replay
from services.chassis.sql import Transaction
from services.outreach import sql_tasks
from services.outreach.domain import EFFECTS, rebuilt
from services.outreach.handlers import Outreach, note_owner
from services.outreach.sql_tasks import StoredNote

CONSUMED: Final = frozenset({OUTREACH.name, TASK_UPDATES.name, ERASURES.name})

_log = logger("recovery")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found: tasks that CRMs know of, and tasks it made because none had been told of them."""

    tasks: int = 0
    made: int = 0


@dataclass(slots=True)
class Recovery:
    """One recovery, in one transaction."""

    transaction: Transaction
    replay: Replay
    outreach: Outreach
    found: Recovered = Recovered()

    async def run(self) -> list[Outgoing]:
        """Rebuilds the tables; returns what to publish."""
        await sql_tasks.clear(self.transaction)
        records: list[Outgoing] = []
        async for erasures in self.replay.batches(ERASURES):
            records += await self.outreach.on_erasures(self.transaction, _batch(ERASURES.name, erasures))
        await self._take_tasks()
        known = await sql_tasks.number(self.transaction)
        async for requests in self.replay.batches(OUTREACH):
            records += await self.outreach.on_requests(self.transaction, _batch(OUTREACH.name, requests))
        async for updates in self.replay.batches(TASK_UPDATES):
            records += await self.outreach.on_updates(self.transaction, _batch(TASK_UPDATES.name, updates))
        self.found = Recovered(known, await sql_tasks.number(self.transaction) - known)
        return records

    async def _take_tasks(self) -> None:
        """The last record of each task; one that ends with a tombstone is left out."""
        reader, last = self.replay.reader, dict[bytes, Raw]()
        await reader.assign([TASKS.name])
        async for raw in reader.to_end():
            last[raw.key or b""] = raw
            if len(last) >= AT_ONCE:
                await self._take(list(last.values()))
                last.clear()
        await self._take(list(last.values()))

    async def _take(self, raws: Sequence[Raw]) -> None:
        """Stores tasks, what is personal sealed again: under the task's own key until its request is read."""
        await sql_tasks.remove(self.transaction, [_task_id(raw) for raw in raws if raw.value is None])
        tasks = [task for task in map(_task, raws) if task]
        claims = [Claim(task.tenant, note_owner(task.task_id)) for task in tasks]
        keyring = self.outreach.settling.keyring
        keys = await keyring.admit(claims)
        standings, notes = [], []
        for task, claim in zip(tasks, claims, strict=True):
            key = keys[claim.tenant, claim.owner]
            standings.append(rebuilt(task, _sealed(keyring, key, _person(task))))
            for number, note in enumerate(task.notes):
                sealed = _sealed(keyring, key, note)
                if sealed:
                    notes.append(StoredNote(_note_id(task.task_id, number), task.task_id, note.at, sealed))
        await sql_tasks.save(self.transaction, standings)
        await sql_tasks.drop_notes(self.transaction, [standing.task_id for standing in standings])
        await sql_tasks.add_notes(self.transaction, notes)


def _person(task: Task) -> PersonalData:
    return PersonalData(**task.customer.model_dump(), comment=task.comment)


def _sealed(keyring: Keyring, key: Key | Erased, content: PersonalData | Note) -> Sealed | None:
    if isinstance(key, Erased) or not content.model_dump(exclude_defaults=True):
        return None
    return keyring.seal(key, content.to_json())


def _task_id(tombstone: Raw) -> UUID:
    _tenant, task_id = split_key(tombstone.key or b"")
    return UUID(task_id)


def _task(raw: Raw) -> Task | None:
    if raw.value is None:
        return None
    try:
        return TASKS.decode(raw.headers, raw.value)
    except Malformed as error:
        _log.warning("record.unreadable", topic=raw.topic, offset=raw.offset, reason=str(error))
        return None


def _note_id(task_id: UUID, number: int) -> UUID:
    return uuid5(EFFECTS, f"note/{task_id}/rebuilt/{number}")


def _batch(topic: str, records: Sequence[Received[Any]]) -> Batch[Any]:  # payloads differ by topic
    """Records for a handler; what it refuses is a dead letter since it was read the first time."""

    async def refuse(raw: Raw, error: Malformed) -> None:
        _log.warning("record.refused", topic=raw.topic, offset=raw.offset, reason=str(error))

    return Batch(topic, (), tuple(records), refuse)
