"""A playbook that does what is forbidden, or not what it says, is refused before it runs, and told how to mend it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.routing.playbooks.findings import Finding
from services.routing.playbooks.keywords import Keywords
from services.routing.playbooks.linter import lint, lint_text
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.trials import Trials
from services.routing.playbooks.witnesses import RATED, SAID, Scene, Value
from tests.support.playbooks import SHIPPED
from tests.support.source import ROOT

TODAY: Final = date(2026, 5, 20)
BAD: Final = sorted((Path(__file__).parent / "bad_playbooks").glob("*.yaml"))
MARK: Final = "# refused: "

CATALOGUE: Final = {
    ("perk", "perk"): "A month on us. Your next month is free.",
    ("perk", "bribe"): "A coffee on us. All we ask is that you leave a review on the map.",
    ("offer", "offer"): "20 % off your next order.",
}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_what_is_wrong_is_refused_with_its_line_and_how_to_mend_it(path: Path) -> None:
    text = path.read_text()
    first = text.splitlines()[0]
    assert first.startswith(MARK)
    told = lint_text(text, path.name, TODAY, CATALOGUE)
    assert any(first.removeprefix(MARK) in line for line in told), "\n".join(told) or "nothing was refused"
    for line in told:
        name, number, rest = line.split(":", 2)
        assert name == path.name
        assert 1 <= int(number) <= len(text.splitlines())
        assert "mend: " in rest


def test_there_are_many_ways_to_be_wrong() -> None:
    assert len(BAD) >= 25


def test_what_ships_is_clean() -> None:
    tree = yaml.safe_load(SHIPPED.read_text())["defaults"]
    catalogue = {
        (kind, name): " ".join(item.values())
        for kind in ("perk", "offer")
        for name, item in tree["delivery"][f"{kind}s"].items()
    }
    assert lint(tree["routing"]["playbook"], TODAY, catalogue) == []


def test_the_guides_example_is_clean() -> None:
    guide = (ROOT / "docs" / "guides" / "playbooks.md").read_text()
    example = guide.split("```yaml\n")[1].split("```")[0]
    assert lint_text(example, "guide", TODAY, CATALOGUE) == []


GOOD: Final = {
    "tasks alone need no quiet hours, no caps and no grounds": """
        rules: [{name: all, when: 'true', action: outreach}]
        policy: {quiet_hours: null, caps: [], grounds: {perk: none, offer: none}}
    """,
    "bands by their scores": """
        rules:
          - {name: up, when: answer.score >= 9, action: perk, template: perk}
          - {name: between, when: 'answer.score in [7, 8]', action: none}
          - {name: down, when: 'answer.metric == "nps" && answer.score < 7', action: outreach}
    """,
    "everybody is asked for a review alike": """
        rules:
          - {name: ask, when: answer.metric == "nps" && answer.touchpoint == "delivery", priority: 5, action: offer,
             template: offer, invites: review}
          - {name: call, when: answer.callback_requested, priority: 10, action: outreach}
          - {name: others, when: 'true', action: none}
        policy: {grounds: {offer: consent}}
    """,
    "seasons that follow one another": """
        rules:
          - {name: summer, when: answer.band == "promoter", action: perk, template: perk, holds_until: 2026-08-31}
          - {name: winter, when: answer.band == "promoter", action: none, holds_from: 2026-09-01}
          - {name: others, when: 'true', priority: -1, action: none}
    """,
    "blocks, keywords, attributes, segments and macros": """
        keywords: {damage: [broken, kaputt], delay: [late, 'delay*']}
        blocks:
          young: '"age" in person.attributes && double(person.attributes["age"]) < 30.0'
          here: '"country" in answer.segments && answer.segments.country == "FI"'
          both: blocks.young && blocks.here
        rules:
          - {name: damage, when: 'comment.keywords.exists(word, word == "damage")', priority: 4, action: outreach}
          - {name: delay, when: '"delay" in comment.keywords && size(comment.text) > 100', priority: 3, action: none}
          - {name: local, when: blocks.both, priority: 2, action: notify, to: helsinki, then: continue}
          - {name: rest, when: 'true', action: none}
        policy: {left_when: 'person.attributes.exists(key, key.startsWith("left"))'}
    """,
    "arithmetic over what was before": """
        rules:
          - {name: fell, when: history.previous_score - answer.score >= 5 && answer.score >= 0, priority: 3,
             action: outreach, urgency: high}
          - {name: soon, when: account.days_to_renewal < 30 && account.value / 12.0 > 500.0, priority: 2,
             action: notify, to: sales}
          - {name: again, when: history.answers >= 3 && history.days_since < 90, priority: 1, action: none}
          - {name: rest, when: 'true', action: survey_request, to: follow-up, ask_after: P30D}
    """,
    "patterns, which nobody can turn around": """
        rules:
          - {name: codes, when: 'answer.survey_id.matches("^[A-Z]{3}-[0-9]{4}$")', priority: 1, action: none}
          - {name: mail, when: 'person.timezone.startsWith("Europe/") && !comment.present', action: outreach}
          - {name: rest, when: 'true', priority: -1, action: none}
    """,
    "two rules of one priority that never meet": """
        rules:
          - {name: texts, when: 'answer.channel == "sms" && answer.score < 9', action: outreach}
          - {name: mails, when: 'answer.channel in ["email", "website"] && answer.score < 9', action: none}
          - {name: rated, when: 'answer.metric != "nps" && answer.rating <= 2.0 && !(answer.channel in
             ["sms", "email", "website"])', action: notify, to: quality}
          - {name: rest, when: 'true', priority: -1, action: none}
    """,
    "two tasks of one priority, from the top down": """
        rules:
          - {name: soon, when: answer.score <= 3 && answer.metric == "nps", action: outreach, urgency: urgent}
          - {name: later, when: answer.score <= 6 && answer.metric == "nps", action: outreach}
          - {name: rest, when: 'true', priority: -1, action: none}
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_no_alarm_is_false(text: str) -> None:
    assert lint_text(text, "good", TODAY, CATALOGUE) == []


