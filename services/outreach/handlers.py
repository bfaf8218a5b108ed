"""Gathers what a decision about tasks needs, has the domain decide, returns what to publish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from schemas.erasure import Erasure
from schemas.notice import Notice
from schemas.outreach_request import OutreachRequest
from schemas.personal_data import PersonalData
from schemas.task import Note
from schemas.task_update import TaskUpdate
from schemas.topic import decode_json
from schemas.topics import SURVEY_REQUESTS
from services.chassis.clock import Clock
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed
from services.chassis.keyring import Erased
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.records import Cause, Outgoing, Received, outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock
from services.outreach import sql_tasks
from services.outreach.domain import EFFECTS, Given, Standing, follow, forget, hear, survey_wanted
from services.outreach.metrics import OutreachMetric
from services.outreach.opening import notes_of
from services.outreach.settling import Ledger, Settling
from services.outreach.sql_tasks import HeardKey, StoredNote


@dataclass(frozen=True, slots=True)
class Outreach:
    """The collaborators of outreach's handlers."""

    settling: Settling
    clock: Clock
    metrics: Metrics[OutreachMetric | ChassisMetric]

    async def on_requests(self, transaction: Transaction, batch: Batch[OutreachRequest]) -> Sequence[Outgoing]:
        """Opens, changes, withdraws or reopens the task of each answer."""
        now = self.clock.now()
        requests = [record.payload for record in batch.records]
        await _lock_people(transaction, {(one.tenant, one.subject) for one in requests if one.subject})
        await transaction.run_sync(lock, lock_names(one.task_id for one in requests))
        ledger = Ledger(await sql_tasks.load(transaction, {one.task_id for one in requests}))
        for received, given in zip(batch.records, await self._given(transaction, requests), strict=True):
            try:
                self._follow(received, given, ledger, now)
            except Malformed as error:
                await batch.refuse(received.raw, error)
        return await self.settling.settle(transaction, ledger, now)

    async def on_notices(self, transaction: Transaction, batch: Batch[Notice]) -> Sequence[Outgoing]:
        """Passes on whom a rule wants asked again."""
        del transaction  # a notice comes once, and leaves nothing behind
        now, records = self.clock.now(), []
        for received in batch.records:
            request = survey_wanted(received.payload)
            if request:
                cause = Cause("outreach", now, received.raw.traceparent)
                records.append(outgoing(SURVEY_REQUESTS, request, str(request.request_id), cause))
        return records

    async def on_updates(self, transaction: Transaction, batch: Batch[TaskUpdate]) -> Sequence[Outgoing]:
        """Applies what CRMs say, each word once."""
        now = self.clock.now()
        updates = [record.payload for record in batch.records]
        task_ids = {one.task_id for one in updates}
        await transaction.run_sync(lock, lock_names(task_ids))
        ledger = Ledger(await sql_tasks.load(transaction, task_ids))
        hearing = await self._hearing(transaction, updates, ledger)
        for received in batch.records:
            try:
                outcome = hearing.hear(received, now)
            except Malformed as error:
                await batch.refuse(received.raw, error)
                continue
            self.metrics.count("nps_task_updates_total", outcome=outcome)
        await sql_tasks.add_notes(transaction, hearing.added)
        await sql_tasks.keep_heard(transaction, [_heard(one, now) for one in hearing.applied])
        return await self.settling.settle(transaction, ledger, now)

    async def on_erasures(self, transaction: Transaction, batch: Batch[Erasure]) -> Sequence[Outgoing]:
        """Forgets persons: keys of their tasks, notes, what was published."""
        now, keyring = self.clock.now(), self.settling.keyring
        orders = [record.payload for record in batch.records]
        people = {(one.tenant, subject) for one in orders for subject in await keyring.erase(one.tenant, one.subjects)}
        await _lock_people(transaction, people)
        await sql_tasks.keep_forgotten(transaction, people, now)
        tasks = await sql_tasks.of_people(transaction, people)
        await transaction.run_sync(lock, lock_names(tasks))
        for tenant in set(tasks.values()):
            await keyring.erase(tenant, [note_owner(task_id) for task_id, whose in tasks.items() if whose == tenant])
        ledger = Ledger()
        for standing in (await sql_tasks.load(transaction, tasks)).values():
            ledger.enter(forget(standing, now))
        return await self.settling.settle(transaction, ledger, now)

    def _follow(self, received: Received[OutreachRequest], given: Given, ledger: Ledger, now: datetime) -> None:
        """One request's effect on the ledger.

        Raises:
            Malformed: if no such tenant is in the business file, or the task is another answer's.
        """
        request = received.payload
        section = self.settling.sections.of(request.tenant)
        given = replace(given, owners=section.owners_for(request.rule), due_in=section.due_in)
        standing = ledger.standings.get(request.task_id) or Standing(
            request.task_id, request.tenant, request.response_id
        )
        if (standing.tenant, standing.response_id) != (request.tenant, request.response_id):
            raise Malformed.of("task_id", "is the task of another answer")
        outcome = follow(request, standing, given, now)
        if not isinstance(outcome, str):
            ledger.enter(outcome, received.raw.traceparent)
        told = outcome if isinstance(outcome, str) else type(outcome).__name__.lower()
        self.metrics.count("nps_task_requests_total", outcome=told)

    async def _given(self, transaction: Transaction, requests: Sequence[OutreachRequest]) -> list[Given]:
        """What the sealed part of each request tells a decision."""
        subjects = {(one.tenant, one.subject) for one in requests if one.subject}
        forgotten = await sql_tasks.forgotten(transaction, subjects)
        opened = iter(await self.settling.keyring.open_all([one.sealed for one in requests if one.sealed]))
        found = []
        for request in requests:
            content = next(opened) if request.sealed else b"{}"
            if isinstance(content, Erased) or (request.tenant, request.subject) in forgotten:
                found.append(Given(erased=True))
            else:
                data = PersonalData.model_validate_json(content)
                found.append(Given(has_email=bool(data.email), has_phone=bool(data.phone)))
        return found

    async def _hearing(self, transaction: Transaction, updates: Sequence[TaskUpdate], ledger: Ledger) -> _Hearing:
        annotated = [one for one in updates if one.sealed]
        opened = await self.settling.keyring.open_all([one.sealed for one in annotated if one.sealed])
        content = {_key(one): text for one, text in zip(annotated, opened, strict=True)}
        known = await notes_of(transaction, self.settling.keyring, [one.task_id for one in annotated])
        done = await sql_tasks.heard(transaction, {_key(one) for one in updates})
        return _Hearing(ledger, done, content, known, [], [])


