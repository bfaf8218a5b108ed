"""The mail an answer should lead to: desired state, not a difference. One mail per answer, whatever the revision."""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid5

from pydantic import Field

from schemas.contract import Channel, Contract, Identifier, Language, Name, Revision, Subject, Tenant
from schemas.decision import Reason
from schemas.sealed import Sealed

EFFECTS = UUID("5a1b3c84-9f1e-5c35-8d0a-6a2b6f9d7e10")
"""Namespace of the ids of effects (RFC 9562 §5.5)."""


def effect_id(tenant: str, response_id: str, effect: str) -> UUID:
    """The id of the one mail, task, perk, survey or notice of an answer: no revision or retry makes a second."""
    return uuid5(EFFECTS, f"{len(tenant)}:{tenant},{len(response_id)}:{response_id},{effect}")


class Message(Contract):
    """The highest revision wins while nothing has gone out. `none` withdraws."""

    tenant: Tenant
    response_id: Identifier
    revision: Revision = Field(description="number of the decision behind it")
    command: Literal["perk", "offer", "none"]
    message_id: UUID
    template: Name | None = Field(default=None, description="which text; none with command none")
    language: Language | None = None
    channel: Channel | None = None
    subject: Subject | None = None
    reason: Reason | None = Field(default=None, description="why it is withdrawn")
    sealed: Sealed | None = Field(default=None, description="carried on unchanged from the answer")
