"""Rebuilds the ledger from topics, so that nobody is mailed twice.

What was last published of a mail is how it stands: `sending` is acknowledged by Kafka before a request leaves, so what
is planned there has not gone out. A command without any record may have led to a mail, and becomes unknown. Events
and consents are read again from their beginning; both say the same a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from schemas.delivery import Delivery
from schemas.malformed import Malformed
from schemas.message import Message
from schemas.topics import CONSENTS, DELIVERIES, MESSAGES, PROVIDER_EVENTS
from services.chassis.consuming import Batch
from services.chassis.records import Outgoing, Raw, Received
from services.chassis.recovering import Replay
from services.chassis.sql import Transaction
from services.chassis.suppressions import Word
from services.delivery import sql_fingerprints, sql_ledger
from services.delivery.domain import OBJECTS, Entry, command, completed, lost, recovered
from services.delivery.handlers import Delivering
from services.delivery.sql_ledger import ResponseKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found: mails by their records, and mails of which there was no record."""

    mails: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Recovery:
    """One recovery, in one transaction."""

    transaction: Transaction
    replay: Replay
    delivering: Delivering
    found: Recovered = Recovered()

    async def run(self) -> list[Outgoing]:
        """Rebuilds the ledger; returns the changes to publish."""
        await sql_ledger.clear(self.transaction)
        await sql_fingerprints.clear(self.transaction)
        async for deliveries in self.replay.batches(DELIVERIES):
            await self._take_deliveries([received.payload for received in deliveries])
        records: list[Outgoing] = []
        async for messages in self.replay.batches(MESSAGES):
            records += await self._take_messages(messages)
        async for events in self.replay.batches(PROVIDER_EVENTS):
            records += await self.delivering.on_provider_events(self.transaction, _batch(PROVIDER_EVENTS.name, events))
        async for consents in self.replay.batches(CONSENTS):
            records += await self.delivering.on_consents(self.transaction, _batch(CONSENTS.name, consents))
        return records

    async def _take_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """The newest version of each mail, in whatever order they were published."""
        newest: dict[ResponseKey, Delivery] = {}
        for delivery in sorted(deliveries, key=lambda one: one.version):
            newest[delivery.tenant, delivery.response_id] = delivery
        known = await sql_ledger.load(self.transaction, newest.keys())
        entries = {
            key: recovered(delivery)
            for key, delivery in newest.items()
            if key not in known or delivery.version > known[key].version
        }
        await sql_ledger.add(self.transaction, [entry for key, entry in entries.items() if key not in known])
        await sql_ledger.save(self.transaction, [entry for key, entry in entries.items() if key in known])
        self.found = replace(self.found, mails=self.found.mails + len(entries.keys() - known.keys()))
        await self.delivering.heed(
            self.transaction,
            [
                Word(one.tenant, one.subject, OBJECTS[one.state], one.at)
                for one in deliveries
                if one.state in OBJECTS and one.subject
            ],
        )

    async def _take_messages(self, messages: Sequence[Received[Message]]) -> list[Outgoing]:
        """What commands add to their mails, and the mails of which only a command is left."""
        keys = {(one.payload.tenant, one.payload.response_id) for one in messages}
        known = await sql_ledger.load(self.transaction, keys)
        entries = dict(known)
        changes: list[Entry] = []
        now = self.delivering.clock.now()
        for received in messages:
            message = received.payload
            key = (message.tenant, message.response_id)
            if key not in entries:
                entries[key] = lost(message, now)
                changes.append(entries[key])
                continue
            entries[key] = completed(entries[key], message)
            after = command(entries[key], message, now, received.raw.traceparent)
            if not isinstance(after, str):
                entries[key] = after
                changes.append(after)
        await sql_ledger.add(self.transaction, [entry for key, entry in entries.items() if key not in known])
        await sql_ledger.save(self.transaction, [entry for key, entry in entries.items() if key in known])
        unknown = sum(entry.state == "unknown" for key, entry in entries.items() if key not in known)
        self.found = replace(self.found, unknown=self.found.unknown + unknown)
        return self.delivering.published(changes)


def _batch(topic: str, records: Sequence[Received[T]]) -> Batch[T]:
    async def refuse(_raw: Raw, error: Malformed) -> None:
        raise error  # what could be read once can be read again

    return Batch(topic, (), tuple(records), refuse)
