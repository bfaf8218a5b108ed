"""`nps why`: the paragraph that answers the question nobody could answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

from schemas.contract import Contract
from schemas.decision import Decision, Reason
from schemas.delivery import State
from schemas.topic import Topic
from schemas.topics import DECISIONS, DELIVERIES, RESPONSES, TASKS
from services.chassis.records import Raw
from services.console.topic_views import Told
from services.console.why import MAILS, REASONS, explained
from tests.support.answers import NOON, answered
from tests.support.events import delivered


def told(topic: Topic[Any], payload: Contract) -> Told:
    return Told(topic, Raw(topic.name, 0, 0, NOON, None, None, ()), payload)


def decided(number: int, outcome: str, **given: Any) -> Told:
    fields: dict[str, Any] = {
        "tenant": "default",
        "response_id": "r-1",
        "number": number,
        "response_revision": 1,
        "outcome": outcome,
        "action": "none",
        "rule": "thank-promoters",
        "playbook": "default",
        "playbook_version": "v3",
        "decided_at": NOON + timedelta(hours=number),
    }
    return told(DECISIONS, Decision(**fields | given))


def test_what_was_held_and_then_sent_is_told_in_the_order_it_happened() -> None:
    paragraph = explained(
        "r-1",
        [
            told(DELIVERIES, delivered("r-1", state="delivered")),
            decided(2, "action", action="perk"),
            decided(1, "held", action="perk", reason="settling", until=NOON + timedelta(hours=2)),
            told(RESPONSES, answered(9, response_id="r-1")),
        ],
    )
    assert paragraph == (
        "r-1 (score 9, a promoter's answer) came by website, given 2026-05-20 12:00Z. "
        "2026-05-20 13:00Z: rule thank-promoters of playbook default v3 holds a perk by mail until 2026-05-20 14:00Z, "
        "as a comment or an edit may follow. "
        "2026-05-20 14:00Z: rule thank-promoters of playbook default v3 asked for a perk by mail. "
        f"The mail was delivered ({delivered('r-1', state='delivered').at:%Y-%m-%d %H:%M}Z)."
    )


def test_what_was_not_sent_is_told_with_the_evidence() -> None:
    evidence = "policy.caps[0]: 1 of 1 mail per person in 7 d; last 2026-05-18 09:00Z for r-0"
    paragraph = explained("r-1", [decided(1, "suppressed", reason="cap", detail=evidence)])
    assert f"was not followed, as they were contacted often enough lately ({evidence})." in paragraph


def test_an_answer_nothing_was_decided_about_yet_says_so() -> None:
    assert explained("r-1", [told(RESPONSES, answered(None, metric="csat", rating=4.0))]).endswith(
        "Nothing has been decided about it yet."
    )


def test_what_cannot_be_read_is_passed_over() -> None:
    assert explained("r-1", [Told(TASKS, Raw(TASKS.name, 0, 0, NOON, None, None, ()))]).startswith("r-1 is known by")


def test_every_reason_and_every_state_of_a_mail_has_words() -> None:
    assert set(get_args(Reason)) <= REASONS.keys()
    assert set(get_args(State)) <= MAILS.keys()
