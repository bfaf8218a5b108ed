"""How long to wait before the next try: doubling, bounded, spread out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits between `first` and `longest`.

    The caller brings the randomness: `spread` between 0 and 1 takes up to half of the wait away, so that many workers
    do not come back together.
    """

    first: timedelta = timedelta(milliseconds=200)
    longest: timedelta = timedelta(seconds=15)

    def wait(self, attempt: int, spread: float) -> timedelta:
        """The wait after the given number of failures (1 is the first)."""
        doubled = self.first * float(1 << min(attempt - 1, 30))
        return min(doubled, self.longest) * (1 - spread / 2)
