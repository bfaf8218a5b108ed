"""Promoters, passives and detractors of each UTC day, from tallies.

Generations are never mixed. Shown is the one that has read furthest in `nps.responses`; of two equally far, the one
that appeared later. A tombstone means that its generation is gone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.contract import band_of
from schemas.malformed import Malformed
from schemas.tally import Tally

DAYS: Final = 90
MOST_PARTITIONS: Final = 1000

_WIDTH: Final = 4  # a place holds the day's ordinal and three counts
_PLACE: Final = array("I", [0] * _WIDTH)


class Bands(NamedTuple):
    """Answers by band."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0


def bands_of(tally: Tally) -> Bands:
    """The answers of one cell, whatever its resolution.

    Raises:
        Malformed: if a count is not by a score of 0 to 10.
    """
    found = {"promoter": 0, "passive": 0, "detractor": 0}
    for by_score in tally.counts.values():
        for score, count in by_score.items():
            if not score.isdecimal() or int(score) > 10:
                raise Malformed.of("counts", "must be by score, 0 to 10")
            found[band_of(int(score))] += count
    return Bands(found["promoter"], found["passive"], found["detractor"])


class Ring:
    """Ninety days of each source partition, in little memory. Where two days share a place, the later one stays."""

    def __init__(self) -> None:
        self._cells = array("I")

    def put(self, partition: int, day: int, bands: Bands) -> None:
        """Sets the content of one cell; days are ordinals."""
        start = self._place(partition, day)
        missing = (partition + 1) * DAYS * _WIDTH - len(self._cells)
        if missing > 0:
            self._cells.extend(_PLACE * (missing // _WIDTH))
        if day >= self._cells[start]:
            self._cells[start : start + _WIDTH] = array("I", (day, *bands))

    def on(self, day: int) -> Bands:
        """The answers of a day, over all source partitions."""
        total = [0, 0, 0]
        for partition in range(len(self._cells) // (DAYS * _WIDTH)):
            start = self._place(partition, day)
            if self._cells[start] == day:
                for band in range(3):
                    total[band] += self._cells[start + 1 + band]
        return Bands(*total)

    def _place(self, partition: int, day: int) -> int:
        return (partition * DAYS + day % DAYS) * _WIDTH


@dataclass(slots=True)
class _Generation:
    ring: Ring = field(default_factory=Ring)
    read_to: dict[int, int] = field(default_factory=dict)

    def progress(self) -> int:
        """How far in `nps.responses` its cells reach, over all source partitions."""
        return sum(offset + 1 for offset in self.read_to.values())


class DailyBands:
    """The days of one segment, in each generation there is."""

    def __init__(self) -> None:
        self._generations: dict[str, _Generation] = {}  # in the order in which they appeared

    def put(self, tally: Tally) -> None:
        """Takes over one cell.

        Raises:
            Malformed: if the cell cannot be one of ours.
        """
        if tally.partition >= MOST_PARTITIONS:
            raise Malformed.of("partition", f"must be less than {MOST_PARTITIONS}")
        bands = bands_of(tally)
        generation = self._generations.setdefault(tally.generation, _Generation())
        generation.ring.put(tally.partition, tally.day.toordinal(), bands)
        read_to = generation.read_to.get(tally.partition, -1)
        generation.read_to[tally.partition] = max(read_to, tally.offset)

    def drop(self, generation: str) -> bool:
        """Forgets a generation; returns whether there was one."""
        return self._generations.pop(generation, None) is not None

    def until(self, today: int) -> Iterator[tuple[int, Bands]]:
        """The last ninety days up to this one, oldest first."""
        shown = self._shown()
        for day in range(today - DAYS + 1, today + 1):
            yield day, shown.ring.on(day) if shown else Bands()

    def _shown(self) -> _Generation | None:
        newest_first = reversed(self._generations.values())
        return max(newest_first, key=_Generation.progress, default=None)
