"""A person's word on being contacted. The newest per purpose holds."""

from __future__ import annotations

from typing import Literal

from schemas.contract import Contract, Moment, Name, ShortText, Subject, Tenant


class Consent(Contract):
    """Carries the subject alone, never an address."""

    tenant: Tenant
    subject: Subject
    purpose: Literal["mail", "survey", "call"]
    granted: bool
    source: Name
    evidence: ShortText | None = None
    at: Moment
