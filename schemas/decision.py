"""What routing decided about one answer, and why: one for each change of mind, numbered by routing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.contract import Band, Channel, Contract, Identifier, Moment, Name, Revision, ShortText, Subject, Tenant

Action = Literal["perk", "offer", "outreach", "survey_request", "notify", "none"]

Decided = Literal["action", "held", "none", "suppressed", "withdrawn", "closed"]

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
    "left",
    "already_sent",
    "settling",
]
"""Why nothing is sent or not yet, or why what was planned is taken back."""


class Decision(Contract):
    """`action` tells what is to be done, `held` until when it waits; the others tell the reason why nothing is done."""

    tenant: Tenant
    response_id: Identifier
    number: Revision = Field(description="routing's own counter for this answer")
    response_revision: Revision = Field(description="the revision of the answer it was made on")
    outcome: Decided
    action: Action
    band: Band | None = Field(default=None, description="none where there is no score")
    rule: Name | None = Field(default=None, description="the rule of the playbook that matched; none if none did")
    playbook: Name
    playbook_version: Name | None = Field(
        default=None, description="`v3` of those activated, `file-` and a digest of the one in the business file"
    )
    reason: Reason | None = None
    until: Moment | None = Field(default=None, description="with held: when it is decided again at the latest")
    detail: ShortText | None = Field(default=None, description="the evidence, without personal data")
    channel: Channel | None = None
    subject: Subject | None = None
    account: Subject | None = Field(default=None, description="a business customer without a name, as subject is")
    notices: tuple[Name, ...] = Field(default=(), description="rules that told somebody, beside the action")
    decided_at: Moment
