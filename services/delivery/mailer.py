"""What a mail is to a provider, and the four ways a try to send it ends.

Everything hangs on one question: may the provider have it? `Later` and `Refused` promise that it has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One rendered mail to one recipient. `category` is its kind, for the provider's statistics."""

    delivery_id: UUID
    tenant: str
    category: str
    sender_email: str
    sender_name: str
    recipient: str = field(repr=False)
    subject: str = field(repr=False)
    html: str = field(repr=False)
    text: str = field(repr=False)
    unsubscribe_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests the provider allows: `limit` a window, `remaining` of them until `reset_at`."""

    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider has it. Some answers lack its id; its events name ours all the same."""

    message_id: str | None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The provider does not have it and never will: this mail is wrong."""

    detail: str
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The provider does not have it; the same mail may go later, not before `not_before` if that is given.

    `everyone` says that the reason lies not in this mail: others need not be tried before either.
    """

    detail: str
    not_before: datetime | None = None
    everyone: bool = True
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The provider may have it or not: only its events, or a person, can tell."""

    detail: str
    quota: Quota | None = None


Outcome = Accepted | Refused | Later | Ambiguous


class Mailer(Protocol):
    """Sends mails through one provider."""

    @property
    def name(self) -> str:
        """The provider's name, as it stands in deliveries."""
        ...

    async def send(self, mail: Mail, may_leave: Callable[[], bool]) -> Outcome:
        """Tries once. Asks `may_leave` with the connection open, straight before anything is written to it."""
        ...
