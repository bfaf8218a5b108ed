"""What a text to a telephone is, and the four ways a try to send it ends. `Later` and `Refused` promise: not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneText:
    """One text. `template` names an approved one of WhatsApp that is sent instead of the body."""

    account: str
    token: str = field(repr=False)
    sender: str
    to: str = field(repr=False)
    body: str = field(repr=False)
    template: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider does not have it and never will; `opted_out` where the person told the provider to stop."""

    detail: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """The provider does not have it; the same text may go later."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The provider may have it or not: it is never sent again."""

    detail: str


Outcome = Accepted | Refused | Later | Ambiguous


class Texter(Protocol):
    """Sends texts through one provider."""

    async def send(self, text: PhoneText) -> Outcome:
        """Tries once."""
        ...
