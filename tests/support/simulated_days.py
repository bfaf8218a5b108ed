"""Days of made-up answers, drawn by chance with a seed, and the alerts that the default rules make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from schemas.alert import Alert
from services.scoring.alert_rules import Ground, findings
from services.scoring.alert_settings import AlertsSection
from services.scoring.alerts import About, judged

Mix = tuple[float, float, float]
"""Shares of promoters, passives and detractors."""

STEADY: Mix = (0.4, 0.5, 0.1)
A_DAY = 800
HOUR = timedelta(hours=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
# few answers at night, most in the afternoon and evening
BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 6, 8, 8, 8, 8, 8, 8, 8, 9, 9, 10, 10, 10, 8, 6, 3, 2], dtype=float)


class SimulatedDays:
    """Answers by hour and band, summed up from the first hour on."""

    def __init__(self, chance: np.random.Generator, mixes: Sequence[Mix]) -> None:
        rhythm = BY_HOUR / BY_HOUR.sum()
        hours: list[NDArray[np.int64]] = []
        for mix in mixes:
            shares = np.outer(rhythm, mix).ravel()
            hours.append(chance.multinomial(A_DAY, shares / shares.sum()).reshape(24, 3))
        self._sums = np.vstack([np.zeros((1, 3), dtype=np.int64), np.concatenate(hours).cumsum(axis=0)]).tolist()
        self.end = FIRST + len(mixes) * 24 * HOUR

    def between(self, start: datetime, end: datetime) -> list[int]:
        """Answers by score of [start, end): each band stands for one score of it."""
        first, last = (self._sums[max(0, (moment - FIRST) // HOUR)] for moment in (start, end))
        promoters, passives, detractors = (after - before for before, after in zip(first, last, strict=True))
        return [detractors, 0, 0, 0, 0, 0, 0, 0, passives, 0, promoters]


def opened(days: SimulatedDays, since: datetime, section: AlertsSection) -> Iterator[Alert]:
    """Every alert that opens, evaluated each hour from a moment to the end, as the service does it."""
    last: dict[str, Alert] = {}
    about = About("default", "all")
    now = since
    while now <= days.end:
        for finding in findings(Ground(days.between, now), section, anew=False):
            alert = judged(last.get(finding.rule), finding, about, section.cool_off)
            if alert is not None:
                last[finding.rule] = alert
                if alert.state == "open":
                    yield alert
        now += HOUR
