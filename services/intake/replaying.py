"""Reads what strangers sent and nobody could use again, once the business file or the program says how.

Place and time are those it had when it came, so that an answer has the id and the revision it would have had then: what
is replayed twice, or was let in in part before, counts once. Who sent a call was verified when it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.malformed import Fault, Malformed
from schemas.topic import INBOUND_PATTERN
from services.intake.calls import CALL_ID, CALLS
from services.intake.domain import Arrival
from services.intake.inbound import arrival_of
from services.intake.sources.source import Call

if TYPE_CHECKING:
    from services.chassis.dead_letters import DeadLetter
    from services.intake.calls import Calls

AT_ONCE: Final = 100

_INBOUND: Final = re.compile(INBOUND_PATTERN)


def is_ours(topic: str) -> bool:
    """Whether dead letters of a topic are what strangers sent: records of a channel, or calls of a source."""
    return topic == CALLS or _INBOUND.fullmatch(topic) is not None


@dataclass(frozen=True, slots=True)
class Replay:
    """Lets dead letters in through the one door."""

    calls: Calls

    async def run(self, letters: Sequence[DeadLetter]) -> AsyncIterator[tuple[DeadLetter, list[Fault]]]:
        """Each letter, durable if there is nothing wrong with it any more, else with what still is.

        Raises:
            Transient: if nothing can be accepted now.
        """
        for letter in letters:
            if letter.topic == CALLS:
                yield letter, await self._call(letter)
        records = [letter for letter in letters if letter.topic != CALLS]
        for start in range(0, len(records), AT_ONCE):
            some = records[start : start + AT_ONCE]
            for letter, faults in zip(some, await self._records(some), strict=True):
                yield letter, faults

    async def _call(self, letter: DeadLetter) -> list[Fault]:
        try:
            tenant, name = json.loads(letter.key or b"")
            source = self.calls.source(tenant, name)
        except Malformed as error:
            return error.faults
        headers = {header: content.decode(errors="replace") for header, content in letter.headers}
        call = Call.of({CALL_ID: str(letter.letter_id)} | headers, letter.value or b"")
        _, faults = await self.calls.let_in(source, call, letter.at)
        return faults

    async def _records(self, letters: Sequence[DeadLetter]) -> list[list[Fault]]:
        read = [self._read(letter) for letter in letters]
        now = self.calls.frame.clock.now()
        admitted = iter(await self.calls.door.admit([item for item in read if isinstance(item, Arrival)], now))
        results = [item if isinstance(item, Malformed) else next(admitted) for item in read]
        return [result.faults if isinstance(result, Malformed) else [] for result in results]

    def _read(self, letter: DeadLetter) -> Arrival | Malformed:
        """As it would have been read when it became a dead letter."""
        try:
            return arrival_of(letter.as_raw(), self.calls.door.sections, letter.failed_at)
        except Malformed as error:
            return error
