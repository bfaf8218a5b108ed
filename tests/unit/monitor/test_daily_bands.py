"""The days of a segment: exact whatever the order, generations never mixed, in little memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.malformed import Malformed
from services.monitor.daily_bands import DAYS, Bands, DailyBands
from tests.support.answers import NOON
from tests.support.events import days_before, tallied

TODAY = NOON.date().toordinal()


def on(days: DailyBands, day: int = TODAY) -> Bands:
    return dict(days.until(TODAY))[day]


def test_source_partitions_add_up() -> None:
    days = DailyBands()
    days.put(tallied({"9": 3, "8": 2, "6": 1}, partition=0))
    days.put(tallied({"10": 1, "7": 1, "0": 4}, partition=3))
    assert on(days) == Bands(promoters=4, passives=3, detractors=5)


def test_the_last_record_of_a_cell_replaces_it() -> None:
    days = DailyBands()
    days.put(tallied({"9": 3}, offset=10))
    days.put(tallied({"9": 1, "2": 1}, offset=11))
    assert on(days) == Bands(1, 0, 1)


def test_buckets_of_either_resolution_add_up() -> None:
    days = DailyBands()
    days.put(tallied(counts={"0": {"9": 1}, "287": {"9": 2}}))
    days.put(tallied(partition=1, resolution=15, counts={"95": {"9": 4}}))
    assert on(days).promoters == 7


def test_an_emptied_cell_is_zero() -> None:
    days = DailyBands()
    days.put(tallied({"9": 3}))
    days.put(tallied({}))
    assert on(days) == Bands()


def test_ninety_days_are_kept_and_older_ones_never_take_their_place() -> None:
    days = DailyBands()
    for back in (0, DAYS - 1, DAYS, 2 * DAYS):
        days.put(tallied({"9": 1 + back}, day=days_before(back)))
    kept = dict(days.until(TODAY))
    assert len(kept) == DAYS
    assert [(TODAY - day, bands.promoters) for day, bands in kept.items() if bands != Bands()] == [(89, 90), (0, 1)]


def test_days_move_on_with_the_calendar() -> None:
    days = DailyBands()
    days.put(tallied({"9": 1}, day=days_before(DAYS - 1)))
    assert [bands for _, bands in days.until(TODAY + 1) if bands != Bands()] == []
    days.put(tallied({"9": 5}, day=NOON.date() + timedelta(days=1)))
    assert dict(days.until(TODAY + 1))[TODAY + 1] == Bands(5, 0, 0)


def test_a_generation_that_is_still_being_built_is_not_shown() -> None:
    days = DailyBands()
    days.put(tallied({"9": 5}, generation="old", offset=100))
    days.put(tallied({"9": 1}, generation="new", offset=20))
    assert on(days).promoters == 5


def test_a_new_generation_is_shown_once_it_has_read_as_far() -> None:
    days = DailyBands()
    days.put(tallied({"9": 5}, generation="old", offset=100))
    days.put(tallied({"9": 4}, generation="new", offset=100))
    assert on(days).promoters == 4


def test_generations_are_never_mixed() -> None:
    days = DailyBands()
    days.put(tallied({"9": 5}, generation="old", partition=0, offset=10))
    days.put(tallied({"9": 6}, generation="old", partition=1, offset=10))
    days.put(tallied({"9": 1}, generation="new", partition=0, offset=30))
    assert on(days).promoters == 1


def test_a_tombstone_ends_its_generation() -> None:
    days = DailyBands()
    days.put(tallied({"9": 5}, generation="old", offset=100))
    days.put(tallied({"9": 4}, generation="new", offset=20))
    assert days.drop("old")
    assert not days.drop("old")
    assert on(days).promoters == 4


@pytest.mark.parametrize("wrong", [{"11": 1}, {"-1": 1}, {"nine": 1}])
def test_a_count_by_no_score_is_malformed(wrong: dict[str, int]) -> None:
    with pytest.raises(Malformed, match="counts"):
        DailyBands().put(tallied(wrong))


def test_a_partition_no_topic_has_takes_no_memory() -> None:
    with pytest.raises(Malformed, match="partition"):
        DailyBands().put(tallied(partition=10**9))
