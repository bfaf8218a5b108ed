"""What the business file asks to be counted: the rules of each tenant, and the generation that these make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.tally import Series
from services.chassis.business import Business
from services.chassis.settings import ServiceSettings
from services.scoring.segments import NO_RULES, Rules, generation_of
from services.scoring.settings import ScoringSection


@dataclass(frozen=True, slots=True)
class Asked:
    """`people` says whether any tenant has each person's latest answer counted as well."""

    generation: str
    rules_of: Callable[[str], Rules]
    people: bool

    @property
    def series(self) -> tuple[Series, ...]:
        """What is counted."""
        return ("all", "latest") if self.people else ("all",)

    @classmethod
    def by(cls, business: Business, settings: ServiceSettings) -> Asked:
        """What a business file asks for, of the answers that lie where the settings say."""
        sections = business.sections("scoring", ScoringSection)

        def rules_of(tenant: str) -> Rules:
            return sections.of(tenant).rules() if sections.knows(tenant) else NO_RULES

        rules = {pattern: section.rules() for pattern, section in sections}
        generation = generation_of(rules, settings.responses_topic)
        return cls(generation, rules_of, any(section.latest for _, section in sections))
