"""The scores as they stand, a tenant, segment and window each; the last record of a key wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from schemas.score import Score

KEPT: Final = 20_000

PREFERRED_SPAN: Final = timedelta(days=30)
"""The window to begin with, where nobody has chosen one."""

_LONGEST: Final = timedelta.max  # all time comes after every other window


@dataclass(frozen=True, slots=True)
class Shown:
    """A score: what tables need, and the whole of it as JSON. `changed` is the view's version at the last change."""

    segment: str
    window: str
    changed: int
    n: int
    nps: float | None
    low: float | None
    high: float | None
    enough: bool
    calendar: bool
    span: timedelta
    body: bytes

    def whole(self) -> Any:  # JSON
        """Every field of the score but its tenant."""
        return json.loads(self.body)


class Scores:
    """The scores of every tenant, bounded: of more keys, those that came last are left out and counted."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, dict[tuple[str, str], Shown]] = {}
        self._kept = 0
        self.left_out = 0

    def put(self, score: Score, version: int) -> bool:
        """Takes over a score; returns whether there was room."""
        mine = self._by_tenant.setdefault(score.tenant, {})
        key = (score.segment, score.window.name)
        if key not in mine:
            if self._kept >= KEPT:
                self.left_out += 1
                return False
            self._kept += 1
        mine[key] = _shown(score, version)
        return True

    def drop(self, tenant: str, segment: str, window: str) -> bool:
        """Forgets a score; returns whether there was one."""
        gone = self._by_tenant.get(tenant, {}).pop((segment, window), None)
        self._kept -= gone is not None
        return gone is not None

    def tenants(self) -> Iterator[str]:
        """Whoever has a score."""
        return iter(self._by_tenant)

    def of(self, tenant: str, segment: str, window: str) -> Shown | None:
        """One score, if there is one."""
        return self._by_tenant.get(tenant, {}).get((segment, window))

    def windows(self, tenant: str, segment: str) -> list[Shown]:
        """All windows of a segment, the shortest first; those that follow the calendar come last."""
        mine = [shown for shown in self._by_tenant.get(tenant, {}).values() if shown.segment == segment]
        return sorted(mine, key=lambda shown: (shown.calendar, shown.span, shown.window))

    def segments(self, tenant: str, window: str, since: int = 0) -> list[Shown]:
        """All segments in one window, as far as they changed since a version."""
        mine = self._by_tenant.get(tenant, {}).values()
        return [shown for shown in mine if shown.window == window and shown.changed > since]

    def preferred(self, tenant: str, segment: str) -> str | None:
        """The window to begin with: thirty days, or, where nobody answered in them, the next longer with answers.

        None that follows the calendar: it would be gone when its period ends.
        """
        windows = [shown for shown in self.windows(tenant, segment) if not shown.calendar]
        long_enough = [shown for shown in windows if shown.span >= PREFERRED_SPAN] or windows[-1:]
        answered = [shown for shown in long_enough if shown.n] or long_enough
        return answered[0].window if answered else None


def _shown(score: Score, version: int) -> Shown:
    window, interval = score.window, score.interval
    return Shown(
        segment=score.segment,
        window=window.name,
        changed=version,
        n=score.n,
        nps=score.nps,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        enough=score.enough,
        calendar=window.kind == "calendar",
        span=window.end - window.start if window.start else _LONGEST,
        body=score.model_dump_json(exclude={"tenant"}).encode(),
    )
