"""Live answers come first: an import waits while answers that somebody has just given stand behind those of the past.

What is looked at is Kafka itself. Raw answers on inbound topics that intake has not read wait at the door. Answers on
`nps.responses` that routing has not decided on wait for it, and those of the import stand in front of them in the same
partitions. While live ones come in, an import is therefore never further ahead of routing than routing gets through in
about a second. Scoring is not looked at: it takes answers in faster than they can be imported.

Whoever does not run, or does not get on, is not waited for: waiting would help nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.chassis.clock import Clock
from services.chassis.failures import Transient
from services.intake.domain import Arrival
from services.intake.door import Prepared
from services.intake.importing.importer import Entrance

LOOK_EVERY: Final = timedelta(seconds=1)
LIVE_FOR: Final = timedelta(minutes=1)
"""So long after a live answer the next one is expected."""

AHEAD_AT_MOST: Final = 2_000
"""Answers that may stand in front of a live one."""

PATIENCE: Final = timedelta(seconds=15)
"""Who has not got on for so long is not waited for."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much has come and how far it has been read; `routed` and `taken` are none if nobody reads."""

    answers: int
    routed: int | None
    inbound: int
    taken: int | None


@dataclass(slots=True)
class Courtesy:
    """Decides whether an import waits. Pure: told what was seen, when, and how many answers the import published."""

    _first: int | None = None
    _live: int = 0
    _live_at: datetime | None = None
    _moved_at: datetime | None = None
    _last: Traffic | None = None

    def waits(self, seen: Traffic, published: int, now: datetime) -> bool:
        """Whether live answers stand behind others, so that nothing may be put in front of them now."""
        if self._first is None:
            self._first = seen.answers - published
        if self._last is None or (seen.routed, seen.taken) != (self._last.routed, self._last.taken):
            self._moved_at = now
        self._last = seen
        # what is under way may be there or not: counted as ours, it is never taken for somebody else's
        others = seen.answers - self._first - published
        if others > self._live:
            self._live, self._live_at = others, now
        stuck = self._moved_at is not None and now - self._moved_at > PATIENCE
        return not stuck and (self._at_the_door(seen) or self._behind(seen, now))

    def _at_the_door(self, seen: Traffic) -> bool:
        return seen.taken is not None and seen.taken < seen.inbound

    def _behind(self, seen: Traffic, now: datetime) -> bool:
        live = self._live_at is not None and now - self._live_at <= LIVE_FOR
        return live and seen.routed is not None and seen.answers - seen.routed > AHEAD_AT_MOST


@dataclass(slots=True)
class GivingWay:
    """An entrance that lets live answers pass first."""

    entrance: Entrance
    look: Callable[[], Awaitable[Traffic]]
    clock: Clock
    waited: timedelta = timedelta()
    _courtesy: Courtesy = field(default_factory=Courtesy)
    _published: int = 0
    _looked_at: datetime | None = None

    async def prepare(self, arrivals: Sequence[Arrival], now: datetime) -> Prepared:
        """The same as the entrance's, as soon as no live answer waits."""
        await self._give_way()
        prepared = await self.entrance.prepare(arrivals, now)
        self._published += len(prepared.records)
        return prepared

    async def let_in(self, prepared: Prepared) -> None:
        """The same as the entrance's."""
        await self.entrance.let_in(prepared)

    async def _give_way(self) -> None:
        begun = now = self.clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        while self._courtesy.waits(await self._seen(), self._published, now):
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            now = self.clock.now()
        self._looked_at = now
        self.waited += now - begun

    async def _seen(self) -> Traffic:
        """If Kafka does not answer there is nothing to wait for; publishing will say so."""
        try:
            return await self.look()
        except Transient:
            return Traffic(0, None, 0, None)
