"""What a mail provider says about one mail afterwards: delivery id and type, and nothing about the person."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from schemas.contract import Contract, Identifier, Moment, Name, Tenant

EventType = Literal[
    "processed", "deferred", "delivered", "bounce", "dropped", "spamreport", "unsubscribe", "open", "click"
]


class ProviderEvent(Contract):
    """Comes early, late, twice and out of order."""

    event_id: Identifier
    provider: Name
    tenant: Tenant
    delivery_id: UUID
    type: EventType
    occurred_at: Moment
