"""How one partition fares: where it stands, whether it waits, and what its failures lead to.

A dependency that is down pauses the lane without end. A batch that fails while everything it needs is up is taken
apart: its records go one at a time, and one that fails three times alone becomes a dead letter. On our own topics
half of the last 200 records dead means that we are broken, so the lane stops where it is and says so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from services.chassis.backoff import Backoff

TRIES: Final = 3
WATCHED: Final = 200
BROKEN_FROM: Final = 100
DEFAULT_BACKOFF: Final = Backoff()


class Next(Enum):
    """What follows a failure."""

    WAIT = "wait"
    BURY = "bury"


@dataclass(slots=True)
class Lane:
    """State of one partition in one consumer. Holds no clock: `now` and `spread` are given."""

    position: int
    trusted: bool
    backoff: Backoff = DEFAULT_BACKOFF
    broken: bool = False
    paused_until: datetime | None = None
    _waits: int = 0
    _failures: int = 0
    _apart_until: int = -1
    _noted: int = -1
    _buried: set[int] = field(default_factory=set)
    _dead: deque[bool] = field(default_factory=lambda: deque(maxlen=WATCHED))

    @property
    def one_at_a_time(self) -> bool:
        """Whether the records here are part of a batch that failed."""
        return self.position <= self._apart_until

    def is_due(self, now: datetime) -> bool:
        """Whether a pause has ended."""
        return not self.broken and self.paused_until is not None and now >= self.paused_until

    def advanced(self, position: int) -> None:
        """Everything before `position` is done."""
        self.position = position
        self.paused_until = None
        self._waits = self._failures = 0
        self._buried.clear()

    def dependency_down(self, now: datetime, spread: float) -> Next:
        """Wait without end; nothing counts against the record."""
        self._pause(now, spread)
        return Next.WAIT

    def failed(self, last_offset: int, now: datetime, spread: float) -> Next:
        """The records up to `last_offset` failed although nothing they need is down."""
        if last_offset > self.position and not self.one_at_a_time:
            self._apart_until = last_offset
            self._pause(now, spread)
            return Next.WAIT
        self._failures += 1
        if self._failures >= TRIES:
            return Next.BURY
        self._pause(now, spread)
        return Next.WAIT

    def is_dead(self, offset: int) -> bool:
        """Whether this record, which is still in hand, has become a dead letter already."""
        return offset in self._buried

    def saw(self, offset: int, *, dead: bool) -> bool:
        """Notes how a record ended, once; returns whether dead letters have just become too many.

        A batch that is tried again tells the same again, and a record that could be read may still be refused.
        """
        before = self.too_many_dead
        if dead:
            self._buried.add(offset)
        elif offset <= self._noted:
            return False
        self._noted = max(offset, self._noted)
        self._dead.append(dead)
        if self.too_many_dead and self.trusted:
            self.broken = True
        return self.too_many_dead and not before

    def saw_sound(self, first: int, last: int) -> None:
        """The same of records from `first` to `last`, all of which could be read."""
        number = last - max(first - 1, self._noted)
        if number > 0:
            self._noted = last
            self._dead.extend([False] * min(number, WATCHED))

    @property
    def too_many_dead(self) -> bool:
        """Whether half of the records watched are dead."""
        return sum(self._dead) >= BROKEN_FROM

    def _pause(self, now: datetime, spread: float) -> None:
        self._waits += 1
        self.paused_until = now + self.backoff.wait(self._waits, spread)
