"""What a press of the button means: once an answer, then updates and comments, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.response import Submission
from services.intake.forms.answering import Given, Heard, Press, Turn, submissions, turn
from services.intake.links import Link
from tests.support.answers import NOON

LATER = NOON + timedelta(minutes=1)
LINK = Link(
    tenant="default", expires_at=LATER, response_id="r", customer_id="C-1", touchpoint="support", channel="phone"
)


def press(score: int | None = None, comment: str | None = None, *, final: bool = False) -> Press:
    return Press("default", "r", Given(score, comment, comment and f"mark of {comment}"), LATER, final)


def settled(score: int = 8, comment: str | None = None) -> Heard:
    """What stands after a first press that arrived."""
    after = turn(None, press(score, comment), NOON)
    assert isinstance(after, Turn)
    return replace(after.heard, settled=True)


def said(before: Heard | None, pressed: Press) -> list[Submission]:
    after = turn(before, pressed, LATER)
    assert isinstance(after, Turn)
    return submissions(LINK, pressed, after, "fi")


def test_the_first_press_submits_with_all_that_the_link_knows() -> None:
    (one,) = said(None, press(0))
    assert (one.op, one.score, one.response_id, one.language) == ("submitted", 0, "r", "fi")
    assert (one.customer_id, one.touchpoint, one.solicited) == ("C-1", "support", True)
    assert one.answered_at == LATER


def test_a_text_is_a_comment_of_its_own() -> None:
    number, text = said(None, press(9, "fast"))
    assert (number.op, number.score, number.comment) == ("submitted", 9, None)
    assert (text.op, text.comment, text.score, text.customer_id) == ("commented", "fast", None, "C-1")


@pytest.mark.parametrize(
    ("before", "pressed", "ops"),
    [
        (settled(8), press(8), []),
        (settled(8, "slow"), press(8, "slow"), []),
        (settled(8, "slow"), press(8), []),  # an empty box takes nothing away
        (settled(8, "slow"), press(None, "slow"), []),
        (settled(8), press(3), ["updated"]),
        (settled(8), press(8, "slow"), ["commented"]),
        (settled(8), press(None, "slow"), ["commented"]),
        (settled(8, "slow"), press(3), ["updated"]),
        (settled(8, "slow"), press(3, "late"), ["updated", "commented"]),
        (settled(8), press(), []),
    ],
)
def test_only_what_changed_is_said(before: Heard, pressed: Press, ops: list[str]) -> None:
    assert [one.op for one in said(before, pressed)] == ops


def test_a_press_that_may_not_have_arrived_is_said_again_in_the_same_words() -> None:
    first = turn(None, press(8, "slow"), NOON)
    assert isinstance(first, Turn)
    once = submissions(LINK, press(8, "slow"), first, "fi")
    assert said(first.heard, press(8, "slow")) == once


def test_a_text_alone_brings_along_a_number_that_may_not_have_arrived() -> None:
    first = turn(None, press(8), NOON)
    assert isinstance(first, Turn)
    assert [(one.op, one.score) for one in said(first.heard, press(None, "slow"))] == [
        ("submitted", 8),
        ("commented", None),
    ]


def test_a_text_that_may_not_have_arrived_is_not_taken_for_known() -> None:
    first = turn(None, press(8, "slow"), NOON)
    assert isinstance(first, Turn)
    second = turn(first.heard, press(8), NOON)
    assert isinstance(second, Turn)
    assert [one.op for one in said(replace(second.heard, settled=True), press(None, "slow"))] == ["commented"]


def test_a_change_has_a_higher_revision_even_if_the_clock_goes_back() -> None:
    before, moments = settled(8), [NOON]
    for score in (3, 4, 5):
        after = turn(before, press(score), NOON - timedelta(hours=1))
        assert isinstance(after, Turn)
        moments.append(after.heard.scored_at)
        before = replace(after.heard, settled=True)
    assert [moment - NOON for moment in moments] == [timedelta(milliseconds=number) for number in range(4)]
    assert before.answered_at == NOON


def test_a_text_without_any_number_means_nothing() -> None:
    assert turn(None, press(None, "slow"), NOON) == "unanswered"


def test_of_many_answers_each_has_one_version() -> None:
    before = settled(8, "slow")
    assert turn(before, press(8, "slow", final=True), LATER) == Turn(before)
    for other in (press(9, "slow", final=True), press(8, final=True), press(8, "fast", final=True)):
        assert turn(before, other, LATER) == "taken"
