"""A person's word on being contacted. The newest per purpose holds."""

from __future__ import annotations

from typing import Literal

from schemas.contract import Contract, Moment, Name, ShortText, Subject, Tenant

Purpose = Literal["mail", "survey", "call"]
"""What somebody may be contacted for."""


class Consent(Contract):
    """Carries the subject alone, never an address."""

    tenant: Tenant
    subject: Subject
    purpose: Purpose
    granted: bool
    source: Name
    evidence: ShortText | None = None
    at: Moment
