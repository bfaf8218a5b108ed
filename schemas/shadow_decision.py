"""What a playbook on trial would have decided about an answer, beside what was decided."""

from __future__ import annotations

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Name, Revision, Tenant
from schemas.decision import Action, Decided, Reason


class ShadowDecision(Contract):
    """Of the same moment and the same facts as the decision of that number; it led to nothing."""

    tenant: Tenant
    response_id: Identifier
    number: Revision = Field(description="of the decision it was made beside")
    outcome: Decided
    action: Action
    rule: Name | None = None
    reason: Reason | None = None
    playbook: Name
    playbook_version: Name
    differs: bool = Field(description="whether outcome, action or rule is another than what was decided")
    decided_at: Moment
