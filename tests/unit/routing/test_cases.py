"""Cases beside a playbook run through what decides for real, and say what came instead of what was expected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import pytest

from services.routing.playbooks.cases import covered, parse_cases
from services.routing.playbooks.files import BadPlaybook
from services.routing.playbooks.playbook import Playbook
from tests.support.playbooks import SHIPPED, book, shipped

NOON: Final = datetime(2026, 5, 20, 12, tzinfo=UTC)
CASES: Final = SHIPPED.with_name("nps.cases.yaml")

TASK: Final = {"name": "talk", "when": "answer.score <= 6", "action": "outreach", "urgency": "high", "settle": "PT10M"}
PERK: Final = {"name": "thank", "when": "answer.score >= 9", "action": "perk", "template": "perk"}
TOLD: Final = {"name": "tell", "when": "true", "action": "notify", "to": "desk", "then": "continue", "priority": 9}


def failures(text: str, playbook: Playbook, now: datetime = NOON) -> list[str]:
    return [str(one) for one in parse_cases(text, "cases.yaml").failures(playbook, now)]


def of(*rules: dict[str, Any], **given: Any) -> Playbook:
    return book(*rules, **given).playbook


@pytest.mark.parametrize("day", [date(2026, 5, 20), date(2026, 12, 31), date(2027, 2, 28)])
def test_what_ships_passes_its_own_cases_on_any_day(day: date) -> None:
    cases = parse_cases(CASES.read_text(), CASES.name)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert list(cases.failures(shipped(), noon)) == []


def test_every_rule_that_ships_is_in_a_case() -> None:
    counts = covered(parse_cases(CASES.read_text(), CASES.name), shipped(), NOON)
    assert [name for name, times in counts.items() if not times] == []


def test_a_failure_says_what_was_expected_what_came_and_why() -> None:
    text = """
- name: bad answers get a perk
  answer: {score: 2, email: a@example.org}
  expect:
    outcome: action
    action: perk
    rule: thank
"""
    (told,) = failures(text, of(TASK, PERK))
    assert told == (
        "cases.yaml:6: bad answers get a perk: expected action perk, rule thank, got action outreach, rule talk "
        "because talk decides; thank does not hold"
    )


def test_a_rule_that_holds_and_is_not_asked_is_told_apart_from_one_that_does_not_hold() -> None:
    text = "[{name: a, answer: {score: 2}, expect: {outcome: action, rule: later}}]"
    later = {"name": "later", "when": "answer.score < 5", "action": "none", "priority": -1}
    assert "talk decides; later holds" in failures(text, of(TASK, later))[0]


def test_a_rule_that_nobody_has_is_named() -> None:
    text = "[{name: a, answer: {score: 2}, expect: {outcome: action, rule: tlak}}]"
    assert "no rule is called tlak" in failures(text, of(TASK))[0]


def test_waits_are_waited_for_unless_the_case_expects_one() -> None:
    settled = "[{name: a, answer: {score: 2}, expect: {outcome: action, action: outreach}}]"
    settling = "[{name: a, answer: {score: 2}, expect: {outcome: held, reason: settling}}]"
    assert failures(settled, of(TASK)) == failures(settling, of(TASK)) == []


def test_quiet_hours_are_by_the_clock_of_the_person_and_are_waited_for_too() -> None:
    playbook = of(PERK, policy={"quiet_hours": {"begins": "20:00", "ends": "08:00"}})
    given = "answer: {score: 9, email: a@example.org, timezone: Asia/Tokyo}, now: '2026-05-20T12:00:00Z'"
    assert failures(f"[{{name: a, {given}, expect: {{outcome: action, action: perk}}}}]", playbook) == []
    assert failures(f"[{{name: a, {given}, expect: {{outcome: held, reason: quiet_hours}}}}]", playbook) == []


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ("person: {said: [opt_out]}", "opt_out"),
        ("person: {said: [bounced]}", "bounced"),
        ("person: {erased: true}", "erased"),
        ("contacts: [{kind: mail, ago: P1D}]", "cap"),
        ("contacts: [{kind: mail, ago: P1D, own: false}]", None),
        ("contacts: [{kind: mail, ago: P8D}]", None),
        ("spent: {perks: 5}", "budget"),
        ("spent: {perks: 4}", None),
    ],
)
def test_what_is_known_of_a_person_is_heeded(known: str, reason: str | None) -> None:
    playbook = of(
        PERK,
        policy={
            "caps": [{"kind": "mail", "at_most": 1, "within": "P7D"}],
            "budgets": [{"name": "perks", "action": "perk", "at_most": 5}],
        },
    )
    outcome = f"suppressed, reason: {reason}" if reason else "action"
    text = f"[{{name: a, answer: {{score: 9, email: a@example.org}}, {known}, expect: {{outcome: {outcome}}}}}]"
    assert failures(text, playbook) == []


def test_history_and_segments_are_as_conditions_see_them() -> None:
    rule = {
        "name": "fell",
        "when": "history.previous_score == 9 && history.answers == 2 && history.open_task "
        '&& answer.segments.team == "b"',
        "action": "none",
    }
    text = """
- name: a
  answer: {score: 2, agent: {id: x, team: b}, answered_at: 2026-05-20T11:00:00Z}
  history: {earlier: [{score: 3, ago: P30D}, {score: 9, ago: P2D}], open_task: true}
  expect: {outcome: none, rule: fell}
"""
    assert failures(text, of(rule)) == []


def test_notices_parameters_and_the_absence_of_a_rule_can_be_expected() -> None:
    text = """
- {name: a, answer: {score: 2}, expect: {outcome: action, urgency: high, due_in: PT24H, notices: [tell]}}
- {name: b, answer: {score: 8}, expect: {outcome: none, rule: null, notices: [tell]}}
- {name: c, answer: {score: 9, email: a@example.org}, expect: {outcome: action, template: perk, owner: null}}
- {name: d, answer: {score: 9, email: a@example.org}, expect: {outcome: action, notices: [], template: gold}}
"""
    (failure,) = failures(text, of(TOLD, TASK, PERK))
    assert "d: expected template gold, notices none, got template perk, notices tell because thank decides" in failure


@pytest.mark.parametrize("op", ["retracted", "excluded"])
def test_an_answer_that_is_taken_back_leads_to_nothing(op: str) -> None:
    expected = "withdrawn" if op == "retracted" else "suppressed"
    text = f"[{{name: a, answer: {{op: {op}, response_id: r}}, expect: {{outcome: {expected}, reason: {op}}}}}]"
    assert failures(text, of(TASK)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "cases.yaml:1: must be a list of cases"),
        ("[]", "cases.yaml:1: "),
        ("- name: a\n  answer: {score: 11}\n  expect: {outcome: none}", "cases.yaml:2: 0.answer.score: "),
        ("- name: a\n  answer: {scor: 1}\n  expect: {outcome: none}", "cases.yaml:2: 0.answer"),
        (
            "- name: a\n  answer: {score: 1}\n  expect:\n    outcome: none\n    acton: perk",
            "cases.yaml:5: 0.expect.acton: ",
        ),
        ("- {name: a, answer: {op: commented, response_id: r, comment: x}, expect: {outcome: none}}", "whole answer"),
        ("- {name: a, answer: {score: 1, answered_at: yesterday}, expect: {outcome: none}}", "answered_at"),
        ("- [", "no YAML"),
    ],
)
def test_what_is_no_case_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(BadPlaybook) as refused:
        parse_cases(text, "cases.yaml")
    (line,) = str(refused.value).splitlines()
    assert reason in line
