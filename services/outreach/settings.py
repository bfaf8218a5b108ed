"""What outreach needs to know: addresses from the environment, and its section of the business file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from schemas.contract import Identifier, Name
from services.chassis.business import Section
from services.chassis.settings import SealedSettings

Owners = Annotated[tuple[Identifier, ...], Field(min_length=1)]


class OutreachSettings(SealedSettings):
    """Outreach's environment."""


class OutreachSection(Section):
    """Outreach's part of a tenant in the business file."""

    owners: Owners = Field(default=("customer-success",), description="who gets tasks; shared out evenly")
    owners_by_rule: dict[Name, Owners] = Field(
        default_factory=dict, description="who gets the tasks of a rule of the playbook, where others do"
    )
    due_in: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="when a task is due whose request does not say"
    )
    ask_again_after: timedelta | None = Field(
        default=None,
        ge=timedelta(0),
        description="how long after its task is done to ask a customer again; never if not set",
    )

    def owners_for(self, rule: str | None) -> tuple[str, ...]:
        """Who may get a task of this rule."""
        return self.owners_by_rule.get(rule or "", self.owners)
