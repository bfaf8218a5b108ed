"""The personal part of an answer: what is sealed at the door, and opened only by who must act on it."""

from __future__ import annotations

from pydantic import Field

from schemas.contract import Contract, Identifier, Language, ShortText, Text


class PersonalData(Contract):
    """Every field is optional: many answers come from nobody in particular."""

    customer_id: Identifier | None = None
    account_id: Identifier | None = None
    email: str | None = None
    phone: str | None = None
    name: ShortText | None = None
    timezone: ShortText | None = Field(default=None, description="IANA name, for example Europe/Helsinki")
    locale: Language | None = None
    attributes: dict[str, str] = Field(default_factory=dict, description="what templates may use")
    comment: Text | None = Field(default=None, description="the answer to the open question")

    def is_empty(self) -> bool:
        """Whether there is nothing to seal, and so no key to make."""
        return not self.model_dump(exclude_defaults=True)
