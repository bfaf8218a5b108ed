"""A playbook made ready to decide: conditions compiled, rules in the order in which they are asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import cel

from schemas.response import Response
from services.routing.contact_policy import ContactPolicy
from services.routing.playbooks.asking import Asked
from services.routing.playbooks.conditions import Condition, situation_of
from services.routing.playbooks.keywords import Keywords
from services.routing.playbooks.playbook import Playbook, Rule
from services.routing.playbooks.situation import History, Person, Situation


@dataclass(frozen=True, slots=True)
class Match:
    """What a playbook says about an answer: the rule that decides, if any, and those that only tell somebody."""

    rule: Rule | None
    notices: Sequence[Rule] = ()
    left: bool = False


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A playbook and the version of it that decides."""

    playbook: Playbook
    version: str
    conditions: tuple[str, ...] = field(repr=False)
    """All of them as they are evaluated, blocks written out."""
    _rules: tuple[tuple[Rule, Condition], ...] = field(repr=False)
    _left: Condition | None = field(repr=False)
    _keywords: Keywords = field(repr=False)
    asked: Asked = field(repr=False)

    @classmethod
    def of(cls, playbook: Playbook, version: str | None = None) -> Rulebook:
        """A playbook made ready; without a version it is named after what it says."""
        ordered = sorted(playbook.rules, key=lambda rule: -rule.priority)
        rules = tuple((rule, playbook.condition(rule.when)) for rule in ordered)
        left = playbook.condition(playbook.policy.left_when) if playbook.policy.left_when else None
        conditions = tuple(condition.text for condition in (*(one for _, one in rules), left) if condition)
        keywords = Keywords(playbook.keywords)
        return cls(playbook, version or version_of(playbook), conditions, rules, left, keywords, Asked.by(conditions))

    @property
    def policy(self) -> ContactPolicy:
        """The contact policy it is under."""
        return self.playbook.policy

    @property
    def asks_history(self) -> bool:
        """Whether any condition asks about the person's history, which has to be looked up."""
        return "history" in self.asked.variables

    @property
    def looks_back(self) -> bool:
        """Whether a decision may depend on what the person's other answers have led to."""
        return self.asks_history or bool(self.policy.caps)

    def rule_named(self, name: str | None) -> Rule | None:
        """A rule by its name; none if it is no more."""
        return next((rule for rule in self.playbook.rules if rule.name == name), None)

    def match(self, answer: Response, person: Person, history: History, comment: str, today: date) -> Match:
        """The rule that decides about an answer: of those that hold the first by priority, then by place."""
        situation = Situation(answer, person, history, comment, self.found_in(comment))
        return self.match_in(situation_of(self.asked.part_of(situation)), today)

    def found_in(self, comment: str) -> Sequence[str]:
        """The names of the keywords that are in a comment; none where no condition asks about comments."""
        return self._keywords.found_in(comment) if comment and "comment" in self.asked.variables else ()

    def match_in(self, situation: cel.Context, today: date) -> Match:
        """The same in a situation that is made ready already; it may hold more than this playbook asks about."""
        left = self._left is not None and self._left.holds(situation)
        notices: list[Rule] = []
        for rule, condition in self._rules:
            if not condition.holds(situation) or not rule.holds_on(today):
                continue
            if rule.then == "continue":
                notices.append(rule)
                continue
            return Match(rule, notices, left)
        return Match(None, notices, left)


def version_of(playbook: Playbook) -> str:
    """What a playbook of the business file is called: a digest of all it says."""
    content = json.dumps(playbook.model_dump(mode="json"), sort_keys=True)
    return f"file-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
