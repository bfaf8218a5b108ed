"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at noon of an ordinary day."""

    def __init__(self, at: datetime = datetime(2026, 5, 20, 12, tzinfo=UTC)) -> None:
        self._now = at

    def now(self) -> datetime:
        """The moment it stands at."""
        return self._now

    def advance(self, **span: float) -> datetime:
        """Moves on by a timedelta's keywords."""
        self._now += timedelta(**span)
        return self._now
