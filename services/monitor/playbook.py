"""A playbook read for showing: its rules in the order in which they are asked, and the policy that holds for all.

Lenient, since routing has checked it already: what is not shown is not looked at, and words nobody knows are shown as
they stand. What is left out means what it means to routing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

DAY: Final = timedelta(days=1)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rule(_Part):
    """One rule, as far as it is shown."""

    name: str
    when: str
    action: str
    priority: int = 0
    then: str = "stop"
    settle: timedelta = timedelta(0)
    holds_from: date | None = None
    holds_until: date | None = None
    template: str | None = None
    invites: str | None = None
    promised: bool = False
    cost: float = 0.0
    urgency: str = "normal"
    due_in: timedelta = DAY
    owner: str | None = None
    to: str | None = None
    ask_after: timedelta = timedelta(0)


class QuietHours(_Part):
    """When nobody is written to."""

    begins: time = time(20)
    ends: time = time(8)
    days: tuple[str, ...] = ()


class Cap(_Part):
    """At most so many contacts within a span."""

    kind: str
    per: str = "person"
    at_most: int
    within: timedelta


class Budget(_Part):
    """At most so many contacts in a day, week or month."""

    name: str
    action: str
    channel: str | None = None
    at_most: int
    per: str = "month"


class HoldOut(_Part):
    """A share of people who get nothing."""

    share: float = 0.0
    name: str = "hold-out"
    actions: tuple[str, ...] = ("offer", "perk")
    include_detractors: bool = False


class Policy(_Part):
    """What holds whatever the rules say."""

    timezone: str = "UTC"
    quiet_hours: QuietHours | None = QuietHours()
    caps: tuple[Cap, ...] = (
        Cap(kind="mail", at_most=1, within=7 * DAY),
        Cap(kind="task", at_most=1, within=7 * DAY),
        Cap(kind="survey", at_most=1, within=30 * DAY),
    )
    budgets: tuple[Budget, ...] = ()
    hold_out: HoldOut = HoldOut()
    grounds: Mapping[str, str] = {}
    left_when: str | None = None


class Playbook(_Part):
    """A playbook, as far as it is shown."""

    name: str = "default"
    keywords: Mapping[str, tuple[str, ...]] = {}
    blocks: Mapping[str, str] = {}
    rules: tuple[Rule, ...]
    policy: Policy = Policy()

    def as_asked(self) -> list[Rule]:
        """The rules in the order in which they are asked: by priority, of equal ones from the top down."""
        return sorted(self.rules, key=lambda rule: -rule.priority)


class Written(NamedTuple):
    """A playbook as it was written, and as far as it could be read."""

    text: str
    playbook: Playbook | None


@lru_cache(maxsize=64)  # pages ask every few seconds; YAML takes a thousand times longer than all the rest
def parsed(text: str) -> Written:
    """A playbook in YAML."""
    try:
        return Written(text, _read(yaml.safe_load(text)))
    except (yaml.YAMLError, ValueError, RecursionError):  # a day such as 2026-02-30 is a ValueError
        return Written(text, None)


def of_file(tree: Any) -> Written:  # YAML of any shape
    """The playbook of the business file."""
    return Written(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), _read(tree))


def _read(tree: Any) -> Playbook | None:  # YAML of any shape
    try:
        return Playbook.model_validate(tree)
    except ValidationError:
        return None
