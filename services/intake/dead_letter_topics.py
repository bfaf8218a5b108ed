"""A place for the dead letters of every inbound topic, also of those that others made, and of calls of sources.

Without it the first record that cannot be read would hold up its partition: the letter could never be written.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from schemas.topic import INBOUND_PATTERN, dead_letters_of
from services.chassis.logs import logger
from services.chassis.topic_admin import open_topic_admin, wanted_dead_letters
from services.intake.calls import CALLS

if TYPE_CHECKING:
    from services.chassis.frame import Frame

LOOK_EVERY: Final = timedelta(seconds=10)
WHAT: Final = "dead letters"

_INBOUND: Final = re.compile(INBOUND_PATTERN)
_log = logger("intake")


@dataclass(frozen=True, slots=True)
class DeadLetterTopics:
    """Makes the dead-letter topics that are missing."""

    frame: Frame

    async def run(self, stop: asyncio.Event) -> None:
        """Looks every ten seconds, until stopped."""
        while not stop.is_set():
            self.frame.health.turned(WHAT)
            with self.frame.health.pausing(WHAT):
                await self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())
        self.frame.health.ended(WHAT)

    async def look(self) -> None:
        """Makes what is missing, as `nps topics create` would.

        Raises:
            Transient: naming each topic that is missing and may not be made, or if Kafka is away.
        """
        async with open_topic_admin(self.frame.kafka, self.frame.settings.replication) as admin:
            names = set(await admin.names())
            inbound = sorted(name for name in names if _INBOUND.fullmatch(name))
            made = await admin.make(
                [wanted_dead_letters(name) for name in (*inbound, CALLS) if dead_letters_of(name) not in names]
            )
        if made:
            _log.info("topics.made", topics=made)
