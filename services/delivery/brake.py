"""When requests to the provider may go: within its quota, never before a moment it named, one at a time after trouble.

Before the first answer nobody knows the quota, so one request goes ahead of the others. A provider that is down is
asked by one mail at a time, ever more seldom: of mails whose fate nobody knows there are then few.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.chassis.backoff import Backoff
from services.delivery.mailer import Accepted, Later, Outcome, Quota, Refused

AFTER_TROUBLE: Final = Backoff(first=timedelta(milliseconds=200), longest=timedelta(minutes=5))
LONGEST_RESET: Final = timedelta(hours=1)
"""A provider that names a later moment is asked again after this nonetheless."""


@dataclass(slots=True)
class Brake:
    """Holds no clock: `now` and `spread` are given."""

    concurrency: int
    until: datetime | None = None
    failures: int = 0
    answered: bool = False
    _quota: Quota | None = field(default=None)

    def room(self, now: datetime, in_flight: int) -> int:
        """How many more requests may start, with so many under way."""
        if self.until is not None and now < self.until:
            return 0
        if self.failures or not self.answered:
            return max(1 - in_flight, 0)
        return max(min(self.concurrency, self._allowed(now)) - in_flight, 0)

    def closed_until(self, now: datetime) -> datetime | None:
        """The moment before which nothing may start; none if something may."""
        if self.until is not None and now < self.until:
            return self.until
        if self._quota and self._allowed(now) <= 0:
            return self._quota.reset_at
        return None

    def saw(self, outcome: Outcome, now: datetime, spread: float) -> None:
        """Learns from what became of a request; of one that never left for a reason of its own there is nothing."""
        if isinstance(outcome, Later) and not outcome.everyone:
            return
        self.answered = True
        if outcome.quota:
            self._learn(outcome.quota)
        if isinstance(outcome, Accepted | Refused):
            self.failures = 0
        elif not isinstance(outcome, Later):
            self._trouble(now, spread)
        elif outcome.not_before is not None:
            self.until = min(max(outcome.not_before, self.until or now), now + LONGEST_RESET)
        else:
            self._trouble(now, spread)

    def _allowed(self, now: datetime) -> int:
        if self._quota is None:
            return self.concurrency
        return self._quota.limit if now >= self._quota.reset_at else self._quota.remaining

    def _learn(self, quota: Quota) -> None:
        """Answers overtake each other: within a window the lowest count is the newest."""
        known = self._quota
        if known is None or (quota.reset_at, -quota.remaining) > (known.reset_at, -known.remaining):
            self._quota = quota

    def _trouble(self, now: datetime, spread: float) -> None:
        """Requests that were under way together and fail together count once."""
        if self.until is None or now >= self.until:
            self.failures += 1
            self.until = now + AFTER_TROUBLE.wait(self.failures, spread)
