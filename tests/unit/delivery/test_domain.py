"""The ledger: what may follow each state, and the strange cases, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.delivery import State
from schemas.message import Message, effect_id
from schemas.provider_event import EventType
from schemas.sealed import Sealed
from services.delivery.domain import (
    FOLLOWS,
    FROM_PROVIDER,
    MAY_BE_OUT,
    MEANS,
    NOTHING_OUT,
    OBJECTS,
    WEIGHT,
    Entry,
    claimed,
    command,
    completed,
    expired,
    lost,
    observed,
    recovered,
    released,
    settled,
    suppressed,
)
from services.delivery.mailer import Accepted, Ambiguous, Later, Outcome, Refused
from tests.support.answers import NOON

SEALED = Sealed(kid="0" * 32, nonce="AAAA", ciphertext="AAAA")
LATER = NOON + timedelta(minutes=1)

Fields = dict[str, Any]  # fields of any type, checked by the model


def wanted(**given: Any) -> Message:  # as above
    """A command for a perk, unless said otherwise."""
    fields: Fields = {
        "tenant": "default",
        "response_id": "r",
        "revision": 1,
        "command": "perk",
        "message_id": effect_id("default", "r", "mail"),
        "template": "perk",
        "sealed": SEALED,
    }
    return Message(**(fields | given))


def entry(state: State = "planned", **given: Any) -> Entry:  # as above
    """A mail in some state."""
    fields: Fields = {
        "tenant": "default",
        "response_id": "r",
        "delivery_id": UUID(int=1),
        "revision": 1,
        "kind": "perk",
        "template": "perk",
        "state": state,
        "changed_at": NOON,
        "attempt": 0 if state in NOTHING_OUT else 1,
        "sealed": SEALED,
    }
    return Entry(**(fields | given))


def changed(after: Entry | str) -> Entry:
    """Something that changed, and so is published."""
    assert isinstance(after, Entry), after
    return after


def sending(attempt: int = 1) -> Entry:
    return entry("sending", attempt=attempt, lease_until=LATER)


def test_a_command_plans_a_mail_that_is_due_at_once() -> None:
    planned = changed(command(None, wanted(), NOON, "trace"))
    assert (planned.state, planned.version, planned.due_at, planned.trace) == ("planned", 1, NOON, "trace")
    assert (planned.kind, planned.sealed, planned.delivery_id) == ("perk", SEALED, wanted().message_id)


def test_a_withdrawal_that_arrives_first_is_kept_and_its_command_is_older() -> None:
    withdrawn = changed(command(None, wanted(command="none", revision=2, reason="retracted"), NOON))
    assert (withdrawn.state, withdrawn.reason, withdrawn.due_at) == ("withdrawn", "retracted", None)
    assert command(withdrawn, wanted(revision=1), NOON) == "older"


def test_the_highest_revision_counts_while_nothing_has_gone_out() -> None:
    planned = changed(command(None, wanted(revision=2), NOON))
    offer = changed(command(planned, wanted(revision=3, command="offer", template="offer"), LATER))
    assert (offer.state, offer.kind, offer.template, offer.revision, offer.version) == (
        "planned",
        "offer",
        "offer",
        3,
        2,
    )
    assert command(offer, wanted(revision=2), LATER) == "older"
    assert command(offer, wanted(revision=3), LATER) == "duplicate"


@pytest.mark.parametrize("state", sorted(NOTHING_OUT))
def test_while_nothing_has_gone_out_a_command_plans_anew_and_a_withdrawal_withdraws(state: State) -> None:
    assert changed(command(entry(state), wanted(revision=2), LATER)).state == "planned"
    withdrawn = changed(command(entry(state), wanted(revision=2, command="none", reason="changed"), LATER))
    assert (withdrawn.state, withdrawn.reason, withdrawn.kind) == ("withdrawn", "changed", "none")


@pytest.mark.parametrize("state", sorted(set(get_args(State)) - NOTHING_OUT))
def test_once_it_may_be_out_a_changed_command_is_answered_too_late_and_the_mail_stands(state: State) -> None:
    before = entry(state, lease_until=LATER if state == "sending" else None)
    for late in (wanted(revision=2, command="none"), wanted(revision=2, command="offer", template="offer")):
        answered = changed(command(before, late, LATER))
        assert (answered.state, answered.reason, answered.kind) == (state, "too_late", "perk")
        assert (answered.revision, answered.version) == (2, before.version + 1)


def test_the_same_command_of_a_higher_revision_is_not_too_late() -> None:
    assert changed(command(entry("delivered"), wanted(revision=2), LATER)).reason is None


def test_a_command_that_comes_too_late_does_not_end_the_lease_of_whoever_sends() -> None:
    answered = changed(command(sending(), wanted(revision=2, command="none"), NOON))
    assert (answered.state, answered.lease_until) == ("sending", LATER)


@pytest.mark.parametrize("outcome", [Later(detail="429"), Refused(detail="400")])
def test_a_withdrawal_that_seemed_too_late_counts_if_the_mail_turns_out_not_to_be_out(outcome: Outcome) -> None:
    late = changed(command(sending(), wanted(revision=2, command="none", reason="retracted"), NOON))
    after = changed(settled(late, 1, outcome, LATER, 0.0))
    assert (after.state, after.reason, after.revision, after.due_at) == ("withdrawn", "retracted", 2, None)


def test_another_command_that_seemed_too_late_counts_as_well_and_waits_as_long() -> None:
    late = changed(command(sending(), wanted(revision=2, command="offer", template="offer"), NOON))
    after = changed(settled(late, 1, Later(detail="503"), LATER, 0.0))
    assert (after.state, after.kind, after.reason) == ("planned", "offer", None)
    assert after.due_at == LATER + timedelta(seconds=1)


def test_a_command_that_came_too_late_is_forgotten_once_the_mail_is_out() -> None:
    late = changed(command(sending(), wanted(revision=2, command="none"), NOON))
    assert changed(settled(late, 1, Accepted(message_id="m"), LATER, 0.0)).late is None


def test_a_person_sends_no_mail_again_that_has_been_withdrawn() -> None:
    late = changed(command(entry("unknown"), wanted(revision=2, command="none"), NOON))
    assert changed(released(late, LATER)).state == "withdrawn"


def test_a_claim_counts_the_try_and_holds_a_lease() -> None:
    taken = claimed(entry(due_at=NOON), NOON, until=LATER, provider="sendgrid", address="a" * 32)
    assert (taken.state, taken.attempt, taken.lease_until, taken.due_at) == ("sending", 1, LATER, None)
    assert (taken.provider, taken.address) == ("sendgrid", "a" * 32)


def test_an_accepted_mail_keeps_the_providers_id() -> None:
    accepted = changed(settled(sending(), 1, Accepted(message_id="m"), NOON, 0.0))
    assert (accepted.state, accepted.provider_message_id, accepted.lease_until) == ("accepted", "m", None)


def test_an_accepted_mail_without_an_id_is_accepted_all_the_same() -> None:
    assert changed(settled(sending(), 1, Accepted(message_id=None), NOON, 0.0)).state == "accepted"


def test_a_refusal_is_for_ever() -> None:
    refused = changed(settled(sending(), 1, Refused(detail="400 subject"), NOON, 0.0))
    assert (refused.state, refused.detail, refused.due_at) == ("refused", "400 subject", None)


def test_what_may_go_later_is_planned_again_after_a_wait_that_grows() -> None:
    waits = []
    for attempt in (1, 2, 3, 30):
        planned = changed(settled(sending(attempt), attempt, Later(detail="503"), NOON, 0.0))
        assert planned.state == "planned"
        assert planned.due_at
        waits.append((planned.due_at - NOON).total_seconds())
    assert waits == [1, 2, 4, 900]


def test_what_may_go_later_waits_for_the_moment_the_provider_names() -> None:
    outcome = Later(detail="429", not_before=NOON + timedelta(minutes=10))
    assert changed(settled(sending(), 1, outcome, NOON, 0.0)).due_at == NOON + timedelta(minutes=10)


def test_an_ambiguous_try_is_unknown_and_not_due_again() -> None:
    unknown = changed(settled(sending(), 1, Ambiguous(detail="TimeoutError"), NOON, 0.0))
    assert (unknown.state, unknown.due_at, unknown.detail) == ("unknown", None, "TimeoutError")


def test_a_lease_that_runs_out_makes_the_mail_unknown() -> None:
    assert (expired(sending(), LATER).state, expired(sending(), LATER).lease_until) == ("unknown", None)


def test_an_acceptance_after_the_lease_has_run_out_counts() -> None:
    assert changed(settled(expired(sending(), NOON), 1, Accepted(message_id="m"), LATER, 0.0)).state == "accepted"


@pytest.mark.parametrize(("outcome", "state"), [(Refused(detail="400"), "refused"), (Later(detail="503"), "planned")])
def test_a_definite_answer_after_the_lease_has_run_out_counts(outcome: Outcome, state: State) -> None:
    assert changed(settled(expired(sending(), NOON), 1, outcome, LATER, 0.0)).state == state


def test_an_ambiguous_answer_tells_nothing_new_of_an_unknown_mail() -> None:
    assert settled(entry("unknown"), 1, Ambiguous(detail="x"), NOON, 0.0) == "nothing_new"


@pytest.mark.parametrize("outcome", [Refused(detail="400"), Later(detail="503"), Ambiguous(detail="x")])
def test_an_answer_to_an_earlier_try_says_nothing_of_the_present_one(outcome: Outcome) -> None:
    assert settled(sending(2), 1, outcome, NOON, 0.0) == "another_try"


def test_an_acceptance_of_an_earlier_try_counts_since_that_mail_is_out() -> None:
    assert changed(settled(entry("planned", attempt=1), 1, Accepted(message_id="m"), NOON, 0.0)).state == "accepted"


def test_an_event_before_our_answer_counts_and_the_answer_only_adds_the_id() -> None:
    delivered = changed(observed(sending(), "delivered", NOON))
    assert delivered.state == "delivered"
    answered = changed(settled(delivered, 1, Accepted(message_id="m"), LATER, 0.0))
    assert (answered.state, answered.provider_message_id) == ("delivered", "m")


@pytest.mark.parametrize("outcome", [Refused(detail="400"), Later(detail="503"), Ambiguous(detail="x")])
def test_an_event_before_our_answer_outweighs_an_answer_that_says_no(outcome: Outcome) -> None:
    assert settled(changed(observed(sending(), "processed", NOON)), 1, outcome, LATER, 0.0) == "nothing_new"


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (["processed", "delivered", "bounce"], "bounced"),
        (["bounce", "delivered"], "bounced"),
        (["delivered", "processed", "delivered"], "delivered"),
        (["spamreport", "delivered", "unsubscribe"], "spam"),
        (["unsubscribe", "delivered"], "unsubscribed"),
        (["dropped"], "dropped"),
        (["deferred"], "accepted"),
        (["click"], "accepted"),
    ],
)
def test_events_count_by_weight_and_not_by_order(events: list[EventType], state: State) -> None:
    mail = entry("unknown")
    for event in events:
        after = observed(mail, event, LATER)
        mail = mail if isinstance(after, str) else after
    assert mail.state == state


@given(st.lists(st.sampled_from(sorted(MEANS)), max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_copies_of_events_end_in_the_same_state(events: list[EventType], chance: Any) -> None:
    def end(told: list[EventType]) -> State:
        mail = entry("sending")
        for event in told:
            after = observed(mail, event, LATER)
            mail = mail if isinstance(after, str) else after
        return mail.state

    shuffled = [*events, *events]
    chance.shuffle(shuffled)
    assert end(events) == end(shuffled)


@pytest.mark.parametrize("state", sorted(NOTHING_OUT | {"unknown"}))
def test_a_mail_the_provider_has_is_out_whatever_we_believed(state: State) -> None:
    after = changed(observed(entry(state, due_at=NOON), "processed", LATER))
    assert (after.state, after.due_at) == ("accepted", None)


def test_an_event_clears_the_reason_of_an_earlier_change() -> None:
    late = changed(command(entry("accepted"), wanted(revision=2, command="none"), NOON))
    assert changed(observed(late, "delivered", LATER)).reason is None


def test_a_person_may_send_an_unknown_mail_again_and_no_other() -> None:
    again = changed(released(entry("unknown"), LATER))
    assert (again.state, again.due_at) == ("planned", LATER)
    for state in set(get_args(State)) - {"unknown"}:
        assert released(entry(state), LATER) == "nothing_new"


def test_a_command_without_any_record_may_have_gone_out() -> None:
    assert (lost(wanted(), NOON).state, lost(wanted(), NOON).due_at) == ("unknown", None)
    assert lost(wanted(command="none"), NOON).state == "withdrawn"


@pytest.mark.parametrize("state", sorted(get_args(State)))
def test_a_mail_recovered_from_what_was_published_stands_as_it_stood(state: State) -> None:
    before = entry(state, reason="opt_out" if state == "suppressed" else None, provider_message_id="m")
    after = recovered(before.published())
    assert after.published() == before.published()
    assert (after.due_at is not None) == (state == "planned")
    assert (after.lease_until is not None) == (state == "sending")


def test_content_comes_back_from_the_command_a_recovered_mail_follows() -> None:
    bare = replace(entry(), sealed=None)
    assert completed(bare, wanted(language="fi")).sealed == SEALED
    assert completed(bare, wanted(revision=2)).sealed is None
    assert completed(bare, wanted(command="offer", template="offer")).sealed is None


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1)])
def test_a_recovered_mail_goes_where_the_newest_command_says(order: tuple[int, ...]) -> None:
    mail = replace(entry(), revision=2, sealed=None)
    for revision in order:
        mail = completed(mail, wanted(revision=revision, sealed=sealed_as(revision)))
    assert mail.sealed == sealed_as(2)


@pytest.mark.parametrize("state", sorted(MAY_BE_OUT))
@pytest.mark.parametrize("kind", ["perk", "offer", "none"])
def test_a_recovered_mail_that_may_be_out_knows_what_came_too_late(state: State, kind: str) -> None:
    newest = wanted(revision=2, command=kind, sealed=sealed_as(2))
    mail = replace(entry(state, lease_until=LATER if state == "sending" else None), revision=2, sealed=None)
    for message in (wanted(sealed=sealed_as(1)), newest):
        mail = completed(mail, message)
    unknown = expired(mail, LATER) if state == "sending" else mail
    again = changed(released(unknown, LATER))
    assert (again.kind, again.sealed) == (kind, sealed_as(2))
    assert again.state == ("withdrawn" if kind == "none" else "planned")


def test_a_recovered_mail_that_is_out_went_to_whom_was_published() -> None:
    bounced = replace(entry("bounced", subject="a" * 32), revision=2, sealed=None)
    mail = completed(
        completed(bounced, wanted()), wanted(revision=2, subject="b" * 32, template="other", language="fi")
    )
    assert (mail.subject, mail.template, mail.language, mail.late) == ("a" * 32, "perk", "fi", None)


def sealed_as(number: int) -> Sealed:
    return SEALED.model_copy(update={"kid": f"{number:032x}"})


def test_every_event_and_every_state_has_its_row() -> None:
    assert set(MEANS) == set(get_args(EventType))
    assert set(FOLLOWS) == set(get_args(State))
    assert set(WEIGHT) == FROM_PROVIDER == set(MEANS.values())
    assert set(OBJECTS) <= FROM_PROVIDER


def test_no_state_of_the_provider_leads_back_to_sending() -> None:
    assert all(FOLLOWS[state] <= FROM_PROVIDER for state in FROM_PROVIDER)
    assert all(WEIGHT[after] > WEIGHT[state] for state in FROM_PROVIDER for after in FOLLOWS[state])


def test_only_a_planned_mail_can_be_claimed() -> None:
    assert [state for state, after in FOLLOWS.items() if "sending" in after] == ["planned"]
    with pytest.raises(AssertionError):
        claimed(entry("unknown"), NOON, until=LATER, provider="sendgrid", address="a")


def test_what_must_not_be_sent_says_why() -> None:
    assert (suppressed(entry(), "opt_out", NOON).state, suppressed(entry(), "opt_out", NOON).reason) == (
        "suppressed",
        "opt_out",
    )


OUTCOMES: list[Outcome] = [
    Accepted(message_id="m"),
    Refused(detail="400"),
    Later(detail="503"),
    Ambiguous(detail="TimeoutError"),
]


@given(st.lists(st.tuples(st.sampled_from(["command", "event", "answer", "claim", "expire"]), st.integers(0, 30))))
def test_versions_count_changes_and_a_mail_that_may_be_out_is_never_claimed_again(
    steps: list[tuple[str, int]],
) -> None:
    mail = entry(due_at=NOON)
    may_be_out = False
    for step, number in steps:
        after = _step(mail, step, number)
        if isinstance(after, str):
            continue
        assert after.version == mail.version + 1
        assert after.state == mail.state or after.state in FOLLOWS[mail.state]
        assert not (may_be_out and after.state == "sending" and mail.state != "sending")
        may_be_out = may_be_out or after.state in FROM_PROVIDER or after.state == "unknown"
        if mail.state == "unknown" and after.state == "planned":
            may_be_out = False  # a definite answer, late
        mail = after


def _step(mail: Entry, step: str, number: int) -> Entry | str:
    if step == "command":
        kind = ("perk", "offer", "none")[number % 3]
        return command(mail, wanted(revision=mail.revision + number % 2, command=kind), LATER)
    if step == "event":
        return observed(mail, sorted(MEANS)[number % len(MEANS)], LATER)
    if step == "answer":
        return settled(mail, mail.attempt, OUTCOMES[number % len(OUTCOMES)], LATER, 0.5)
    if step == "claim" and mail.state == "planned":
        return claimed(mail, LATER, until=LATER, provider="sendgrid", address="a")
    return expired(mail, LATER) if step == "expire" and mail.state == "sending" else "nothing"
