"""Reading a playbook for showing: what routing would do is what is shown, and what cannot be read is no failure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.monitor.playbook import Playbook, Policy, of_file, parsed
from services.monitor.playbook_words import GROUNDS_LEFT_OUT, details, policy_lines, span
from services.routing.contact_policy import ContactPolicy
from services.routing.playbooks.playbook import Playbook as RoutingPlaybook
from services.routing.playbooks.rulebook import Rulebook
from tests.support.playbooks import shipped

THREE = """
name: spring
rules:
  - {name: second, when: 'true', action: none}
  - {name: third, when: 'true', action: none, priority: -1}
  - {name: first, when: 'true', action: none, priority: 5}
"""


def read(text: str) -> Playbook:
    playbook = parsed(text).playbook
    assert playbook is not None
    return playbook


def one_rule(**given: Any) -> list[str]:  # fields of any type, checked by the model
    rule = {"name": "a-rule", "when": "true"} | given
    playbook = of_file({"rules": [rule]}).playbook
    assert playbook is not None
    return details(playbook.rules[0])


def lines(**policy: Any) -> dict[str, tuple[str, ...]]:  # likewise
    return {line.name: line.texts for line in policy_lines(Policy.model_validate(policy))}


def test_rules_stand_in_the_order_in_which_they_are_asked() -> None:
    playbook = read(THREE)
    assert [rule.name for rule in playbook.as_asked()] == ["first", "second", "third"]


def test_the_playbook_that_ships_is_read_in_the_order_in_which_routing_asks() -> None:
    written = of_file(shipped().model_dump(mode="json"))
    assert written.playbook is not None
    asked = [rule.name for rule, _ in Rulebook.of(shipped())._rules]
    assert [rule.name for rule in written.playbook.as_asked()] == asked


def test_what_is_left_out_means_what_it_means_to_routing() -> None:
    said = {"rules": [{"name": "a-rule", "when": "true", "action": "outreach"}]}
    in_full = RoutingPlaybook.model_validate(said).model_dump(mode="json")
    brief, full = of_file(said).playbook, of_file(in_full).playbook
    assert brief is not None
    assert full is not None
    assert details(brief.rules[0]) == details(full.rules[0])
    assert policy_lines(brief.policy) == policy_lines(full.policy)
    assert ContactPolicy().grounds.model_dump() == GROUNDS_LEFT_OUT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a list",
        "rules: {a: b}",
        "rules: [{name: a-rule}]",
        "rules: [{name: a, when: 'true', action: none, settle: soon}]",
        "rules: [{name: a, when: 'true', action: none, holds_from: 2026-02-30}]",
        "rules: [",
        "[" * 10_000,
    ],
)
def test_what_cannot_be_read_is_kept_as_it_was_written(text: str) -> None:
    assert parsed(text) == (text, None)


def test_a_playbook_of_the_file_that_cannot_be_read_is_shown_as_yaml() -> None:
    written = of_file({"rules": "none", "name": "jar\N{LATIN SMALL LETTER O WITH DIAERESIS}"})
    assert written == ("rules: none\nname: jar\N{LATIN SMALL LETTER O WITH DIAERESIS}\n", None)


def test_what_a_later_version_says_besides_is_passed_over() -> None:
    playbook = read("rules: [{name: a, when: 'true', action: fax, paper: A4}]\nmood: bright")
    assert playbook.rules[0].action == "fax"
    assert details(playbook.rules[0]) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"action": "none"}, []),
        (
            {"action": "perk", "template": "thanks", "invites": "refer", "cost": 4.5, "settle": "PT1H"},
            ["template thanks", "invites to tell a friend", "costs 4.5", "waits 1 h for a comment"],
        ),
        (
            {"action": "offer", "template": "more", "invites": "review", "promised": True},
            ["template more", "invites to review in public", "announced before the answer"],
        ),
        (
            {"action": "outreach", "urgency": "urgent", "due_in": "PT4H", "owner": "logistics"},
            ["urgent", "due in 4 h", "owner logistics"],
        ),
        ({"action": "outreach"}, ["normal", "due in 1 day"]),
        ({"action": "notify", "to": "managers"}, ["to managers"]),
        (
            {"action": "survey_request", "to": "relations", "ask_after": "P30D"},
            ["survey relations", "asks after 30 days"],
        ),
        ({"action": "none", "holds_from": "2026-06-01"}, ["from 2026-06-01 on"]),
        ({"action": "none", "holds_until": "2026-06-30"}, ["until 2026-06-30"]),
        (
            {"action": "none", "holds_from": "2026-06-01", "holds_until": "2026-06-30"},
            ["from 2026-06-01 to 2026-06-30"],
        ),
    ],
)
def test_what_a_rule_says_besides_its_action_is_a_few_words(given: dict[str, Any], expected: list[str]) -> None:
    assert one_rule(**given) == expected


def test_the_policy_is_said_in_short_lines() -> None:
    found = lines(
        timezone="Europe/Helsinki",
        quiet_hours={"begins": "21:00", "ends": "07:30", "days": ["saturday", "sunday"]},
        caps=[
            {"kind": "mail", "at_most": 1, "within": "P7D"},
            {"kind": "any", "per": "account", "at_most": 5, "within": "P1DT12H"},
        ],
        budgets=[
            {"name": "perks", "action": "perk", "at_most": 1500},
            {"name": "asking", "action": "survey_request", "channel": "in_app", "at_most": 50, "per": "day"},
        ],
        hold_out={"share": 0.1, "name": "spring-test"},
        grounds={"offer": "consent"},
    )
    assert found == {
        "Time zone": ("Europe/Helsinki",),
        "Quiet hours": ("no mail from 21:00 to 07:30 by the customer's clock, and on Saturdays and Sundays",),
        "Caps": ("1 mail per person within 7 days", "5 contacts per account within 1 day 12 h"),
        "Budgets": ("perks: 1,500 perks a month", "asking: 50 survey requests a day for answers by in app"),
        "Hold-out": ("spring-test: 10 % of people get no offer and no perk; never detractors",),
        "Grounds": (
            "perk: customers who have not objected",
            "offer: whoever has agreed",
            "survey request: customers who have not objected",
        ),
    }


def test_a_policy_that_stops_nothing_says_so() -> None:
    found = lines(quiet_hours=None, caps=[])
    assert (found["Quiet hours"], found["Caps"], found["Budgets"], found["Hold-out"]) == (
        ("none",),
        ("none",),
        ("none",),
        ("nobody",),
    )


def test_who_has_left_is_told_by_the_condition() -> None:
    (line,) = [one for one in policy_lines(Policy(left_when="person.known")) if one.condition]
    assert (line.name, line.condition) == ("Customers who left", "person.known")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2, hours=3), "2 days 3 h"),
    ],
)
def test_lengths_of_time_are_words(length: timedelta, words: str) -> None:
    assert span(length) == words
