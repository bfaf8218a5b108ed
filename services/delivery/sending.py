"""Sends what is planned: claims a mail by lease when its request may start, commits and publishes that, then asks.

`sending` is committed, and acknowledged by Kafka, before a request leaves. So a ledger that is lost can be recovered:
what was last published as planned has not gone out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.chassis.clock import Clock
from services.chassis.failures import Malformed, Transient
from services.chassis.logs import logger
from services.chassis.outbox import publish_own
from services.chassis.sql import Transaction
from services.chassis.sql_service import SqlService
from services.delivery import sql_ledger
from services.delivery.brake import Brake
from services.delivery.domain import Entry, claimed, expired, settled, suppressed
from services.delivery.handlers import Delivering
from services.delivery.letters import Letters
from services.delivery.mailer import Later, Mailer, Outcome
from services.delivery.recipients import Recipient, Recipients
from services.delivery.settings import DeliverySettings

LOOP: Final = "mail"
POLL: Final = timedelta(milliseconds=500)
LINGER: Final = timedelta(milliseconds=50)
TIDY_EVERY: Final = timedelta(seconds=1)
ABANDONED_AT_ONCE: Final = 500
HELD_AFTER: Final = timedelta(minutes=15)
"""A mail unknown for longer will hardly be settled by an event: a person must look at it."""

_log = logger("mail")


@dataclass(frozen=True, slots=True)
class Tried:
    """One try and what became of it."""

    entry: Entry
    outcome: Outcome


class Sending:
    """The sending loop of one worker."""

    def __init__(
        self, service: SqlService, delivering: Delivering, mailer: Mailer, letters: Letters, settings: DeliverySettings
    ) -> None:
        self._service = service
        self._delivering = delivering
        self._mailer = mailer
        self._letters = letters
        self._recipients = Recipients(delivering.sections, delivering.keyring)
        self._lease = settings.lease
        self._timeout = timedelta(seconds=settings.sendgrid_timeout_s)
        self._clock: Clock = service.frame.clock
        self._brake = Brake(settings.mails_at_once)
        self._under_way: set[asyncio.Task[Tried]] = set()
        self._unsent: list[Tried] = []
        self._tidy_at = self._clock.now()
        self._held = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until stopped; requests under way are waited for and their outcomes stored.

        Raises:
            Halt: if going on would be wrong.
        """
        health, wake = self._service.frame.health, self._delivering.planned
        try:
            while not stop.is_set() or self._under_way or self._unsent:
                health.turned(LOOP)
                wake.clear()
                try:
                    await self.turn(claiming=not stop.is_set())
                    health.goes_on(LOOP)
                except Transient as error:
                    health.waits(LOOP, str(error))
                await self._news()
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way)
            health.ended(LOOP)

    async def _news(self) -> None:
        """Waits for something to do, and a moment more while outcomes still come in: a turn costs as much for one."""
        await _within(POLL, self._delivering.planned.wait())
        if any(not task.done() for task in self._under_way):
            await _within(LINGER, asyncio.wait(self._under_way))

    async def turn(self, *, claiming: bool) -> None:
        """Stores what has come back, tidies up, and claims as many mails as may go at once.

        Raises:
            Transient: if the database or the keyring does not answer; nothing is lost by that.
        """
        now = self._clock.now()
        done = {task for task in self._under_way if task.done()}
        tried = [*(task.result() for task in done), *self._unsent]
        room = self._brake.room(now, len(self._under_way) - len(done)) if claiming else 0
        self._delivering.metrics.set("nps_mail_braked", self._brake.closed_until(now) is not None)
        tidy = now >= self._tidy_at
        if not (tried or room or tidy):
            return
        async with self._service.database.begin() as transaction:
            changes = await self._store(transaction, tried)
            if tidy:
                changes += await self._tidy(transaction, now)
            taken, refused = await self._claim(transaction, room, now)
            records = self._delivering.published([*changes, *refused, *(entry for entry, _ in taken)])
            rows = await self._service.outbox.add(transaction, records)
        self._under_way -= done
        self._unsent.clear()
        acknowledged = await publish_own(self._service.database, self._service.frame.publisher, rows)
        self._start(taken, acknowledged=acknowledged)
        if refused or (taken and not acknowledged):
            self._delivering.planned.set()

    async def _store(self, transaction: Transaction, tried: Sequence[Tried]) -> list[Entry]:
        """What the outcomes make of their mails."""
        keys = {(one.entry.tenant, one.entry.response_id) for one in tried}
        known = await sql_ledger.load(transaction, keys) if keys else {}
        changes = []
        for one in tried:
            entry = known.get((one.entry.tenant, one.entry.response_id))
            if entry is None:
                continue
            after = settled(entry, one.entry.attempt, one.outcome, self._clock.now(), _spread())
            if isinstance(after, str):
                self._delivering.ignored("answer", after)
                continue
            changes.append(after)
        await sql_ledger.save(transaction, changes)
        return changes

    async def _tidy(self, transaction: Transaction, now: datetime) -> list[Entry]:
        """Mails whose sender did not come back, and how many wait for a person."""
        self._tidy_at = now + TIDY_EVERY
        found = await sql_ledger.abandoned(transaction, now, ABANDONED_AT_ONCE)
        changes = [expired(entry, now) for entry in found]
        await sql_ledger.save(transaction, changes)
        counts = await sql_ledger.count_states(transaction)
        for state in ("planned", "sending", "unknown"):
            self._delivering.metrics.set("nps_delivery_open", counts.get(state, 0), state=state)
        held = await sql_ledger.count_unknown(transaction, now - HELD_AFTER)
        self._delivering.metrics.set("nps_delivery_unknown", held)
        if held > self._held:
            _log.error("mail.held", mails=held, minutes=HELD_AFTER.total_seconds() / 60)
        self._held = held
        return changes

    async def _claim(
        self, transaction: Transaction, room: int, now: datetime
    ) -> tuple[list[tuple[Entry, Recipient]], list[Entry]]:
        """Mails to send now with whom they go to, and those that must not be sent."""
        if not room:
            return [], []
        planned = await sql_ledger.due(transaction, now, room)
        found = await self._recipients.look_up(transaction, planned)
        taken: list[tuple[Entry, Recipient]] = []
        refused: list[Entry] = []
        for entry, recipient in zip(planned, found, strict=True):
            if isinstance(recipient, Recipient):
                until = now + self._lease
                entry_taken = claimed(entry, now, until=until, provider=self._mailer.name, address=recipient.address)
                taken.append((entry_taken, recipient))
            else:
                refused.append(suppressed(entry, recipient, now))
        await sql_ledger.save(transaction, [*refused, *(entry for entry, _ in taken)])
        return taken, refused

    def _start(self, taken: Sequence[tuple[Entry, Recipient]], *, acknowledged: bool) -> None:
        for entry, recipient in taken:
            if not acknowledged:
                outcome = Later(detail="Kafka did not acknowledge the claim", everyone=False)
                self._unsent.append(Tried(entry, outcome))
                continue
            task = asyncio.create_task(self._try(entry, recipient))
            task.add_done_callback(lambda _task: self._delivering.planned.set())
            self._under_way.add(task)

    async def _try(self, entry: Entry, recipient: Recipient) -> Tried:
        """One request, and what came of it."""
        started = time.perf_counter()
        try:
            mail = await self._letters.write(entry, recipient)
            outcome = await self._mailer.send(mail, self._may_leave(entry))
        except (Malformed, Transient) as error:
            outcome = Later(detail=str(error)[:200], everyone=False)
        seconds = time.perf_counter() - started
        self._brake.saw(outcome, self._clock.now(), _spread())
        ended = type(outcome).__name__.lower()
        self._delivering.metrics.count("nps_mail_requests_total", provider=self._mailer.name, outcome=ended)
        self._delivering.metrics.observe("nps_mail_request_seconds", seconds, provider=self._mailer.name)
        _log.info(
            "mail.tried",
            outcome=ended,
            delivery_id=str(entry.delivery_id),
            tenant=entry.tenant,
            attempt=entry.attempt,
            seconds=round(seconds, 3),
            detail=getattr(outcome, "detail", None),
        )
        return Tried(entry, outcome)

    def _may_leave(self, entry: Entry) -> Callable[[], bool]:
        """Whether a request may be written: the lease lasts until its answer, and nobody has been told to wait."""

        def may_leave() -> bool:
            now = self._clock.now()
            leased = entry.lease_until is not None and now + self._timeout < entry.lease_until
            return leased and self._brake.closed_until(now) is None

        return may_leave


def _spread() -> float:
    return random.random()  # noqa: S311 spreads retries, guards nothing


async def _within(longest: timedelta, waiting: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(waiting, longest.total_seconds())
    except TimeoutError:
        return
