"""Who is asked, and where: what starts a conversation, and what an answer that comes out of it carries."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

import phonenumbers
from pydantic import model_validator

from schemas.contract import Identifier, Language, Name, Segments, ShortText, Stranger
from schemas.malformed import Malformed
from schemas.response import Email, Phone, SubmittedAgent
from services.intake.conversations.texts import ON_PHONES, Medium

NOT_OF_THE_ANSWER: Final = frozenset({"channel", "session", "source", "language"})


class Asked(Stranger):
    """Somebody who is to be asked: by a text to `phone`, or by a bot that names its `session`."""

    channel: Medium
    phone: Phone | None = None
    session: Identifier | None = None
    source: Name | None = None
    language: Language | None = None
    customer_id: Identifier | None = None
    account_id: Identifier | None = None
    email: Email | None = None
    name: ShortText | None = None
    touchpoint: ShortText | None = None
    survey_id: Identifier | None = None
    segments: Segments | None = None
    agent: SubmittedAgent | None = None
    test: bool = False

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        on_phone = self.channel in ON_PHONES
        if on_phone and self.phone is None:
            raise ValueError(f"phone: required when channel is {self.channel}")
        if on_phone and self.session is not None:
            raise ValueError(f"session: not allowed when channel is {self.channel}; the phone is it")
        if not on_phone and self.session is None:
            raise ValueError(f"session: required when channel is {self.channel}")
        return self

    @property
    def on_phone(self) -> bool:
        """Whether the question goes out as a text."""
        return self.channel in ON_PHONES

    def facts(self) -> dict[str, Any]:  # fields of a submission
        """What every answer of the conversation carries, as JSON."""
        return self.model_dump(mode="json", exclude=set(NOT_OF_THE_ANSWER), exclude_defaults=True)


def international(phone: str, field: Literal["phone", "From"] = "phone") -> str:
    """A telephone number in E.164.

    Raises:
        Malformed: if it is none, or does not say of which country.
    """
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException as error:
        raise Malformed.of(field, "must be an international telephone number: +420 601 123 456") from error
    if not phonenumbers.is_possible_number(number):
        raise Malformed.of(field, "too long or too short for a telephone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
