"""How often scores are published: as often as asked for, and more coarsely while a round is much work.

It is while there is much to catch up with: every window changes each time, and the tally wants the processor too. Pure;
seconds of a clock that only runs forward are an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

SHARE: Final = 0.03
"""So much of the processor's time may go into publishing; more if that means waiting longer than `LONGEST_S`."""
LONGEST_S: Final = 10.0
LITTLE_S: Final = 0.05
"""A round of so little work keeps nobody waiting: some two hundred scores."""


@dataclass(slots=True)
class Pace:
    """When the next round is due."""

    at_most_every: timedelta
    _due: float = field(default=0.0, init=False)

    def is_due(self, now: float) -> bool:
        """Whether it is time for a round."""
        return now >= self._due

    def ended(self, now: float, worked_s: float) -> None:
        """A round has come to its end, and took so much of the processor's time."""
        rest = min(worked_s / SHARE - worked_s, LONGEST_S) if worked_s > LITTLE_S else 0
        self._due = now + max(self.at_most_every.total_seconds(), rest)
