"""Playbooks: the one that ships, and small ones of which a test shows only what matters to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.decision import Action
from schemas.personal_data import PersonalData
from services.chassis.business import Business
from services.routing.playbooks.playbook import Playbook, Rule
from services.routing.playbooks.rulebook import Rulebook
from services.routing.playbooks.situation import Person
from services.routing.policy import Facts
from services.routing.rulebooks import without_waits
from services.routing.settings import RoutingSection
from tests.support.source import ROOT

SERVICES = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})
SHIPPED: Path = ROOT / "schemas" / "nps.yaml"


def shipped() -> Playbook:
    """The playbook that ships."""
    return Business.load(SHIPPED, None, SERVICES).sections("routing", RoutingSection).of("default").playbook


def at_once(playbook: Playbook | None = None) -> Rulebook:
    """A playbook, else the one that ships, that waits for nothing."""
    return Rulebook.of(without_waits(playbook or shipped()))


def book(*rules: dict[str, Any], **given: Any) -> Rulebook:  # fields of any type, checked by the model
    """A playbook of these rules; every contact is allowed at any time, unless said otherwise."""
    policy = {"quiet_hours": None, "caps": [], "grounds": {"offer": "existing_customer"}} | given.pop("policy", {})
    return Rulebook.of(Playbook.model_validate({"rules": list(rules), "policy": policy} | given))


def somebody(**known: Any) -> Facts:  # likewise
    """The facts about somebody with an address; `data` are fields of what is sealed, the others facts."""
    data = {"email": "a@example.org"} | known.pop("data", {})
    return Facts(person=Person(PersonalData(**data)), **known)


def rule(action: Action, **given: Any) -> Rule:  # likewise
    """A rule that holds for every answer."""
    needed = {"perk": {"template": "perk"}, "offer": {"template": "offer"}, "notify": {"to": "somebody"}}
    return Rule.model_validate({"name": "a-rule", "when": "true", "action": action} | needed.get(action, {}) | given)
