"""Which generation of tallies is shown: the newest that has been counted up to the end by every source partition. Pure.

some source partition has no record yet         it does not stand: it is still being counted
the reader has not come to an end it names      it does not stand there: a cell may be missing
several stand                                   the one whose workers started last, at the slowest of them
a record is written anew with a later end       what has stood once goes on standing
a record is gone                                so is its generation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from schemas.generation import Generation
from schemas.tally import Series


@dataclass(frozen=True, slots=True)
class Whole:
    """A generation of which every source partition has told that it is counted."""

    name: str
    started_at: datetime
    records: tuple[Generation, ...]

    def is_reached(self, place: int, position: int) -> bool:
        """Whether a reader of one partition of tallies has seen all of it."""
        return all(record.ends.get(str(place), position + 1) <= position for record in self.records)


class Generations:
    """What `nps.generations` says."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], dict[int, Generation]] = {}

    def put(self, record: Generation) -> None:
        """Takes over a record."""
        self._records.setdefault((record.series, record.generation), {})[record.partition] = record

    def forget(self, generation: str, series: str, partition: int) -> None:
        """Takes over a tombstone."""
        self._records.get((series, generation), {}).pop(partition, None)

    def whole(self, series: Series) -> Iterator[Whole]:
        """Every generation that could stand."""
        for (of, name), records in self._records.items():
            partitions = max((record.partitions for record in records.values()), default=0)
            if of == series and records and records.keys() >= set(range(partitions)):
                started_at = min(record.started_at for record in records.values())
                yield Whole(name, started_at, tuple(records.values()))

    def older(self, series: Series, than: Whole) -> Iterator[str]:
        """Every generation, whole or not, whose workers started before those of another."""
        for (of, name), records in self._records.items():
            if of == series and records and min(r.started_at for r in records.values()) < than.started_at:
                yield name


def newest(standing: list[Whole]) -> Whole | None:
    """The one to show."""
    return max(standing, key=lambda whole: (whole.started_at, whole.name), default=None)
