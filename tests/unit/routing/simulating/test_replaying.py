"""A simulation decides as routing does: held against routing's own domain, answer by answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.rulebook import Rulebook
from services.routing.policy import Said
from services.routing.simulating.ledger import Whose
from services.routing.simulating.outcomes import Changed, Outcomes
from services.routing.simulating.replaying import Event, Replay
from services.routing.simulating.sharing import hash_of
from tests.support.playbooks import at_once, book, shipped
from tests.support.replays import TENANT, Came, Domain, Stream

CANDIDATE: dict[str, Any] = {
    "name": "candidate",
    "keywords": {"moving": ["switching to", "late*"]},
    "rules": [
        {"name": "wish", "when": "answer.callback_requested", "action": "outreach", "priority": 9, "due_in": "PT2H"},
        {
            "name": "tell",
            "when": 'history.trend == "down" || "moving" in comment.keywords',
            "action": "notify",
            "to": "boss",
            "then": "continue",
            "priority": 8,
        },
        {
            "name": "again",
            "when": 'answer.band == "detractor" && !history.open_task',
            "action": "outreach",
            "settle": "PT20M",
            "due_in": "P2D",
        },
        {"name": "ask", "when": 'history.answers > 2 && answer.band == "passive"', "action": "survey_request"},
        {
            "name": "finnish",
            "when": '"country" in answer.segments && answer.segments.country == "FI"',
            "action": "offer",
            "template": "offer",
            "cost": 2.5,
            "settle": "PT1H",
        },
        {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk", "cost": 5},
    ],
    "policy": {
        "timezone": "Europe/Prague",
        "quiet_hours": {"begins": "19:00", "ends": "09:30", "days": ["sunday"]},
        "caps": [{"kind": "any", "at_most": 2, "within": "P5D"}, {"kind": "mail", "at_most": 1, "within": "P3D"}],
        "hold_out": {"share": 0.2, "name": "some"},
        "grounds": {"offer": "consent", "survey_request": "existing_customer"},
    },
}
SHARED: dict[str, Any] = {
    "caps": [
        {"kind": "mail", "per": "account", "at_most": 2, "within": "P4D"},
        {"kind": "task", "at_most": 1, "within": "P1D"},
    ],
    "budgets": [
        {"name": "perks", "action": "perk", "at_most": 6, "per": "day"},
        {"name": "sms", "action": "offer", "channel": "sms", "at_most": 9, "per": "week"},
        {"name": "tasks", "action": "outreach", "at_most": 12, "per": "day"},
    ],
    "grounds": {"offer": "existing_customer", "survey_request": "none"},
}


def candidate(**policy: Any) -> Rulebook:
    return Rulebook.of(Playbook.model_validate(CANDIDATE | {"policy": CANDIDATE["policy"] | policy}))


def calling_within(due_in: str) -> Rulebook:
    """A playbook that asks nothing of the past, under a policy that does."""
    return book(
        {"name": "wish", "when": "answer.callback_requested", "action": "outreach", "due_in": "PT2H"},
        {"name": "talk", "when": 'answer.band != "promoter"', "action": "outreach", "due_in": due_in},
        {"name": "thank", "when": "true", "action": "perk", "template": "perk"},
        policy={"caps": [{"kind": "any", "at_most": 1, "within": "P9D"}], "quiet_hours": None},
    )


def replayed(
    rulebooks: Sequence[Rulebook], records: Sequence[Came], said: Mapping[str, frozenset[Said]]
) -> tuple[dict[str, Changed], Outcomes]:
    """What a simulation has come to, by the id of the answer."""
    found: list[Changed] = []
    outcomes = Outcomes(differ=lambda _today, _candidate: True, keep=found.append)
    number = Counter(hash_of(one.answer.response_id) for one in records)
    replay = Replay(rulebooks, {key: times for key, times in number.items() if times > 1}, outcomes)
    for one in records:
        answer = one.answer
        person = int(answer.subject, 16) if answer.subject else 0
        whose = Whose(hash_of(answer.response_id), person, one.account)
        drawn_as = f"{TENANT}/{answer.subject}" if answer.subject else ""
        replay.take(Event(answer, whose, one.person, said.get(answer.subject or "", frozenset()), drawn_as))
    replay.finish()
    return {one.response_id: one for one in found}, outcomes


BOOKS = {
    "shipped against a candidate": lambda: (Rulebook.of(shipped()), candidate()),
    "shared limits": lambda: (candidate(**SHARED), Rulebook.of(shipped())),
    "nothing waits": lambda: (at_once(), at_once(candidate().playbook)),
    "tasks take longer": lambda: (calling_within("PT4H"), calling_within("P8D")),
}


@pytest.mark.parametrize(("books", "seed"), list(zip(BOOKS, (1, 2, 3, 4), strict=True)))
def test_every_answer_comes_to_what_routing_decides(books: str, seed: int) -> None:
    chance = random.Random(seed)
    rulebooks = BOOKS[books]()
    words: Sequence[Said] = ("opt_out", "bounced", "no_survey", "no_call", "allows_mail", "allows_survey")
    said = {f"{who + 1:032x}": frozenset({chance.choice(words)}) for who in range(0, 150, 3)}
    records = Stream(chance).records(1_500)
    found, outcomes = replayed(rulebooks, records, said)
    for place, rulebook in enumerate(rulebooks):
        domain = Domain(rulebook, records, said)
        domain.run()
        came = {name: (one.today, one.candidate)[place] for name, one in found.items()}
        assert {name: tuple(one) for name, one in came.items()} == domain.decided
        work = outcomes.works[place]
        assert (work.mails, work.notices, work.surveys) == (domain.mails, domain.notices, domain.surveys)
        assert work.cost == pytest.approx(domain.cost)
        assert work.tasks_by_day == domain.tasks
        reasons = {reason for *_, reason in domain.decided.values()}
        assert {"cap", "history", "test", "retracted"} <= reasons
