"""How one mail stands. Every change of state is published; the last one of a key is how it ended."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Name, Revision, ShortText, Subject, Tenant
from schemas.decision import Reason

State = Literal[
    "planned",
    "sending",
    "accepted",
    "delivered",
    "bounced",
    "dropped",
    "spam",
    "unsubscribed",
    "unknown",
    "refused",
    "suppressed",
    "withdrawn",
]
"""unknown: the provider may or may not have it; settled by its events, else by a person. refused: it said never."""

ENDED: Final[frozenset[State]] = frozenset(
    {
        "accepted",
        "delivered",
        "bounced",
        "dropped",
        "spam",
        "unsubscribed",
        "unknown",
        "refused",
        "suppressed",
        "withdrawn",
    }
)
"""States in which this service does nothing more by itself."""


class Delivery(Contract):
    """Holds no address and no text."""

    delivery_id: UUID
    tenant: Tenant
    response_id: Identifier
    revision: Revision = Field(description="revision of the command it follows")
    version: Revision = Field(description="counts the changes of this delivery")
    kind: Literal["perk", "offer", "none"]
    template: Name | None = None
    state: State
    reason: Reason | Literal["too_late"] | None = None
    detail: ShortText | None = None
    attempt: int = Field(ge=0)
    provider: Name | None = None
    provider_message_id: Identifier | None = None
    subject: Subject | None = None
    at: Moment
