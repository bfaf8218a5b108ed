"""Books: cells go in in any order, the generation that stands is shown, older ones are forgotten."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.tally import Series, Tally
from schemas.topics import TALLIES
from services.chassis.failures import Halt
from services.scoring.book import Book
from services.scoring.standing_generations import Generations
from tests.support.generations import STARTED, counted

DAY = date(2026, 5, 20)


def tally(number: int = 1, **given: Any) -> Tally:  # fields of any type, checked by the model
    fields: dict[str, Any] = {
        "generation": "g1",
        "tenant": "default",
        "segment": "all",
        "series": "all",
        "day": DAY,
        "partition": 0,
        "offset": 1,
        "resolution": 5,
        "counts": {"143": {"9": number}},
    }
    return Tally(**fields | given)


def standing(*records: Any) -> Generations:
    generations = Generations()
    for record in records:
        generations.put(record)
    return generations


class Reading:
    """A book, and where its reader is."""

    def __init__(self) -> None:
        self.book = Book(0, lambda tenant: tenant != "unknown")
        self.offset = 0

    def put(self, *tallies: Tally) -> None:
        for item in tallies:
            self.book.note(TALLIES.key_of(item), self.offset, item.to_json())
            self.offset += 1

    def n(self, generations: Generations, series: Series = "all") -> int | None:
        """Answers of all in the generation that is shown; none if none is."""
        self.book.look(generations, self.offset)
        self.book.read(self.book.unread)
        if series not in self.book.shown:
            return None
        found = self.book.of(series).get(("default", "all"))
        return sum(found.between(None, None)) if found else 0


G1 = [counted(partition=number) for number in range(2)]


def test_the_last_record_of_a_key_wins_and_source_partitions_add_up() -> None:
    reading = Reading()
    reading.put(tally(1), tally(2, partition=1), tally(5))
    assert reading.book.unread == 2
    assert reading.n(standing(*G1)) == 7
    reading.put(tally(3))
    assert reading.n(standing(*G1)) == 5


def test_nothing_is_shown_before_every_source_partition_is_counted() -> None:
    reading = Reading()
    reading.put(tally())
    assert reading.n(standing()) is None
    assert reading.n(standing(counted(partition=0))) is None
    assert reading.n(standing(*G1)) == 1


def test_nothing_is_shown_before_the_reader_has_come_to_every_end_that_is_named() -> None:
    reading = Reading()
    generations = standing(counted(partition=0), counted(partition=1, ends={"0": 2, "1": 0}))
    reading.put(tally())
    assert reading.n(generations) is None
    reading.put(tally(4))
    assert reading.n(generations) == 4


def test_an_end_that_is_not_named_is_not_reached() -> None:
    reading = Reading()
    assert reading.n(standing(counted(partition=0), counted(partition=1, ends={"1": 0}))) is None


def test_what_has_stood_goes_on_standing_when_a_later_end_is_told() -> None:
    reading, generations = Reading(), standing(*G1)
    reading.put(tally())
    assert reading.n(generations) == 1
    generations.put(counted(partition=0, ends={"0": 100, "1": 0}))
    assert reading.n(generations) == 1


def test_of_several_that_stand_the_one_whose_slowest_worker_started_last_is_shown() -> None:
    later = [counted("g2", number, started_at=STARTED + timedelta(hours=1 + number)) for number in range(2)]
    mixed = [counted("g3", number, started_at=STARTED + timedelta(hours=10 * number)) for number in range(2)]
    reading = Reading()
    reading.put(tally(1), tally(2, generation="g2"), tally(3, generation="g3"))
    assert reading.n(standing(*G1, *later, *mixed)) == 2


def test_older_generations_are_forgotten_and_a_newer_one_that_does_not_stand_is_kept() -> None:
    reading, generations = Reading(), standing(*G1, counted("g2", 0, started_at=STARTED + timedelta(hours=1)))
    reading.put(tally(1), tally(2, generation="g2"))
    assert reading.n(generations) == 1
    generations.put(counted("g2", 1, started_at=STARTED + timedelta(hours=1)))
    assert reading.n(generations) == 2
    reading.put(tally(5))
    assert reading.n(generations) == 2
    assert set(reading.book._counts) == {("all", "g2")}


def test_when_what_is_shown_ends_an_older_one_needs_the_partition_read_anew() -> None:
    newer = [counted("g2", number, started_at=STARTED + timedelta(hours=1)) for number in range(2)]
    reading, generations = Reading(), standing(*G1, *newer)
    reading.put(tally(1), tally(2, generation="g2"))
    assert reading.n(generations) == 2
    assert reading.n(generations) == 2
    generations.forget("g2", "all", 1)
    assert reading.n(generations) is None
    assert reading.book.lost


def test_a_tombstone_takes_a_cell_away_and_the_last_one_its_segment() -> None:
    reading = Reading()
    reading.put(tally(1), tally(2, partition=1))
    assert reading.n(standing(*G1)) == 3
    reading.book.note(TALLIES.key_of(tally(partition=1)), 9, None)
    assert reading.n(standing(*G1)) == 1
    reading.book.note(TALLIES.key_of(tally()), 10, None)
    assert reading.n(standing(*G1)) == 0
    assert reading.book.of("all") == {}


def test_series_stand_and_count_for_themselves() -> None:
    reading = Reading()
    reading.put(tally(5), tally(2, series="latest"))
    generations = standing(*G1)
    assert (reading.n(generations), reading.n(generations, "latest")) == (5, None)
    for number in range(2):
        generations.put(counted(partition=number, series="latest"))
    assert (reading.n(generations), reading.n(generations, "latest")) == (5, 2)


def test_tenants_that_nobody_knows_are_passed_over() -> None:
    reading = Reading()
    reading.put(tally(tenant="unknown"))
    assert reading.n(standing(*G1)) == 0


def test_days_that_changed_are_told_once_somebody_watches() -> None:
    reading, generations = Reading(), standing(*G1)
    reading.put(tally())
    reading.n(generations)
    assert reading.book.changed is None
    reading.book.watch()
    assert reading.book.changed == {("default", "all", "all"): {DAY.toordinal()}}
    reading.book.changed = {}
    reading.put(tally(day=DAY - timedelta(days=3)))
    reading.n(generations)
    assert reading.book.changed == {("default", "all", "all"): {DAY.toordinal() - 3}}


def test_what_waits_to_be_read_is_measured() -> None:
    reading = Reading()
    reading.put(tally(1), tally(22))
    assert reading.book.unread_bytes == len(tally(22).to_json())
    reading.book.read(10)
    assert (reading.book.unread, reading.book.unread_bytes) == (0, 0)


@pytest.mark.parametrize(
    "broken",
    [
        b"\xff",
        b"[]",
        json.dumps({"generation": "g1"}).encode(),
        tally(counts={"143": {"11": 1}}).to_json(),
        tally(counts={"288": {"9": 1}}).to_json(),
        tally(counts={"96": {"9": 1}}, resolution=15).to_json(),
        tally(counts={"143": {"9": -1}}).to_json(),
        tally(resolution=7).to_json(),
    ],
)
def test_what_is_no_tally_stops_everything_and_says_where(broken: bytes) -> None:
    book = Book(3, lambda _: True)
    book.note(b"k", 42, broken)
    with pytest.raises(Halt, match=r"nps\.tallies\[3\] at 42"):
        book.read(1)