@dataclass(frozen=True, slots=True)
class _Hearing:
    """What has been heard in the course of one batch."""

    ledger: Ledger
    done: set[HeardKey]
    content: dict[HeardKey, bytes | Erased]
    known: dict[UUID, list[Note]]
    added: list[StoredNote]
    applied: list[TaskUpdate]

    def hear(self, received: Received[TaskUpdate], now: datetime) -> str:
        """Applies one update, unless it was before; returns what became of it.

        Raises:
            Malformed: if what is sealed is no note.
        """
        update = received.payload
        key = _key(update)
        standing = self.ledger.standings.get(update.task_id)
        if standing is None or standing.tenant != update.tenant:
            return "unknown"
        if key in self.done:
            return "duplicate"
        note = self._note(update)
        outcome = hear(update, standing, now, new_note=note is not None)
        self.done.add(key)
        self.applied.append(update)
        if isinstance(outcome, str):
            return outcome
        self.ledger.enter(outcome, received.raw.traceparent)
        if note and update.sealed:
            self.known.setdefault(update.task_id, []).append(note)
            note_id = uuid5(EFFECTS, f"note/{'/'.join(key)}")
            self.added.append(StoredNote(note_id, update.task_id, update.occurred_at, update.sealed))
        return type(outcome).__name__.lower()

    def _note(self, update: TaskUpdate) -> Note | None:
        """The note, if it is new."""
        content = self.content.get(_key(update))
        if content is None or isinstance(content, Erased):
            return None
        note = decode_json(Note, content)
        return None if note in self.known.get(update.task_id, ()) else note


def note_owner(task_id: UUID) -> str:
    """Under whose key notes are sealed where the person is not known."""
    return f"task:{task_id}"


def lock_names(task_ids: Iterable[UUID]) -> set[str]:
    """What to lock before tasks are read to be changed."""
    return {f"task/{task_id}" for task_id in task_ids}


async def _lock_people(transaction: Transaction, people: Iterable[tuple[str, str]]) -> None:
    """People before their tasks, always: whoever is forgotten gets no task in the same moment."""
    await transaction.run_sync(lock, {f"{tenant}/subject/{subject}" for tenant, subject in people})


def _key(update: TaskUpdate) -> HeardKey:
    return update.tenant, update.system, update.update_id


def _heard(update: TaskUpdate, now: datetime) -> dict[str, object]:
    return {
        "tenant": update.tenant,
        "system": update.system,
        "update_id": update.update_id,
        "task_id": str(update.task_id),
        "external_id": update.external_id,
        "heard_at": now,
    }
