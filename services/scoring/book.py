"""What one partition of `nps.tallies` counts: cells go in as they come, shown is the generation that stands.

A record is kept as it came until somebody asks, and then the last of each key alone is decoded: while the tally catches
up, most records are replaced before anybody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, get_args

from schemas.malformed import Malformed
from schemas.tally import Series
from schemas.topic import split_key
from schemas.topics import TALLIES
from services.chassis.failures import Halt
from services.scoring.standing_generations import Generations, newest
from services.scoring.tally_records import decode
from services.scoring.windows import SegmentCounts

SERIES: Final[tuple[Series, ...]] = get_args(Series)

Segments = dict[tuple[str, str], SegmentCounts]
"""Counts by tenant and segment."""

SegmentKey = tuple[str, str, Series]
"""Tenant, segment and series."""


@dataclass(slots=True)
class Book:
    """The counts of one partition of tallies, in each generation there is."""

    place: int
    knows: Callable[[str], bool]
    shown: dict[Series, str] = field(default_factory=dict)
    lost: bool = False
    """What should be shown was dropped: the partition must be read anew, into another book."""
    unread_bytes: int = 0
    changed: dict[SegmentKey, set[int]] | None = None
    """Days that changed since somebody looked; none while nobody does."""
    _unread: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    _counts: dict[tuple[Series, str], Segments] = field(default_factory=dict)
    _stood: set[tuple[Series, str]] = field(default_factory=set)
    _dropped: set[tuple[Series, str]] = field(default_factory=set)

    def note(self, key: bytes, offset: int, value: bytes | None) -> None:
        """Takes over a record; none is a tombstone."""
        _, earlier = self._unread.get(key, (0, None))
        self.unread_bytes += len(value or b"") - len(earlier or b"")
        self._unread[key] = (offset, value)

    @property
    def unread(self) -> int:
        """How many keys have been noted and not yet counted. Whichever is noted later is counted later."""
        return len(self._unread)

    def read(self, most: int) -> None:
        """Counts so many of what was noted.

        Raises:
            Halt: if one is no tally. Nobody but the tally writes there, in fenced transactions.
        """
        for key in [key for key, _ in zip(self._unread, range(most), strict=False)]:
            offset, value = self._unread.pop(key)
            self.unread_bytes -= len(value or b"")
            try:
                self._put(value) if value is not None else self._remove(split_key(key))
            except (Malformed, ValueError) as error:
                raise Halt(f"{TALLIES.name}[{self.place}] at {offset}: {error}") from error

    def of(self, series: Series) -> Mapping[tuple[str, str], SegmentCounts]:
        """The counts that are shown; empty while none stands."""
        name = self.shown.get(series)
        return self._counts.get((series, name), {}) if name else {}

    def watch(self) -> None:
        """From now on somebody wants to know what changes; to begin with everything is new."""
        self.changed = {}
        for series in self.shown:
            self._all_changed(series)

    def look(self, generations: Generations, position: int) -> None:
        """Shows what stands, having read so far; forgets generations that are older than what is shown."""
        for series in SERIES:
            standing = [
                whole
                for whole in generations.whole(series)
                if (series, whole.name) in self._stood or whole.is_reached(self.place, position)
            ]
            self._stood = {held for held in self._stood if held[0] != series} | {(series, w.name) for w in standing}
            chosen = newest(standing)
            if chosen is None:
                self.shown.pop(series, None)
            elif (series, chosen.name) in self._dropped:
                self.lost = True
                self.shown.pop(series, None)
            else:
                self._drop({(series, name) for name in generations.older(series, chosen)})
                if self.shown.get(series) != chosen.name:
                    self.shown[series] = chosen.name
                    self._all_changed(series)

    def _drop(self, older: set[tuple[Series, str]]) -> None:
        for generation in older - self._dropped:
            self._counts.pop(generation, None)
        self._dropped |= older

    def _put(self, value: bytes) -> None:
        cell = decode(value)
        generation = (cell.series, cell.generation)
        if generation in self._dropped or not self.knows(cell.tenant):
            return
        segments = self._counts.setdefault(generation, {})
        counts = segments.setdefault((cell.tenant, cell.segment), SegmentCounts())
        day = cell.day.toordinal()
        counts.replace(day, cell.partition, cell.content())
        self._change(generation, (cell.tenant, cell.segment), day)

    def _remove(self, key: tuple[str, ...]) -> None:
        generation, tenant, segment, series, day, partition = key
        held: tuple[Series, str] = (series, generation)  # type: ignore[assignment]  # compared with real ones alone
        segments = self._counts.get(held, {})
        counts = segments.get((tenant, segment))
        if counts is None:
            return
        ordinal = date.fromisoformat(day).toordinal()
        counts.replace(ordinal, int(partition), None)
        self._change(held, (tenant, segment), ordinal)
        if not counts.cells:
            del segments[tenant, segment]
            if not segments:
                del self._counts[held]

    def _change(self, generation: tuple[Series, str], segment: tuple[str, str], day: int) -> None:
        series, name = generation
        if self.changed is not None and self.shown.get(series) == name:
            self.changed.setdefault((*segment, series), set()).add(day)

    def _all_changed(self, series: Series) -> None:
        if self.changed is not None:
            for segment, counts in self.of(series).items():
                self.changed[*segment, series] = set(counts.days())
