"""Which scores of a segment are to be told: those that differ from what was told last, the others hourly. Pure.

A calendar window is open while its period lasts, is told once more as final when it ends, and as restated whenever its
answers change after that. A closed period is looked at only when a day of it has changed. Strange cases:

  a period in which nobody ever answered      is not told
  its answers were all taken back             is told with n = 0
  a period is restated                        so is the one after it, which is compared with it
  a period ended while nobody was there       is told as final by whoever comes; never a second time
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.tally import Series
from services.scoring.measuring import Measured, State, measure_period, measure_rolling
from services.scoring.periods import Kind, Period, current, touching
from services.scoring.windows import Histogram, SegmentCounts

if TYPE_CHECKING:
    from services.scoring.settings import ScoringSection

AT_LEAST_EVERY: Final = timedelta(hours=1)


class _Told(NamedTuple):
    """What was last said of a window that moves."""

    histogram: Histogram
    before: Histogram | None
    at: datetime


class _Known(NamedTuple):
    """What was last said of a period; small, since there is one for every period there ever was."""

    state: State
    histogram: bytes


class _Look(NamedTuple):
    """What a look at a segment needs."""

    counts: SegmentCounts
    section: ScoringSection
    now: datetime


@dataclass(slots=True)
class SegmentNews:
    """What has been told of one segment and series, and what of it may have changed since."""

    series: Series
    _told: dict[str, _Told] = field(default_factory=dict)
    _known: dict[Period, _Known] = field(default_factory=dict)
    _open: dict[Kind, Period] = field(default_factory=dict)
    _doubtful: set[Period] = field(default_factory=set)
    _compared: set[Period] = field(default_factory=set)
    """Closed periods whose comparison has changed."""

    def remember(self, period: Period, state: State, histogram: Histogram) -> None:
        """What stands on the topic from before."""
        self._known[period] = _Known(state, _packed(histogram))
        if state == "open":
            self._doubtful.add(period)

    def doubt(self, days: Iterable[int], section: ScoringSection) -> None:
        """Answers of these UTC days have changed."""
        for day in days:
            for kind in section.calendar:
                self._doubtful |= touching(kind, date.fromordinal(day), section.zone)

    def due(self, counts: SegmentCounts, section: ScoringSection, now: datetime) -> list[Measured]:
        """What is to be told now. It stays due until it has been told."""
        look = _Look(counts, section, now)
        return [*self._rolling(look), *self._current(look), *self._closed(look)]

    def told(self, measured: Measured, now: datetime) -> None:
        """This has been told."""
        window, period = measured.window, measured.period
        if period is not None:
            self._known[period] = _Known(window.state, _packed(measured.histogram))
        if period is None or window.state == "open":
            self._told[window.name] = _Told(measured.histogram, measured.before, now)
        else:
            self._told.pop(window.name, None)
            self._doubtful.discard(period)
            self._compared.discard(period)

    def state_of(self, period: Period) -> State | None:
        """How a period was told last; none if it never was."""
        known = self._known.get(period)
        return known.state if known else None

    def _rolling(self, look: _Look) -> Iterator[Measured]:
        for window in look.section.rolling():
            measured = measure_rolling(window, look.counts, self.series, look.now)
            if self._is_news(measured, look.now):
                yield measured

    def _current(self, look: _Look) -> Iterator[Measured]:
        for kind in look.section.calendar:
            period = current(kind, look.now, look.section.zone)
            earlier = self._open.get(kind, period)
            if earlier != period:
                self._doubtful.add(earlier)
            self._open[kind] = period
            measured = measure_period(period, look.counts, look.section, "open", self.series)
            if (any(measured.histogram) or period in self._known) and self._is_news(measured, look.now):
                yield measured

    def _is_news(self, measured: Measured, now: datetime) -> bool:
        told = self._told.get(measured.window.name)
        if told is None or now - told.at >= AT_LEAST_EVERY:
            return True
        return (told.histogram, told.before) != (measured.histogram, measured.before)

    def _closed(self, look: _Look) -> Iterator[Measured]:
        for period in self._in_doubt():
            measured = self._settled(period, look)
            if measured is not None:
                yield measured

    def _in_doubt(self) -> Iterator[Period]:
        """The earliest first: one that turns out to have changed puts its successor in doubt."""
        waiting = self._doubtful | self._compared
        yield from sorted(waiting, key=lambda period: (period.first, period.kind))
        yield from self._compared - waiting

    def _settled(self, period: Period, look: _Look) -> Measured | None:
        """What is to be told of a period in doubt; none if nothing is, and then it is in doubt no more."""
        _, end = period.span(look.section.zone)
        known, state = self._known.get(period), None
        if end <= look.now:
            histogram = look.counts.between(*period.span(look.section.zone))
            state = self._next_state(period, histogram)
            if _packed(histogram) != (known.histogram if known else _NOBODY):
                self._put_in_doubt(period.after())
        if state is None:
            self._doubtful.discard(period)
            self._compared.discard(period)
            return None
        return measure_period(period, look.counts, look.section, state, self.series)

    def _next_state(self, period: Period, histogram: Histogram) -> State | None:
        known = self._known.get(period)
        if known is None:
            return "final" if any(histogram) else None
        if known.state == "open":
            return "final"
        return "restated" if known.histogram != _packed(histogram) or period in self._compared else None

    def _put_in_doubt(self, successor: Period | None) -> None:
        known = self._known.get(successor) if successor else None
        if successor and known and known.state != "open":
            self._compared.add(successor)


def _packed(histogram: Histogram) -> bytes:
    return array("Q", histogram).tobytes()


_NOBODY: Final = _packed([0] * 11)
