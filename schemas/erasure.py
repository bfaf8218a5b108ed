"""An order to forget a person. Kept for ever, so that it can be carried out again after a restore."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from schemas.contract import Contract, Moment, Subject, Tenant


class Erasure(Contract):
    """Names every subject that was linked to the person at the time."""

    erasure_id: UUID
    tenant: Tenant
    subjects: list[Subject] = Field(min_length=1)
    requested_at: Moment
