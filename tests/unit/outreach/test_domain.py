"""What requests and people make of the one task of an answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.message import effect_id
from schemas.personal_data import PersonalData
from schemas.task import Note, TaskStatus
from schemas.task_update import TaskUpdate
from services.outreach.domain import (
    ALLOWED,
    LARGEST_NOTES,
    Changed,
    Forgotten,
    Given,
    Noted,
    Refused,
    Standing,
    ask_again,
    change,
    follow,
    forget,
    hear,
    newest,
    task_of,
)
from tests.support.answers import NOON
from tests.support.tasks import requested, said, withdrawn

LATER = NOON + timedelta(hours=1)
STATUSES: tuple[TaskStatus, ...] = get_args(TaskStatus)


def fresh() -> Standing:
    return Standing(effect_id("default", "r", "task"), "default", "r")


def opened(**given_: Any) -> Standing:  # fields of a request, of any type
    outcome = follow(requested(**given_), fresh(), Given(owners=["eva", "ole"]), NOON)
    assert isinstance(outcome, Changed)
    return outcome.standing


def after(standing: Standing, *updates: TaskUpdate) -> Standing:
    """How a task stands once a CRM has said all this, in this order."""
    for update in updates:
        outcome = hear(update, standing, LATER)
        standing = standing if isinstance(outcome, str) else outcome.standing
    return standing


def changed(standing: Standing, at: datetime = LATER, **words: str | None) -> Standing:
    outcome = change(standing, dict(words), at)  # type: ignore[arg-type]  # names of fields
    assert isinstance(outcome, Changed), outcome
    return outcome.standing


def followed(standing: Standing, request: Any, at: datetime = LATER) -> Standing:  # a request
    outcome = follow(request, standing, Given(owners=["eva", "ole"]), at)
    assert not isinstance(outcome, str), outcome
    return outcome.standing


def test_a_request_opens_a_task_with_owner_priority_and_due_time() -> None:
    standing = opened()
    assert (standing.version, standing.revision, standing.status) == (1, 1, "open")
    assert (standing.priority, standing.due_at) == ("high", NOON + timedelta(hours=24))
    assert standing.owner in {"eva", "ole"}


def test_the_owner_is_the_same_whoever_computes_it() -> None:
    assert opened().owner == opened().owner
    everyone = {
        follow(request, Standing(request.task_id, "default", "r"), Given(owners=["eva", "ole"]), NOON).standing.owner  # type: ignore[union-attr]  # opened
        for request in (requested(f"r{number}") for number in range(50))
    }
    assert everyone == {"eva", "ole"}


def test_a_request_without_a_due_time_is_due_by_the_business_file() -> None:
    outcome = follow(requested(due_at=None), fresh(), Given(due_in=timedelta(hours=4)), NOON)
    assert isinstance(outcome, Changed)
    assert outcome.standing.due_at == NOON + timedelta(hours=4)


def test_the_highest_revision_wins_whatever_the_order() -> None:
    standing = followed(fresh(), requested(revision=3, score=1))
    assert follow(requested(revision=2, score=5), standing, Given(), LATER) == "older"
    assert follow(requested(revision=3, score=1), standing, Given(), LATER) == "duplicate"
    standing = followed(standing, requested(revision=4, score=0))
    assert (standing.version, standing.request and standing.request.score) == (2, 0)


def test_a_withdrawal_cancels_what_is_open_with_the_reason() -> None:
    for status in ("open", "in_progress", "waiting"):
        standing = after(opened(), said(status=status))
        standing = followed(standing, withdrawn())
        task = shown(standing)
        assert (task.status, task.reason, task.closed_at) == ("cancelled", "retracted", LATER)


def test_a_withdrawal_leaves_what_is_done() -> None:
    standing = followed(after(opened(), said(status="done", outcome="resolved")), withdrawn())
    task = shown(standing)
    assert (task.status, task.outcome, task.reason, task.revision) == ("done", "resolved", None, 2)


def test_a_withdrawal_that_arrives_first_is_kept() -> None:
    outcome = follow(withdrawn(revision=2), fresh(), Given(), NOON)
    assert isinstance(outcome, Noted)
    assert not outcome.standing.is_task
    assert follow(requested(revision=1), outcome.standing, Given(), NOON) == "older"


def test_a_request_that_comes_back_opens_the_task_again() -> None:
    standing = followed(followed(after(opened(), said(status="in_progress")), withdrawn()), requested(revision=3))
    task = shown(standing)
    assert (task.status, task.reason, task.closed_at, task.version) == ("open", None, None, 4)


def test_a_crm_that_repeats_our_cancellation_does_not_keep_the_task_closed() -> None:
    standing = followed(opened(), withdrawn())
    assert hear(said(status="cancelled", minutes=90), standing, LATER) == "older"
    assert followed(standing, requested(revision=3)).status == "open"


@pytest.mark.parametrize("status", ["done", "cancelled"])
def test_a_changed_request_leaves_closed_what_a_person_closed(status: str) -> None:
    standing = followed(after(opened(), said(status=status)), requested(revision=2, score=0))
    assert (standing.status, standing.version) == (status, 3)
    standing = followed(followed(standing, withdrawn(revision=3)), requested(revision=4))
    assert standing.status == status


def test_a_withdrawn_task_that_somebody_finished_is_done() -> None:
    standing = after(followed(opened(), withdrawn()), said(status="done", outcome="resolved", minutes=90))
    assert (standing.status, standing.outcome) == ("done", "resolved")


def test_nobody_but_a_request_opens_again_what_was_withdrawn() -> None:
    standing = followed(opened(), withdrawn())
    assert after(standing, said(status="in_progress", minutes=90)).status == "cancelled"
    refused = change(standing, {"status": "open"}, LATER)
    assert isinstance(refused, Refused)
    assert "retracted" in refused.reason


@pytest.mark.parametrize("finer", ["in_progress", "waiting"])
def test_open_from_a_crm_with_two_states_does_not_overwrite_work_under_way(finer: str) -> None:
    assert after(opened(), said(status=finer, minutes=1), said(status="open", minutes=2)).status == finer


@pytest.mark.parametrize("closed", ["done", "cancelled"])
def test_open_from_a_crm_opens_again_what_was_closed(closed: str) -> None:
    standing = after(opened(), said(status=closed, minutes=1), said(status="open", minutes=2))
    assert (standing.status, standing.closed_at) == ("open", None)


def test_the_outcome_of_before_it_was_opened_again_is_gone() -> None:
    standing = after(
        opened(),
        said(status="done", outcome="churned", minutes=1),
        said(status="open", minutes=2),
        said(status="done", minutes=3),
    )
    assert (standing.status, standing.outcome) == ("done", None)


def test_the_newest_word_holds_whichever_arrives_last() -> None:
    standing = after(opened(), said(status="done", minutes=5), said(status="in_progress", minutes=1))
    assert standing.status == "done"
    assert hear(said(status="waiting", minutes=2), standing, LATER) == "older"


def test_of_two_words_of_one_moment_the_one_that_ends_the_task_holds() -> None:
    for words in (("done", "waiting"), ("waiting", "done")):
        assert after(opened(), *(said(status=word) for word in words)).status == "done"


def test_a_crm_that_repeats_itself_makes_no_new_version() -> None:
    standing = after(opened(), said(status="done", minutes=1))
    again = after(standing, said(status="done", minutes=2))
    assert (again.version, again.closed_at) == (standing.version, standing.closed_at)


WORDS = st.builds(
    lambda minutes, **fields: said(minutes=minutes, **fields),
    st.integers(0, 5),
    status=st.none() | st.sampled_from(STATUSES),
    owner=st.none() | st.sampled_from(["eva", "ole", "per"]),
    outcome=st.none() | st.sampled_from(["resolved", "churned"]),
)


@given(st.lists(WORDS, max_size=8), st.randoms(use_true_random=False), st.booleans())
def test_the_same_words_in_any_order_end_alike(words: list[TaskUpdate], chance: Any, taken_back: bool) -> None:  # noqa: FBT001 hypothesis gives it
    standing = followed(opened(), withdrawn()) if taken_back else opened()
    shuffled = list(words)
    chance.shuffle(shuffled)
    one, other = after(standing, *words), after(standing, *shuffled, *words)
    assert (one.status, one.owner, one.outcome) == (other.status, other.owner, other.outcome)


def test_a_word_about_a_task_that_never_was_is_unknown() -> None:
    assert hear(said(status="done"), fresh(), LATER) == "unknown"


@pytest.mark.parametrize("status", STATUSES)
def test_a_person_may_turn_a_task_into_what_the_table_says(status: TaskStatus) -> None:
    standing = opened() if status == "open" else after(opened(), said(status=status))
    for target in STATUSES:
        outcome = change(standing, {"status": target}, LATER)
        allowed = target == status or target in ALLOWED[status]
        assert isinstance(outcome, Changed) is allowed
        if isinstance(outcome, Changed):
            assert outcome.standing.status == target


def test_a_person_who_saw_the_task_has_the_last_word_even_over_a_clock_that_is_ahead() -> None:
    standing = after(opened(), said(status="waiting", owner="per", minutes=500))
    standing = changed(standing, at=NOON, status="done", owner=None, outcome="unreachable")
    assert (standing.status, standing.owner, standing.outcome) == ("done", None, "unreachable")
    assert changed(standing, at=NOON, status="open").status == "open"


def test_only_a_task_that_is_done_has_an_outcome() -> None:
    assert isinstance(change(opened(), {"outcome": "resolved"}, LATER), Refused)
    done = changed(opened(), status="done", outcome="resolved")
    assert done.outcome == "resolved"
    again = changed(done, status="open")
    assert (again.outcome, changed(again, status="done").outcome) == (None, None)


def test_what_a_person_set_stays_when_the_request_changes() -> None:
    due = NOON + timedelta(hours=3)
    standing = changed(opened(), priority="low", due_at=due.isoformat(), owner="per")
    standing = followed(standing, requested(revision=2, priority="urgent", score=0))
    assert (standing.priority, standing.due_at, standing.owner) == ("low", due, "per")
    assert standing.request
    assert standing.request.score == 0


def test_who_is_erased_gets_no_task_and_an_existing_one_is_scrubbed() -> None:
    outcome = follow(requested(), fresh(), Given(erased=True), NOON)
    assert isinstance(outcome, Forgotten)
    assert not outcome.standing.is_task
    standing = after(opened(), said(status="in_progress", owner="per"))
    outcome = follow(requested(revision=1), standing, Given(erased=True), NOON)
    assert isinstance(outcome, Forgotten)
    assert (outcome.standing.request, outcome.standing.words, outcome.standing.owner) == (None, {}, None)
    assert follow(requested(revision=9), outcome.standing, Given(), NOON) == "erased"
    assert hear(said(status="done"), outcome.standing, NOON) == "erased"


def test_a_customer_is_asked_again_once_the_task_is_done_and_only_once() -> None:
    done = after(opened(subject="a" * 32), said(status="done", minutes=10))
    survey = ask_again(done, timedelta(days=30))
    assert survey
    assert (survey.not_before, survey.subject) == (NOON + timedelta(days=30, minutes=10), "a" * 32)
    assert ask_again(done, timedelta(days=30)) == survey
    assert ask_again(done, None) is None
    assert ask_again(opened(), timedelta(days=30)) is None
    assert ask_again(after(opened(), said(status="cancelled")), timedelta(days=30)) is None


def shown(standing: Standing, **personal: str) -> Any:  # a Task, whose fields tests compare with anything
    return task_of(standing, PersonalData(**personal), personal.get("comment"), [])  # type: ignore[arg-type]  # strings


TITLES: dict[str, tuple[dict[str, Any], Given, str]] = {
    "mail": ({}, Given(has_email=True, has_phone=True), "Detractor 3/10: write back within 24 h"),
    "phone only": ({}, Given(has_phone=True), "Detractor 3/10: call back within 24 h"),
    "callback": ({"callback_requested": True}, Given(has_email=True), "Detractor 3/10: call back within 24 h"),
    "nobody": ({"score": 0}, Given(), "Detractor 0/10: follow up within 24 h"),
    "promoter": ({"score": 10}, Given(), "Promoter 10/10: follow up within 24 h"),
    "days": ({"due_at": NOON + timedelta(days=5)}, Given(), "Detractor 3/10: follow up within 5 days"),
    "past": ({"due_at": NOON - timedelta(days=5)}, Given(), "Detractor 3/10: follow up now"),
    "stars": ({"metric": "review", "score": None, "rating": 1.5}, Given(), "Review 1.5: follow up within 24 h"),
    "no number": ({"score": None}, Given(), "Answer: follow up within 24 h"),
}


@pytest.mark.parametrize(("fields", "facts", "title"), TITLES.values(), ids=TITLES.keys())
def test_the_title_says_what_to_do_and_names_nobody(fields: dict[str, Any], facts: Given, title: str) -> None:
    outcome = follow(requested(**fields), fresh(), facts, NOON)
    assert isinstance(outcome, Changed)
    assert shown(outcome.standing).title == title


def test_a_task_shows_whom_to_talk_to() -> None:
    task = shown(opened(late=True), email="a@example.org", name="Olga", comment="slow")
    assert (task.customer.email, task.customer.name, task.comment, task.late) == ("a@example.org", "Olga", "slow", True)


def test_a_task_is_overdue_until_it_is_done_in_time() -> None:
    late = NOON + timedelta(hours=25)
    assert not opened().is_overdue(NOON)
    assert opened().is_overdue(late)
    assert not after(opened(), said(status="done", minutes=10)).is_overdue(late)
    assert after(opened(), said(status="done", minutes=60 * 25)).is_overdue(late)
    assert not followed(opened(), withdrawn(), at=late).is_overdue(late)


def test_notes_that_do_not_fit_into_a_record_leave_the_oldest_behind() -> None:
    notes = [Note(text=f"{number} " + "ä" * 19_000, at=NOON) for number in range(20)]
    kept = newest(notes)
    assert kept == notes[-len(kept) :]
    assert 0 < len(kept) < 20
    assert sum(len(note.to_json()) for note in kept) <= LARGEST_NOTES
    assert newest(notes[:2]) == notes[:2]


def test_a_task_that_was_rebuilt_gets_its_request_back_and_shows_the_same() -> None:
    person = changed(opened(), priority="low")
    rebuilt = Standing(
        task_id=person.task_id,
        tenant="default",
        response_id="r",
        revision=1,
        version=2,
        published=2,
        request=requested(priority="low", subject=None),
        rebuilt=True,
        assigned=person.owner,
        created_at=NOON,
        updated_at=LATER,
    )
    outcome = follow(requested(priority="high", subject="a" * 32), rebuilt, Given(), LATER)
    assert isinstance(outcome, Noted)
    assert (outcome.standing.priority, outcome.standing.version) == ("low", 2)
    assert outcome.standing.request
    assert outcome.standing.request.subject == "a" * 32
    assert isinstance(follow(requested(), rebuilt, Given(erased=True), LATER), Forgotten)


def test_forgetting_keeps_only_that_there_was_a_task() -> None:
    forgotten = forget(opened(), LATER).standing
    assert (forgotten.erased, forgotten.request, forgotten.version) == (True, None, 1)