@pytest.mark.parametrize(
    "condition",
    [
        "size(answer.segments) > 3",
        "[answer.score, 3].all(number, number > 2)",
        '["red", "blue"].exists(word, word in comment.keywords)',
        'answer.segments[answer.channel] == "x"',
        'answer.channel == person.attributes["preferred"]',
        'answer.segments.exists(key, answer.segments[key] == "gold")',
        'answer.segments.country.matches("^(FI|SE)$")',
        'answer.language == "fi" || person.language == "pt-br"',
        "answer.score > 3 ? true : comment.present",
        "answer.score == -1 && answer.rating > 4.5 && answer.rating < 5.0",
        "account.value > 1000.5 && account.value < 1000.75 && account.value <= 1000000000000000.0",
        'int(person.attributes["seats"]) >= 50',
        "answer.touchpoint.size() > 150 && size(comment.text) > 5000",
        "history.days_since == 36500 && account.days_to_renewal < -30",
        'history.previous_band == "promoter" && answer.score < history.previous_score',
        'person.has_phone && !person.has_email && !person.known && answer.agent == "x y"',
    ],
)
def test_no_condition_that_may_hold_is_refused(condition: str) -> None:
    rules = [
        {"name": "red", "when": '"red" in comment.keywords', "priority": 4, "action": "none"},
        {"name": "blue", "when": '"blue" in comment.keywords', "priority": 4, "action": "none"},
        {"name": "tried", "when": condition, "priority": 3, "action": "outreach"},
        {"name": "rest", "when": "true", "action": "none"},
    ]
    assert lint({"keywords": {"red": ["rosso"], "blue": ["blu"]}, "rules": rules}, TODAY) == []


def test_everything_is_told_at_once() -> None:
    told = lint_text(
        """
rules:
  - {name: one, when: answer.scor > 3, action: perk, template: perk, promised: true}
  - {name: two, when: answer.band == 3, action: offer, template: offer, holds_until: 2020-01-01}
policy: {quiet_hours: null, caps: []}
""",
        "many.yaml",
        TODAY,
    )
    assert [line.split(": ")[0] for line in told] == [f"many.yaml:{line}" for line in (3, 3, 4, 4, 5, 5, 5)]


def test_every_condition_that_is_no_cel_is_told_beside_what_is_wrong_in_shape() -> None:
    told = lint_text(
        """
rules:
  - {name: one, when: answer.score >, action: none}
  - {name: two, when: ')', action: nothing}
""",
        "broken.yaml",
        TODAY,
    )
    assert len(told) == 3
    assert "broken.yaml:3: rule one: when: line 1, column 15: " in told[0]


def test_columns_are_those_of_what_was_written_and_not_of_the_blocks_in_it() -> None:
    (told,) = lint_text(
        """
blocks: {long: answer.score >= 0 && answer.score <= 6 && account.value > 10000}
rules: [{name: one, when: blocks.long && answer.score > > 3, action: none}]
""",
        "columns.yaml",
        TODAY,
    )
    assert "line 1, column 31" in told


