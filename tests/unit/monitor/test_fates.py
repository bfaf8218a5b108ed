"""What became of answers, in words: every state has words, and every answer is counted once."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from schemas.decision import Decision, Reason
from schemas.delivery import Delivery, State
from schemas.task import Task, TaskStatus
from services.monitor.answers import Answers, Followed
from services.monitor.fates import MAILS, ORDERED, REASONS, TASKS, counted, steps
from tests.support.answers import answered
from tests.support.events import decided, delivered, tasked

Told = Decision | Delivery | Task


def followed(*told: Told) -> Followed:
    answers = Answers()
    answers.arrived(answered(response_id="r"), 1)
    for payload in told:
        if isinstance(payload, Decision):
            answers.decided(payload, 1)
        elif isinstance(payload, Delivery):
            answers.mailed(payload, 1)
        else:
            answers.tasked(payload, 1)
    return answers.of("default")[0][0]


def line(*told: Told) -> str:
    return " -> ".join(step.text for step in steps(followed(*told)))


def no_action(outcome: str, **given: Any) -> Decision:  # fields of any type, checked by the model
    return decided("r", **({"outcome": outcome, "action": "none"} | given))


TO_PEOPLE = decided("r", rule="talk-to-detractors", action="outreach")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], "waiting for a decision"),
        ([decided("r")], "thank-promoters -> perk mail on its way"),
        ([decided("r"), delivered("r")], "thank-promoters -> perk mail delivered"),
        ([decided("r"), delivered("r", state="bounced")], "thank-promoters -> perk mail bounced"),
        (
            [decided("r"), delivered("r", state="suppressed", reason="opt_out")],
            "thank-promoters -> perk mail not sent: opted out",
        ),
        ([TO_PEOPLE], "talk-to-detractors -> task on its way"),
        ([TO_PEOPLE, tasked("r")], "talk-to-detractors -> task open"),
        (
            [TO_PEOPLE, tasked("r", status="done", outcome="no_action")],
            "talk-to-detractors -> task done, no action",
        ),
        (
            [TO_PEOPLE, tasked("r", status="cancelled", reason="retracted")],
            "talk-to-detractors -> task cancelled: retracted",
        ),
        ([no_action("none", rule=None)], "no rule matches"),
        ([no_action("none", rule="leave-alone")], "leave-alone -> nothing to do"),
        ([no_action("suppressed", reason="no_address")], "thank-promoters -> not contacted: no address"),
        ([no_action("closed", rule=None, reason="history")], "not contacted: from the past"),
        (
            [no_action("withdrawn", rule=None, reason="retracted"), delivered("r", reason="too_late")],
            "withdrawn: retracted -> perk mail delivered: already sent",
        ),
    ],
)
def test_the_chain_of_an_answer_reads_in_one_line(told: list[Told], expected: str) -> None:
    assert line(*told) == expected


def test_every_state_and_reason_has_words() -> None:
    assert MAILS.keys() == {*get_args(State), ORDERED}
    assert TASKS.keys() == {*get_args(TaskStatus), ORDERED}
    assert REASONS.keys() == {*get_args(Reason), "too_late"}


def test_every_answer_counts_in_exactly_one_place() -> None:
    answers = [
        followed(),
        followed(decided("r")),
        followed(decided("r"), delivered("r")),
        followed(decided("r"), delivered("r")),
        followed(decided("r"), delivered("r", state="suppressed", reason="cap")),
        followed(TO_PEOPLE),
        followed(TO_PEOPLE, tasked("r", status="done")),
        followed(no_action("none")),
        followed(no_action("suppressed", reason="cap")),
        followed(no_action("withdrawn", reason="retracted"), delivered("r", state="withdrawn")),
    ]
    found = {(count.place, count.state): count.number for count in counted(answers)}
    assert found == {
        ("waiting", ""): 1,
        ("mail", ORDERED): 1,
        ("mail", "delivered"): 2,
        ("task", ORDERED): 1,
        ("task", "done"): 1,
        ("nothing", ""): 1,
        ("not_contacted", "cap"): 2,
        ("not_contacted", "retracted"): 1,
    }
    assert sum(found.values()) == len(answers)


def test_the_larger_number_comes_first() -> None:
    answers = [followed(decided("r")), followed(), followed()]
    assert [count.number for count in counted(answers)] == [2, 1]
