"""A playbook: ordered rules, the first that fits an answer decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.contract import Band
from schemas.decision import Action
from schemas.outreach_request import Priority
from schemas.response import Response
from services.chassis.business import Section

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


class Rule(Section):
    """One rule: for which answers it holds and what it does."""

    name: RuleName = Field(description="stands in every decision it leads to")
    band: Band = Field(description="promoter (9, 10), passive (7, 8) or detractor (0 to 6)")
    action: Action = Field(description="perk or offer: a mail; outreach: a task; none: nothing")
    template: RuleName | None = Field(default=None, description="which mail, with perk and offer")
    priority: Priority = Field(default="normal", description="of the task, with outreach")
    due_in: timedelta = Field(default=timedelta(hours=24), description="when the task is due, with outreach")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action in {"perk", "offer"} and self.template is None:
            raise ValueError(f"rule {self.name}: template: required with action {self.action}")
        return self

    def fits(self, answer: Response) -> bool:
        """Whether this rule is about such an answer."""
        return answer.metric == "nps" and answer.band() == self.band


def _brief() -> tuple[Rule, ...]:
    """The brief's own rules: thank promoters, give passives a reason to move up, talk to detractors."""
    return (
        Rule(name="talk-to-detractors", band="detractor", action="outreach", priority="high"),
        Rule(name="thank-promoters", band="promoter", action="perk", template="perk"),
        Rule(name="win-passives", band="passive", action="offer", template="offer"),
    )


class Playbook(Section):
    """The rules of one tenant."""

    name: RuleName = Field(default="default", description="which version of the rules decided")
    rules: tuple[Rule, ...] = Field(default_factory=_brief, min_length=1)

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        names = [rule.name for rule in self.rules]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled:
            raise ValueError(f"rules: two are named {doubled}")
        return self

    def rule_for(self, answer: Response) -> Rule | None:
        """The first rule that fits; none if no rule does."""
        return next((rule for rule in self.rules if rule.fits(answer)), None)