def test_policies_are_named() -> None:
    tree = yaml.safe_load(
        "rules: [{name: a, when: 'true', action: offer, template: offer, promised: true}]\npolicy: {quiet_hours: null}"
    )
    policies = {finding.about: finding.policy for finding in lint(tree, TODAY)}
    assert "Directive 2002/58/EC, article 13" in str(policies["policy.grounds.offer"])
    assert "47 CFR 64.1200(c)(1)" in str(policies["policy.quiet_hours"])
    assert "16 CFR 465.4" in str(policies["rule a: promised"])


def test_a_playbook_is_told_the_same_each_time() -> None:
    tree = yaml.safe_load((Path(__file__).parent / "bad_playbooks" / "overlap_without_priority.yaml").read_text())
    assert [str(one) for one in lint(tree, TODAY)] == [str(one) for one in lint(tree, TODAY)]


CONDITIONS: Final[Sequence[Callable[[random.Random], str]]] = (
    lambda chance: f'answer.band == "{chance.choice(["promoter", "passive", "detractor"])}"',
    lambda chance: f"answer.score {chance.choice(['<', '>=', '=='])} {chance.randrange(11)}",
    lambda chance: f'answer.channel {chance.choice(["==", "!="])} "{chance.choice(["sms", "email", "phone"])}"',
    lambda chance: f"account.value >= {chance.randrange(1, 4) * 1000}",
    lambda chance: f'"{chance.choice(["one", "two"])}" in comment.keywords',
    lambda chance: f'history.trend == "{chance.choice(["up", "down", "new"])}"',
    lambda chance: f"(answer.callback_requested || account.days_to_renewal < {chance.randrange(3) * 30})",
)


def drawn_playbook(chance: random.Random, rules: int = 8) -> dict[str, Any]:  # YAML of any shape
    """A playbook of rules that contradict and overtake one another now and then."""
    drawn = [
        {
            "name": f"rule-{number}",
            "when": " && ".join(make(chance) for make in chance.sample(CONDITIONS, chance.randrange(1, 4))),
            "priority": -number,
            "action": chance.choice(["none", "outreach"]),
        }
        for number in range(rules)
    ]
    return {"keywords": {"one": ["eins"], "two": ["zwei"]}, "rules": drawn}


def drawn_answers(chance: random.Random, number: int) -> list[dict[str, Value]]:
    """Answers of every kind that these conditions could tell apart."""
    return [
        {
            SAID: ("nps", chance.randrange(11)) if chance.random() < 0.9 else (chance.choice(RATED), 3.0),
            "answer.channel": chance.choice(["sms", "email", "phone", "website"]),
            "answer.callback_requested": chance.random() < 0.3,
            "person.attributes.account_value": chance.choice([None, "999", "1000", "2500", "9999"]),
            "person.attributes.renewal_date": chance.choice([None, "2026-05-01", "2026-06-10", "2026-08-01"]),
            "history.before": chance.choice([None, *((1, score) for score in range(11))]),
            "comment.keywords.one": chance.random() < 0.4,
            "comment.keywords.two": chance.random() < 0.4,
        }
        for _ in range(number)
    ]


def unreachable(findings: list[Finding]) -> set[int]:
    return {int(one.path[1]) for one in findings if "never holds" in one.problem or "never decides" in one.problem}


@pytest.mark.parametrize("seed", range(8))
def test_a_rule_that_is_said_never_to_decide_decides_no_answer_and_the_others_each_some(seed: int) -> None:
    chance = random.Random(seed)
    tree = drawn_playbook(chance)
    playbook = Playbook.model_validate(tree)
    never = unreachable(lint(tree, TODAY))
    scene = Scene(playbook.keywords, Keywords(playbook.keywords))
    texts = [rule.when for rule in playbook.rules]
    trials = Trials(scene, texts)
    answers = drawn_answers(chance, 300)
    decided = {next((n for n, holds in enumerate(trials.verdicts(one, texts)) if holds), None) for one in answers}
    assert not never & decided
    for number, text in enumerate(texts):
        if number not in never:
            assert trials.witness([text], texts[:number]) is not None


def test_many_rules_are_read_as_few_are() -> None:
    """A rule that is overtaken is found among a hundred that are not."""
    rules = [
        {"name": f"at-{number}", "when": f'answer.touchpoint == "t{number}"', "action": "none", "priority": -number}
        for number in range(100)
    ]
    late = {"name": "late", "when": 'answer.touchpoint == "t7" && answer.score > 3', "action": "none", "priority": -200}
    rest = {"name": "rest", "when": "true", "action": "none", "priority": -300}
    findings = lint({"rules": [*rules, late, rest]}, TODAY)
    assert [(one.about, "never decides" in one.problem) for one in findings] == [("rule late", True)]
