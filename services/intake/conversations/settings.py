"""What a business says of its conversations."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.contract import Language
from services.chassis.business import Section
from services.intake.conversations.talk import Pace
from services.intake.conversations.texts import ON_PHONES, Medium

LONGEST: Final = timedelta(days=14)
Span = Annotated[timedelta, Field(gt=timedelta(0), le=LONGEST)]


class ConversationsSection(Section):
    """The survey in SMS, WhatsApp, chatbots and voicebots."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        description="what customers are asked to recommend, as it stands in the question"
    )
    language: Language = Field(default="en", description="where nobody says which: en, cs, pl, fi, ru or zh")
    remind_after: Span | None = Field(
        default=timedelta(hours=24), description="when a text reminds of the question, once; null for never"
    )
    give_up_after: Span = Field(default=timedelta(hours=72), description="how long a score is waited for")
    why_within: Span = Field(default=timedelta(hours=24), description="how long the reason is waited for")

    @model_validator(mode="after")
    def _reminds_in_time(self) -> Self:
        if self.remind_after is not None and self.remind_after >= self.give_up_after:
            raise ValueError("remind_after: must be before give_up_after")
        return self

    def pace(self, medium: Medium) -> Pace:
        """How long conversations wait. Nobody can be reminded who talks with a bot."""
        return Pace(
            remind_after=self.remind_after if medium in ON_PHONES else None,
            give_up_after=self.give_up_after,
            why_within=self.why_within,
        )
