"""Gathers the mails a batch is about, has the ledger say what follows, stores that and returns what to publish."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from schemas.consent import Consent
from schemas.decision import Reason
from schemas.message import Message
from schemas.provider_event import ProviderEvent
from schemas.topics import DELIVERIES
from services.chassis.business import Sections
from services.chassis.clock import Clock
from services.chassis.consuming import Batch
from services.chassis.failures import Malformed
from services.chassis.keyring import Keyring
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.records import Cause, Outgoing, outgoing
from services.chassis.sql import Transaction
from services.chassis.suppressions import Word
from services.delivery import sql_fingerprints, sql_ledger
from services.delivery.domain import MEANS, OBJECTS, Entry, command, observed
from services.delivery.metrics import DeliveryMetric
from services.delivery.settings import DeliverySection
from services.delivery.tables import SUPPRESSIONS


@dataclass(frozen=True, slots=True)
class Delivering:
    """The collaborators of delivery's handlers. `planned` is set when there may be something to send."""

    sections: Sections[DeliverySection]
    keyring: Keyring
    clock: Clock
    metrics: Metrics[DeliveryMetric | ChassisMetric]
    planned: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_messages(self, transaction: Transaction, batch: Batch[Message]) -> Sequence[Outgoing]:
        """Plans and withdraws mails."""
        known = await sql_ledger.load(transaction, {(r.payload.tenant, r.payload.response_id) for r in batch.records})
        entries = dict(known)
        changes: list[Entry] = []
        for received in batch.records:
            message = received.payload
            try:
                self._check(message)
            except Malformed as error:
                await batch.refuse(received.raw, error)
                continue
            key = (message.tenant, message.response_id)
            entry = command(entries.get(key), message, self.clock.now(), received.raw.traceparent)
            if isinstance(entry, str):
                self.ignored("command", entry)
                continue
            entries[key] = entry
            changes.append(entry)
        changed = {(entry.tenant, entry.response_id) for entry in changes}
        await sql_ledger.add(transaction, [entries[key] for key in changed if key not in known])
        await sql_ledger.save(transaction, [entries[key] for key in changed if key in known])
        self.planned.set()
        return self.published(changes)

    async def on_provider_events(self, transaction: Transaction, batch: Batch[ProviderEvent]) -> Sequence[Outgoing]:
        """Learns what became of mails, and whom not to write to any more."""
        events = [received.payload for received in batch.records]
        entries = await sql_ledger.load_deliveries(transaction, {(e.tenant, e.delivery_id) for e in events})
        changes: list[Entry] = []
        words: list[Word[Reason]] = []
        for event in events:
            key = (event.tenant, event.delivery_id)
            if key not in entries:
                self.ignored("event", "no_such_mail")
                continue
            words += objections(entries[key], event)
            entry = observed(entries[key], event.type, self.clock.now())
            if isinstance(entry, str):
                self.ignored("event", entry)
                continue
            entries[key] = entry
            changes.append(entry)
        await sql_ledger.save(transaction, {(e.tenant, e.delivery_id): e for e in changes}.values())
        await self.heed(transaction, words)
        return self.published(changes)

    async def on_consents(self, transaction: Transaction, batch: Batch[Consent]) -> Sequence[Outgoing]:
        """Learns who opts out, and who takes that back: for every subject of that person, addresses among them."""
        words: list[Word[Reason]] = []
        for consent in (received.payload for received in batch.records):
            if consent.purpose != "mail":
                continue
            linked = {consent.subject}
            if consent.granted:
                linked |= (await self.keyring.subjects_of(consent.tenant, [consent.subject]))[consent.subject]
            words += [Word(consent.tenant, one, "opt_out", consent.at, consent.granted) for one in sorted(linked)]
        await self.heed(transaction, words)
        return ()

    async def heed(self, transaction: Transaction, words: Sequence[Word[Reason]]) -> None:
        """Remembers whom not to write to, and under which secrets their hashes stand."""
        await SUPPRESSIONS.note(transaction, words)
        await sql_fingerprints.note(transaction, self.keyring, (word.tenant for word in words))

    def published(self, changes: Iterable[Entry]) -> list[Outgoing]:
        """Each change as a record, counted."""
        changed = list(changes)
        for entry in changed:
            self.metrics.count("nps_delivery_changes_total", state=entry.state, reason=entry.reason or "")
        return [record_of(entry, self.clock.now()) for entry in changed]

    def ignored(self, source: Literal["command", "answer", "event"], cause: str) -> None:
        """Counts what changed nothing."""
        self.metrics.count("nps_delivery_ignored_total", source=source, cause=cause)

    def _check(self, message: Message) -> None:
        section = self.sections.of(message.tenant)
        if message.command != "none" and section.item(message.command, message.template) is None:
            raise Malformed.of("template", f"no {message.command} of that name in the business file")


def record_of(entry: Entry, now: datetime) -> Outgoing:
    """A change as it is published, in the trace of the command behind it."""
    cause = Cause("delivery", now, entry.trace)
    return outgoing(DELIVERIES, entry.published(), f"{entry.delivery_id}/{entry.version}", cause)


def objections(entry: Entry, event: ProviderEvent) -> list[Word[Reason]]:
    """Whom an event says not to write to. A bounce is about the address; an opt-out about the person as well."""
    reason = OBJECTS.get(MEANS[event.type])
    if reason is None:
        return []
    about = {entry.address} if reason == "bounced" and entry.address else {entry.address, entry.subject}
    return [Word(entry.tenant, one, reason, event.occurred_at) for one in sorted(filter(None, about))]
