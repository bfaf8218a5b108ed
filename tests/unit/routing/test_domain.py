"""One right action per answer, whatever comes, in whatever order."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.message import effect_id
from schemas.response import Response
from services.routing.domain import Decided, Ignored, Noted, Standing, decide
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Person
from services.routing.policy import PAST_AFTER, Facts
from tests.support.answers import NOON, answered
from tests.support.playbooks import at_once, somebody

BOOK = at_once()
REACHED = somebody()


def play(*answers: Response, facts: Facts = REACHED, book: Rulebook = BOOK) -> list[Decided | Noted | Ignored]:
    """What is decided about each of these revisions of one answer, in turn."""
    standing = Standing("default", "r")
    outcomes = []
    for answer in answers:
        outcome = decide(answer, standing, facts, book, NOON)
        outcomes.append(outcome)
        if not isinstance(outcome, str):
            standing = outcome.standing
    return outcomes


def last(*answers: Response, facts: Facts = REACHED) -> Decided:
    outcome = play(*answers, facts=facts)[-1]
    assert isinstance(outcome, Decided)
    return outcome


def an_answer(score: int, revision: int = 1, **given: Any) -> Response:
    return answered(score, response_id="r", revision=revision, **given)


@pytest.mark.parametrize(
    ("score", "action"), [(10, "perk"), (9, "perk"), (8, "offer"), (7, "offer"), (6, "outreach"), (0, "outreach")]
)
def test_each_band_has_its_action(score: int, action: str) -> None:
    assert (last(an_answer(score)).decision.action, last(an_answer(score)).decision.outcome) == (action, "action")


def test_ids_of_effects_depend_on_the_answer_alone() -> None:
    first, second = last(an_answer(9)), last(an_answer(9), an_answer(7, 2))
    assert first.message is not None
    assert second.message is not None
    assert first.message.message_id == second.message.message_id == effect_id("default", "r", "mail")


BANDS = {"perk": 9, "offer": 7, "outreach": 3}


@pytest.mark.parametrize("before", BANDS)
@pytest.mark.parametrize("after", BANDS)
def test_an_edit_converts_or_withdraws_what_was_wanted(before: str, after: str) -> None:
    decided = last(an_answer(BANDS[before]), an_answer(BANDS[after], 2))
    message, task = decided.message, decided.outreach
    mails = {"perk", "offer"}
    assert (message.command if message else None) == (after if after in mails else "none" if before in mails else None)
    assert (task.command if task else None) == (
        "open" if after == "outreach" else "none" if before == "outreach" else None
    )
    assert decided.decision.number == 2
    for withdrawn in (message, task):
        if withdrawn is not None and withdrawn.command == "none":
            assert withdrawn.reason == "changed"


@pytest.mark.parametrize("action", BANDS)
@pytest.mark.parametrize("op", ["retracted", "excluded"])
def test_what_is_taken_back_is_withdrawn_with_the_reason(action: str, op: str) -> None:
    decided = last(an_answer(BANDS[action]), an_answer(BANDS[action], 2, op=op))
    withdrawn = decided.outreach if action == "outreach" else decided.message
    assert withdrawn is not None
    assert (withdrawn.command, withdrawn.reason, decided.decision.outcome) == ("none", op, "withdrawn")


def test_an_excluded_answer_comes_back_with_a_higher_revision() -> None:
    decided = last(an_answer(3), an_answer(3, 2, op="excluded"), an_answer(3, 3))
    assert decided.outreach is not None
    assert (decided.outreach.command, decided.outreach.revision) == ("open", 3)


def test_a_retraction_that_comes_first_stands() -> None:
    outcomes = play(an_answer(3, 5, op="retracted", channel=None), an_answer(3))
    assert isinstance(outcomes[0], Decided)
    assert (outcomes[0].decision.outcome, outcomes[0].message, outcomes[0].outreach) == ("withdrawn", None, None)
    assert outcomes[1] == "older"


def test_a_revision_that_comes_twice_changes_nothing() -> None:
    assert play(an_answer(9), an_answer(9))[1] == "duplicate"


def test_a_revision_with_other_content_is_a_conflict_and_the_first_stays() -> None:
    assert play(an_answer(9, digest="0" * 32), an_answer(2, digest="1" * 32))[1] == "conflict"


@pytest.mark.parametrize("mark", [{"history": True}, {"answered_at": NOON - PAST_AFTER - timedelta(seconds=1)}])
def test_the_past_is_never_contacted(mark: dict[str, Any]) -> None:
    first = last(an_answer(3, **mark))
    later = last(an_answer(3, **mark), an_answer(9, 2))
    assert (first.decision.outcome, first.decision.reason, first.outreach) == ("closed", "history", None)
    assert (later.decision.outcome, later.decision.reason, later.message) == ("suppressed", "history", None)


@pytest.mark.parametrize("mark", [{"history": True}, {"answered_at": NOON - timedelta(days=11 * 365)}])
@pytest.mark.parametrize("op", ["excluded", "retracted"])
def test_the_past_is_never_contacted_also_if_a_later_revision_tells_that_it_is_past(
    op: str, mark: dict[str, Any]
) -> None:
    taken_back = an_answer(9, op=op)
    told, later = last(taken_back, an_answer(9, 2, **mark)), last(taken_back, an_answer(9, 2, **mark), an_answer(3, 3))
    assert (told.decision.outcome, told.decision.reason, told.message) == ("closed", "history", None)
    assert (later.decision.outcome, later.decision.reason, later.outreach) == ("suppressed", "history", None)


def test_a_past_answer_that_is_excluded_at_first_is_not_contacted_when_it_comes_back() -> None:
    assert last(an_answer(9, op="excluded", history=True), an_answer(9, 2)).decision.reason == "history"


def test_what_is_past_is_known_again_after_a_recovery() -> None:
    recovered = Standing("default", "r", revision=1, number=1)
    noted = decide(an_answer(9, op="excluded", history=True), recovered, REACHED, BOOK, NOON)
    assert isinstance(noted, Noted)
    assert noted.standing.past


def test_a_mark_of_history_changes_nothing_either_where_a_live_answer_could_lead_to_nothing_yet() -> None:
    unreached = decide(an_answer(9), Standing("default", "r"), Facts(), BOOK, NOON)
    assert isinstance(unreached, Decided)
    told = decide(an_answer(9, 2, history=True), unreached.standing, REACHED, BOOK, NOON)
    assert isinstance(told, Decided)
    assert told.decision.action == "perk"


def test_a_mark_of_history_on_a_live_answer_changes_nothing_towards_people() -> None:
    decided = last(an_answer(3), an_answer(3, 2, history=True))
    assert decided.outreach is not None
    assert decided.outreach.command == "open"


def test_when_routing_was_away_for_a_week_mails_are_stale_and_tasks_are_late() -> None:
    received = NOON - PAST_AFTER - timedelta(minutes=1)
    mail = last(an_answer(9, received_at=received, answered_at=received))
    task = last(an_answer(3, received_at=received, answered_at=received))
    assert (mail.decision.reason, mail.message) == ("stale", None)
    assert task.outreach is not None
    assert task.outreach.late


@pytest.mark.parametrize(
    ("score", "facts", "reason"),
    [
        (9, Facts(), "no_address"),
        (9, somebody(said=frozenset({"bounced"})), "bounced"),
        (7, somebody(said=frozenset({"opt_out", "bounced"})), "opt_out"),
        (9, Facts(Person(erased=True)), "erased"),
        (3, Facts(Person(erased=True)), "erased"),
    ],
)
def test_a_suppression_says_why(score: int, facts: Facts, reason: str) -> None:
    decided = last(an_answer(score), facts=facts)
    assert (decided.decision.outcome, decided.decision.reason) == ("suppressed", reason)
    assert decided.decision.rule is not None
    assert (decided.message, decided.outreach) == (None, None)


@pytest.mark.parametrize("facts", [Facts(), somebody(said=frozenset({"opt_out"}))])
def test_a_task_needs_no_address(facts: Facts) -> None:
    assert last(an_answer(3), facts=facts).decision.action == "outreach"


def test_a_test_answer_reaches_nobody() -> None:
    assert (last(an_answer(3, test=True)).decision.reason, last(an_answer(3, test=True)).outreach) == ("test", None)


@pytest.mark.parametrize("metric", ["csat", "ces", "review"])
def test_what_is_well_rated_has_no_band_and_leads_to_nothing(metric: str) -> None:
    decided = last(answered(None, response_id="r", metric=metric, rating=5.0))
    assert (decided.decision.outcome, decided.decision.band, decided.decision.rule) == ("none", None, "other-answers")


def test_a_comment_that_comes_later_reaches_the_open_task() -> None:
    comment = answered(None, response_id="r", revision=7, op="commented")
    decided = last(an_answer(3), comment)
    assert decided.outreach is not None
    assert (decided.outreach.revision, decided.message) == (2, None)


def test_a_comment_that_comes_first_waits_for_its_answer() -> None:
    comment = answered(None, response_id="r", revision=7, op="commented")
    noted, decided = play(comment, an_answer(3))
    assert isinstance(noted, Noted)
    assert isinstance(decided, Decided)
    assert decided.standing.comment == comment


def test_a_comment_to_a_mail_changes_nothing() -> None:
    comment = answered(None, response_id="r", revision=7, op="commented")
    assert isinstance(play(an_answer(9), comment)[1], Noted)
    assert play(an_answer(9), comment, comment)[2] == "duplicate"


@given(st.permutations(range(1, 6)), st.lists(st.integers(0, 10), min_size=5, max_size=5))
def test_what_is_wanted_in_the_end_is_what_the_highest_revision_wants(order: list[int], scores: list[int]) -> None:
    revisions = [an_answer(scores[number - 1], number, digest=f"{number:032x}") for number in order]
    decided = [outcome for outcome in play(*revisions) if isinstance(outcome, Decided)][-1].standing
    alone = last(an_answer(scores[4], 5, digest=f"{5:032x}")).standing
    wanted = {"perk", "offer"}
    assert (decided.mail if decided.mail in wanted else None) == (alone.mail if alone.mail in wanted else None)
    assert (decided.task == "open") == (alone.task == "open")


@given(st.randoms(use_true_random=False), st.integers(1, 20))
def test_decisions_are_numbered_without_a_gap(chance: random.Random, length: int) -> None:
    answers = [an_answer(chance.randrange(11), number + 1, digest=f"{number:032x}") for number in range(length)]
    numbers = [outcome.decision.number for outcome in play(*answers) if isinstance(outcome, Decided)]
    assert numbers == list(range(1, length + 1))
