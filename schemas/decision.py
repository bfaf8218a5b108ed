"""What routing decided about one answer, and why: one for each change of mind, numbered by routing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.contract import Band, Channel, Contract, Identifier, Moment, Name, Revision, ShortText, Subject, Tenant

Action = Literal["perk", "offer", "outreach", "none"]

Reason = Literal[
    "consent",
    "opt_out",
    "bounced",
    "cap",
    "quiet_hours",
    "budget",
    "hold_out",
    "no_address",
    "paused",
    "allow_list",
    "test",
    "excluded",
    "retracted",
    "changed",
    "history",
    "stale",
    "erased",
]
"""Why nothing is sent, or why what was planned is taken back."""


class Decision(Contract):
    """`action` carries what is to be done; `suppressed`, `withdrawn` and `closed` carry the reason why nothing is."""

    tenant: Tenant
    response_id: Identifier
    number: Revision = Field(description="routing's own counter for this answer")
    response_revision: Revision = Field(description="the revision of the answer it was made on")
    outcome: Literal["action", "none", "suppressed", "withdrawn", "closed"]
    action: Action
    band: Band | None = Field(default=None, description="none where there is no score")
    rule: Name | None = Field(default=None, description="the rule of the playbook that matched; none if none did")
    playbook: Name
    reason: Reason | None = None
    detail: ShortText | None = Field(default=None, description="the evidence, without personal data")
    channel: Channel | None = None
    subject: Subject | None = None
    decided_at: Moment
