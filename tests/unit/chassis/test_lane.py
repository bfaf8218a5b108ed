"""How one partition fares, failure by failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.backoff import Backoff
from services.chassis.lane import BROKEN_FROM, TRIES, WATCHED, Lane, Next

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def lane(position: int = 0, *, trusted: bool = True) -> Lane:
    return Lane(position, trusted=trusted)


def test_a_new_lane_neither_waits_nor_is_broken() -> None:
    one = lane()
    assert one.paused_until is None
    assert not one.is_due(NOON)
    assert not one.broken
    assert not one.one_at_a_time


@given(st.integers(1, 1000), st.floats(0, 1))
def test_a_dependency_that_is_down_is_waited_for_without_end(failures: int, spread: float) -> None:
    one = lane()
    follows = {one.dependency_down(NOON, spread) for _ in range(failures)}
    assert follows == {Next.WAIT}
    assert one.paused_until is not None
    assert NOON < one.paused_until <= NOON + Backoff().longest


def test_a_dependency_that_is_down_counts_against_no_record() -> None:
    one = lane()
    for _ in range(10):
        one.dependency_down(NOON, 0)
    assert one.failed(0, NOON, 0) is Next.WAIT


def test_a_batch_that_fails_is_taken_apart() -> None:
    one = lane()
    assert one.failed(9, NOON, 0) is Next.WAIT
    assert one.one_at_a_time


def test_one_at_a_time_ends_after_the_batch_that_failed() -> None:
    one = lane()
    one.failed(9, NOON, 0)
    one.advanced(9)
    assert one.one_at_a_time
    one.advanced(10)
    assert not one.one_at_a_time


def test_a_record_that_fails_three_times_alone_is_buried() -> None:
    one = lane()
    assert [one.failed(0, NOON, 0) for _ in range(TRIES)] == [Next.WAIT, Next.WAIT, Next.BURY]


def test_tries_are_counted_for_each_record_anew() -> None:
    one = lane()
    one.failed(1, NOON, 0)
    one.failed(0, NOON, 0)
    one.failed(0, NOON, 0)
    one.advanced(1)
    assert [one.failed(1, NOON, 0) for _ in range(TRIES)] == [Next.WAIT, Next.WAIT, Next.BURY]


def test_a_pause_ends_when_its_time_has_come_or_the_lane_advances() -> None:
    one = lane()
    one.dependency_down(NOON, 0)
    assert not one.is_due(NOON)
    assert one.is_due(NOON + timedelta(minutes=1))
    one.advanced(1)
    assert one.paused_until is None


def test_half_of_those_watched_dead_breaks_a_lane_of_ours() -> None:
    one = lane()
    assert [one.saw(offset, dead=True) for offset in range(BROKEN_FROM)] == [False] * (BROKEN_FROM - 1) + [True]
    assert one.broken
    one.dependency_down(NOON, 0)
    assert not one.is_due(NOON + timedelta(days=1))


def test_a_lane_of_strangers_says_so_once_and_goes_on() -> None:
    one = lane(trusted=False)
    assert sum(one.saw(offset, dead=True) for offset in range(3 * WATCHED)) == 1
    assert not one.broken


def test_dead_records_that_are_long_past_are_forgotten() -> None:
    one = lane()
    for offset in range(BROKEN_FROM - 1):
        one.saw(offset, dead=True)
    for offset in range(BROKEN_FROM, BROKEN_FROM + WATCHED):
        one.saw(offset, dead=False)
    assert not one.saw(1000, dead=True)
    assert not one.broken


@given(st.lists(st.booleans(), max_size=500))
def test_a_lane_breaks_where_a_plain_count_says_so(ends: list[bool]) -> None:
    one = lane()
    for offset, dead in enumerate(ends):
        told = one.saw(offset, dead=dead)
        window = ends[max(0, offset + 1 - WATCHED) : offset + 1]
        before = ends[max(0, offset - WATCHED) : offset]
        assert told == (sum(window) >= BROKEN_FROM > sum(before))
    breaks = any(sum(ends[max(0, end - WATCHED) : end]) >= BROKEN_FROM for end in range(len(ends) + 1))
    assert one.broken == breaks


def test_a_record_seen_again_is_counted_once() -> None:
    one = lane()
    for _ in range(WATCHED):
        one.saw(0, dead=False)
    assert list(one._dead) == [False]


def test_a_record_that_could_be_read_may_still_be_refused() -> None:
    one = lane()
    one.saw(0, dead=False)
    one.saw(0, dead=True)
    assert one.is_dead(0)
    assert list(one._dead) == [False, True]


def test_what_is_buried_is_remembered_until_the_lane_advances() -> None:
    one = lane()
    one.saw(0, dead=True)
    assert one.is_dead(0)
    one.advanced(1)
    assert not one.is_dead(0)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 12.8), (8, 15), (1000, 15)])
def test_waits_double_up_to_a_bound(attempt: int, seconds: float) -> None:
    assert Backoff().wait(attempt, 0) == timedelta(seconds=seconds)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_spreading_takes_away_up_to_half_of_a_wait(attempt: int, spread: float) -> None:
    whole = Backoff().wait(attempt, 0)
    assert whole / 2 <= Backoff().wait(attempt, spread) <= whole
