"""When an import waits for live answers, and when it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.intake.giving_way import AHEAD_AT_MOST, LIVE_FOR, PATIENCE, Courtesy, Traffic
from tests.support.answers import NOON

QUIET = Traffic(answers=1_000, routed=1_000, inbound=50, taken=50)


def seen(courtesy: Courtesy, traffic: Traffic, published: int = 0, at: datetime = NOON) -> bool:
    return courtesy.waits(traffic, published, at)


def test_while_nothing_live_comes_in_it_goes_on_however_far_routing_is_behind() -> None:
    courtesy = Courtesy()
    assert not seen(courtesy, QUIET)
    assert not seen(courtesy, replace(QUIET, answers=31_000), published=30_000)


def test_a_live_answer_behind_many_of_the_past_has_it_wait_until_routing_has_come_up() -> None:
    courtesy = Courtesy()
    seen(courtesy, QUIET)
    live = replace(QUIET, answers=31_001)
    assert seen(courtesy, live, published=30_000)
    assert seen(courtesy, replace(live, routed=20_000), published=30_000)
    assert not seen(courtesy, replace(live, routed=31_001 - AHEAD_AT_MOST), published=30_000)


def test_some_time_after_the_last_live_answer_it_goes_on_at_full_speed() -> None:
    courtesy = Courtesy()
    seen(courtesy, QUIET)
    live = replace(QUIET, answers=31_001)
    assert seen(courtesy, live, published=30_000)
    later = NOON + LIVE_FOR + timedelta(seconds=1)
    assert not seen(courtesy, replace(live, routed=1_001), published=30_000, at=later)


def test_what_is_under_way_is_never_taken_for_somebody_elses() -> None:
    courtesy = Courtesy()
    seen(courtesy, QUIET)
    assert not seen(courtesy, replace(QUIET, answers=11_000), published=12_000)
    assert not seen(courtesy, replace(QUIET, answers=13_000), published=12_000)


def test_raw_answers_that_wait_at_the_door_have_it_wait() -> None:
    assert seen(Courtesy(), replace(QUIET, taken=49))
    assert not seen(Courtesy(), QUIET)


def test_whoever_does_not_run_is_not_waited_for() -> None:
    courtesy = Courtesy()
    seen(courtesy, QUIET)
    assert not seen(courtesy, Traffic(answers=90_000, routed=None, inbound=60, taken=None))


def test_whoever_does_not_get_on_is_not_waited_for_for_ever() -> None:
    courtesy = Courtesy()
    stuck = replace(QUIET, taken=49)
    assert seen(courtesy, stuck)
    assert seen(courtesy, stuck, at=NOON + PATIENCE)
    assert not seen(courtesy, stuck, at=NOON + PATIENCE + timedelta(seconds=1))
    assert seen(courtesy, replace(stuck, inbound=60, taken=50), at=NOON + 2 * PATIENCE)
