"""When requests may go: within the quota, after the reset, one at a time after trouble."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.delivery.brake import LONGEST_RESET, Brake
from services.delivery.mailer import Accepted, Ambiguous, Later, Outcome, Quota, Refused
from tests.support.answers import NOON

SECOND = timedelta(seconds=1)
RESET = NOON + timedelta(seconds=30)


def answered(*outcomes: Outcome, concurrency: int = 8) -> Brake:
    """A brake that has seen these, at noon."""
    brake = Brake(concurrency)
    for outcome in outcomes:
        brake.saw(outcome, NOON, 0.0)
    return brake


def accepted(remaining: int, limit: int = 10) -> Accepted:
    return Accepted(message_id="m", quota=Quota(limit, remaining, RESET))


def test_one_request_goes_ahead_while_nobody_knows_the_quota() -> None:
    brake = Brake(8)
    assert (brake.room(NOON, 0), brake.room(NOON, 1)) == (1, 0)


def test_without_a_quota_as_many_go_as_there_are_places() -> None:
    brake = answered(Accepted(message_id="m"))
    assert (brake.room(NOON, 0), brake.room(NOON, 5), brake.room(NOON, 9)) == (8, 3, 0)


def test_what_is_under_way_counts_against_the_quota() -> None:
    brake = answered(accepted(3))
    assert (brake.room(NOON, 0), brake.room(NOON, 2), brake.room(NOON, 3)) == (3, 1, 0)


def test_answers_that_overtake_each_other_leave_the_lowest_count() -> None:
    assert answered(accepted(2), accepted(4)).room(NOON, 0) == 2


def test_a_used_up_quota_holds_everything_until_its_reset_and_then_starts_anew() -> None:
    brake = answered(accepted(0))
    assert (brake.room(NOON, 0), brake.closed_until(NOON)) == (0, RESET)
    assert (brake.room(RESET, 0), brake.closed_until(RESET)) == (8, None)


def test_nothing_goes_between_a_429_and_the_moment_it_names() -> None:
    brake = answered(Accepted(message_id="m"), Later(detail="429", not_before=RESET))
    assert brake.room(RESET - SECOND, 0) == 0
    assert brake.closed_until(RESET - SECOND) == RESET
    assert brake.room(RESET, 0) == 8


def test_an_answer_that_was_under_way_does_not_lift_a_429() -> None:
    assert answered(Later(detail="429", not_before=RESET), Accepted(message_id="m")).room(NOON, 0) == 0


def test_a_reset_far_away_is_not_believed_for_ever() -> None:
    brake = answered(Later(detail="429", not_before=NOON + timedelta(days=365)))
    assert brake.closed_until(NOON) == NOON + LONGEST_RESET


@pytest.mark.parametrize("trouble", [Ambiguous(detail="TimeoutError"), Later(detail="503")])
def test_after_trouble_one_mail_at_a_time_asks_ever_more_seldom(trouble: Outcome) -> None:
    brake, now, waits = answered(Accepted(message_id="m")), NOON, []
    for _ in range(4):
        brake.saw(trouble, now, 0.0)
        until = brake.closed_until(now)
        assert until
        waits.append((until - now) / SECOND)
        now = until
        assert (brake.room(now, 0), brake.room(now, 1)) == (1, 0)
    assert waits == [0.2, 0.4, 0.8, 1.6]


def test_requests_that_fail_together_count_once() -> None:
    brake = answered(*[Ambiguous(detail="TimeoutError")] * 8)
    assert brake.failures == 1


@pytest.mark.parametrize("fine", [Accepted(message_id="m"), Refused(detail="400")])
def test_an_answer_that_decides_ends_the_trouble(fine: Outcome) -> None:
    brake = answered(Ambiguous(detail="TimeoutError"), fine)
    assert brake.room(NOON + SECOND, 0) == 8


def test_a_mail_that_never_left_for_a_reason_of_its_own_teaches_nothing() -> None:
    brake = answered(Later(detail="no such perk", everyone=False))
    assert (brake.failures, brake.answered, brake.closed_until(NOON)) == (0, False, None)
