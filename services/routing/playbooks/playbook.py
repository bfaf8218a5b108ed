"""A playbook: rules in a readable order, each with the condition under which it holds and the one thing it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.contract import Identifier, Name, Tenant
from schemas.decision import Action
from schemas.outreach_request import Priority
from services.chassis.business import Section
from services.routing.contact_policy import ContactPolicy
from services.routing.playbooks.conditions import BadCondition, Condition, written_out

MOST_RULES: Final = 500
LONGEST_WAIT: Final = timedelta(days=7)

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
BlockName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Word = Annotated[str, StringConstraints(min_length=2, max_length=60, strip_whitespace=True)]

NEEDED: Final[Mapping[str, str]] = {"perk": "template", "offer": "template", "notify": "to"}
"""What an action cannot do without."""

BELONGS: Final[Mapping[str, frozenset[str]]] = {
    "template": frozenset({"perk", "offer"}),
    "invites": frozenset({"perk", "offer"}),
    "promised": frozenset({"perk", "offer"}),
    "cost": frozenset({"perk", "offer"}),
    "urgency": frozenset({"outreach"}),
    "due_in": frozenset({"outreach"}),
    "owner": frozenset({"outreach"}),
    "to": frozenset({"notify", "survey_request"}),
    "ask_after": frozenset({"survey_request"}),
}
"""Parameters, and the actions they are of."""


class Rule(Section):
    """One rule: for which answers it holds and what it does."""

    name: RuleName = Field(description="stands in every decision it leads to")
    when: Text = Field(description="condition in CEL; `true` holds for every answer")
    action: Action = Field(description="perk, offer: a mail; outreach: a task; survey_request, notify: a notice")
    priority: int = Field(default=0, ge=-1000, le=1000, description="of two rules that hold, the higher goes first")
    then: Literal["stop", "continue"] = Field(default="stop", description="with notify: whether others still decide")
    settle: timedelta = Field(
        default=timedelta(0), ge=timedelta(0), le=LONGEST_WAIT, description="how long to wait for a comment or an edit"
    )
    holds_from: date | None = Field(default=None, description="first day (UTC) it holds")
    holds_until: date | None = Field(default=None, description="last day (UTC) it holds")
    template: Name | None = Field(default=None, description="which mail, with perk and offer")
    invites: Literal["refer", "review"] | None = Field(
        default=None, description="what the mail asks for besides: to tell a friend, or to review in public"
    )
    promised: bool = Field(default=False, description="whether people are told of it before they answer")
    cost: float = Field(default=0.0, ge=0, description="what one costs, in the business's currency; for simulations")
    urgency: Priority = Field(default="normal", description="of the task, with outreach")
    due_in: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), le=timedelta(days=90), description="when the task is due"
    )
    owner: Identifier | None = Field(default=None, description="who gets the task; else the business file says")
    to: Name | None = Field(
        default=None, description="who is told, with notify; which survey asks, with survey_request"
    )
    ask_after: timedelta = Field(
        default=timedelta(0), ge=timedelta(0), le=timedelta(days=366), description="how long before it is asked again"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = NEEDED.get(self.action)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"rule {self.name}: {needed}: required with action {self.action}")
        for given in sorted(self.model_fields_set & BELONGS.keys()):
            if self.action not in BELONGS[given]:
                actions = " or ".join(sorted(BELONGS[given]))
                raise ValueError(f"rule {self.name}: {given}: goes with action {actions}, not with {self.action}")
        if self.then == "continue" and self.action != "notify":
            raise ValueError(
                f"rule {self.name}: then: continue goes with notify; of other actions there is one an answer"
            )
        if self.holds_from and self.holds_until and self.holds_from > self.holds_until:
            raise ValueError(f"rule {self.name}: holds_until: is before holds_from")
        return self

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return (self.holds_from is None or self.holds_from <= day) and (
            self.holds_until is None or day <= self.holds_until
        )


class Playbook(Section):
    """The rules of one tenant, and the contact policy that holds whatever they say."""

    name: RuleName = Field(default="default", description="stands in every decision")
    keywords: dict[BlockName, tuple[Word, ...]] = Field(
        default_factory=dict, max_length=50, description="words looked for in comments; `cancel*` for all that begin so"
    )
    blocks: dict[BlockName, Text] = Field(
        default_factory=dict, max_length=100, description="named conditions, used as blocks.<name>"
    )
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=MOST_RULES)
    policy: ContactPolicy = Field(default_factory=ContactPolicy, description="whom to contact how often, and when")

    @model_validator(mode="after")
    def _unambiguous(self) -> Self:
        names = [rule.name for rule in self.rules]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled:
            raise ValueError(f"rules: two are named {doubled}")
        return self

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        blocks = self.plain_blocks()
        for rule in self.rules:
            _checked(f"rule {rule.name}: when", rule.when, blocks)
        if self.policy.left_when:
            _checked("policy: left_when", self.policy.left_when, blocks)
        return self

    def plain_blocks(self) -> dict[str, str]:
        """Every block with the blocks it uses written out; a block may use those before it."""
        plain: dict[str, str] = {}
        for name, text in self.blocks.items():
            _checked(f"block {name}", text, plain)
            plain[name] = written_out(text, plain)
        return plain

    def condition(self, text: str) -> Condition:
        """A condition of this playbook, compiled."""
        return Condition.compiled(written_out(text, self.plain_blocks()))


class PlaybookFile(Playbook):
    """A playbook in a file of its own. `tenant` is for editors and people; commands say which they mean."""

    tenant: Tenant | None = Field(default=None, description="whose it is, for whoever reads the file")


def _checked(where: str, text: str, blocks: Mapping[str, str]) -> None:
    try:
        Condition.compiled(text)  # by itself first: a place in it is then a place in what was written
        if "blocks." in text:
            Condition.compiled(written_out(text, blocks))
    except BadCondition as error:
        raise ValueError(f"{where}: {error}") from error
